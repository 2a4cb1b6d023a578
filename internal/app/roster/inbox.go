package roster

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"digione/internal/app/fault"
	"digione/internal/app/objects"
	"digione/internal/app/roster/oneroster"
	"digione/internal/tenancy"
)

// InboxAccount is how plans name who brings in what a municipality's system has
// delivered: nobody.
const InboxAccount = "inbox"

// Bounds of the inbox.
const (
	settle       = 2 * time.Minute // a file that has not changed for so long is whole
	ready        = ".ready"        // NAME.zip.ready beside NAME.zip says so at once
	nameMost     = 120             // characters of a file's name
	attemptsMost = 3               // of a file on which programs die or time runs out
	asideDays    = 14              // how long files that were taken lie in the side rooms
	inboxAtOnce  = 20              // files in one go
)

// DeliveryState is where a delivered file stands.
type DeliveryState string

// The states of a delivery. What is taken has come whole; what is gone was taken
// away again by whoever put it there.
const (
	Arriving       DeliveryState = "arriving"
	Taken          DeliveryState = "taken"
	Done           DeliveryState = "done"
	HeldDelivery   DeliveryState = "held"
	FailedDelivery DeliveryState = "failed"
	Gone           DeliveryState = "gone"
)

// Delivery is a file that a municipality's system has put into its inbox.
type Delivery struct {
	ID         uuid.UUID     `json:"id"`
	Name       string        `json:"name"`
	Tag        string        `json:"-"`
	Size       int64         `json:"size"`
	ModifiedAt time.Time     `json:"modified_at"`
	State      DeliveryState `json:"state"`
	SHA256     string        `json:"sha256"`
	Attempts   int           `json:"attempts"`
	Plan       string        `json:"plan"`
	Upload     *uuid.UUID    `json:"upload,omitempty"` // its findings, when it has errors
	Failure    string        `json:"failure"`
	SeenAt     time.Time     `json:"seen_at"`
	EndedAt    *time.Time    `json:"ended_at,omitempty"`
	MovedAt    *time.Time    `json:"moved_at,omitempty"`
	ToldAt     *time.Time    `json:"told_at,omitempty"`
	Whole      bool          `json:"whole"` // of one that arrives
	open       bool          // somebody has to look at it
}

func (d *Delivery) ended() bool {
	return d.State == Done || d.State == HeldDelivery || d.State == FailedDelivery
}

// seen is what an inbox holds: the packages, and names that are not taken.
type seen struct {
	files   []objects.Entry
	marked  map[string]bool // by a .ready beside them
	refused []string
}

func glance(ctx context.Context, box objects.Inbox) (s seen, err error) {
	list, err := box.List(ctx, "")
	s.marked = map[string]bool{}
	for _, e := range list {
		name, mark := strings.CutSuffix(e.Name, ready)
		switch {
		case !objects.NameAllowed(name) || len(name) > nameMost || !strings.HasSuffix(name, ".zip"):
			s.refused = append(s.refused, e.Name)
		case mark:
			s.marked[name] = true
		default:
			s.files = append(s.files, e)
		}
	}
	return s, err
}

// whole tells whether a file has come to its end.
func (s seen) whole(d *Delivery, now time.Time) bool {
	return s.marked[d.Name] || !d.SeenAt.After(now.Add(-settle)) || !d.ModifiedAt.After(now.Add(-settle))
}

// Look says what lies in a tenant's inbox, the oldest first, and changes nothing.
// Refused are names of files that are never taken.
func (s *Service) Look(ctx context.Context, t tenancy.Tenant) (list []*Delivery, refused []string, err error) {
	box, err := objects.InboxOf(s.Objects, t.ID)
	if err != nil {
		return nil, nil, err
	}
	found, err := glance(ctx, box)
	if err != nil {
		return nil, nil, err
	}
	var known []*Delivery
	err = s.DB.Read(ctx, t.ID, func(tx tenancy.Read) (err error) {
		known, err = listWaiting(ctx, tx)
		return err
	})
	now := s.Now()
	for _, e := range found.files {
		d := &Delivery{Name: e.Name, Tag: e.Tag, Size: e.Size, ModifiedAt: e.Modified, State: Arriving, SeenAt: now}
		if i := slices.IndexFunc(known, func(k *Delivery) bool { return k.Name == e.Name && k.Tag == e.Tag }); i >= 0 {
			d = known[i]
		}
		d.Whole = found.whole(d, now)
		list = append(list, d)
	}
	slices.SortFunc(list, func(a, b *Delivery) int {
		return cmp.Or(a.ModifiedAt.Compare(b.ModifiedAt), cmp.Compare(a.Name, b.Name))
	})
	return list, found.refused, err
}

