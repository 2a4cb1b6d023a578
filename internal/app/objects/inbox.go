package objects

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"digione/internal/tenancy"
)

// Entry is a file in a tenant's inbox. Tag changes whenever somebody writes the file
// anew, with the same content too.
type Entry struct {
	Name     string // below the tenant's inbox
	Size     int64
	Modified time.Time
	Tag      string
}

// Drop is where others put files for us: plain, under a prefix for each tenant.
type Drop interface {
	// List returns what lies directly in a folder, no more than most.
	List(ctx context.Context, dir string, most int) ([]Entry, error)
	// Open reads a file there; fs.ErrNotExist when there is none.
	Open(ctx context.Context, dir, name string) (io.ReadCloser, error)
	// Write stores a file there, whole or not at all.
	Write(ctx context.Context, dir, name string, r io.ReadSeeker, size int64) error
	// Remove deletes a file there; removing nothing is no error.
	Remove(ctx context.Context, dir, name string) error
}

// Inbox is the place where a tenant's own systems deliver, and its side rooms.
type Inbox struct {
	drop Drop
	dir  string
}

// inboxes is the prefix of all inboxes.
const inboxes = "inbox/"

// inboxMost is how many files of an inbox are looked at at once.
const inboxMost = 1000

// InboxOf returns a tenant's inbox. Nothing that it does leaves that tenant's prefix.
func InboxOf(s Store, id tenancy.ID) (Inbox, error) {
	if _, err := tenancy.ParseID(string(id)); err != nil {
		return Inbox{}, err
	}
	return Inbox{s, inboxes + string(id)}, nil
}

var (
	inboxName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$`)
	inboxRoom = regexp.MustCompile(`^[a-z]{1,20}$`)
)

// NameAllowed tells whether a file of this name is taken: others can hide where they
// lead to, or break a line of a log.
func NameAllowed(name string) bool {
	return inboxName.MatchString(name) && !strings.Contains(name, "..")
}

func (b Inbox) room(room string) (string, error) {
	if room == "" {
		return b.dir, nil
	}
	if !inboxRoom.MatchString(room) {
		return "", fmt.Errorf("inbox folder %q: use a-z", room)
	}
	return b.dir + "/" + room, nil
}

// List returns the files of a room, "" being the inbox itself, by name. Names that
// are not allowed are among them: who reads says so.
func (b Inbox) List(ctx context.Context, room string) ([]Entry, error) {
	dir, err := b.room(room)
	if err != nil {
		return nil, err
	}
	list, err := b.drop.List(ctx, dir, inboxMost)
	if err != nil {
		return nil, fmt.Errorf("list the inbox: %w", err)
	}
	slices.SortFunc(list, func(x, y Entry) int { return strings.Compare(x.Name, y.Name) })
	return list, nil
}

// Fetch reads a file into a scratch file, no more than most bytes. It says
// fs.ErrNotExist when the file is gone.
func (b Inbox) Fetch(ctx context.Context, room, name string, most int64) (*os.File, int64, error) {
	dir, err := b.place(room, name)
	if err != nil {
		return nil, 0, err
	}
	src, err := b.drop.Open(ctx, dir, name)
	if err != nil {
		return nil, 0, fmt.Errorf("read from the inbox: %w", err)
	}
	defer func() { _ = src.Close() }()
	tmp, err := Scratch()
	if err != nil {
		return nil, 0, err
	}
	n, err := io.Copy(tmp, io.LimitReader(src, most))
	if err == nil {
		_, err = tmp.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, 0, errors.Join(fmt.Errorf("read from the inbox: %w", err), tmp.Close())
	}
	return tmp, n, nil
}

// Put stores a file in a room.
func (b Inbox) Put(ctx context.Context, room, name string, r io.ReadSeeker, size int64) error {
	dir, err := b.place(room, name)
	if err != nil {
		return err
	}
	if err := b.drop.Write(ctx, dir, name, r, size); err != nil {
		return fmt.Errorf("write to the inbox: %w", err)
	}
	return nil
}

// Delete removes a file from a room.
func (b Inbox) Delete(ctx context.Context, room, name string) error {
	dir, err := b.place(room, name)
	if err != nil {
		return err
	}
	if err := b.drop.Remove(ctx, dir, name); err != nil {
		return fmt.Errorf("delete from the inbox: %w", err)
	}
	return nil
}

func (b Inbox) place(room, name string) (string, error) {
	if !NameAllowed(name) {
		return "", fmt.Errorf("inbox file: its name is not allowed: %w", fs.ErrInvalid)
	}
	return b.room(room)
}
