package objects

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
)

// AwayError says that the files are out of reach: their store does not answer, not in
// time, or does not let this installation in. That passes, and is not of what was asked.
type AwayError struct {
	RetryAfter time.Duration
	next       string // what an operator does about it
	err        error
}

func (e *AwayError) Error() string {
	return fmt.Sprintf("the files are out of reach: %s (%s)", e.next, discreet(e.err))
}

func (e *AwayError) Unwrap() error { return e.err }

// discreet is an error's text without the address that was asked: names of files in
// an inbox are other people's.
func discreet(err error) string {
	if asked := (*url.Error)(nil); errors.As(err, &asked) {
		return asked.Err.Error()
	}
	return err.Error()
}

// comeBack is after how long it is worth to try again.
const comeBack = 10 * time.Second

// errQuiet is the reason where nobody was asked, see pulse.
var errQuiet = errors.New("it did not answer those who asked before")

const lookThere = "check --s3-endpoint, AWS_REGION and the network, then run it again"

// refusals are codes by which S3 does not let us in: no other request would do better.
var refusals = []string{"AccessDenied", "Forbidden", "SignatureDoesNotMatch", "InvalidAccessKeyId", "ExpiredToken"}

// explain puts what to do about it before an error of S3, and tells a store that is
// away from one that has refused what was asked.
func explain(ctx context.Context, err error, bucket string) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(context.Cause(ctx), errSlow):
		return &AwayError{comeBack, lookThere, fmt.Errorf("%w: %s", errSlow, discreet(err))}
	case errors.Is(ctx.Err(), context.Canceled):
		return err // nobody waits for it any more
	}
	code := ""
	if e := interface{ ErrorCode() string }(nil); errors.As(err, &e) {
		code = e.ErrorCode()
	}
	next := lookThere
	switch {
	case code == "NoSuchKey":
		return fmt.Errorf("there is no such object; see what there is: aws s3 ls s3://%s (%w)", bucket, err)
	case code == "NoSuchBucket" || code == "NotFound":
		next = "there is no bucket " + bucket + " for these credentials; check its name, AWS_REGION and AWS_PROFILE"
	case slices.Contains(refusals, code):
		next = "these credentials do not open bucket " + bucket + "; check AWS_PROFILE, or the role of this machine"
	case strings.Contains(err.Error(), "get credentials"):
		next = "there are no AWS credentials; set AWS_PROFILE, or give this machine a role"
	case code != "RequestTimeTooSkewed" && code != "RequestTimeout" && refused(err):
		return fmt.Errorf("%s (%w)", next, err)
	}
	return &AwayError{comeBack, next, err}
}

// refused tells whether S3 has answered that the request itself is wrong.
func refused(err error) bool {
	status := statusOf(err)
	return status >= 400 && status < 500 && status != http.StatusTooManyRequests && status != http.StatusRequestTimeout
}

// statusOf is the status of S3's answer, 0 when there was none.
func statusOf(err error) int {
	if answer := (*awshttp.ResponseError)(nil); errors.As(err, &answer) {
		return answer.HTTPStatusCode()
	}
	return 0
}

// content is what S3 sends of an object. An error stays: decrypting may hide it, and
// takes a broken end for the end of the file.
type content struct {
	io.ReadCloser
	turn *turn
	err  error
}

func (c *content) Read(b []byte) (int, error) {
	if c.err != nil {
		return 0, c.err
	}
	n, err := c.ReadCloser.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		err = c.turn.explain(err)
	}
	c.err = err
	return n, err
}

func (c *content) Close() error {
	err := c.ReadCloser.Close()
	c.turn.end(broken(c))
	return err
}

// broken returns why a source gave no more, nil when it gave all that it has.
func broken(src io.Reader) error {
	if c, ok := src.(*content); ok && c.err != nil && !errors.Is(c.err, io.EOF) {
		return c.err
	}
	return nil
}
