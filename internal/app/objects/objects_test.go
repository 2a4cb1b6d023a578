package objects_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"digione/internal/app/fault"
	"digione/internal/app/objects"
	"digione/internal/app/objects/objectstest"
	"digione/internal/tenancy"
	"digione/internal/tenancy/keys"
)

var ctx = context.Background()

const (
	alpha = tenancy.ID("tnt_06h0jgjn9xr3z55swb636njc28")
	beta  = tenancy.ID("tnt_06h0jhrsmstas24k3agpdyz0h4")
)

// shelf is a store whose bytes the test can reach: both kinds keep an object as
// one file below dir.
type shelf struct {
	objects.Store
	dir  string
	keys *keys.Keyset
}

func (s *shelf) of(id tenancy.ID) objects.Files { return objects.For(s.Store, id, s.keys) }

func (s *shelf) file(id tenancy.ID, key string) string {
	return filepath.Join(s.dir, string(id), filepath.FromSlash(key))
}

// eachStore runs a test on a folder and on a real S3 server.
func eachStore(t *testing.T, f func(t *testing.T, s *shelf)) {
	t.Run("folder", func(t *testing.T) {
		t.Parallel()
		dir := filepath.Join(t.TempDir(), "objects")
		store, err := objects.Folder(dir)
		ok(t, err)
		f(t, &shelf{store, dir, newKeys(t)})
	})
	t.Run("s3", func(t *testing.T) {
		t.Parallel()
		srv := objectstest.Start(t)
		srv.Bucket(t, "digione")
		f(t, &shelf{objects.S3(srv.Client(), "digione", ""), filepath.Join(srv.Dir, "digione"), newKeys(t)})
	})
}

func newKeys(t testing.TB) *keys.Keyset {
	t.Helper()
	k, err := keys.New()
	ok(t, err)
	return k
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func put(t testing.TB, f objects.Files, key, content string) objects.Info {
	t.Helper()
	info, err := f.Put(ctx, key, strings.NewReader(content))
	ok(t, err)
	if info.Key != key || info.Size != int64(len(content)) || info.SHA256 != sha256.Sum256([]byte(content)) {
		t.Errorf("put %s: %+v", key, info)
	}
	return info
}

func get(f objects.Files, key string, want [32]byte) (string, error) {
	r, err := f.Get(ctx, key, want)
	if err != nil {
		return "", err
	}
	defer func() { _ = r.Close() }()
	b, err := io.ReadAll(r)
	return string(b), err
}

func TestPutAndGet(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s *shelf) {
		ok(t, objects.Prepare(ctx, s, alpha))
		ok(t, objects.Prepare(ctx, s, alpha)) // again
		f := s.of(alpha)
		for name, content := range map[string]string{
			"empty": "", "short": "Aino", "rosters/deep/er/x.zip": strings.Repeat("roster ", 1000),
			"segments": strings.Repeat("0123456789abcdef", 200_000), // more than one segment of the cipher
		} {
			info := put(t, f, name, content)
			if got, err := get(f, name, info.SHA256); err != nil || got != content {
				t.Errorf("%s: %d bytes back of %d, %v", name, len(got), len(content), err)
			}
		}
		old := put(t, f, "twice", "the first content")
		put(t, f, "twice", "the first content")
		now := put(t, f, "twice", "the second content")
		if got, err := get(f, "twice", now.SHA256); err != nil || got != "the second content" {
			t.Errorf("overwritten: %q, %v", got, err)
		}
		if _, err := get(f, "twice", old.SHA256); fault.KindOf(err) != fault.Conflict {
			t.Errorf("overwritten, by the old hash: %v, want a conflict", err)
		}
	})
}

func TestMissingAndDeleted(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s *shelf) {
		f := s.of(alpha)
		if _, err := get(f, "nothing/here", [32]byte{}); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("missing: %v, want fs.ErrNotExist", err)
		}
		info := put(t, f, "a/b", "content")
		path := string(alpha) + "/a/b"
		for range 2 { // deleting nothing is no error
			ok(t, s.Delete(ctx, path))
			if _, err := get(f, "a/b", info.SHA256); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("deleted: %v, want fs.ErrNotExist", err)
			}
		}
		put(t, f, "a/b", "again")
	})
}

func TestErase(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s *shelf) {
		a, b := s.of(alpha), s.of(beta)
		first, kept := put(t, a, "a/b", "content"), put(t, b, "a/b", "content")
		put(t, a, "c", "more")
		for _, want := range []int{2, 0} { // erasing nothing is no error
			if n, err := objects.Erase(ctx, s.Store, alpha); n != want || err != nil {
				t.Errorf("erased %d, %v, want %d", n, err, want)
			}
		}
		if _, err := get(a, "a/b", first.SHA256); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("erased: %v, want fs.ErrNotExist", err)
		}
		if _, err := get(b, "a/b", kept.SHA256); err != nil {
			t.Errorf("another tenant's: %v", err)
		}
		if _, err := objects.Erase(ctx, s.Store, ""); err == nil {
			t.Error("everything was erased")
		}
	})
}

