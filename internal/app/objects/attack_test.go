package objects_test

import (
	"context"
	"io"
	"path"
	"strings"
	"sync"
	"testing"

	"digione/internal/app/objects"
	"digione/internal/tenancy"
)

// gate notes every path that reaches a store.
type gate struct {
	objects.Store
	mu    sync.Mutex
	paths []string
}

func (g *gate) note(p string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.paths = append(g.paths, p)
}

func (g *gate) Put(ctx context.Context, p string, r io.ReadSeeker, size int64) error {
	g.note(p)
	return g.Store.Put(ctx, p, r, size)
}

func (g *gate) Get(ctx context.Context, p string) (io.ReadCloser, error) {
	g.note(p)
	return g.Store.Get(ctx, p)
}

func (g *gate) Delete(ctx context.Context, p string) error {
	g.note(p)
	return g.Store.Delete(ctx, p)
}

// tricks are keys that mean another place to somebody: each trick alone, and before,
// behind and between what is allowed.
func tricks() (out []string) {
	there := string(beta) + "/rosters/x.zip"
	for _, s := range []string{"", ".", "..", "...", "../", "/..", "../..", "..;", "..\\", "..%2f", "%2e%2e", "%252e%252e", "..%c0%af", "..%5c", "．．", "․․", "‥", "..\x00", "\x00", "%00", "\n..", "..\r\n", "\t", " ", "~", "~root", "$HOME", "`id`", "$(id)", "*", "?", "[a]", "{a,b}",
		"/", "//", "\\", "\\\\server", "C:", "c:\\", "file://", "s3://digione/", "http://x/", "con", "nul.", ".git", ".part-A", "a.", "-a", "_a", "A", "å", "a\u0301", "\u202e", "\u200b", "\ufeff", "\xff", "\xc0\xae", "'", "\"", ";", "|", "&", "<", "#", "?versionId=1", "?prefix=", "a=b", "%", "@", ":", "+", ",", "^", "!",
		string(beta), there, "../" + there, "/" + there, "../" + strings.ToUpper(string(beta)), "x/../../" + there, "..%2f" + there, "inbox/" + string(beta), "../inboxes/" + string(beta), strings.Repeat("../", 50) + there, strings.Repeat("a/", 300), strings.Repeat("a", 600)} {
		out = append(out, s, "rosters/"+s, s+"/x.zip", "rosters/"+s+"/x.zip", "a"+s+"b")
	}
	return out
}

// TestTrickyKeys puts, reads and deletes by every trick as one tenant while the other's
// files lie in the same store. A key is refused before any store hears of it, or it is a
// place below the tenant's own prefix and no other; what the other has stays as it was.
func TestTrickyKeys(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s *shelf) {
		list := tricks()
		if len(list) < 300 {
			t.Fatalf("%d keys", len(list))
		}
		ok(t, objects.Prepare(ctx, s.Store, alpha))
		ok(t, objects.Prepare(ctx, s.Store, beta))
		theirs := put(t, s.of(beta), "rosters/x.zip", "what beta keeps")
		g := &gate{Store: s.Store}
		s.Store = g
		refused := 0
		for _, key := range list {
			f := s.of(alpha)
			info, err := f.Put(ctx, key, strings.NewReader("from alpha"))
			if got, gotErr := get(f, key, theirs.SHA256); gotErr == nil {
				t.Errorf("get %.60q as alpha: %q", key, got)
			}
			if err != nil {
				if refused++; !strings.Contains(err.Error(), "object key") {
					t.Errorf("put %.60q: %v, want it refused before the store", key, err)
				}
			} else if got, err := get(f, key, info.SHA256); err != nil || got != "from alpha" {
				t.Errorf("%.60q: %q, %v", key, got, err)
			}
			if err := f.Delete(ctx, key); err != nil && !strings.Contains(err.Error(), "object key") {
				t.Errorf("delete %.60q: %v", key, err)
			}
		}
		for _, p := range g.paths {
			if !strings.HasPrefix(p, string(alpha)+"/") || path.Clean(p) != p {
				t.Errorf("%.80q reached the store", p)
			}
		}
		if refused < len(list)/2 || len(g.paths) == 0 {
			t.Errorf("%d of %d keys refused, %d paths", refused, len(list), len(g.paths))
		}
		if got, err := get(s.of(beta), "rosters/x.zip", theirs.SHA256); err != nil || got != "what beta keeps" {
			t.Errorf("beta's file: %q, %v", got, err)
		}
		// Even the same path under the right prefix does not open by another's keys.
		if got, err := get(objects.For(s.Store, beta, newKeys(t)), "rosters/x.zip", theirs.SHA256); err == nil {
			t.Errorf("beta's file opens by other keys: %q", got)
		}
		t.Logf("%d keys, %d refused", len(list), refused)
	})
}

// FuzzKey: no key leads out of the tenant's prefix.
func FuzzKey(f *testing.F) {
	for _, s := range tricks()[:120] {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, key string) {
		g := &gate{Store: nothing{}}
		_ = objects.For(g, alpha, nil).Delete(ctx, key)
		_ = objects.For(g, tenancy.ID(key), nil).Delete(ctx, "x")
		for _, p := range g.paths {
			if p == key+"/x" && len(key) == len(alpha) && strings.HasPrefix(key, "tnt_") && !strings.ContainsAny(key, "/.\\") {
				continue // the key is a tenant's id
			}
			if !strings.HasPrefix(p, string(alpha)+"/") || path.Clean(p) != p {
				t.Errorf("%q leads to %q", key, p)
			}
		}
	})
}

// nothing is a store without anything.
type nothing struct{ objects.Store }

func (nothing) Delete(context.Context, string) error { return nil }
