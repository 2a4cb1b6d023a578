// Package joining is the staged process by which an education provider comes in.
// What is asked is a versioned template; where a tenant stands is folded from an
// append-only log of events and from nothing else. It owns the tables join_event,
// join_measured, join_mail and tenant_opening of the schema control.
package joining

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"

	"gopkg.in/yaml.v3"
)

//go:embed templates/*.yaml
var embedded embed.FS

// DefaultTemplate is what a municipality starts on.
const DefaultTemplate = "joining/2"

// The owners of requirements, which are also the sides for which people act.
const (
	Municipality = "municipality"
	Tiera        = "tiera"
	System       = "system"
)

// The kinds of requirements.
const (
	Attestation = "attestation" // somebody says so, with a name
	Check       = "check"       // the system measures it
	Waves       = "waves"       // all waves of schools are open
)

// What a stage opens once everything that it rests on is done.
const (
	OpensPilot = "pilot"
	OpensAll   = "all"
)

// Names are a text in the product's languages, by code.
type Names struct {
	Fi string `yaml:"fi" json:"fi"`
	Sv string `yaml:"sv" json:"sv"`
	En string `yaml:"en" json:"en"`
}

// In returns the text in a language, the Finnish one when there is none.
func (n Names) In(lang string) string {
	switch {
	case lang == "sv" && n.Sv != "":
		return n.Sv
	case lang == "en" && n.En != "":
		return n.En
	}
	return n.Fi
}

// Template is a version of the process. Its stages rest on those before them.
type Template struct {
	ID     string  `yaml:"id"`
	Names  Names   `yaml:"names"`
	Stages []Stage `yaml:"stages"`
}

// Stage is a step of the process.
type Stage struct {
	ID           string        `yaml:"id"`
	Names        Names         `yaml:"names"`
	Opens        string        `yaml:"opens"` // pilot, all or nothing: what being in it opens
	Requirements []Requirement `yaml:"requirements"`
}

// Requirement is one thing that a stage asks for.
type Requirement struct {
	ID    string `yaml:"id"`
	Names Names  `yaml:"names"`
	Help  Names  `yaml:"help"`
	Owner string `yaml:"owner"` // municipality, tiera or system
	Kind  string `yaml:"kind"`  // attestation, check or waves
	Days  int    `yaml:"days"`  // due so many days after the start

	Evidence bool   `yaml:"evidence"` // an attestation needs a file
	Second   string `yaml:"second"`   // the side whose other person must approve

	Version string `yaml:"version"` // of the text that is accepted: another version is asked anew

	Check      string  `yaml:"check"`      // which measurement
	Limit      float64 `yaml:"limit"`      // what it is compared with, as the check says
	Window     int     `yaml:"window"`     // how many days it looks at, as the check says; 0 is the check's own number
	Attestable bool    `yaml:"attestable"` // where the capability does not exist, somebody may say so
	Once       bool    `yaml:"once"`       // once a tenant is live, it is not measured again

	NeedsOpen bool `yaml:"needs_open"` // schools must be open to meet it: it does not hold the pilot back
	NoWaiver  bool `yaml:"no_waiver"`  // never waived
}

var idForm = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)

// ReadTemplate reads and checks a template; all faults are reported at once.
func ReadTemplate(b []byte) (Template, error) {
	var t Template
	d := yaml.NewDecoder(bytes.NewReader(b))
	d.KnownFields(true)
	if err := d.Decode(&t); err != nil {
		return t, fmt.Errorf("read template: %w", err)
	}
	return t, t.check()
}

