package objects_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"digione/internal/app/objects"
)

// cutShort answers with what was stored, and breaks in the middle.
type cutShort struct {
	*wire
	whole string
}

func (h cutShort) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodGet {
		return h.wire.RoundTrip(r)
	}
	body := io.MultiReader(strings.NewReader(h.whole[:len(h.whole)/2]), broken{})
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, ContentLength: int64(len(h.whole)), Body: io.NopCloser(body), Request: r}, nil
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// TestBrokenContent: content that breaks off is a store that is away, not a file that
// does not open.
func TestBrokenContent(t *testing.T) {
	t.Parallel()
	for _, size := range []int{10, 3 << 20} { // of one piece of the cipher, and of several
		w, ks, dir := &wire{}, newKeys(t), t.TempDir()
		folder, err := objects.Folder(dir)
		ok(t, err)
		info, err := objects.For(folder, alpha, ks).Put(ctx, "x", bytes.NewReader(bytes.Repeat([]byte("x"), size)))
		ok(t, err)
		sealed, err := os.ReadFile(filepath.Join(dir, string(alpha), "x"))
		ok(t, err)
		c := w.through(cutShort{w, string(sealed)})
		_, err = objects.For(objects.S3(c, "digione", ""), alpha, ks).Get(ctx, "x", info.SHA256)
		if !errors.As(err, new(*objects.AwayError)) || strings.Contains(err.Error(), "s3.example") {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
}

// nowhere never answers, and counts who has asked.
type nowhere struct{ asked int }

func (n *nowhere) RoundTrip(*http.Request) (*http.Response, error) {
	n.asked++
	return nil, errors.New("nothing there")
}

// TestPulse: after three calls without an answer nobody is asked for a while.
func TestPulse(t *testing.T) {
	t.Parallel()
	n := &nowhere{}
	store := objects.S3((&wire{}).through(n), "digione", "")
	for i := range 20 {
		if err := store.Delete(ctx, "x"); !errors.As(err, new(*objects.AwayError)) {
			t.Fatalf("%d: %v", i, err)
		}
		if i == 2 {
			if n.asked < 3 {
				t.Errorf("asked %d times", n.asked)
			}
			n.asked = 0
		}
	}
	if n.asked > 0 {
		t.Errorf("asked %d times while it counts as away", n.asked)
	}
	// Whoever gives up by themselves says nothing of the store.
	n, gone := &nowhere{}, canceled()
	store = objects.S3((&wire{}).through(n), "digione", "")
	for range 5 {
		_ = store.Delete(gone, "x")
	}
	n.asked = 0
	if _ = store.Delete(ctx, "x"); n.asked == 0 {
		t.Error("those who gave up have closed the store")
	}
}

func canceled() context.Context {
	c, cancel := context.WithCancel(context.Background())
	cancel()
	return c
}
