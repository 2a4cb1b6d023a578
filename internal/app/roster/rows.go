package roster

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"github.com/google/uuid"

	"digione/internal/app/identity"
	"digione/internal/app/org"
	"digione/internal/app/people/hetu"
	"digione/internal/app/roster/oneroster"
	"digione/internal/tenancy"
)

// From a record to the cells of its product's row: the mapping that
// docs/rosters.md describes. Columns that the product has no place for go to
// extra under their own names.

func bulkOf(t oneroster.Type) tenancy.Bulk {
	switch t {
	case oneroster.Orgs:
		return org.Units
	case oneroster.AcademicSessions:
		return org.Terms
	case oneroster.Courses:
		return org.Courses
	case oneroster.Classes:
		return org.Groups
	case oneroster.Enrollments:
		return org.Enrolments
	case oneroster.Roles:
		return identity.Grants
	case oneroster.Users:
		return users
	}
	return records
}

// mark is what every row of a source carries beside its content.
type mark struct {
	id       uuid.UUID
	status   string
	modified string
	hash     rowHash
}

func (r *run) row(rec *oneroster.Record, m mark) ([]string, error) {
	switch rec.Table.Type {
	case oneroster.Orgs:
		return r.unitRow(rec, m)
	case oneroster.AcademicSessions:
		return r.termRow(rec, m)
	case oneroster.Courses:
		return r.courseRow(rec, m)
	case oneroster.Classes:
		return r.groupRow(rec, m)
	case oneroster.Users:
		return r.userRow(rec, m)
	case oneroster.Roles:
		return r.grantRow(rec, m)
	case oneroster.Enrollments:
		return r.enrolmentRow(rec, m)
	}
	return r.recordRow(rec, m)
}

// tail are the six cells that stand at the end of most rows, before extra.
func (r *run) tail(rec *oneroster.Record, m mark) []string {
	return []string{sourceRoster, rec.SourcedID, m.status, m.modified, cellBytes(m.hash[:]), r.seqCell}
}

const sourceRoster = "roster"

// ref resolves a reference; the check has seen that it resolves.
func (r *run) ref(t oneroster.Type, id string) (*stored, error) {
	if id == "" {
		return nil, nil
	}
	s := r.known[t][keyOf(id)]
	if s == nil {
		return nil, fmt.Errorf("%s is referred to and neither in the package nor in the tenant", label(t, id))
	}
	return s, nil
}

func (r *run) refID(t oneroster.Type, id string) (string, error) {
	s, err := r.ref(t, id)
	if s == nil {
		return tenancy.Null, err
	}
	return s.id.String(), nil
}

var (
	schoolCode = regexp.MustCompile(`^[0-9]{5}$`)
	unitKinds  = map[string]string{"district": "provider", "school": "school", "department": "department"}
)

func (r *run) unitRow(rec *oneroster.Record, m mark) ([]string, error) {
	x := extra{}
	x.meta(rec)
	kind := unitKinds[rec.Get("type")]
	if kind == "" {
		kind = "other"
		x.put("type", rec.Get("type"))
	}
	code, oid := tenancy.Null, tenancy.Null
	if id := rec.Get("identifier"); schoolCode.MatchString(id) {
		code = id
	} else {
		x.put("identifier", id)
	}
	for _, candidate := range []string{rec.Get("identifier"), x["metadata.oid"]} {
		if tenancy.CheckOrganisationOID(candidate) == nil {
			oid = candidate
		}
	}
	parent, err := r.refID(oneroster.Orgs, rec.Get("parentSourcedId"))
	if err != nil {
		return nil, err
	}
	row := []string{m.id.String(), parent, kind, rec.Get("name"), x["metadata.nameSv"], code, oid}
	return append(append(row, r.tail(rec, m)...), x.cell("{}")), nil
}

func (r *run) termRow(rec *oneroster.Record, m mark) ([]string, error) {
	x := extra{}
	x.meta(rec)
	span, odd := cellRange(rec.Get("startDate"), rec.Get("endDate"))
	if odd {
		x.put("startDate", rec.Get("startDate"))
		x.put("endDate", rec.Get("endDate"))
	}
	parent, err := r.refID(oneroster.AcademicSessions, rec.Get("parentSourcedId"))
	if err != nil {
		return nil, err
	}
	row := []string{m.id.String(), parent, rec.Get("type"), rec.Get("title"), span, rec.Get("schoolYear")}
	return append(append(row, r.tail(rec, m)...), x.cell("{}")), nil
}