// Inbox brings in what lies whole in a tenant's inbox, the oldest first, each file
// once: what it did with a file is noted in the transaction that did it, and the
// file leaves the inbox afterwards. Killed anywhere it goes on when called again. It
// returns what it has ended.
func (s *Service) Inbox(ctx context.Context, t tenancy.Tenant, progress Progress) (ended []*Delivery, err error) {
	box, err := objects.InboxOf(s.Objects, t.ID)
	if err != nil {
		return nil, err
	}
	if err := s.tidy(ctx, t, box); err != nil {
		return nil, err
	}
	due, err := s.arrived(ctx, t, box)
	for _, d := range due[:min(len(due), inboxAtOnce)] {
		if err != nil {
			break
		}
		var on bool
		if on, err = s.take(ctx, t, box, d, progress); err != nil || !on {
			break // what comes later must not overtake it
		}
		if d.ended() {
			ended = append(ended, d)
			err = s.aside(ctx, t, box, d)
		}
	}
	return ended, err
}

// arrived notes what lies in the inbox and returns what is whole.
func (s *Service) arrived(ctx context.Context, t tenancy.Tenant, box objects.Inbox) ([]*Delivery, error) {
	found, err := glance(ctx, box)
	if err != nil {
		return nil, err
	}
	var list, due []*Delivery
	now := s.Now()
	err = s.DB.Write(ctx, t.ID, func(tx tenancy.Write) error {
		if err := noteArrivals(ctx, tx, found.files, now); err != nil {
			return err
		}
		list, err = listWaiting(ctx, tx.Read)
		return err
	})
	for _, d := range list {
		if !d.ended() && found.whole(d, now) {
			due = append(due, d)
		}
	}
	return due, err
}

// take brings one file in. It says whether later files may go on.
func (s *Service) take(ctx context.Context, t tenancy.Tenant, box objects.Inbox, d *Delivery, progress Progress) (on bool, err error) {
	f, size, same, err := s.fetch(ctx, box, d)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		d.State = Gone
		return true, s.settleDelivery(ctx, t, d)
	case err != nil:
		return false, err
	}
	defer func() { _ = f.Close() }()
	if !same {
		return false, nil // somebody writes it anew: it arrives again
	}
	if size > MaxUpload {
		return true, s.failDelivery(ctx, t, d, "roster.error.toolarge", nil)
	}
	p := Package{Name: d.Name, Content: f, Size: size}
	sched := t.Settings.Roster.Schedule
	o := Options{Lenient: sched.Lenient, NoDelete: sched.NoDelete}
	if wait, err := s.mustWait(ctx, t, p, o); err != nil || wait {
		return false, err
	}
	if err := s.beginDelivery(ctx, t, d); err != nil {
		return false, err
	}
	if d.Attempts > attemptsMost {
		return true, s.failDelivery(ctx, t, d, cmp.Or(d.Failure, failedStopped), nil)
	}
	p.Note = func(ctx context.Context, tx tenancy.Write, plan *Plan) error {
		at := s.Now()
		d.State, d.Plan, d.EndedAt, d.Failure = Done, plan.ID, &at, ""
		if plan.State == Held {
			d.State = HeldDelivery
		}
		return endDelivery(ctx, tx, d)
	}
	_, err = s.Import(ctx, t, p, o, Approval{Who: InboxAccount}, progress)
	return s.became(ctx, t, d, err)
}

