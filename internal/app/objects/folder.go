package objects

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Folder keeps files below a local folder: the embedded default.
func Folder(dir string) (Store, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make object folder: %w; choose another with --data", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open object folder: %w", err)
	}
	return folder{root}, nil
}

// folder goes through os.Root: not even a symbolic link leads out of it.
type folder struct{ root *os.Root }

func (f folder) Prepare(_ context.Context, prefix string) error {
	return f.root.MkdirAll(prefix, 0o700)
}

func (f folder) Put(_ context.Context, path string, r io.ReadSeeker, _ int64) (err error) {
	if err := f.root.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	// Written beside and renamed: a kill leaves the old file or the new one.
	// The name is one that no key can have.
	tmp := path + ".part-" + rand.Text()
	w, err := f.root.OpenFile(tmp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, r)
	if err == nil {
		err = w.Sync()
	}
	if err = errors.Join(err, w.Close()); err != nil {
		return errors.Join(err, f.root.Remove(tmp))
	}
	return f.root.Rename(tmp, path)
}

func (f folder) Get(_ context.Context, path string) (io.ReadCloser, error) { return f.root.Open(path) }

func (f folder) Delete(_ context.Context, path string) error {
	if err := f.root.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (f folder) DeleteAll(_ context.Context, prefix string) (n int, err error) {
	err = fs.WalkDir(f.root.FS(), prefix, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			n++
		}
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return n, f.root.RemoveAll(prefix)
}