// TestTampering: whatever is done to the bytes on their shelf, nothing comes back
// as if it were what was stored.
func TestTampering(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s *shelf) {
		f := s.of(alpha)
		content := strings.Repeat("a row of a roster\n", 500)
		for name, change := range map[string]func([]byte) []byte{
			"a bit":          func(b []byte) []byte { b[len(b)/2] ^= 1; return b },
			"the first byte": func(b []byte) []byte { b[0] ^= 1; return b },
			"the last byte":  func(b []byte) []byte { b[len(b)-1] ^= 0x80; return b },
			"cut short":      func(b []byte) []byte { return b[:len(b)-100] },
			"cut to nothing": func([]byte) []byte { return nil },
			"lengthened":     func(b []byte) []byte { return append(b, 0) },
			"plain text":     func([]byte) []byte { return []byte(content) },
		} {
			info := put(t, f, "x", content)
			file := s.file(alpha, "x")
			b, err := os.ReadFile(file)
			ok(t, err)
			// In place: the server keeps an object's metadata with its file.
			ok(t, os.WriteFile(file, change(b), 0o600))
			if got, err := get(f, "x", info.SHA256); err == nil {
				t.Errorf("%s: %d bytes back and no error", name, len(got))
			}
		}
		wrong := sha256.Sum256([]byte("something else"))
		put(t, f, "x", content)
		if _, err := get(f, "x", wrong); fault.KindOf(err) != fault.Conflict || !strings.Contains(err.Error(), "sha256") {
			t.Errorf("another hash: %v, want a conflict that names it", err)
		}
	})
}

// TestTenantsAreApart: an object opens for the tenant and under the key that it
// was stored by, and in no other place.
func TestTenantsAreApart(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s *shelf) {
		content := "Mäkelä;Aino Maria"
		info := put(t, s.of(alpha), "rosters/night.zip", content)
		put(t, s.of(beta), "rosters/night.zip", "another town")
		raw, err := os.ReadFile(s.file(alpha, "rosters/night.zip"))
		ok(t, err)
		place := func(id tenancy.ID, key string) {
			t.Helper()
			ok(t, s.Put(ctx, string(id)+"/"+key, bytes.NewReader(raw), int64(len(raw))))
		}
		place(beta, "rosters/night.zip") // alpha's bytes where beta's lay
		place(alpha, "rosters/other.zip")
		strangers := newKeys(t)
		for name, f := range map[string]struct {
			files objects.Files
			key   string
		}{
			"alpha's bytes, the same keyset, in beta's place": {s.of(beta), "rosters/night.zip"},
			"alpha's bytes under another key of alpha":        {s.of(alpha), "rosters/other.zip"},
			"alpha's place, beta's keyset":                    {objects.For(s, alpha, strangers), "rosters/night.zip"},
		} {
			if got, err := get(f.files, f.key, info.SHA256); err == nil {
				t.Errorf("%s: opens: %q", name, got)
			}
		}
		if got, err := get(s.of(alpha), "rosters/night.zip", info.SHA256); err != nil || got != content {
			t.Errorf("alpha's own: %q, %v", got, err)
		}
		turned, err := s.keys.Rotate()
		ok(t, err)
		if got, err := get(objects.For(s, alpha, turned), "rosters/night.zip", info.SHA256); err != nil || got != content {
			t.Errorf("after a rotation: %q, %v", got, err)
		}
	})
}

// TestNothingLiesPlain reads every file of the shelf: neither content nor its
// beginning is there.
func TestNothingLiesPlain(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s *shelf) {
		put(t, s.of(alpha), "rosters/x.zip", "PK\x03\x04 010512A902V Mäkelä Aino aino@posti.example "+strings.Repeat("Mäkelä ", 5000))
		files := 0
		ok(t, filepath.WalkDir(s.dir, func(p string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			files++
			b, err := os.ReadFile(p)
			for _, secret := range []string{"010512A902V", "Mäkelä", "posti.example", "PK\x03\x04"} {
				if bytes.Contains(b, []byte(secret)) {
					t.Errorf("%s holds %q", p, secret)
				}
			}
			return err
		}))
		if files == 0 {
			t.Error("nothing lies on the shelf")
		}
	})
}