// became notes what an import that did not end in a plan has come to.
func (s *Service) became(ctx context.Context, t tenancy.Tenant, d *Delivery, err error) (on bool, _ error) {
	if err == nil || errors.As(err, new(*HeldError)) {
		return true, nil
	}
	d.State, d.Plan, d.EndedAt = Taken, "", nil // whatever Note said, its transaction is gone
	if bad := (*InvalidError)(nil); errors.As(err, &bad) {
		return true, s.failDelivery(ctx, t, d, "", bad.Report)
	}
	key, ok := failureOf(err)
	if !ok {
		d.Attempts--
	}
	d.Failure = key
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	return false, errors.Join(err, s.settleDelivery(ctx, t, d)) // it is tried again
}

// fetch reads a file whole, with its hash; same tells that it is still the one that
// was seen.
func (s *Service) fetch(ctx context.Context, box objects.Inbox, d *Delivery) (f *os.File, size int64, same bool, err error) {
	if f, size, err = box.Fetch(ctx, "", d.Name, MaxUpload+1); err != nil {
		return nil, 0, false, err
	}
	h := sha256.New()
	if _, err = io.Copy(h, io.NewSectionReader(f, 0, size)); err == nil {
		same, err = unchanged(ctx, box, d)
	}
	if err != nil {
		return nil, 0, false, errors.Join(err, f.Close())
	}
	d.SHA256 = hex.EncodeToString(h.Sum(nil))
	return f, size, same, nil
}

// unchanged tells whether the file that lies in the inbox is the one that was seen.
func unchanged(ctx context.Context, box objects.Inbox, d *Delivery) (bool, error) {
	found, err := glance(ctx, box)
	return slices.ContainsFunc(found.files, func(e objects.Entry) bool { return e.Name == d.Name && e.Tag == d.Tag }), err
}

// mustWait tells whether a package of changes has to wait, because one before it is
// held or has failed: what it builds on may be missing. A package that says all there
// is may overtake.
func (s *Service) mustWait(ctx context.Context, t tenancy.Tenant, p Package, o Options) (bool, error) {
	pkg, err := s.open(p, o, nil)
	if err != nil {
		return false, nil //nolint:nilerr // the import says what is wrong with it
	}
	defer func() { _ = pkg.Close() }()
	if !slices.ContainsFunc(oneroster.Tables(), func(table *oneroster.Table) bool { return pkg.Mode(table.Type) == oneroster.Delta }) {
		return false, nil
	}
	var open []*Delivery
	err = s.DB.Read(ctx, t.ID, func(tx tenancy.Read) (err error) {
		open, err = listDeliveries(ctx, tx)
		return err
	})
	return slices.ContainsFunc(open, func(d *Delivery) bool { return d.open }), err
}

func (s *Service) beginDelivery(ctx context.Context, t tenancy.Tenant, d *Delivery) error {
	d.State, d.Attempts = Taken, d.Attempts+1
	return s.settleDelivery(ctx, t, d)
}

func (s *Service) settleDelivery(ctx context.Context, t tenancy.Tenant, d *Delivery) error {
	return s.DB.Write(ctx, t.ID, func(tx tenancy.Write) error { return endDelivery(ctx, tx, d) })
}

// failDelivery notes that a file cannot be brought in, with its findings where it has
// some: they are looked through as those of any package that was sent.
func (s *Service) failDelivery(ctx context.Context, t tenancy.Tenant, d *Delivery, key string, report *oneroster.Report) error {
	at := s.Now()
	u := &Upload{ID: uuid.New(), Name: d.Name, Size: max(1, d.Size), PartSize: PartSize, State: Broken, Failure: key, SentBy: InboxAccount, SentAt: at}
	var findings []oneroster.Finding
	if report != nil {
		u.State, u.Totals, findings = Faulty, report.Totals, boundFindings(report.Findings)
	}
	d.State, d.Failure, d.EndedAt, d.Upload = FailedDelivery, key, &at, &u.ID
	return s.DB.Write(ctx, t.ID, func(tx tenancy.Write) error {
		if err := endDelivery(ctx, tx, d); err != nil {
			return err
		}
		if err := insertUpload(ctx, tx, u, ""); err != nil {
			return err
		}
		if err := receivedUpload(ctx, tx, u.ID); err != nil {
			return err
		}
		if _, err := settleUpload(ctx, tx, u, findings, at); err != nil {
			return err
		}
		return pointDelivery(ctx, tx, d)
	})
}

