package objects

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// S3 keeps files in a bucket, encrypted there once more by the bucket's KMS key
// when one is named.
func S3(client *s3.Client, bucket, kmsKey string) Store { return Usual.S3(client, bucket, kmsKey) }

type bucketStore struct {
	client   *s3.Client
	bucket   string
	kmsKey   string
	patience Patience
	pulse    *pulse
}

// turn is a call to the store: its time, and what became of it.
type turn struct {
	b     bucketStore
	asker context.Context //nolint:containedctx // of whoever calls, beside the bounded one
	ctx   context.Context //nolint:containedctx // the bounded one
	more  func(size int64)
	done  func()
	began time.Time
}

// begin gives a call its time, where the store does not count as away. Who begins
// one ends it.
func (b bucketStore) begin(ctx context.Context) (*turn, error) {
	began := time.Now()
	if !b.pulse.ask(began) {
		return nil, &AwayError{comeBack, lookThere, errQuiet}
	}
	t := &turn{b: b, asker: ctx, began: began}
	t.ctx, t.more, t.done = b.patience.bounded(ctx)
	return t, nil
}

// end notes whether the store has answered, be it with a refusal. Whoever did not
// wait for an answer knows nothing of that.
func (t *turn) end(err error) {
	t.done()
	now := time.Now()
	switch {
	case err == nil || statusOf(err) >= 400:
		t.b.pulse.heard(true, now)
	case t.asker.Err() == nil || errors.Is(t.asker.Err(), context.DeadlineExceeded) && now.Sub(t.began) >= t.b.patience.Dial:
		t.b.pulse.heard(false, now)
	}
}

func (t *turn) explain(err error) error { return explain(t.ctx, err, t.b.bucket) }

// call makes a call that carries content of a size.
func (b bucketStore) call(ctx context.Context, size int64, f func(context.Context) error) error {
	t, err := b.begin(ctx)
	if err != nil {
		return err
	}
	t.more(size)
	err = t.explain(f(t.ctx))
	t.end(err)
	return err
}

// Prepare asks whether the bucket is there for us: prefixes need no making.
func (b bucketStore) Prepare(ctx context.Context, _ string) error {
	return b.call(ctx, 0, func(ctx context.Context) error {
		_, err := b.client.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &b.bucket})
		return err
	})
}

func (b bucketStore) Put(ctx context.Context, path string, r io.ReadSeeker, size int64) error {
	in := &s3.PutObjectInput{Bucket: &b.bucket, Key: &path, Body: r, ContentLength: &size, ChecksumAlgorithm: types.ChecksumAlgorithmSha256}
	if b.kmsKey != "" {
		in.ServerSideEncryption, in.SSEKMSKeyId = types.ServerSideEncryptionAwsKms, &b.kmsKey
	}
	return b.call(ctx, size, func(ctx context.Context) error {
		_, err := b.client.PutObject(ctx, in)
		return err
	})
}

func (b bucketStore) Get(ctx context.Context, path string) (io.ReadCloser, error) {
	body, err := b.open(ctx, path)
	if missing := (*types.NoSuchKey)(nil); errors.As(err, &missing) {
		return nil, fs.ErrNotExist
	}
	return body, err
}

// open begins to read an object; the time for that ends when it is closed.
func (b bucketStore) open(ctx context.Context, path string) (io.ReadCloser, error) {
	t, err := b.begin(ctx)
	if err != nil {
		return nil, err
	}
	out, err := b.client.GetObject(t.ctx, &s3.GetObjectInput{Bucket: &b.bucket, Key: &path})
	if err != nil {
		err = t.explain(err)
		t.end(err)
		return nil, err
	}
	t.more(aws.ToInt64(out.ContentLength))
	return &content{ReadCloser: out.Body, turn: t}, nil
}

func (b bucketStore) Delete(ctx context.Context, path string) error {
	return b.call(ctx, 0, func(ctx context.Context) error {
		_, err := b.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &b.bucket, Key: &path})
		return err
	})
}

func (b bucketStore) DeleteAll(ctx context.Context, prefix string) (n int, err error) {
	below := prefix + "/"
	pages := s3.NewListObjectsV2Paginator(b.client, &s3.ListObjectsV2Input{Bucket: &b.bucket, Prefix: &below})
	for pages.HasMorePages() {
		var page *s3.ListObjectsV2Output
		err := b.call(ctx, 0, func(ctx context.Context) (err error) {
			page, err = pages.NextPage(ctx)
			return err
		})
		if err != nil {
			return n, err
		}
		for _, o := range page.Contents {
			if err := b.Delete(ctx, *o.Key); err != nil {
				return n, err
			}
			n++
		}
	}
	return n, nil
}

// Fetch copies s3://bucket/key into a nameless scratch file: rosters that a
// municipality has put there.
func Fetch(ctx context.Context, client *s3.Client, url string) (io.ReadSeekCloser, int64, error) {
	bucket, key, ok := strings.Cut(strings.TrimPrefix(url, "s3://"), "/")
	if !ok || bucket == "" || key == "" {
		return nil, 0, fmt.Errorf("%s: want s3://bucket/key", url)
	}
	src, err := Usual.S3(client, bucket, "").(bucketStore).open(ctx, key)
	if err != nil {
		return nil, 0, fmt.Errorf("read %s: %w", url, err)
	}
	defer func() { _ = src.Close() }()
	f, err := Scratch()
	if err != nil {
		return nil, 0, err
	}
	n, err := io.Copy(f, src)
	if err != nil {
		return nil, 0, errors.Join(fmt.Errorf("read %s: %w", url, err), f.Close())
	}
	return f, n, nil
}
