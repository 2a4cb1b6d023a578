// Package oneroster reads, checks and writes OneRoster CSV packages of the
// versions 1.1 and 1.2 (both texts), and gives their rows in one model: that of
// 1.2. It says everything that is wrong with a package in one run, with safe
// excerpts, and never guesses. It works offline: it writes no table, and what
// the tenant already has comes through Store.
package oneroster

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"digione/internal/app/fault"
)

// Options for Open. The zero value is strict, with the default limits.
type Options struct {
	Lenient     bool // mend what Repairs lists, and count it
	Limits      Limits
	MaxFindings int // listed per file, 1000 when zero; totals count all

	// Progress is called while rows are read, now and then and at the end of
	// each file.
	Progress func(file string, rows int64, done bool)
}

// Limits bound what a package may cost. A zero field takes its default.
type Limits struct {
	Entries    int   // 64
	EntryBytes int64 // of one file, inflated: 1 GiB
	TotalBytes int64 // of all files, inflated: 4 GiB
	Ratio      int64 // inflated to compressed: 100
	RatioFrom  int64 // files below this size may have any ratio: 1 MiB
}

func (l Limits) withDefaults() Limits {
	return Limits{
		Entries:    orElse(l.Entries, 64),
		EntryBytes: orElse(l.EntryBytes, 1<<30),
		TotalBytes: orElse(l.TotalBytes, 4<<30),
		Ratio:      orElse(l.Ratio, 100),
		RatioFrom:  orElse(l.RatioFrom, 1<<20),
	}
}

func orElse[T int | int64](v, def T) T {
	if v == 0 {
		return def
	}
	return v
}

// Package is an open package. Its methods are not safe for concurrent use.
type Package struct {
	opts    Options
	name    string
	sum     string
	closer  io.Closer
	entries map[string]*entry

	found  []Finding // when it was opened
	mended []string  // repair keys, likewise
	fatal  bool      // so wrong that no file can be read

	manifest Manifest
	variant  Variant
	begun    bool // the variant is known

	checked  bool
	valid    bool
	rows     map[Type]int64
	orgKinds map[key]string // for the roles of 1.1
	store    Store
}

// entry is a file of the package that passed the limits.
type entry struct {
	name string
	size int64
	open func() (io.ReadCloser, error)
}

// Open opens a zip or a folder. The error is only about reading it (NotFound,
// Forbidden); what is wrong with the package itself comes from Check.
func Open(path string, o Options) (*Package, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, openFault(path, err)
	}
	if info.IsDir() {
		return openFolder(path, o)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, openFault(path, err)
	}
	p, err := OpenReader(f, info.Size(), filepath.Base(path), o)
	if err != nil {
		f.Close()
		return nil, err
	}
	p.closer = f
	return p, nil
}

// OpenReader opens a zip of that size; name is for messages.
func OpenReader(ra io.ReaderAt, size int64, name string, o Options) (*Package, error) {
	p := newPackage(name, o)
	h := sha256.New()
	if _, err := io.Copy(h, io.NewSectionReader(ra, 0, size)); err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	p.sum = hex.EncodeToString(h.Sum(nil))
	p.listZip(ra, size)
	return p, p.begin()
}

func newPackage(name string, o Options) *Package {
	o.Limits = o.Limits.withDefaults()
	o.MaxFindings = orElse(o.MaxFindings, 1000)
	return &Package{
		opts: o, name: name, entries: map[string]*entry{}, variant: V121,
		manifest: Manifest{Files: map[Type]Mode{}},
	}
}

// begin reads what the rest needs to know first.
func (p *Package) begin() error {
	if p.fatal {
		return nil
	}
	if err := p.readManifest(); err != nil || p.fatal {
		return err
	}
	if err := p.pickVariant(); err != nil {
		return err
	}
	p.begun = true
	p.compareFiles()
	return nil
}

// Close releases the file.
func (p *Package) Close() error {
	if p.closer == nil {
		return nil
	}
	return p.closer.Close()
}

// SHA256 returns the digest of the zip's bytes in hex. For a folder it is the
// digest over its files in byte order of their names, each as name, NUL, size
// (eight bytes, big end first) and SHA-256 of the content.
func (p *Package) SHA256() string { return p.sum }

// Version returns the text that the package follows. A 1.2 package without a
// users.csv shows no difference and counts as 1.2.1; of what could not be opened as a
// package nothing is known, and it is empty.
func (p *Package) Version() Variant {
	if !p.begun {
		return ""
	}
	return p.variant
}

// Declared returns what the manifest says: "1.1" or "1.2", empty without one.
func (p *Package) Declared() string { return p.manifest.OneRosterVersion }

// Manifest returns what manifest.csv says.
func (p *Package) Manifest() Manifest { return p.manifest }

// Mode returns the mode of a type, Absent when nothing is said. The roles that
// come out of a 1.1 users file have the mode of that file.
func (p *Package) Mode(t Type) Mode {
	if t == Roles && p.RolesFromUsers() {
		t = Users
	}
	if m, ok := p.manifest.Files[t]; ok {
		return m
	}
	return Absent
}

// RolesFromUsers tells that Each makes the roles records out of users.csv, as
// 1.1 has no roles file.
func (p *Package) RolesFromUsers() bool { return p.variant == V11 }

// Rows returns the number of rows of a type, known after Check.
func (p *Package) Rows(t Type) int64 { return p.rows[t] }

func (p *Package) find(f Finding) { p.found = append(p.found, f) }

// refuse is for what makes reading on pointless or unsafe.
func (p *Package) refuse(f Finding) {
	p.find(f)
	p.fatal = true
}

func openFault(path string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fault.New(fault.NotFound, "roster.package.missing",
			"there is no %s; give the path of a OneRoster zip or folder", path)
	case errors.Is(err, fs.ErrPermission):
		return fault.New(fault.Forbidden, "roster.package.forbidden",
			"%s may not be read by this user; change its permissions", path)
	}
	return fmt.Errorf("open package: %w", err)
}
