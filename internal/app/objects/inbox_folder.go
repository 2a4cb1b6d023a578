package objects

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
)

// within opens a tenant's own folder as a root of its own: a link that the tenant's
// system left there leads nowhere else, not even to another tenant's inbox.
func (f folder) within(dir string, do func(*os.Root, string) error) error {
	parts := strings.SplitN(dir, "/", 3) // inbox, the tenant, the room
	root, err := f.root.OpenRoot(parts[0] + "/" + parts[1])
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	room := "."
	if len(parts) == 3 {
		room = parts[2]
	}
	return do(root, room)
}

func (f folder) List(_ context.Context, dir string, most int) (list []Entry, err error) {
	err = f.within(dir, func(root *os.Root, room string) error {
		d, err := root.Open(room)
		if err != nil {
			return err
		}
		defer func() { _ = d.Close() }()
		found, err := d.ReadDir(most)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		for _, e := range found {
			fi, err := e.Info()
			if errors.Is(err, fs.ErrNotExist) || err == nil && !fi.Mode().IsRegular() {
				continue // gone, a folder, or a link, which is never followed
			}
			if err != nil {
				return err
			}
			list = append(list, Entry{e.Name(), fi.Size(), fi.ModTime(), fmt.Sprintf("%d-%d", fi.ModTime().UnixNano(), fi.Size())})
		}
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // nothing was ever delivered
	}
	return list, err
}

func (f folder) Open(_ context.Context, dir, name string) (r io.ReadCloser, err error) {
	err = f.within(dir, func(root *os.Root, room string) error {
		fi, err := root.Lstat(room + "/" + name)
		if err != nil {
			return err
		}
		if !fi.Mode().IsRegular() {
			return fs.ErrNotExist
		}
		r, err = root.Open(room + "/" + name)
		return err
	})
	return r, err
}

func (f folder) Write(ctx context.Context, dir, name string, r io.ReadSeeker, size int64) error {
	if err := f.root.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return f.within(dir, func(root *os.Root, room string) error { return folder{root}.Put(ctx, room+"/"+name, r, size) })
}

func (f folder) Remove(ctx context.Context, dir, name string) error {
	err := f.within(dir, func(root *os.Root, room string) error { return folder{root}.Delete(ctx, room+"/"+name) })
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
