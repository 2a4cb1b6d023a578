package roster

import (
	"fmt"

	"github.com/google/uuid"

	"digione/internal/app/people/hetu"
	"digione/internal/app/roster/oneroster"
	"digione/internal/tenancy"
)

// matcher finds the person of a users row: the one of the same sourcedId, else
// of the same oppijanumero, else of the same hetu, else a new one; never by name
// or e-mail. Where two identifiers speak of two people, the stronger word is
// taken for the row, the other is left out, and a human decides.
type matcher struct {
	learner map[key]uuid.UUID // oppijanumero
	code    map[[16]byte]uuid.UUID
	doubts  []doubt
}

type doubt struct {
	sourcedID string
	person    uuid.UUID
	reason    string
}

const (
	doubtTwoPeople = "the oppijanumero is of one person and the hetu of another"
	doubtTaken     = "the hetu or oppijanumero that the row now carries is another person's"
)

// identity is what a row says of who it is about.
type rowIdentity struct {
	hetu    hetu.Hetu
	code    []byte // its keyed hash
	learner string // oppijanumero
}

func (r *run) identityOf(rec *oneroster.Record) (rowIdentity, error) {
	x := extra{}
	x.meta(rec)
	h, _, _ := hiddenHetu(rec, x)
	who := rowIdentity{hetu: h, learner: oppijanumero(rec)}
	if h != (hetu.Hetu{}) {
		var err error
		if who.code, err = r.keys.Hash([]byte(h.Reveal())); err != nil {
			return who, fmt.Errorf("hash hetu: %w", err)
		}
	}
	return who, nil
}

// find returns the person of a new row, and whether the person is new too.
func (m *matcher) find(sourcedID string, who *rowIdentity) (person uuid.UUID, isNew bool) {
	byLearner, byCode := m.learner[keyOf(who.learner)], uuid.Nil
	if who.learner == "" {
		byLearner = uuid.Nil
	}
	if who.code != nil {
		byCode = m.code[[16]byte(who.code)]
	}
	switch {
	case byLearner != uuid.Nil && byCode != uuid.Nil && byLearner != byCode:
		m.doubts = append(m.doubts, doubt{sourcedID, byLearner, doubtTwoPeople})
		return byLearner, false
	case byLearner != uuid.Nil:
		person = byLearner
	case byCode != uuid.Nil:
		person = byCode
	default:
		id, err := uuid.NewV7()
		if err != nil {
			id = uuid.New()
		}
		person, isNew = id, true
	}
	m.claim(person, who)
	return person, isNew
}

func (m *matcher) claim(person uuid.UUID, who *rowIdentity) {
	if who.learner != "" {
		m.learner[keyOf(who.learner)] = person
	}
	if who.code != nil {
		m.code[[16]byte(who.code)] = person
	}
}

// settle drops identifiers of a changed row that are another person's.
func (m *matcher) settle(sourcedID string, person uuid.UUID, who *rowIdentity) {
	doubtful := false
	if p, ok := m.learner[keyOf(who.learner)]; ok && p != person && who.learner != "" {
		who.learner, doubtful = "", true
	}
	if who.code != nil {
		if p, ok := m.code[[16]byte(who.code)]; ok && p != person {
			who.code, who.hetu, doubtful = nil, hetu.Hetu{}, true
		}
	}
	if doubtful {
		m.doubts = append(m.doubts, doubt{sourcedID, person, doubtTaken})
	}
	m.claim(person, who)
}

// personRow is the golden record that a users row proposes.
func (r *run) personRow(rec *oneroster.Record, id uuid.UUID, who rowIdentity, isNew bool) ([]string, error) {
	x := extra{}
	x.meta(rec)
	given := rec.Get("givenName")
	if m := rec.Get("middleName"); m != "" {
		given += " " + m
	}
	birth := r.births[keyOf(rec.SourcedID)]
	// A date that was delivered before outranks that of the hetu.
	if birth == "" && isNew && who.hetu != (hetu.Hetu{}) {
		birth = who.hetu.BirthDate().Format("2006-01-02")
	}
	cipher, hash, err := r.sealHetu(who.hetu, who.code)
	if err != nil {
		return nil, err
	}
	protected := tenancy.Null
	if x["metadata.turvakielto"] == "true" {
		protected = "[" + today(r.at) + ",)"
	}
	phone := rec.Get("sms")
	if phone == "" {
		phone = rec.Get("phone")
	}
	return []string{id.String(), given, rec.Get("preferredGivenName"), rec.Get("familyName"), cellOr(birth, tenancy.Null),
		x["metadata.homeLanguage"], x["metadata.homeMunicipality"], rec.Get("email"), phone, cipher, hash,
		cellOr(who.learner, tenancy.Null), protected}, nil
}

// userTraces are what the re-key detector compares: the new users' names of sign-in,
// identifiers and addresses, hashed with the tenant's key.
type userTraces map[string]string

const maxTraces = 200000

// trace notes a new user for the re-key detector.
func (r *run) trace(rec *oneroster.Record) {
	if r.write != nil || rec.Table.Type != oneroster.Users || r.first || len(r.newUsers) > maxTraces {
		return
	}
	if r.newUsers == nil {
		r.newUsers = userTraces{}
	}
	for _, c := range []string{"username", "identifier", "email"} {
		if v := rec.Get(c); v != "" {
			r.newUsers[c+" "+lower(v)] = rec.SourcedID
		}
	}
}
