package oneroster

import (
	"errors"
	"fmt"
	"io"
	"io/fs"

	"digione/internal/app/fault"
)

// scan begins to read a file.
func (e *entry) scan() (*scanner, io.Closer, error) {
	r, err := e.open()
	if err != nil {
		return nil, nil, err
	}
	return newScanner(&bounded{r, e.size}), r, nil
}

var errLonger = errors.New("more bytes than announced")

// bounded stops at the size that the directory announced, which the limits were
// checked against.
type bounded struct {
	r    io.Reader
	left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, errLonger
	}
	return n, err
}

// damaged tells a fault of the package from one of the disk.
func damaged(err error) bool {
	var path *fs.PathError
	return !errors.As(err, &path) && fault.KindOf(err) == fault.Internal
}

func damageFinding(file string) Finding {
	return Finding{Code: "E114", File: file, Message: "the file cannot be inflated to what the zip announces: it is damaged or cut"}
}

// readFault notes damage and returns everything else.
func (p *Package) readFault(e *entry, err error) error {
	if damaged(err) {
		p.refuse(damageFinding(e.name))
		return nil
	}
	return fmt.Errorf("read %s: %w", e.name, err)
}

// formFinding reports what the scanner found.
func formFinding(file string, f *scanFault) Finding {
	return Finding{Code: f.code, File: file, Line: f.line, Column: f.field, Message: f.message}
}
