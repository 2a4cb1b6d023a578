package oneroster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// Check reads every file once and reports everything that is wrong. s says what
// the tenant has already; nil is not known: then what a delta refers to outside of the
// package is a warning. The error is only about reading.
func (p *Package) Check(ctx context.Context, s Store) (*Report, error) {
	offline := s == nil
	if offline {
		s = nothing{}
	}
	c := newChecker(p, s)
	c.offline = offline
	for _, f := range p.found {
		c.col.add(f)
	}
	for _, k := range p.mended {
		c.col.repaired(k)
	}
	if !p.fatal {
		for _, t := range Tables() {
			if err := c.file(ctx, t); err != nil {
				return nil, err
			}
		}
		c.finish()
	}
	report := c.col.report()
	report.Version = string(p.Version())
	report.Rows = c.rows
	p.checked, p.valid, p.rows, p.orgKinds, p.store = true, report.Valid, c.rows, c.orgKinds(), s
	return report, nil
}

// checker is the state of one Check.
type checker struct {
	p       *Package
	store   Store
	offline bool // nobody says what the tenant has
	col     *collector
	rows    map[Type]int64

	index   []map[key]seen // by table
	roots   []*Finding     // by table: why its rows are not known
	unread  []bool         // by table: its rows are not all known
	kinds   []string       // org and session types met
	broken  map[target]*Finding
	missing map[target]*Finding
	absent  map[[2]int]*Finding // E403, by the two tables
	kindred map[target]*Finding // E404 and E405, by the row that is of a wrong kind
	strays  map[key]*Finding    // W502, by the class and the school that it is not in

	pending   []use
	orgs      map[key]string // parent
	sessions  map[key]session
	classes   map[key]*class
	parents   [2][]node // of orgs and sessions, for the cycles
	usernames map[key]login
	profiles  map[key]key
	userRoles map[key]uint32
	primaries []primary
	roleRoot  *Finding
	orphans   map[key]*Finding // of roles that refer to nothing: by what else they refer to
	enrolled  map[key]stay

	// of the file and row at hand
	t    *Table
	mode Mode
	r    *rows
	bad  uint64   // canonical columns that have an error
	swap *Finding // E210: cells in columns that changed places follow from it
	good bool
	dead bool // status tobedeleted
	self key
}

// target is a row that is referred to.
type target struct {
	table int
	key   key
}

func newChecker(p *Package, s Store) *checker {
	n := len(Tables())
	c := &checker{
		p: p, store: s, col: newCollector(p.opts.MaxFindings), rows: map[Type]int64{},
		index: make([]map[key]seen, n), roots: make([]*Finding, n), unread: make([]bool, n), kinds: []string{""},
		broken: map[target]*Finding{}, missing: map[target]*Finding{}, absent: map[[2]int]*Finding{},
		orphans: map[key]*Finding{}, kindred: map[target]*Finding{}, strays: map[key]*Finding{},
		orgs: map[key]string{}, sessions: map[key]session{}, classes: map[key]*class{},
		usernames: map[key]login{}, profiles: map[key]key{}, userRoles: map[key]uint32{}, enrolled: map[key]stay{},
	}
	for i := range c.index {
		c.index[i] = map[key]seen{}
	}
	return c
}

// fileMode is the mode by which a file's rows are judged: empty when the
// manifest is silent about a file that is there.
func (c *checker) fileMode(t *Table) Mode {
	m := c.p.Mode(t.Type)
	if c.p.entries[t.Type.FileName()] != nil && m == Absent {
		return ""
	}
	return m
}

// file reads one file of the package.
func (c *checker) file(ctx context.Context, t *Table) error {
	name := t.Type.FileName()
	if c.p.entries[name] == nil {
		if c.p.Mode(t.Type) != Absent { // reported as missing when it was opened
			c.blame(t, c.fileFinding(name))
		}
		return nil
	}
	c.t, c.mode = t, c.fileMode(t)
	r, found, err := c.p.openRows(t)
	switch {
	case errors.Is(err, io.EOF):
		c.blame(t, c.col.add(Finding{Code: "E206", File: name, Line: 1, Message: "the file is empty", Expected: "a header and rows"}))
		return nil
	case err != nil:
		return c.readFault(t, err)
	}
	defer r.closer.Close()
	c.swap = nil
	var first *Finding
	for _, f := range found {
		if f.Repair != "" && c.p.opts.Lenient {
			c.col.repaired(f.Repair)
			continue
		}
		kept := c.fold(f)
		if f.Code == "E209" && f.Field == idColumn.Name {
			c.blame(t, kept)
		}
		if f.Code == "E210" {
			c.swap = kept
		}
		if first == nil {
			first = kept
		}
	}
	if r.head.ruined { // what its rows would say follows from that
		c.blame(t, first)
		return nil
	}
	c.r, r.repaired = r, c.col.repaired
	return c.allRows(ctx, t)
}

// fileFinding finds what was said about the file itself.
func (c *checker) fileFinding(name string) *Finding {
	for _, f := range c.col.list {
		if f.File == name {
			return f
		}
	}
	return nil
}

// blame makes a finding the cause of every reference into a table that leads
// nowhere.
func (c *checker) blame(t *Table, root *Finding) {
	c.unread[t.ordinal] = true
	if c.roots[t.ordinal] == nil {
		c.roots[t.ordinal] = root
	}
}

func (c *checker) readFault(t *Table, err error) error {
	if !damaged(err) {
		return fmt.Errorf("read %s: %w", t.Type.FileName(), err)
	}
	c.blame(t, c.col.add(damageFinding(t.Type.FileName())))
	return nil
}

const (
	ctxEvery      = 1 << 10
	progressEvery = 1 << 14
)

func (c *checker) allRows(ctx context.Context, t *Table) error {
	n, name := int64(0), t.Type.FileName()
	started := time.Now()
	for c.r.sc.next() {
		if n++; n%ctxEvery == 0 && ctx.Err() != nil {
			return fmt.Errorf("check %s: %w", name, ctx.Err())
		}
		if n%progressEvery == 0 && time.Since(started) > 100*time.Millisecond {
			started = time.Now()
			c.progress(name, n, false)
		}
		c.row()
	}
	if err := c.r.sc.err; err != nil {
		return c.readFault(t, err)
	}
	if n == 0 {
		c.blame(t, c.col.add(Finding{Code: "E207", File: name, Line: 1, Message: "the file has a header and no rows",
			Expected: "at least one row"}))
	}
	c.rows[t.Type] += n
	c.progress(name, n, true)
	return nil
}

func (c *checker) progress(file string, n int64, done bool) {
	if c.p.opts.Progress != nil {
		c.p.opts.Progress(file, n, done)
	}
}

// finish judges what needs all files.
func (c *checker) finish() {
	for i := range c.pending {
		c.resolve(&c.pending[i])
	}
	c.cycles(0, Orgs, "E501")
	c.cycles(1, AcademicSessions, "E502")
	c.primaryOrgs()
}

// orgKinds keeps the types of the orgs that were met, for the roles of 1.1.
func (c *checker) orgKinds() map[key]string {
	m := make(map[key]string, len(c.index[0]))
	for k, s := range c.index[TableOf(Orgs).ordinal] {
		m[k] = c.kinds[s.kind]
	}
	return m
}
