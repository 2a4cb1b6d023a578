package oneroster

import (
	"archive/zip"
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
)

// listZip takes the entries that are safe to inflate. Everything here is told
// from the directory: nothing is inflated before its size is known to be allowed.
func (p *Package) listZip(ra io.ReaderAt, size int64) {
	if f, ok := p.vetDirectory(ra, size); !ok {
		p.refuse(f)
		return
	}
	z, err := zip.NewReader(ra, size)
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) {
		p.refuse(Finding{Code: "E101", Message: "the package is not a zip archive that can be read"})
		return
	}
	p.listEntries(z.File)
}

func (p *Package) listEntries(files []*zip.File) {
	if len(files) > p.opts.Limits.Entries {
		p.refuse(tooMany(len(files), p.opts.Limits.Entries))
		return
	}
	names := namesSeen{}
	var kept []*zip.File
	for _, f := range files {
		if p.vetName(f.Name, names) && p.vetEntry(f) {
			kept = append(kept, f)
		}
	}
	if !p.vetTotal(kept) || !p.vetOverlap(kept) {
		return
	}
	for _, f := range kept {
		p.entries[f.Name] = &entry{name: f.Name, size: int64(f.UncompressedSize64), open: f.Open}
	}
}

func tooMany(n, limit int) Finding {
	return Finding{Code: "E103", Message: fmt.Sprintf("the package has %d entries", n), Expected: fmt.Sprintf("at most %d", limit)}
}

const (
	endSize      = 22
	maxComment   = math.MaxUint16
	perDirectory = 1 << 10 // generous for one entry of ours: 46 bytes and a name
)

// vetDirectory reads the end record by itself: archive/zip takes in the whole
// directory before anybody can ask how long it is.
func (p *Package) vetDirectory(ra io.ReaderAt, size int64) (Finding, bool) {
	bad := Finding{Code: "E101", Message: "the package is not a zip archive that can be read"}
	if size > p.opts.Limits.TotalBytes {
		return Finding{Code: "E104", Message: fmt.Sprintf("the package has %d bytes", size),
			Expected: fmt.Sprintf("at most %d", p.opts.Limits.TotalBytes)}, false
	}
	tail := make([]byte, min(size, endSize+maxComment))
	if _, err := ra.ReadAt(tail, size-int64(len(tail))); err != nil && err != io.EOF {
		return bad, false
	}
	i := bytes.LastIndex(tail, []byte("PK\x05\x06"))
	if i < 0 || len(tail)-i < endSize {
		return bad, false
	}
	end := tail[i:]
	count := int(binary.LittleEndian.Uint16(end[10:]))
	length := int64(binary.LittleEndian.Uint32(end[12:]))
	offset := int64(binary.LittleEndian.Uint32(end[16:]))
	if count > p.opts.Limits.Entries || length > int64(p.opts.Limits.Entries)*perDirectory {
		return tooMany(max(count, int(length/perDirectory)), p.opts.Limits.Entries), false
	}
	// Something in front of the archive, or a directory elsewhere: two readers
	// would see two packages.
	if offset+length != size-int64(len(tail))+int64(i) {
		return bad, false
	}
	return Finding{}, true
}

// vetEntry looks at one entry's own record.
func (p *Package) vetEntry(f *zip.File) bool {
	l, name := p.opts.Limits, shorten(f.Name)
	inflated, packed := f.UncompressedSize64, f.CompressedSize64
	var bad Finding
	switch {
	case !f.Mode().IsRegular():
		bad = Finding{Code: "E106", File: name, Message: name + " is a link or a special file"}
	case f.Flags&1 != 0:
		bad = Finding{Code: "E107", File: name, Message: name + " is encrypted"}
	case f.Method != zip.Deflate && f.Method != zip.Store:
		bad = Finding{Code: "E115", File: name, Message: fmt.Sprintf("%s is compressed with method %d", name, f.Method), Expected: "deflate (8)"}
	case inflated > uint64(l.EntryBytes):
		bad = Finding{Code: "E104", File: name, Message: fmt.Sprintf("%s has %d bytes", name, inflated), Expected: fmt.Sprintf("at most %d", l.EntryBytes)}
	case inflated >= uint64(l.RatioFrom) && inflated/uint64(l.Ratio) > packed:
		bad = Finding{Code: "E105", File: name, Message: fmt.Sprintf("%s inflates from %d to %d bytes", name, packed, inflated),
			Expected: fmt.Sprintf("at most %d times", l.Ratio)}
	default:
		return true
	}
	p.refuse(bad)
	return false
}

