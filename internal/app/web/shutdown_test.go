package web_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"

	"digione/internal/app/authz"
	"digione/internal/app/web"
)

// A request under way when the process is told to stop gets its whole answer.
func TestShutdownFinishesRequests(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	entered, release := make(chan struct{}), make(chan struct{})
	g.Get("/hidas", authz.Public, func(c *fiber.Ctx, _ *web.Request) error {
		close(entered)
		<-release
		return c.SendString("whole")
	})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = g.App().Listener(ln) }()
	type result struct {
		body string
		err  error
	}
	got := make(chan result, 1)
	go func() {
		rq, _ := http.NewRequest("GET", "http://"+ln.Addr().String()+"/hidas", nil)
		rq.Host = "alpha.test"
		res, err := http.DefaultTransport.RoundTrip(rq)
		if err != nil {
			got <- result{"", err}
			return
		}
		b, err := io.ReadAll(res.Body)
		got <- result{string(b), err}
	}()
	<-entered
	done := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		done <- g.Shutdown(ctx)
	}()
	for {
		if _, err := net.DialTimeout("tcp", ln.Addr().String(), time.Second); err != nil {
			break // no new connections
		}
	}
	close(release)
	if r := <-got; r.err != nil || r.body != "whole" {
		t.Errorf("%q, %v", r.body, r.err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}
