// Package roster brings a municipality's rosters in: it checks a package, plans
// what it would change, applies exactly that plan in one transaction or nothing,
// and takes it back. The source's records and the product's entities are two
// things; docs/rosters.md says how one becomes the other. It owns the tables
// roster_* , local_edit and match_review, and writes people, org and identity
// through their own functions.
package roster

import (
	"crypto/rand"
	"encoding/base32"
	"fmt"
	"strings"
	"time"

	"digione/internal/app/roster/oneroster"
	"digione/internal/tenancy"
)

// State is where a plan stands.
type State string

// The states. A failed one can be planned again, an applied one rolled back; a
// closed one is not wanted.
const (
	Planned    State = "planned"
	Held       State = "held"
	Applied    State = "applied"
	Failed     State = "failed"
	RolledBack State = "rolled_back"
	Closed     State = "closed"
)

// Counts are the changes of one type.
type Counts struct {
	Insert     int `json:"insert"`
	Update     int `json:"update"`
	Remove     int `json:"remove"`
	Reactivate int `json:"reactivate"`
	Unchanged  int `json:"unchanged"`
	Stale      int `json:"stale,omitempty"`  // delta rows older than what is stored: skipped
	Spared     int `json:"spared,omitempty"` // removals left out by no-delete
}

func (c Counts) changes() int { return c.Insert + c.Update + c.Remove + c.Reactivate }

// Hold says why a plan waits for a human. Count rows would change where Limit
// rows may without asking.
type Hold struct {
	Rule       string  `json:"rule"`
	Type       string  `json:"type"`
	School     string  `json:"school"`
	SchoolName string  `json:"school_name"`
	Count      int     `json:"count"`
	Of         int     `json:"of"`
	Limit      int     `json:"limit"`
	Share      float64 `json:"share"` // the limit as a share of Of, 0 when it is none
	Message    string  `json:"message"`
}

// The rules that hold a plan.
const (
	RuleInitial        = "initial"
	RuleRemovals       = "removals"
	RuleUpdates        = "updates"
	RuleInserts        = "inserts"
	RuleSchoolRemovals = "school-removals"
	RuleRekey          = "rekey"
	RuleBlackout       = "blackout"
	RuleNoDelete       = "no-delete"
	RulePublishing     = "publishing"
	RuleLeastRows      = "least-rows"
)

// Conflict is a field that was edited in DigiOne and that the source delivers
// otherwise.
type Conflict struct {
	Type      string `json:"type"`
	SourcedID string `json:"sourcedId"`
	Field     string `json:"field"`
	Policy    string `json:"policy"` // keep or overwrite
}

// Rekey is a pair of sourcedIds that look like one object under a new name.
type Rekey struct {
	Type string `json:"type"`
	Old  string `json:"old"`
	New  string `json:"new"`
	By   string `json:"by"`
}

// Options are a planner's choices; they are part of the plan.
type Options struct {
	Lenient  bool              `json:"lenient"`
	NoDelete bool              `json:"no_delete"`
	Mapping  map[string]string `json:"mapping,omitempty"` // "type old" -> new sourcedId
}

// renamed is what the mapping calls a row now, empty when it does not name it. Rows that
// take their sourcedId from a user go with the user; own tells those named themselves.
func (o Options) renamed(t oneroster.Type, sourcedID string) (to string, own bool) {
	if to = o.Mapping[string(t)+" "+sourcedID]; to != "" || !oneroster.TableOf(t).OfUser {
		return to, to != ""
	}
	return o.Mapping[string(oneroster.Users)+" "+sourcedID], false
}

