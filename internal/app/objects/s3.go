package objects

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// S3 keeps files in a bucket, encrypted there once more by the bucket's KMS key
// when one is named.
func S3(client *s3.Client, bucket, kmsKey string) Store { return bucketStore{client, bucket, kmsKey} }

type bucketStore struct {
	client *s3.Client
	bucket string
	kmsKey string
}

// Prepare asks whether the bucket is there for us: prefixes need no making.
func (b bucketStore) Prepare(ctx context.Context, _ string) error {
	_, err := b.client.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &b.bucket})
	return explain(err, b.bucket)
}

func (b bucketStore) Put(ctx context.Context, path string, r io.ReadSeeker, size int64) error {
	in := &s3.PutObjectInput{Bucket: &b.bucket, Key: &path, Body: r, ContentLength: &size, ChecksumAlgorithm: types.ChecksumAlgorithmSha256}
	if b.kmsKey != "" {
		in.ServerSideEncryption, in.SSEKMSKeyId = types.ServerSideEncryptionAwsKms, &b.kmsKey
	}
	_, err := b.client.PutObject(ctx, in)
	return explain(err, b.bucket)
}

func (b bucketStore) Get(ctx context.Context, path string) (io.ReadCloser, error) {
	out, err := b.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &b.bucket, Key: &path})
	if missing := (*types.NoSuchKey)(nil); errors.As(err, &missing) {
		return nil, fs.ErrNotExist
	}
	if err != nil {
		return nil, explain(err, b.bucket)
	}
	return out.Body, nil
}

func (b bucketStore) Delete(ctx context.Context, path string) error {
	_, err := b.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &b.bucket, Key: &path})
	return explain(err, b.bucket)
}

func (b bucketStore) DeleteAll(ctx context.Context, prefix string) (n int, err error) {
	below := prefix + "/"
	pages := s3.NewListObjectsV2Paginator(b.client, &s3.ListObjectsV2Input{Bucket: &b.bucket, Prefix: &below})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return n, explain(err, b.bucket)
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

// explain puts what to do about it before an error of S3.
func explain(err error, bucket string) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	code := ""
	if e := interface{ ErrorCode() string }(nil); errors.As(err, &e) {
		code = e.ErrorCode()
	}
	next := "check --s3-endpoint, AWS_REGION and the network, then run it again"
	switch {
	case code == "NoSuchKey":
		next = "there is no such object; see what there is: aws s3 ls s3://" + bucket
	case code == "NoSuchBucket" || code == "NotFound":
		next = "there is no bucket " + bucket + " for these credentials; check its name, AWS_REGION and AWS_PROFILE"
	case slices.Contains([]string{"AccessDenied", "Forbidden", "SignatureDoesNotMatch", "InvalidAccessKeyId", "ExpiredToken"}, code):
		next = "these credentials do not open bucket " + bucket + "; check AWS_PROFILE, or the role of this machine"
	case strings.Contains(err.Error(), "get credentials"):
		next = "there are no AWS credentials; set AWS_PROFILE, or give this machine a role"
	}
	return fmt.Errorf("%s (%w)", next, err)
}

// Fetch copies s3://bucket/key into a nameless scratch file: rosters that a
// municipality has put there.
func Fetch(ctx context.Context, client *s3.Client, url string) (io.ReadSeekCloser, int64, error) {
	bucket, key, ok := strings.Cut(strings.TrimPrefix(url, "s3://"), "/")
	if !ok || bucket == "" || key == "" {
		return nil, 0, fmt.Errorf("%s: want s3://bucket/key", url)
	}
	out, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String(bucket), Key: aws.String(key)})
	if err != nil {
		return nil, 0, fmt.Errorf("read %s: %w", url, explain(err, bucket))
	}
	defer func() { _ = out.Body.Close() }()
	f, err := Scratch()
	if err != nil {
		return nil, 0, err
	}
	n, err := io.Copy(f, out.Body)
	if err != nil {
		return nil, 0, errors.Join(fmt.Errorf("read %s: %w", url, err), f.Close())
	}
	return f, n, nil
}
