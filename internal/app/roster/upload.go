package roster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"digione/internal/app/fault"
	"digione/internal/app/objects"
	"digione/internal/app/roster/oneroster"
	"digione/internal/tenancy"
	"digione/internal/tenancy/keys"
)

// Bounds of packages that come in through the browser.
const (
	MaxUpload  = 512 << 20      // bytes of a package in parts
	MaxForm    = 64 << 20       // bytes of a package sent at once
	PartSize   = 2 << 20        // bytes of a part; one lies in memory at a time
	maxOpen    = 5              // uploads of a tenant under way
	uploadLife = 24 * time.Hour // of an upload that nobody goes on with; what was found in one stays two weeks
)

// UploadState is where an upload stands.
type UploadState string

// The states of an upload. Received is checked next, or waits for somebody to say so.
const (
	Receiving UploadState = "receiving"
	Received  UploadState = "received"
	Checked   UploadState = "planned"
	Faulty    UploadState = "invalid"
	Broken    UploadState = "failed"
)

// Upload is a package on its way in.
type Upload struct {
	ID       uuid.UUID
	Name     string
	Size     int64
	PartSize int
	Parts    int // that are here, from the first on
	State    UploadState
	Options  Options
	Totals   []oneroster.Total // of the findings, when it is invalid
	Plan     string            // what it became
	Failure  string            // key of the sentence
	SentBy   string
	SentAt   time.Time
}

// Here is how many bytes have come.
func (u *Upload) Here() int64 { return min(u.Size, int64(u.Parts)*int64(u.PartSize)) }

func (u *Upload) want() int { return int((u.Size + int64(u.PartSize) - 1) / int64(u.PartSize)) }

// partLength is how many bytes a part must have: all are full but the last one.
func (u *Upload) partLength(n int) int {
	return int(min(int64(u.PartSize), u.Size-int64(n)*int64(u.PartSize)))
}

// again tells whether it can be checked, or checked again: what came in by the inbox
// never lay here in parts.
func (u *Upload) again() bool {
	return (u.State == Received || u.State == Broken) && u.Parts == u.want()
}

func (u *Upload) key(n int) string { return fmt.Sprintf("uploads/%s/%d", u.ID, n) }

func (u *Upload) keys() []string {
	out := make([]string, u.want())
	for i := range out {
		out[i] = u.key(i)
	}
	return out
}

// cleanName is the name of a file as it may be kept and shown.
func cleanName(name string) string {
	name = filepath.Base(strings.ReplaceAll(name, "\\", "/"))
	name = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == utf8.RuneError {
			return -1
		}
		return r
	}, name)
	if r := []rune(name); len(r) > 120 {
		name = string(r[:120])
	}
	if name == "" || name == "." || name == "/" {
		name = "paketti.zip"
	}
	return name
}

// BeginUpload makes room for a package that comes in parts, or returns the one that
// the same person had begun with the same file: mark tells files of one name and
// size apart.
func (s *Service) BeginUpload(ctx context.Context, t tenancy.Tenant, name string, size int64, mark string, o Options, who string) (u *Upload, err error) {
	switch {
	case size <= 0:
		return nil, fault.New(fault.Invalid, "roster.error.empty", "the file is empty")
	case size > MaxUpload:
		return nil, fault.New(fault.Invalid, "roster.error.toolarge", "the file has %d bytes, at most %d are taken", size, int64(MaxUpload))
	case len(mark) > 100:
		return nil, fault.New(fault.Invalid, "roster.error.upload", "the mark of the file is too long")
	}
	if _, err := s.sweepUploads(ctx, t); err != nil {
		return nil, err
	}
	u = &Upload{ID: uuid.New(), Name: cleanName(name), Size: size, PartSize: cmp.Or(s.Part, PartSize), State: Receiving, Options: o, SentBy: who, SentAt: s.Now()}
	err = s.DB.Write(ctx, t.ID, func(tx tenancy.Write) error {
		if err := lockUploads(ctx, tx); err != nil {
			return err
		}
		begun, ok, err := findBegun(ctx, tx.Read, u, mark)
		if err != nil || ok {
			u = begun
			return err
		}
		n, err := countOpen(ctx, tx.Read)
		if err != nil {
			return err
		}
		if n >= maxOpen {
			return fault.New(fault.Conflict, "roster.error.uploads", "%d packages are on their way in already", n)
		}
		return insertUpload(ctx, tx, u, mark)
	})
	return u, err
}

// PutPart takes the next part of a package. A part that is here already is taken
// for granted, so that a sender who did not hear may send again; any other than
// the next is refused, and says which is.
func (s *Service) PutPart(ctx context.Context, t tenancy.Tenant, id uuid.UUID, n int, content io.Reader, who string) (*Upload, error) {
	u, err := s.Upload(ctx, t, id)
	switch {
	case err != nil:
		return nil, err
	case u.SentBy != who:
		return nil, noUpload(id)
	case n >= 0 && n < u.Parts:
		return u, nil
	case u.State != Receiving || n != u.Parts:
		return u, fault.New(fault.Conflict, "roster.error.order", "part %d is not the next one; that is %d", n, u.Parts)
	}
	want := u.partLength(n)
	ks, err := s.Keyset(t)
	if err != nil {
		return nil, err
	}
	info, err := objects.For(s.Objects, t.ID, ks).Put(ctx, u.key(n), io.LimitReader(content, int64(want)+1))
	if err != nil {
		return nil, err
	}
	if info.Size != int64(want) {
		return u, fault.New(fault.Invalid, "roster.error.part", "part %d has another size than %d bytes", n, want)
	}
	u.Parts++
	if u.Parts == u.want() {
		u.State = Received
	}
	err = s.DB.Write(ctx, t.ID, func(tx tenancy.Write) error {
		taken, err := addPart(ctx, tx, u, s.Now())
		if err != nil {
			return err
		}
		if !taken { // somebody else sent the same one meanwhile
			return fault.New(fault.Conflict, "roster.error.order", "part %d has come meanwhile", n)
		}
		return objects.Record(ctx, tx, info)
	})
	return u, err
}

