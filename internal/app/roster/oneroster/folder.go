package oneroster

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"digione/internal/app/fault"
)

// openFolder takes the files of a folder as a package. ReadDir sorts by name,
// which makes the digest the same on every machine.
func openFolder(path string, o Options) (*Package, error) {
	list, err := os.ReadDir(path)
	if err != nil {
		return nil, openFault(path, err)
	}
	p := newPackage(filepath.Base(path), o)
	if len(list) > p.opts.Limits.Entries {
		p.refuse(tooMany(len(list), p.opts.Limits.Entries))
		return p, nil
	}
	digest, names, total := sha256.New(), namesSeen{}, int64(0)
	for _, d := range list {
		e, err := p.folderEntry(path, d, names, digest)
		if err != nil {
			return nil, err
		}
		if e == nil {
			continue
		}
		p.entries[e.name] = e
		total += e.size
	}
	if total > p.opts.Limits.TotalBytes {
		p.refuse(Finding{Code: "E104", Message: fmt.Sprintf("the files have %d bytes together", total),
			Expected: fmt.Sprintf("at most %d", p.opts.Limits.TotalBytes)})
	}
	p.sum = hex.EncodeToString(digest.Sum(nil))
	return p, p.begin()
}

// folderEntry returns nil for what is not to be read.
func (p *Package) folderEntry(dir string, d fs.DirEntry, names namesSeen, digest hash.Hash) (*entry, error) {
	name := d.Name()
	if d.IsDir() {
		name += "/"
	}
	if !p.vetName(name, names) {
		return nil, nil
	}
	info, err := d.Info()
	if err != nil {
		return nil, openFault(filepath.Join(dir, name), err)
	}
	switch {
	case !info.Mode().IsRegular():
		p.refuse(Finding{Code: "E106", File: shorten(name), Message: shorten(name) + " is a link or a special file"})
		return nil, nil
	case info.Size() > p.opts.Limits.EntryBytes:
		p.refuse(Finding{Code: "E104", File: shorten(name), Message: fmt.Sprintf("%s has %d bytes", shorten(name), info.Size()),
			Expected: fmt.Sprintf("at most %d", p.opts.Limits.EntryBytes)})
		return nil, nil
	}
	return readEntry(filepath.Join(dir, name), name, digest)
}

// readEntry reads a file once for the digest and keeps its checksum, so that a
// file changed afterwards is noticed as in a zip.
func readEntry(path, name string, digest hash.Hash) (*entry, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, openFault(path, err)
	}
	defer f.Close()
	content, sum := sha256.New(), crc32.NewIEEE()
	size, err := io.Copy(io.MultiWriter(content, sum), f)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	digest.Write(append([]byte(name), 0))
	digest.Write(binary.BigEndian.AppendUint64(nil, uint64(size)))
	digest.Write(content.Sum(nil))
	want := sum.Sum32()
	return &entry{name: name, size: size, open: func() (io.ReadCloser, error) {
		f, err := os.Open(path)
		if err != nil {
			return nil, openFault(path, err)
		}
		return &sameFile{f, crc32.NewIEEE(), want, name}, nil
	}}, nil
}

// sameFile refuses at the end when the content is not what it was.
type sameFile struct {
	*os.File
	sum  hash.Hash32
	want uint32
	name string
}

func (s *sameFile) Read(b []byte) (int, error) {
	n, err := s.File.Read(b)
	s.sum.Write(b[:n])
	if err == io.EOF && s.sum.Sum32() != s.want {
		return n, fault.New(fault.Conflict, "roster.package.changed",
			"%s changed while it was read; start again", s.name)
	}
	return n, err
}
