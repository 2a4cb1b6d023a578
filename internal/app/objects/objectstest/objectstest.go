// Package objectstest runs a real S3 server for tests: versitygw on a folder of
// the test's own.
package objectstest

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// Credentials of every server that Start starts.
const (
	Access = "digione-tests"
	Secret = "digione-tests-secret"
	Region = "eu-north-1"
)

// Server is a running S3 server.
type Server struct {
	Endpoint string
	Dir      string // a bucket is a folder in it, an object a file
}

// Start runs a server until the test ends. A machine without versitygw fails.
func Start(t testing.TB) *Server {
	t.Helper()
	tool := find(t)
	s := &Server{Dir: t.TempDir()}
	for range 3 { // somebody else may take the port that was free
		if s.run(t, tool) {
			return s
		}
	}
	t.Fatal("versitygw does not come up")
	return nil
}

func (s *Server) run(t testing.TB, tool string) bool {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	_ = l.Close()
	s.Endpoint = "http://" + addr
	cmd := exec.Command(tool, "--port", addr, "--access", Access, "--secret", Secret, "--region", Region, "--quiet", "posix", s.Dir)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	gone := make(chan struct{})
	go func() { _ = cmd.Wait(); close(gone) }()
	t.Cleanup(func() { _ = cmd.Process.Kill(); <-gone })
	for range 500 {
		if c, err := net.Dial("tcp", addr); err == nil {
			_ = c.Close()
			return true
		}
		select {
		case <-gone:
			return false
		case <-time.After(20 * time.Millisecond):
		}
	}
	return false
}

// find looks on PATH, then in the folder of tools of the repository.
func find(t testing.TB) string {
	t.Helper()
	if tool, err := exec.LookPath("versitygw"); err == nil {
		return tool
	}
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		tool := filepath.Join(dir, ".tools", "versitygw")
		if fi, err := os.Stat(tool); err == nil && fi.Mode()&0o100 != 0 {
			return tool
		}
	}
	t.Fatal("there is no versitygw to test S3 with; run: make tools")
	return ""
}

// Client returns a client by the right credentials; change may alter it.
func (s *Server) Client(change ...func(*s3.Options)) *s3.Client {
	return s3.New(s3.Options{Region: Region, BaseEndpoint: aws.String(s.Endpoint), UsePathStyle: true, RetryMaxAttempts: 1,
		DisableLogOutputChecksumValidationSkipped: true,
		Credentials: credentials.NewStaticCredentialsProvider(Access, Secret, "")}, change...)
}

// Bucket makes a bucket.
func (s *Server) Bucket(t testing.TB, name string) {
	t.Helper()
	if _, err := s.Client().CreateBucket(context.Background(), &s3.CreateBucketInput{Bucket: &name}); err != nil {
		t.Fatal(err)
	}
}