func (r *run) courseRow(rec *oneroster.Record, m mark) ([]string, error) {
	x := extra{}
	x.meta(rec)
	unit, err := r.refID(oneroster.Orgs, rec.Get("orgSourcedId"))
	if err != nil {
		return nil, err
	}
	year, err := r.refID(oneroster.AcademicSessions, rec.Get("schoolYearSourcedId"))
	if err != nil {
		return nil, err
	}
	row := []string{m.id.String(), unit, year, rec.Get("title"), rec.Get("courseCode"), tenancy.Array(rec.List("grades")),
		tenancy.Array(rec.List("subjects")), tenancy.Array(rec.List("subjectCodes"))}
	return append(append(row, r.tail(rec, m)...), x.cell("{}")), nil
}

func (r *run) groupRow(rec *oneroster.Record, m mark) ([]string, error) {
	x := extra{}
	x.meta(rec)
	kind := rec.Get("classType")
	if kind != "homeroom" && kind != "scheduled" {
		x.put("classType", kind)
		kind = "other"
	}
	unit, err := r.refID(oneroster.Orgs, rec.Get("schoolSourcedId"))
	if err != nil {
		return nil, err
	}
	course, err := r.refID(oneroster.Courses, rec.Get("courseSourcedId"))
	if err != nil {
		return nil, err
	}
	var terms []string
	var from, to string
	for _, id := range rec.List("termSourcedIds") {
		s, err := r.ref(oneroster.AcademicSessions, id)
		if err != nil {
			return nil, err
		}
		terms = append(terms, s.id.String())
		span := r.spans[s.aux]
		if from == "" || (span.from != "" && span.from < from) {
			from = span.from
		}
		to = max(to, span.to)
	}
	span, _ := cellRange(from, to)
	row := []string{m.id.String(), unit, course, kind, rec.Get("title"), rec.Get("classCode"), rec.Get("location"),
		tenancy.Array(rec.List("grades")), tenancy.Array(rec.List("subjects")), tenancy.Array(rec.List("subjectCodes")),
		tenancy.Array(rec.List("periods")), tenancy.Array(terms), span}
	return append(append(row, r.tail(rec, m)...), x.cell("{}")), nil
}

func (r *run) grantRow(rec *oneroster.Record, m mark) ([]string, error) {
	x := extra{}
	x.meta(rec)
	x.put("userProfileSourcedId", rec.Get("userProfileSourcedId"))
	user, err := r.ref(oneroster.Users, rec.Get("userSourcedId"))
	if err != nil {
		return nil, err
	}
	unit, err := r.refID(oneroster.Orgs, rec.Get("orgSourcedId"))
	if err != nil {
		return nil, err
	}
	span, odd := cellRange(rec.Get("beginDate"), rec.Get("endDate"))
	if odd {
		x.put("beginDate", rec.Get("beginDate"))
		x.put("endDate", rec.Get("endDate"))
	}
	primary := "f"
	if rec.Get("roleType") == "primary" {
		primary = "t"
	}
	row := []string{m.id.String(), r.persons[user.aux].String(), rec.Get("role"), unit, primary, span}
	return append(append(row, r.tail(rec, m)...), user.id.String(), x.cell(tenancy.Null)), nil
}

func (r *run) enrolmentRow(rec *oneroster.Record, m mark) ([]string, error) {
	x := extra{}
	x.meta(rec)
	group, err := r.ref(oneroster.Classes, rec.Get("classSourcedId"))
	if err != nil {
		return nil, err
	}
	user, err := r.ref(oneroster.Users, rec.Get("userSourcedId"))
	if err != nil {
		return nil, err
	}
	if school := r.known[oneroster.Orgs][keyOf(rec.Get("schoolSourcedId"))]; school == nil || r.unitAt(group.unit) != school.id {
		x.put("schoolSourcedId", rec.Get("schoolSourcedId"))
	}
	span, odd := cellRange(rec.Get("beginDate"), rec.Get("endDate"))
	if odd {
		x.put("beginDate", rec.Get("beginDate"))
		x.put("endDate", rec.Get("endDate"))
	}
	row := []string{m.id.String(), group.id.String(), r.persons[user.aux].String(), rec.Get("role"), cellBool(rec.Get("primary")), span}
	return append(append(row, r.tail(rec, m)...), user.id.String(), x.cell(tenancy.Null)), nil
}

func (r *run) recordRow(rec *oneroster.Record, m mark) ([]string, error) {
	x := extra{}
	x.meta(rec)
	for i, c := range rec.Table.Columns {
		v := rec.Fields[i]
		if c.Name == "password" && v != "" {
			var err error
			if v, err = r.sealText(v); err != nil {
				return nil, err
			}
		}
		x.put(c.Name, v)
	}
	row := []string{m.id.String(), string(rec.Table.Type), x.cell("{}")}
	return append(row, r.tail(rec, m)...), nil
}