// Receive takes a package that comes at once, part by part: it never lies in memory
// whole.
func (s *Service) Receive(ctx context.Context, t tenancy.Tenant, name string, size int64, content io.Reader, o Options, who string) (*Upload, error) {
	u, err := s.BeginUpload(ctx, t, name, size, uuid.NewString(), o, who)
	for err == nil && u.State == Receiving {
		var next *Upload
		if next, err = s.PutPart(ctx, t, u.ID, u.Parts, io.LimitReader(content, int64(u.partLength(u.Parts))), who); err == nil {
			u = next
		}
	}
	if key, _ := failureOf(err); key == failedAway && u != nil {
		return u, errors.Join(err, s.breakUpload(ctx, t, u, key))
	}
	return u, err
}

// breakUpload says of a package that has not come whole that it never will: it takes
// nobody's room, and is swept with what came of it.
func (s *Service) breakUpload(ctx context.Context, t tenancy.Tenant, u *Upload, key string) error {
	u.State, u.Failure = Broken, key
	return s.DB.Write(ctx, t.ID, func(tx tenancy.Write) error {
		if err := receivedUpload(ctx, tx, u.ID); err != nil {
			return err
		}
		_, err := settleUpload(ctx, tx, u, nil, s.Now())
		return err
	})
}

// DropUpload deletes a package that is not wanted, with its parts.
func (s *Service) DropUpload(ctx context.Context, t tenancy.Tenant, id uuid.UUID) error {
	u, err := s.Upload(ctx, t, id)
	if err != nil {
		return err
	}
	if err := s.dropParts(ctx, t, u); err != nil {
		return err
	}
	return s.DB.Write(ctx, t.ID, func(tx tenancy.Write) error { return deleteUpload(ctx, tx, u) })
}

// dropParts forgets a package's parts, then deletes them: what the inventory names is
// there, also when nobody hears that something was deleted. The upload goes last, so
// that what was killed in between is swept again.
func (s *Service) dropParts(ctx context.Context, t tenancy.Tenant, u *Upload) error {
	ks, err := s.Keyset(t)
	if err != nil {
		return err
	}
	err = s.DB.Write(ctx, t.ID, func(tx tenancy.Write) error { return objects.Forget(ctx, tx, u.keys()...) })
	if err != nil {
		return err
	}
	// One may lie there that was never noted.
	_, err = objects.For(s.Objects, t.ID, ks).DeleteEach(ctx, u.keys()[:min(u.want(), u.Parts+1)])
	return err
}

// sweepUploads deletes packages that nobody went on with, a few at a time, and
// tells how many.
func (s *Service) sweepUploads(ctx context.Context, t tenancy.Tenant) (int, error) {
	var old []*Upload
	err := s.DB.Read(ctx, t.ID, func(tx tenancy.Read) (err error) {
		old, err = oldUploads(ctx, tx, s.Now().Add(-uploadLife))
		return err
	})
	for _, u := range old {
		if err == nil {
			err = s.DropUpload(ctx, t, u.ID)
		}
	}
	return len(old), err
}

// assembled puts the parts together in a nameless file.
func (s *Service) assembled(ctx context.Context, t tenancy.Tenant, ks *keys.Keyset, u *Upload) (*os.File, error) {
	hashes := map[string][32]byte{}
	err := s.DB.Read(ctx, t.ID, func(tx tenancy.Read) (err error) {
		hashes, err = partHashes(ctx, tx, u)
		return err
	})
	if err != nil {
		return nil, err
	}
	whole, err := objects.Scratch()
	if err != nil {
		return nil, err
	}
	for n := range u.want() {
		if err = s.appendPart(ctx, t, ks, u.key(n), hashes[u.key(n)], whole); err != nil {
			_ = whole.Close()
			return nil, err
		}
	}
	return whole, nil
}

func (s *Service) appendPart(ctx context.Context, t tenancy.Tenant, ks *keys.Keyset, key string, hash [32]byte, to io.Writer) error {
	part, err := objects.For(s.Objects, t.ID, ks).Get(ctx, key, hash)
	if err != nil {
		return err
	}
	defer func() { _ = part.Close() }()
	_, err = io.Copy(to, part)
	return err
}

func noUpload(id uuid.UUID) error {
	return fault.New(fault.NotFound, "roster.error.noupload", "there is no upload %s", id)
}

// boundFindings keeps a report within what a page can look through.
func boundFindings(list []oneroster.Finding) []oneroster.Finding {
	const most = 5000
	return slices.Clip(list[:min(most, len(list))])
}