// TestKeys: a key is a narrow thing; what could mean another place is refused
// before any store sees it.
func TestKeys(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s *shelf) {
		for _, key := range []string{
			"", " ", ".", "..", "/", "//", "../x", "a/..", "a/../b", "a/../../" + string(beta) + "/x", "a/./b", "./a", ".hidden", "a/.hidden",
			"..a", "a..b", "a/b..", "/a", "//a", "/etc/passwd", "a//b", "a/", "a/b/", "-a", "a/-b", "_a", "A", "aB", "rosters/X.zip",
			"a\x00", "a\x00b", "\x00", `a\b`, `..\x`, `C:\x`, "c:x", "a b", "a\tb", "a\nb", "a\n", "a\r\n", "å", "a/ö.zip", "a\u202e", "ａ", "a\u0301",
			"a%2f..%2fb", "%2e%2e/x", "a?b", "a*b", "a#b", "a&b=c", "a'b", `a"b`, "a;b", "~/a", "$home", "a:b", "a@b", "a+b", "a,b", "a|b", "<a>", "\xff\xfe",
			string(beta), string(beta) + "/rosters/x.zip", string(alpha) + "/x", "tnt_/x", "s3://digione/x", strings.Repeat("a", 501), strings.Repeat("a/", 251),
		} {
			if _, err := s.of(alpha).Put(ctx, key, strings.NewReader("x")); err == nil {
				t.Errorf("put %.40q: stored", key)
			} else if !strings.Contains(err.Error(), "object key") {
				t.Errorf("put %.40q: refused too late: %v", key, err)
			}
			if _, err := get(s.of(alpha), key, [32]byte{}); err == nil || errors.Is(err, fs.ErrNotExist) {
				t.Errorf("get %.40q: %v, want it refused", key, err)
			}
		}
		for _, id := range []tenancy.ID{"", "..", "/", "tnt_", "tnt_../../etc", alpha + "/..", alpha + "x", "TNT_06h0jgjn9xr3z55swb636njc28", alpha[:len(alpha)-1] + "i"} {
			if _, err := s.of(id).Put(ctx, "x", strings.NewReader("x")); err == nil {
				t.Errorf("put as tenant %q: stored", id)
			}
			if err := objects.Prepare(ctx, s, id); err == nil {
				t.Errorf("prepare tenant %q: done", id)
			}
		}
		for i, key := range []string{"a", "0", "a-b_c", "a/b.c", "rosters/0a.zip", "a/b/c/d/e/f", "a/" + strings.Repeat("b", 200)} {
			key = fmt.Sprintf("%d/%s", i, key)
			info := put(t, s.of(alpha), key, key)
			if got, err := get(s.of(alpha), key, info.SHA256); err != nil || got != key {
				t.Errorf("key %.40q: %q, %v", key, got, err)
			}
		}
		entries, err := os.ReadDir(filepath.Dir(s.dir))
		ok(t, err)
		for _, e := range entries {
			if e.Name() != filepath.Base(s.dir) && e.Name() != ".vgwlocks" { // the server's own
				t.Errorf("%s lies beside the shelf", e.Name())
			}
		}
	})
}

// TestManyAtOnce: who reads gets one content or the other, whole, and writers of
// one key do not spoil each other's.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s *shelf) {
		f := s.of(alpha)
		contents := map[[32]byte]string{}
		for i := range 8 {
			c := strings.Repeat(fmt.Sprint(i), 50_000)
			contents[sha256.Sum256([]byte(c))] = c
		}
		var wg sync.WaitGroup
		for _, c := range contents {
			wg.Go(func() {
				if _, err := f.Put(ctx, "same", strings.NewReader(c)); err != nil {
					t.Errorf("put: %v", err)
				}
			})
		}
		wg.Wait()
		whole := 0
		for sum, c := range contents {
			if got, err := get(f, "same", sum); err == nil && got == c {
				whole++
			} else if fault.KindOf(err) != fault.Conflict {
				t.Errorf("not whole: %v", err)
			}
		}
		if whole != 1 {
			t.Errorf("%d contents came back whole, want 1", whole)
		}
	})
}

// half is a content whose reading breaks off.
type half struct{ left int }

func (h *half) Read(p []byte) (int, error) {
	if h.left == 0 {
		return 0, errors.New("the source broke off")
	}
	n := min(len(p), h.left)
	h.left -= n
	return n, nil
}

func TestBrokenOffPutKeepsTheOld(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s *shelf) {
		f := s.of(alpha)
		info := put(t, f, "x", "old")
		if _, err := f.Put(ctx, "x", &half{5000}); err == nil || !strings.Contains(err.Error(), "broke off") {
			t.Errorf("broken off: %v", err)
		}
		gone, cancel := context.WithCancel(ctx)
		cancel()
		if _, err := f.Put(gone, "y", strings.NewReader("new")); err == nil && s.keepsContext() {
			t.Error("stored after the context had ended")
		}
		if got, err := get(f, "x", info.SHA256); err != nil || got != "old" {
			t.Errorf("afterwards: %q, %v", got, err)
		}
	})
}

// keepsContext: a local folder does not ask, it is done at once.
func (s *shelf) keepsContext() bool { return fmt.Sprintf("%T", s.Store) != "objects.folder" }
