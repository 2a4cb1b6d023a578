package objects

import (
	"context"
	"io"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// List asks with a delimiter, so that the side rooms are not read through.
func (b bucketStore) List(ctx context.Context, dir string, most int) (list []Entry, err error) {
	below := dir + "/"
	pages := s3.NewListObjectsV2Paginator(b.client, &s3.ListObjectsV2Input{Bucket: &b.bucket, Prefix: &below, Delimiter: aws.String("/")})
	for pages.HasMorePages() && len(list) < most {
		var page *s3.ListObjectsV2Output
		err := b.call(ctx, 0, func(ctx context.Context) (err error) {
			page, err = pages.NextPage(ctx)
			return err
		})
		if err != nil {
			return nil, err
		}
		for _, o := range page.Contents {
			name, ok := strings.CutPrefix(aws.ToString(o.Key), below)
			if !ok || name == "" || strings.Contains(name, "/") || len(list) == most {
				continue // whatever a server answers, nothing of others is taken
			}
			at := aws.ToTime(o.LastModified)
			list = append(list, Entry{name, aws.ToInt64(o.Size), at, strings.Trim(aws.ToString(o.ETag), `"`) + at.UTC().Format("-20060102T150405")})
		}
	}
	return list, nil
}

func (b bucketStore) Open(ctx context.Context, dir, name string) (io.ReadCloser, error) {
	return b.Get(ctx, dir+"/"+name)
}

func (b bucketStore) Write(ctx context.Context, dir, name string, r io.ReadSeeker, size int64) error {
	return b.Put(ctx, dir+"/"+name, r, size)
}

func (b bucketStore) Remove(ctx context.Context, dir, name string) error {
	return b.Delete(ctx, dir+"/"+name)
}