// Plan is what an import would do: the product of planning, and the record of
// what became of it.
type Plan struct {
	ID           string                    `json:"plan"`
	Import       string                    `json:"import"` // "imp_N" once applied
	Tenant       string                    `json:"tenant"`
	State        State                     `json:"state"`
	Kind         string                    `json:"kind"` // package or rollback
	Undoes       string                    `json:"undoes"`
	SourceName   string                    `json:"source"`
	SourceSHA256 string                    `json:"source_sha256"`
	Version      string                    `json:"version"`
	Held         bool                      `json:"held"`
	Holds        []Hold                    `json:"holds"`
	Changes      map[oneroster.Type]Counts `json:"changes"`
	Conflicts    []Conflict                `json:"conflicts"`
	Rekeyed      []Rekey                   `json:"rekeyed"`
	Findings     []oneroster.Finding       `json:"findings"`
	Repairs      map[string]int            `json:"repairs"`
	Rows         int64                     `json:"rows"`
	PlannedBy    string                    `json:"planned_by"`
	PlannedAt    time.Time                 `json:"planned_at"`
	ApprovedBy   string                    `json:"approved_by"`
	Reason       string                    `json:"reason"`
	AppliedBy    string                    `json:"applied_by"`
	AppliedAt    *time.Time                `json:"applied_at"`
	Seconds      float64                   `json:"seconds"`
	Rest         string                    `json:"rest,omitempty"` // the held plan of what no-delete left out
	Options      Options                   `json:"options"`

	// For the pages; the command line's JSON is without them.
	Totals   []oneroster.Total `json:"-"` // of the findings, by code
	Schools  []SchoolCounts    `json:"-"` // read by Details alone
	Leavers  Leavers           `json:"-"` // who would have no role left
	Failure  string            `json:"-"` // key of the sentence that says why it failed
	ClosedBy string            `json:"-"`
	PrunedAt *time.Time        `json:"-"` // when what a rollback needs was deleted
	samples  []Sample
	losses   []loss

	blind                 bool // a first import: counted while it was written
	seq                   int
	baseSeq               int
	objectKey             string
	stateHash, changeHash digest
}

// Empty tells whether applying the plan would change nothing.
func (p *Plan) Empty() bool {
	for _, c := range p.Changes {
		if c.changes() > 0 {
			return false
		}
	}
	return true
}

// Progress hears how far a long run has come.
type Progress func(stage string, t oneroster.Type, rows int64)

func (f Progress) say(stage string, t oneroster.Type, rows int64) {
	if f != nil {
		f(stage, t, rows)
	}
}

// importDeadline bounds one plan or import; the server's own clock too.
const importDeadline = 30 * time.Minute

var within = tenancy.Within(importDeadline)

var planIDs = base32.NewEncoding("0123456789ABCDEFGHJKMNPQRSTVWXYZ").WithPadding(base32.NoPadding)

func newPlanID() (string, error) {
	var b [5]byte
	if _, err := rand.Read(b[:]); err != nil {
		return "", fmt.Errorf("make plan id: %w", err)
	}
	return "pln_" + planIDs.EncodeToString(b[:]), nil
}

func importName(seq int) string {
	if seq == 0 {
		return ""
	}
	return fmt.Sprintf("imp_%d", seq)
}

// source is what a plan is made from: a package, or the images that undo an import.
type source interface {
	Mode(oneroster.Type) oneroster.Mode
	Each(fn func(*oneroster.Record) error, t oneroster.Type) error
	// Full tells that records bring their own status and that what they name is
	// restored as it was: a rollback.
	Full() bool
	RolesFromUsers() bool
}

// today is the day of an import in Finland, where validity is meant.
func today(now time.Time) string { return now.In(helsinki).Format(time.DateOnly) }

var helsinki = func() *time.Location {
	l, err := time.LoadLocation("Europe/Helsinki")
	if err != nil {
		return time.FixedZone("EET", 2*60*60) // a machine without zone data; see cmd: time/tzdata is embedded
	}
	return l
}()

// label names an object for a human: "users 'x'".
func label(t oneroster.Type, id string) string {
	return strings.Join([]string{string(t), "'" + id + "'"}, " ")
}
