package objectstest

import (
	"context"
	"io"

	"digione/internal/app/objects"
)

// Through is a store whose every call goes through step, which may do it or not, and
// may say that it failed.
func Through(s objects.Store, step func(what string, do func() error) error) objects.Store {
	return through{s, step}
}

type through struct {
	objects.Store
	step func(what string, do func() error) error
}

func (s through) Put(ctx context.Context, path string, r io.ReadSeeker, size int64) error {
	return s.step("put object", func() error { return s.Store.Put(ctx, path, r, size) })
}

func (s through) Get(ctx context.Context, path string) (r io.ReadCloser, err error) {
	err = s.step("get object", func() (err error) { r, err = s.Store.Get(ctx, path); return err })
	return r, err
}

func (s through) Delete(ctx context.Context, path string) error {
	return s.step("delete object", func() error { return s.Store.Delete(ctx, path) })
}

func (s through) Write(ctx context.Context, dir, name string, r io.ReadSeeker, size int64) error {
	return s.step("write file", func() error { return s.Store.Write(ctx, dir, name, r, size) })
}

func (s through) Remove(ctx context.Context, dir, name string) error {
	return s.step("remove file", func() error { return s.Store.Remove(ctx, dir, name) })
}

func (s through) Open(ctx context.Context, dir, name string) (r io.ReadCloser, err error) {
	err = s.step("open file", func() (err error) { r, err = s.Store.Open(ctx, dir, name); return err })
	return r, err
}

func (s through) List(ctx context.Context, dir string, most int) (list []objects.Entry, err error) {
	err = s.step("list files", func() (err error) { list, err = s.Store.List(ctx, dir, most); return err })
	return list, err
}
