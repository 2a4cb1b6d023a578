package objects_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"digione/internal/app/objects"
)

// TestFolderLinks: a link that somebody has put into the folder leads neither a
// reader nor a writer out of it.
func TestFolderLinks(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	outside := filepath.Join(base, "outside")
	ok(t, os.MkdirAll(outside, 0o700))
	secret := filepath.Join(outside, "secret")
	ok(t, os.WriteFile(secret, []byte("outside"), 0o600))
	dir := filepath.Join(base, "objects")
	store, err := objects.Folder(dir)
	ok(t, err)
	s := &shelf{store, dir, newKeys(t)}
	ok(t, objects.Prepare(ctx, s, alpha))
	for link, to := range map[string]string{"file": secret, "dir": outside, "up": "../../outside", "gone": filepath.Join(base, "nowhere")} {
		ok(t, os.Symlink(to, s.file(alpha, link)))
	}
	for _, path := range []string{"/file", "/dir/secret", "/up/secret", "/gone"} {
		if r, err := store.Get(ctx, string(alpha)+path); err == nil {
			_ = r.Close()
			t.Errorf("reads through %s", path)
		}
	}
	for _, key := range []string{"dir/new", "up/new", "gone/new", "dir/deeper/new"} {
		if _, err := s.of(alpha).Put(ctx, key, strings.NewReader("x")); err == nil {
			t.Errorf("writes through %s", key)
		}
	}
	if err := store.Delete(ctx, string(alpha)+"/dir/secret"); err == nil {
		t.Error("deletes through a link")
	}
	// Over a link to a file: the link is replaced, what it points to stays.
	put(t, s.of(alpha), "file", "mine")
	if b, err := os.ReadFile(secret); err != nil || string(b) != "outside" {
		t.Errorf("the file outside: %q, %v", b, err)
	}
	if list, err := os.ReadDir(outside); err != nil || len(list) != 1 {
		t.Errorf("outside: %v, %v", list, err)
	}
	if _, err := os.Stat(filepath.Join(base, "nowhere")); !os.IsNotExist(err) {
		t.Errorf("the missing target was made: %v", err)
	}
}

// TestFolderIsPrivate: nobody else on the machine reads the files, and a write
// leaves nothing beside them.
func TestFolderIsPrivate(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "deep", "objects")
	store, err := objects.Folder(dir)
	ok(t, err)
	s := &shelf{store, dir, newKeys(t)}
	put(t, s.of(alpha), "a/b", "x")
	put(t, s.of(alpha), "a/b", "y")
	names := []string{}
	ok(t, filepath.Walk(dir, func(p string, fi os.FileInfo, err error) error {
		if err == nil && fi.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s is %s", p, fi.Mode())
		}
		if err == nil && !fi.IsDir() {
			names = append(names, fi.Name())
		}
		return err
	}))
	if len(names) != 1 || names[0] != "b" {
		t.Errorf("files: %v, want b alone", names)
	}
}

func TestFolderThatCannotBeMade(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	ok(t, os.WriteFile(file, nil, 0o600))
	if _, err := objects.Folder(filepath.Join(file, "objects")); err == nil || !strings.Contains(err.Error(), "--data") {
		t.Errorf("%v, want an error that names --data", err)
	}
}
