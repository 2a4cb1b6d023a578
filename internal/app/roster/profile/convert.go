package profile

import (
	"context"
	"fmt"
	"io"

	"digione/internal/app/fault"
	"digione/internal/app/roster/oneroster"
)

// Source is one file of the export. Name is matched with the patterns of the
// inputs; a path before it is passed over.
type Source struct {
	Name string
	Read io.Reader
}

// Options for Convert.
type Options struct {
	// Key makes identifiers out of identity codes and other personal values by
	// HMAC-SHA256, for profiles that NeedKey. It must stay the same from night to
	// night: with another key everybody is somebody new.
	Key         []byte
	MaxFindings int // listed per file, 1000 when zero; totals count all
}

const leastKey = 32 // bytes

// Convert reads the files and writes a OneRoster 1.2.1 bulk package to w: the
// same files, profile and key give the same bytes. With any error in the rows
// nothing is written, since a roster that lacks people would remove them. The
// error is about reading, writing and the key; what is wrong with the files is
// in the report.
func Convert(ctx context.Context, p *Profile, files []Source, w io.Writer, o Options) (*Report, error) {
	if p.NeedsKey() && len(o.Key) < leastKey {
		return nil, fault.New(fault.Invalid, "roster.profile.error.key",
			"the profile makes identifiers of personal values; give a secret key of at least %d bytes, and the same one every time", leastKey)
	}
	c := newConverter(p, o)
	matched := c.match(files)
	for _, kind := range [...]Kind{Schools, Learners, Staff} { // who names schools comes after them
		for i := range p.Inputs {
			if p.Inputs[i].Kind != kind {
				continue
			}
			if err := c.input(ctx, &p.Inputs[i], matched[i]); err != nil {
				return nil, fmt.Errorf("convert: %w", err)
			}
		}
		c.schoolsUnsure = c.schoolsUnsure || kind == Schools && c.find.errors > 0
	}
	c.settle()
	c.find.finish(c.report)
	if c.report.Valid {
		if err := c.write(ctx, w); err != nil {
			return nil, fmt.Errorf("convert: %w", err)
		}
	}
	return c.report, nil
}

// converter holds the roster as it comes together.
type converter struct {
	p      *Profile
	key    []byte
	find   *finder
	report *Report

	ids     map[string]string // identifier: what it was made of
	schools []*school
	byCode  map[string]*school
	byName  map[string]*school
	listed  bool // there is a list of schools: no others may appear

	schoolsUnsure bool // the list has faults: a school missing from it is no news

	people  []*person
	byID    map[string]*person
	hetus   map[string]*person // of learners
	classes []*class
	byClass map[string]*class
	orgMeta []string // metadata columns of orgs, in order of appearance
	meta    []string // and of users
}

func newConverter(p *Profile, o Options) *converter {
	if o.MaxFindings == 0 {
		o.MaxFindings = 1000
	}
	c := &converter{
		p: p, key: o.Key,
		find:   &finder{max: o.MaxFindings, perFile: map[string]int{}, totals: map[string]*oneroster.Total{}},
		report: &Report{Rows: map[oneroster.Type]int64{}, Findings: []oneroster.Finding{}, Totals: []oneroster.Total{}, origins: map[oneroster.Type][]place{}},
		ids:    map[string]string{}, byCode: map[string]*school{}, byName: map[string]*school{},
		byID: map[string]*person{}, hetus: map[string]*person{}, byClass: map[string]*class{},
	}
	c.meta = append(c.meta, ownMeta...)
	c.orgMeta = append(c.orgMeta, ownOrgMeta...)
	for _, in := range p.Inputs {
		c.listed = c.listed || in.Kind == Schools
		for _, from := range []map[string]string{in.Constants, in.Defaults} {
			for _, name := range sortedKeys(from) {
				c.addMeta(in.Kind, name)
			}
		}
	}
	return c
}

func (c *converter) input(ctx context.Context, in *Input, f Source) error {
	if f.Read == nil {
		c.find.add(oneroster.Finding{Code: "P101", Message: "there is no file for the input", Expected: in.File})
		return nil
	}
	s := &sheet{c: c, in: in, name: f.Name, no: len(c.report.files), at: map[string]int{}, watched: map[string]bool{}}
	c.report.files = append(c.report.files, f.Name)
	s.report = &InputReport{Input: in.Name, File: f.Name}
	handle := map[Kind]func(*record){Learners: c.learner, Staff: c.employee, Schools: c.schoolRow}[in.Kind]
	err := s.read(ctx, f.Read, handle)
	c.report.Inputs = append(c.report.Inputs, *s.report)
	c.note(in)
	return err
}

// note says how the identifiers of an input are made.
func (c *converter) note(in *Input) {
	if in.Kind != Schools && in.privateKey() {
		c.report.Notes = append(c.report.Notes, fmt.Sprintf(
			"the sourcedIds from %s are keyed hashes of %s: keep the key, and give the same one every time", in.File, list(in.Key)))
	}
	if in.guardianIDs() {
		c.report.Notes = append(c.report.Notes, fmt.Sprintf(
			"guardians in %s are one person when id or hetu agree, else when e-mail and name do; their sourcedIds are keyed hashes", in.File))
	}
}

// NeedsKey tells whether identifiers are made of personal values, so that
// Options.Key is needed.
func (p *Profile) NeedsKey() bool {
	for i := range p.Inputs {
		if in := &p.Inputs[i]; in.Kind != Schools && (in.privateKey() || in.guardianIDs()) {
			return true
		}
	}
	return false
}

func (in *Input) privateKey() bool {
	for _, k := range in.Key {
		if f, _ := fieldOf(in.Kind, k); f.private || f.form == oidForm {
			return true
		}
	}
	return false
}

// guardianIDs: whatever identifies a guardian is personal.
func (in *Input) guardianIDs() bool {
	for _, m := range in.Columns {
		for _, f := range m.Fields {
			if guardianPrefix.MatchString(f) {
				return true
			}
		}
	}
	return false
}

// settle does what needs all rows.
func (c *converter) settle() {
	for _, k := range c.classes {
		k.settle()
	}
}
