package objects_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"digione/internal/app/objects"
	"digione/internal/app/objects/objectstest"
)

// wire answers every request itself, with 200 unless another status is set, and keeps it.
type wire struct {
	status int
	code   string // of the error
	mu     sync.Mutex
	seen   []*http.Request
	body   []string
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen, w.body = append(w.seen, r), append(w.body, string(body))
	if w.status == 0 {
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
	}
	says := "<Error><Code>" + w.code + "</Code><Message>no</Message></Error>"
	return &http.Response{StatusCode: w.status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(says)), Request: r}, nil
}

func (w *wire) client() *s3.Client { return w.through(w) }

// through is a client over another wire.
func (w *wire) through(t http.RoundTripper) *s3.Client {
	return s3.New(s3.Options{Region: objectstest.Region, BaseEndpoint: aws.String("https://s3.example"), UsePathStyle: true, RetryMaxAttempts: 1,
		HTTPClient: &http.Client{Transport: t}, Credentials: credentials.NewStaticCredentialsProvider("a", "b", "")})
}

// TestS3Request: the bucket's KMS key is asked for with every object, and the
// content has a checksum that S3 compares.
func TestS3Request(t *testing.T) {
	t.Parallel()
	const key = "arn:aws:kms:eu-north-1:000000000000:key/digione"
	for _, kms := range []string{"", key} {
		w := &wire{}
		put(t, objects.For(objects.S3(w.client(), "digione", kms), alpha, newKeys(t)), "rosters/x.zip", "Mäkelä Aino")
		if len(w.seen) != 1 {
			t.Fatalf("%d requests, want 1", len(w.seen))
		}
		r := w.seen[0]
		if r.Method != http.MethodPut || r.URL.Path != "/digione/"+string(alpha)+"/rosters/x.zip" {
			t.Errorf("%s %s", r.Method, r.URL.Path)
		}
		mode := map[bool]string{true: "aws:kms"}[kms != ""]
		if got := r.Header.Get("X-Amz-Server-Side-Encryption"); got != mode {
			t.Errorf("with key %q: encryption %q, want %q", kms, got, mode)
		}
		if got := r.Header.Get("X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id"); got != kms {
			t.Errorf("key %q, want %q", got, kms)
		}
		sum := r.Header.Get("X-Amz-Checksum-Sha256")
		if want := sha256.Sum256([]byte(w.body[0])); sum != base64.StdEncoding.EncodeToString(want[:]) && r.Header.Get("X-Amz-Trailer") != "x-amz-checksum-sha256" {
			t.Errorf("no checksum of the content: %v", r.Header)
		}
		if strings.Contains(w.body[0], "Mäkelä") {
			t.Error("the content goes out in the clear")
		}
		for name, v := range r.Header {
			if strings.Contains(fmt.Sprint(v), "Mäkelä") {
				t.Errorf("header %s tells the content", name)
			}
		}
	}
}

// TestS3Errors: what S3 says comes with what to do about it.
func TestS3Errors(t *testing.T) {
	t.Parallel()
	srv := objectstest.Start(t)
	srv.Bucket(t, "digione")
	wrongKey := srv.Client(func(o *s3.Options) {
		o.Credentials = credentials.NewStaticCredentialsProvider(objectstest.Access, "wrong", "")
	})
	nowhere := srv.Client(func(o *s3.Options) { o.BaseEndpoint = aws.String("http://127.0.0.1:1") })
	for _, c := range []struct {
		what   string
		client *s3.Client
		bucket string
		words  string
	}{
		{"a wrong secret", wrongKey, "digione", "these credentials do not open bucket digione; check AWS_PROFILE"},
		{"no such bucket", srv.Client(), "nosuch", "there is no bucket nosuch for these credentials; check its name, AWS_REGION and AWS_PROFILE"},
		{"no server", nowhere, "digione", "check --s3-endpoint, AWS_REGION and the network"},
	} {
		store := objects.S3(c.client, c.bucket, "")
		f := objects.For(store, alpha, newKeys(t))
		_, putErr := f.Put(ctx, "x", strings.NewReader("x"))
		_, getErr := f.Get(ctx, "x", [32]byte{})
		_, _, fetchErr := objects.Fetch(ctx, c.client, "s3://"+c.bucket+"/x")
		for op, err := range map[string]error{"prepare": objects.Prepare(ctx, store, alpha), "put": putErr, "get": getErr, "fetch": fetchErr} {
			if err == nil || !strings.Contains(err.Error(), c.words) {
				t.Errorf("%s, %s: %v, want %q", c.what, op, err, c.words)
			} else if strings.Contains(err.Error(), objectstest.Secret) {
				t.Errorf("%s, %s: tells the secret: %v", c.what, op, err)
			}
		}
	}
	ok(t, objects.Prepare(ctx, objects.S3(srv.Client(), "digione", ""), alpha))
}

// TestS3Codes: what AWS says and versitygw does not.
func TestS3Codes(t *testing.T) {
	t.Parallel()
	for code, words := range map[string]string{
		"AccessDenied": "do not open bucket digione", "InvalidAccessKeyId": "do not open bucket digione", "ExpiredToken": "do not open bucket digione",
		"RequestTimeTooSkewed": "check --s3-endpoint", "NoSuchBucket": "there is no bucket digione",
	} {
		w := &wire{status: http.StatusForbidden, code: code}
		_, err := objects.For(objects.S3(w.client(), "digione", ""), alpha, newKeys(t)).Put(ctx, "x", strings.NewReader("x"))
		if err == nil || !strings.Contains(err.Error(), words) || !strings.Contains(err.Error(), code) {
			t.Errorf("%s: %v, want %q", code, err, words)
		}
	}
	none := s3.New(s3.Options{Region: objectstest.Region, BaseEndpoint: aws.String("https://s3.example"), HTTPClient: &http.Client{Transport: &wire{}},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return aws.Credentials{}, errors.New("none") })})
	if err := objects.Prepare(ctx, objects.S3(none, "digione", ""), alpha); err == nil || !strings.Contains(err.Error(), "there are no AWS credentials; set AWS_PROFILE") {
		t.Errorf("no credentials: %v", err)
	}
}

func TestFetch(t *testing.T) {
	t.Parallel()
	srv := objectstest.Start(t)
	srv.Bucket(t, "rosters")
	c := srv.Client()
	content := strings.Repeat("night ", 100_000)
	_, err := c.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String("rosters"), Key: aws.String("vantaa/2026-11-23 (Ä).zip"), Body: strings.NewReader(content)})
	ok(t, err)
	f, size, err := objects.Fetch(ctx, c, "s3://rosters/vantaa/2026-11-23 (Ä).zip")
	ok(t, err)
	defer func() { _ = f.Close() }()
	_, err = f.Seek(0, io.SeekStart)
	ok(t, err)
	if b, err := io.ReadAll(f); err != nil || string(b) != content || size != int64(len(content)) {
		t.Errorf("%d bytes of %d, size %d, %v", len(b), len(content), size, err)
	}
	if _, _, err := objects.Fetch(ctx, c, "s3://rosters/none.zip"); err == nil || !strings.Contains(err.Error(), "there is no such object; see what there is: aws s3 ls s3://rosters") {
		t.Errorf("missing: %v", err)
	}
	for _, url := range []string{"s3://", "s3://rosters", "s3://rosters/", "s3:///x"} {
		if _, _, err := objects.Fetch(ctx, c, url); err == nil || !strings.Contains(err.Error(), "want s3://bucket/key") {
			t.Errorf("%s: %v", url, err)
		}
	}
}
