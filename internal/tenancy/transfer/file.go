package transfer

import (
	"archive/zip"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"digione/internal/tenancy"
)

// InvalidError says that a file is no export, or not the one that was written.
type InvalidError struct{ Reason string }

func (e *InvalidError) Error() string { return e.Reason + "; make a new one: tenantctl tenant export" }

func invalid(format string, args ...any) error {
	return &InvalidError{fmt.Sprintf(format, args...)}
}

// File is an opened export whose every byte was checked. Close it.
type File struct {
	Manifest *Manifest
	SHA256   string // of the whole

	zip   *zip.Reader
	close func() error
}

// Close closes the file.
func (f *File) Close() error { return f.close() }

// OpenFile opens and checks an export.
func OpenFile(ctx context.Context, name string) (*File, error) {
	r, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("open export: %w; name a file that tenantctl tenant export has written", err)
	}
	f, err := check(ctx, r)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", name, err), r.Close())
	}
	return f, nil
}

func check(ctx context.Context, r *os.File) (*File, error) {
	fi, err := r.Stat()
	if err != nil {
		return nil, err
	}
	h := sha256.New()
	if _, err := io.Copy(h, io.NewSectionReader(r, 0, fi.Size())); err != nil {
		return nil, err
	}
	z, err := zip.NewReader(r, fi.Size())
	if err != nil {
		return nil, invalid("this is no export of a tenant (%v)", err)
	}
	f := &File{SHA256: hexOf(h.Sum(nil)), zip: z, close: r.Close}
	if f.Manifest, err = f.manifest(); err != nil {
		return nil, err
	}
	for _, t := range f.Manifest.Tables {
		if err := f.same(ctx, tableFolder+t.Name+".csv", -1, t.SHA256); err != nil {
			return nil, err
		}
	}
	for _, o := range f.Manifest.Objects {
		if err := f.same(ctx, objectFolder+o.Key, o.Size, o.SHA256); err != nil {
			return nil, err
		}
	}
	if extra := len(z.File) - len(f.Manifest.Tables) - len(f.Manifest.Objects) - 2; extra != 0 {
		return nil, invalid("%d files are in it that the manifest does not name", extra)
	}
	return f, nil
}

func (f *File) open(name string) (io.ReadCloser, error) {
	i := slices.IndexFunc(f.zip.File, func(e *zip.File) bool { return e.Name == name })
	if i < 0 {
		return nil, invalid("%s is missing in it", name)
	}
	return f.zip.File[i].Open()
}

func (f *File) manifest() (*Manifest, error) {
	r, err := f.open(manifestName)
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }()
	m := &Manifest{}
	if err := json.NewDecoder(io.LimitReader(r, 64<<20)).Decode(m); err != nil {
		return nil, invalid("its manifest cannot be read (%v)", err)
	}
	if m.Format != Format {
		return nil, invalid("it is of format %d, this program reads %d", m.Format, Format)
	}
	if _, err := tenancy.ParseID(string(m.Tenant)); err != nil {
		return nil, invalid("its manifest names no tenant (%v)", err)
	}
	for _, t := range m.Tables {
		if t.Name == "goose_db_version" || strings.ContainsAny(t.Name, "./\\") {
			return nil, invalid("its manifest names a table %q", t.Name)
		}
	}
	return m, nil
}

// same compares an entry with what the manifest says; the size -1 is unsaid.
func (f *File) same(ctx context.Context, name string, size int64, sum string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	r, err := f.open(name)
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }()
	h := sha256.New()
	n, err := io.Copy(h, r)
	if err != nil || hexOf(h.Sum(nil)) != sum || (size >= 0 && n != size) {
		return invalid("%s in it is not what was exported", name)
	}
	return nil
}