func (t Template) check() error {
	var faults []error
	bad := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if !regexp.MustCompile(`^[a-z][a-z0-9-]*/[1-9][0-9]*$`).MatchString(t.ID) {
		bad("template %q: want an id like joining/1", t.ID)
	}
	if len(t.Stages) == 0 {
		bad("template %s has no stages", t.ID)
	}
	seen := map[string]bool{}
	once := func(id, what string) {
		if !idForm.MatchString(id) || seen[id] {
			bad("%s %q: want an id of its own, of a-z, 0-9 and hyphens", what, id)
		}
		seen[id] = true
	}
	for _, s := range t.Stages {
		once(s.ID, "stage")
		if s.Names.Fi == "" || s.Names.Sv == "" || s.Names.En == "" {
			bad("stage %s: names in fi, sv and en are needed", s.ID)
		}
		if !slices.Contains([]string{"", OpensPilot, OpensAll}, s.Opens) {
			bad("stage %s: opens %q is neither pilot nor all", s.ID, s.Opens)
		}
		if len(s.Requirements) == 0 {
			bad("stage %s asks for nothing", s.ID)
		}
		for _, r := range s.Requirements {
			once(r.ID, "requirement")
			faults = append(faults, r.check()...)
		}
	}
	return errors.Join(faults...)
}

func (r Requirement) check() (faults []error) {
	bad := func(format string, args ...any) {
		faults = append(faults, fmt.Errorf("requirement "+r.ID+": "+format, args...))
	}
	if r.Names.Fi == "" || r.Names.Sv == "" || r.Names.En == "" {
		bad("names in fi, sv and en are needed")
	}
	if !slices.Contains([]string{Municipality, Tiera, System}, r.Owner) {
		bad("owner %q: use municipality, tiera or system", r.Owner)
	}
	if !slices.Contains([]string{"", Municipality, Tiera}, r.Second) {
		bad("second %q: use municipality or tiera", r.Second)
	}
	if r.Window < 0 {
		bad("window %d: say how many days are looked at", r.Window)
	}
	if r.Days < 1 {
		bad("days %d: say within how many days of the start it is due", r.Days)
	}
	switch r.Kind {
	case Attestation:
		if r.Check != "" || r.Attestable {
			bad("an attestation has no check and is not attestable besides")
		}
	case Check:
		if r.Check == "" {
			bad("a check names its measurement")
		}
	case Waves:
		if r.Check != "" && r.Check != Waves {
			bad("waves are measured by the check waves alone")
		}
	default:
		bad("kind %q: use attestation, check or waves", r.Kind)
	}
	return faults
}

// sameAs tells whether what was asked under a former version is asked still.
func (r Requirement) sameAs(other Requirement) bool {
	return r.ID == other.ID && r.Kind == other.Kind && r.Version == other.Version
}

// Find returns a requirement and its stage's place.
func (t Template) Find(requirement string) (r Requirement, stage int, ok bool) {
	for i, s := range t.Stages {
		for _, r := range s.Requirements {
			if r.ID == requirement {
				return r, i, true
			}
		}
	}
	return Requirement{}, 0, false
}

// StageAt returns a stage's place, or -1.
func (t Template) StageAt(id string) int {
	return slices.IndexFunc(t.Stages, func(s Stage) bool { return s.ID == id })
}

// Templates are the known versions, by id.
type Templates map[string]Template

// BuiltIn returns the versions that this program knows.
func BuiltIn() (Templates, error) { return readTemplates(embedded) }

func readTemplates(dir fs.FS) (Templates, error) {
	files, err := fs.Glob(dir, "templates/*.yaml")
	if err != nil {
		return nil, err
	}
	out := Templates{}
	for _, f := range files {
		b, err := fs.ReadFile(dir, f)
		if err != nil {
			return nil, err
		}
		t, err := ReadTemplate(b)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f, err)
		}
		out[t.ID] = t
	}
	return out, nil
}

// Get returns a version, or an error that names those that there are.
func (ts Templates) Get(id string) (Template, error) {
	if t, ok := ts[id]; ok {
		return t, nil
	}
	var known []string
	for k := range ts {
		known = append(known, k)
	}
	slices.Sort(known)
	return Template{}, fmt.Errorf("template %q is not known; there are %v", id, known)
}
