// Package objects keeps files: in S3 in production, in a local folder in
// development, each tenant under a prefix of its own. Content is encrypted by
// the tenant's key before it leaves the process; hash and size of the plain
// content are recorded in the tenant's inventory. It owns the table object.
package objects

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"

	"digione/internal/app/fault"
	"digione/internal/tenancy"
	"digione/internal/tenancy/keys"
)

// Store is where the bytes lie. Paths are made by this package alone.
type Store interface {
	// Put stores size bytes of r under path, whole or not at all.
	Put(ctx context.Context, path string, r io.ReadSeeker, size int64) error
	// Get opens what Put stored; fs.ErrNotExist when there is nothing.
	Get(ctx context.Context, path string) (io.ReadCloser, error)
	// Delete removes a path; removing nothing is no error.
	Delete(ctx context.Context, path string) error
	// DeleteAll removes what lies below a tenant's prefix and returns how much.
	DeleteAll(ctx context.Context, prefix string) (int, error)
	// Prepare makes a tenant's place, where the store needs one.
	Prepare(ctx context.Context, prefix string) error
	Drop
}

// Info is an entry of the inventory: what the plain content is.
type Info struct {
	Key    string
	SHA256 [32]byte
	Size   int64
}

var keyForm = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]*(/[a-z0-9][a-z0-9._-]*)*$`)

// path is the only maker of object paths: the tenant's id, then a key in a
// narrow alphabet, so that no key can lead out of its prefix.
func path(id tenancy.ID, key string) (string, error) {
	if _, err := tenancy.ParseID(string(id)); err != nil {
		return "", err
	}
	if !keyForm.MatchString(key) || strings.Contains(key, "..") || strings.HasPrefix(key, "tnt_") || len(key) > 500 {
		return "", fmt.Errorf("object key %q: use a-z, 0-9, hyphen, dot and slash", key)
	}
	return string(id) + "/" + key, nil
}

// Files keeps one tenant's files.
type Files struct {
	store Store
	id    tenancy.ID
	keys  *keys.Keyset
}

// For returns a tenant's files.
func For(s Store, id tenancy.ID, k *keys.Keyset) Files { return Files{s, id, k} }

// Prepare makes a tenant's place; provisioning calls it.
func Prepare(ctx context.Context, s Store, id tenancy.ID) error {
	if _, err := tenancy.ParseID(string(id)); err != nil {
		return err
	}
	if err := s.Prepare(ctx, inboxes+string(id)); err != nil {
		return err
	}
	return s.Prepare(ctx, string(id))
}

// Reach asks whether a store is there and lets this installation in.
func Reach(ctx context.Context, s Store) error { return s.Prepare(ctx, ".") }

// Erase deletes everything that lies below a tenant's prefixes, its inbox too,
// recorded or not, and returns how many objects that were.
func Erase(ctx context.Context, s Store, id tenancy.ID) (int, error) {
	if _, err := tenancy.ParseID(string(id)); err != nil {
		return 0, err
	}
	n := 0
	for _, prefix := range []string{string(id), inboxes + string(id)} {
		deleted, err := s.DeleteAll(ctx, prefix)
		if n += deleted; err != nil {
			return n, fmt.Errorf("delete objects of %s: %w", id, err)
		}
	}
	return n, nil
}

// Put encrypts and stores r under key and returns what it was. Record the Info
// in the transaction that refers to it.
func (f Files) Put(ctx context.Context, key string, r io.Reader) (Info, error) {
	p, err := path(f.id, key)
	if err != nil {
		return Info{}, err
	}
	tmp, err := Scratch()
	if err != nil {
		return Info{}, err
	}
	defer func() { _ = tmp.Close() }()
	info := Info{Key: key}
	h := sha256.New()
	w, err := f.keys.Writer(tmp, p)
	if err != nil {
		return Info{}, fmt.Errorf("encrypt object: %w", err)
	}
	if info.Size, err = io.Copy(io.MultiWriter(w, h), r); err == nil {
		err = w.Close()
	}
	if err != nil {
		return Info{}, fmt.Errorf("encrypt object: %w", err)
	}
	h.Sum(info.SHA256[:0])
	size, err := tmp.Seek(0, io.SeekCurrent)
	if err == nil {
		_, err = tmp.Seek(0, io.SeekStart)
	}
	if err == nil {
		err = f.store.Put(ctx, p, tmp, size)
	}
	if err != nil {
		return Info{}, fmt.Errorf("store object %s: %w", key, err)
	}
	return info, nil
}

// Get decrypts a file into a scratch file, checks it against its hash and returns
// it open at its begin. The scratch file has no name any more: closing it, or
// the end of the process, removes it.
func (f Files) Get(ctx context.Context, key string, want [32]byte) (*os.File, error) {
	p, err := path(f.id, key)
	if err != nil {
		return nil, err
	}
	src, err := f.store.Get(ctx, p)
	if err != nil {
		return nil, fmt.Errorf("read object %s: %w", key, err)
	}
	defer func() { _ = src.Close() }()
	plain, err := f.keys.Reader(src, p)
	if err != nil {
		return nil, fmt.Errorf("decrypt object %s: %w", key, err)
	}
	tmp, err := Scratch()
	if err != nil {
		return nil, err
	}
	h := sha256.New()
	_, err = io.Copy(io.MultiWriter(tmp, h), plain)
	if why := broken(src); why != nil {
		err = why
	}
	if err == nil && [32]byte(h.Sum(nil)) != want {
		err = fault.New(fault.Conflict, "error.object", "content is not what was stored: want sha256 %s", hex.EncodeToString(want[:]))
	}
	if err == nil {
		_, err = tmp.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("read object %s: %w", key, err), tmp.Close())
	}
	return tmp, nil
}

// Delete removes a file. Forget it in the inventory afterwards: killed in between,
// the inventory says what is to be deleted again.
func (f Files) Delete(ctx context.Context, key string) error {
	p, err := path(f.id, key)
	if err != nil {
		return err
	}
	if err := f.store.Delete(ctx, p); err != nil {
		return fmt.Errorf("delete object %s: %w", key, err)
	}
	return nil
}

// DeleteEach removes files, and returns those that are gone, also when one is not to
// be removed: the inventory forgets these.
func (f Files) DeleteEach(ctx context.Context, keys []string) (gone []string, err error) {
	for i, key := range keys {
		if err := f.Delete(ctx, key); err != nil {
			return keys[:i], err
		}
	}
	return keys, nil
}

// Scratch returns a nameless file for plain or sealed content on its way: closing
// it, or the end of the process, removes it.
func Scratch() (*os.File, error) {
	f, err := os.CreateTemp("", "digione-*")
	if err != nil {
		return nil, fmt.Errorf("make scratch file: %w", err)
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, errors.Join(fmt.Errorf("hide scratch file: %w", err), f.Close())
	}
	return f, nil
}
