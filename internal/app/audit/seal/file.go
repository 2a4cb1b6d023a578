package seal

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// Format is the version of the file: JSON, one object a line, in this order. A line
// with "file"; then each head, from the first, as a line with "head", followed by its
// events in their order as lines with "event"; then the events that are not sealed
// yet as lines with "pending"; last a line with "end". A head's hashes are in base64.
const Format = 1

// line is one line of a file; exactly one member is set.
type line struct {
	File    *Title `json:"file,omitempty"`
	Head    *Head  `json:"head,omitempty"`
	Event   *Event `json:"event,omitempty"`
	Pending *Event `json:"pending,omitempty"`
	End     *End   `json:"end,omitempty"`
}

// Title is the first line.
type Title struct {
	Format   int       `json:"format"`
	Tenant   string    `json:"tenant"`
	Name     string    `json:"name"`
	Exported time.Time `json:"exported"`
}

// End is the last line: how much stands above it.
type End struct {
	Heads   int `json:"heads"`
	Events  int `json:"events"`
	Pending int `json:"pending"`
}

// Writer writes a file.
type Writer struct {
	w   *bufio.Writer
	end End
}

// NewWriter begins a file.
func NewWriter(w io.Writer, t Title) (*Writer, error) {
	out := &Writer{w: bufio.NewWriter(w)}
	t.Format = Format
	return out, out.put(line{File: &t})
}

// Batch adds a head and what it seals.
func (w *Writer) Batch(h Head, events []Event) error {
	w.end.Heads++
	w.end.Events += len(events)
	err := w.put(line{Head: &h})
	for i := range events {
		err = errors.Join(err, w.put(line{Event: &events[i]}))
	}
	return err
}

// Pending adds an event that is not sealed yet.
func (w *Writer) Pending(e Event) error {
	w.end.Pending++
	return w.put(line{Pending: &e})
}

// Close ends the file.
func (w *Writer) Close() error { return errors.Join(w.put(line{End: &w.end}), w.w.Flush()) }

func (w *Writer) put(l line) error {
	b, err := json.Marshal(l)
	if err != nil {
		return err
	}
	_, err = w.w.Write(append(b, '\n'))
	return err
}

// Report is what a file was found to be.
type Report struct {
	Title
	End
	Last Head     // the zero Head when nothing is sealed
	Keys [][]byte // in the order in which they signed
}

// Trust is what a reader knows from elsewhere. What is empty is not asked for.
type Trust struct {
	Keys  [][]byte       // public keys; a head by another one is refused
	Heads map[int][]byte // hashes of heads that were noted down, by number
}

// Verify reads a file to its end, one batch in memory at a time, and returns what is
// in it, or the first thing that is wrong with it.
func Verify(r io.Reader, trust Trust) (Report, error) {
	v := verifier{trust: trust}
	s := bufio.NewScanner(r)
	s.Buffer(nil, 1<<20)
	n := 0
	for s.Scan() {
		n++
		var l line
		d := json.NewDecoder(bytes.NewReader(s.Bytes()))
		d.DisallowUnknownFields()
		if err := d.Decode(&l); err != nil {
			return v.Report, fmt.Errorf("line %d: %w", n, err)
		}
		if err := v.take(l, n == 1); err != nil {
			return v.Report, fmt.Errorf("line %d: %w", n, err)
		}
	}
	if err := s.Err(); err != nil {
		return v.Report, fmt.Errorf("line %d: %w", n+1, err)
	}
	if !v.ended {
		return v.Report, errors.New("the file has no end: it was cut")
	}
	for seq := range trust.Heads {
		if seq > v.Last.Seq {
			return v.Report, fmt.Errorf("head %d was noted down and is not in the file, whose last is %d", seq, v.Last.Seq)
		}
	}
	return v.Report, nil
}

type verifier struct {
	Report
	trust Trust
	head  *Head // whose events are being read
	batch []Event
	ended bool
}

func (v *verifier) take(l line, first bool) error {
	if first != (l.File != nil) || v.ended {
		return errors.New("not where it belongs")
	}
	switch {
	case l.File != nil:
		v.Title = *l.File
		if l.File.Format != Format {
			return fmt.Errorf("format %d, this program reads %d", l.File.Format, Format)
		}
	case l.Head != nil:
		if v.End.Pending > 0 {
			return errors.New("a head after events that are not sealed")
		}
		if err := v.closeBatch(); err != nil {
			return err
		}
		v.head = l.Head
	case l.Event != nil:
		if v.head == nil || v.End.Pending > 0 {
			return errors.New("an event under no head")
		}
		if len(v.batch) >= v.head.Events {
			return fmt.Errorf("head %d: %w", v.head.Seq, ErrEvents)
		}
		v.batch = append(v.batch, *l.Event)
		v.End.Events++
	case l.Pending != nil:
		v.End.Pending++
	case l.End != nil:
		if err := v.closeBatch(); err != nil {
			return err
		}
		if v.ended = true; *l.End != v.End {
			return fmt.Errorf("%d heads, %d events and %d pending stand above, the end names %d, %d and %d",
				v.End.Heads, v.End.Events, v.End.Pending, l.End.Heads, l.End.Events, l.End.Pending)
		}
	default:
		return errors.New("nothing that this format knows")
	}
	return nil
}

func (v *verifier) closeBatch() error {
	if v.head == nil {
		return nil
	}
	h := *v.head
	if err := h.Check(v.Last, v.batch); err != nil {
		return err
	}
	if len(v.trust.Keys) > 0 && !holds(v.trust.Keys, h.PublicKey) {
		return fmt.Errorf("head %d: %w", h.Seq, ErrKey)
	}
	if noted, ok := v.trust.Heads[h.Seq]; ok && !bytes.Equal(noted, h.Hash) {
		return fmt.Errorf("head %d: %w", h.Seq, ErrPinned)
	}
	if !holds(v.Keys, h.PublicKey) {
		v.Keys = append(v.Keys, h.PublicKey)
	}
	v.End.Heads++
	v.Last, v.head, v.batch = h, nil, v.batch[:0]
	return nil
}

func holds(list [][]byte, key []byte) bool {
	for _, k := range list {
		if bytes.Equal(k, key) {
			return true
		}
	}
	return false
}