func (p *Package) vetTotal(files []*zip.File) bool {
	var total uint64
	for _, f := range files {
		total += f.UncompressedSize64
	}
	if total > uint64(p.opts.Limits.TotalBytes) {
		p.refuse(Finding{Code: "E104", Message: fmt.Sprintf("the files have %d bytes together", total),
			Expected: fmt.Sprintf("at most %d", p.opts.Limits.TotalBytes)})
		return false
	}
	return true
}

// vetOverlap refuses entries that share bytes, the way to a bomb whose single
// entries look harmless.
func (p *Package) vetOverlap(files []*zip.File) bool {
	type span struct {
		name     string
		from, to int64
	}
	var spans []span
	for _, f := range files {
		at, err := f.DataOffset()
		if err != nil {
			p.refuse(Finding{Code: "E114", File: shorten(f.Name), Message: shorten(f.Name) + " has no readable header in the zip"})
			return false
		}
		const localHeader = 30
		spans = append(spans, span{f.Name, at - localHeader - int64(len(f.Name)), at + int64(f.CompressedSize64)})
	}
	slices.SortFunc(spans, func(a, b span) int { return cmp.Compare(a.from, b.from) })
	for i := 1; i < len(spans); i++ {
		if spans[i].from < spans[i-1].to {
			p.refuse(Finding{Code: "E116", Message: shorten(spans[i].name) + " shares bytes with " + shorten(spans[i-1].name)})
			return false
		}
	}
	return true
}

// namesSeen remembers names in lower case, and the folders named already.
type namesSeen map[string]string

// vetName takes a name at the root that no other entry has in any case.
func (p *Package) vetName(name string, seen namesSeen) bool {
	mac := strings.HasPrefix(name, "__MACOSX/") || name == ".DS_Store" || strings.HasSuffix(name, "/.DS_Store")
	if mac && p.opts.Lenient {
		p.mended = append(p.mended, repairMac)
		return false
	}
	f := Finding{}
	if mac {
		f.Repair = repairMac
	}
	folder, _, inFolder := strings.Cut(name, "/")
	low := strings.ToLower(name)
	switch first, twice := seen[low]; {
	case escapes(name):
		f.Code, f.Message = "E108", "the name "+shorten(name)+" points out of the package"
		p.refuse(f)
		return false
	case inFolder:
		if p.foldFolder(seen, folder) {
			return false
		}
		f.Code, f.Message, f.Expected = "E110", "there is a folder "+shorten(folder)+" in the package", "files at the root"
	case twice:
		f.Code, f.File, f.Message = "E109", shorten(name), "both "+shorten(first)+" and "+shorten(name)+" are in the package"
	case mac:
		f.Code, f.File, f.Message = "E111", shorten(name), shorten(name)+" is not a file of OneRoster"
	default:
		seen[low] = name
		return true
	}
	p.find(f)
	return false
}

// foldFolder says whether the folder was named before.
func (p *Package) foldFolder(seen namesSeen, folder string) bool {
	if _, again := seen[folder+"/"]; again {
		return true
	}
	seen[folder+"/"] = folder
	return false
}

// escapes tells a name that is absolute, climbs, or hides a path from one system.
func escapes(name string) bool {
	if name == "" || name[0] == '/' || strings.ContainsAny(name, "\\\x00") || len(name) > 1 && name[1] == ':' {
		return true
	}
	return slices.Contains(strings.Split(name, "/"), "..")
}