// placeholder stands where a hetu stood in a delivered row; the code itself is
// kept encrypted beside it.
const placeholder = "{{hetu}}"

// hiddenHetu finds the hetu that a users row delivers, in metadata.hetu, in
// userIds as {hetu:…} or as the identifier, and puts the placeholder in its place.
func hiddenHetu(rec *oneroster.Record, x extra) (found hetu.Hetu, userIDs, identifier string) {
	userIDs, identifier = rec.Get("userIds"), rec.Get("identifier")
	if h, err := hetu.Parse(x["metadata.hetu"]); err == nil {
		found, x["metadata.hetu"] = h, placeholder
	}
	for _, pair := range rec.List("userIds") {
		kind, value, ok := strings.Cut(strings.Trim(pair, "{}"), ":")
		if h, err := hetu.Parse(value); ok && err == nil && strings.EqualFold(kind, "hetu") {
			found = h
			userIDs = strings.Replace(userIDs, value, placeholder, 1)
		}
	}
	if h, err := hetu.Parse(identifier); err == nil {
		found, identifier = h, placeholder
	}
	return found, userIDs, identifier
}

func (r *run) userRow(rec *oneroster.Record, m mark) ([]string, error) {
	x := extra{}
	x.meta(rec)
	for _, c := range []string{"preferredGivenName", "preferredMiddleName", "preferredFamilyName", "pronouns", "resourceSourcedIds"} {
		x.put(c, rec.Get(c))
	}
	if pw := rec.Get("password"); pw != "" {
		sealed, err := r.sealText(pw)
		if err != nil {
			return nil, err
		}
		x["password"] = sealed
	}
	h, userIDs, identifier := hiddenHetu(rec, x)
	cipher, hash, err := r.sealHetu(h, nil)
	if err != nil {
		return nil, err
	}
	unit, err := r.refID(oneroster.Orgs, rec.Get("primaryOrgSourcedId"))
	if err != nil {
		return nil, err
	}
	s := r.known[oneroster.Users][keyOf(rec.SourcedID)]
	row := []string{m.id.String(), r.persons[s.aux].String(), unit, cellBool(rec.Get("enabledUser")), rec.Get("username"),
		rec.Get("givenName"), rec.Get("familyName"), rec.Get("middleName"), userIDs, identifier, rec.Get("email"), rec.Get("sms"),
		rec.Get("phone"), tenancy.Array(rec.List("agentSourcedIds")), tenancy.Array(rec.List("grades")), rec.Get("userMasterIdentifier"),
		cipher, hash}
	return append(append(row, r.tail(rec, m)...), x.cell(tenancy.Null)), nil
}

// Contexts of sealed values: a value opens only as what it was sealed as.
const (
	contextHetu   = "hetu"
	contextSecret = "roster.password"
)

// sealHetu gives the cells of a hetu; code is its keyed hash where it is known.
func (r *run) sealHetu(h hetu.Hetu, code []byte) (cipher, hash string, err error) {
	if h == (hetu.Hetu{}) {
		return tenancy.Null, tenancy.Null, nil
	}
	plain := []byte(h.Reveal())
	c, err := r.keys.Seal(plain, contextHetu)
	if err != nil {
		return "", "", fmt.Errorf("encrypt hetu: %w", err)
	}
	if code == nil {
		if code, err = r.keys.Hash(plain); err != nil {
			return "", "", fmt.Errorf("hash hetu: %w", err)
		}
	}
	return cellBytes(c), cellBytes(code), nil
}

const sealedPrefix = "sealed:"

// sealText keeps a delivered password, which must be able to go out again, but
// not readable.
func (r *run) sealText(s string) (string, error) {
	b, err := r.keys.Seal([]byte(s), contextSecret)
	if err != nil {
		return "", fmt.Errorf("encrypt password: %w", err)
	}
	return sealedPrefix + base64.StdEncoding.EncodeToString(b), nil
}

// image is a row as roster_change keeps it and as an export reads it.
type image struct {
	Status string            `json:"status"`
	Hetu   *string           `json:"hetu"`
	Fields map[string]string `json:"fields"`
}

func parseImage(b []byte) (image, error) {
	var i image
	if err := json.Unmarshal(b, &i); err != nil {
		return i, fmt.Errorf("read kept row: %w", err)
	}
	return i, nil
}