// tidy moves aside what was ended before, by a program that died.
func (s *Service) tidy(ctx context.Context, t tenancy.Tenant, box objects.Inbox) error {
	var left []*Delivery
	err := s.DB.Read(ctx, t.ID, func(tx tenancy.Read) (err error) {
		left, err = listUnmoved(ctx, tx)
		return err
	})
	for _, d := range left {
		if err == nil {
			err = s.aside(ctx, t, box, d)
		}
	}
	return err
}

// verdict is what lies beside a file that was moved: for whoever delivers. It holds
// no personal data.
type verdict struct {
	File    string                    `json:"file"`
	SHA256  string                    `json:"sha256"`
	State   DeliveryState             `json:"state"`
	At      *time.Time                `json:"at"`
	Plan    string                    `json:"plan,omitempty"`
	Import  string                    `json:"import,omitempty"`
	Changes map[oneroster.Type]Counts `json:"changes,omitempty"`
	Rules   []oneroster.Total         `json:"findings,omitempty"`
	Failure string                    `json:"failure,omitempty"`
}

// aside moves an ended file into the room of its state, with what became of it. A
// file that was written anew meanwhile stays: it is another one.
func (s *Service) aside(ctx context.Context, t tenancy.Tenant, box objects.Inbox, d *Delivery) error {
	v := verdict{File: d.Name, SHA256: d.SHA256, State: d.State, At: d.EndedAt, Plan: d.Plan, Failure: d.Failure}
	if err := s.verdictOf(ctx, t, d, &v); err != nil {
		return err
	}
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	room, name := string(d.State), fmt.Sprintf("%s-%.8s-%s", d.EndedAt.UTC().Format("20060102-150405"), d.ID, d.Name)
	if err := box.Put(ctx, room, name+".json", strings.NewReader(string(text)), int64(len(text))); err != nil {
		return err
	}
	if here, err := unchanged(ctx, box, d); err != nil {
		return err
	} else if here {
		if err := s.move(ctx, box, d.Name, room, name); err != nil {
			return err
		}
	}
	at := s.Now()
	d.MovedAt = &at
	return s.DB.Write(ctx, t.ID, func(tx tenancy.Write) error { return markMoved(ctx, tx, d.ID, at) })
}

func (s *Service) move(ctx context.Context, box objects.Inbox, from, room, to string) error {
	f, size, err := box.Fetch(ctx, "", from, MaxUpload+1)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	if size <= MaxUpload { // of what is larger only the verdict is kept
		if err := box.Put(ctx, room, to, f, size); err != nil {
			return err
		}
	}
	return errors.Join(box.Delete(ctx, "", from+ready), box.Delete(ctx, "", from))
}

func (s *Service) verdictOf(ctx context.Context, t tenancy.Tenant, d *Delivery, v *verdict) error {
	switch {
	case d.Plan != "":
		p, err := s.Show(ctx, t, d.Plan)
		if err != nil {
			return err
		}
		v.Import, v.Changes, v.Rules = p.Import, p.Changes, p.Totals
	case d.Upload != nil:
		u, err := s.Upload(ctx, t, *d.Upload)
		if fault.KindOf(err) == fault.NotFound { // somebody has put it away
			return nil
		}
		if err != nil {
			return err
		}
		v.Rules = u.Totals
	}
	return nil
}

// pruneInbox deletes what lies in the side rooms for long enough, and the lines of
// files that have left the inbox as long ago as packages are kept.
func (s *Service) pruneInbox(ctx context.Context, t tenancy.Tenant) error {
	box, err := objects.InboxOf(s.Objects, t.ID)
	if err != nil {
		return err
	}
	now := s.Now()
	for _, room := range []DeliveryState{Done, HeldDelivery, FailedDelivery} {
		list, err := box.List(ctx, string(room))
		if err != nil {
			return err
		}
		for _, e := range list {
			if e.Modified.Before(now.AddDate(0, 0, -asideDays)) && objects.NameAllowed(e.Name) {
				if err := box.Delete(ctx, string(room), e.Name); err != nil {
					return err
				}
			}
		}
	}
	return s.DB.Write(ctx, t.ID, func(tx tenancy.Write) error { return pruneDeliveries(ctx, tx, now.AddDate(0, 0, -kept(t))) })
}
