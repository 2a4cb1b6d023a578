package roster

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"digione/internal/app/fault"
	"digione/internal/tenancy"
)

// Seen is a part and the changes that whoever decides has looked at.
type Seen struct {
	N      int
	Change string // the digest, as the page gave it out
}

// ApproveParts lets held parts go, by the word of another than who asked for the
// publication, under the same rule as for imports.
func (s *Service) ApproveParts(ctx context.Context, t tenancy.Tenant, pub *Publication, seen []Seen, a Approval) error {
	_, person := PersonOf(pub.AskedBy)
	a.Reason = strings.TrimSpace(a.Reason)
	switch {
	case !pub.Open():
		return fault.New(fault.Conflict, "roster.error.publish.over", "the publication is over")
	case len(seen) == 0:
		return fault.New(fault.Invalid, "roster.error.publish.none", "no part was chosen")
	case a.Reason == "":
		return fault.New(fault.Invalid, "roster.error.reason", "an approval needs its reason")
	case (person || t.Settings.Roster.TwoPeople) && tenancy.SamePerson(a.Who, pub.AskedBy):
		return fault.New(fault.Forbidden, "roster.error.twopeople", "%s wants another person than %s to approve what is held", t.Slug, pub.AskedBy)
	}
	return s.DB.Write(ctx, t.ID, func(tx tenancy.Write) error {
		for _, one := range seen {
			i := slices.IndexFunc(pub.Parts, func(p *Part) bool { return p.N == one.N && p.change.String() == one.Change })
			if i < 0 {
				return fault.New(fault.Conflict, "roster.error.stale", "part %d is not what was looked at", one.N)
			}
			if err := approvePart(ctx, tx, pub.ID, one.N, pub.Parts[i].change, a, s.Now()); err != nil {
				return err
			}
		}
		return nil
	})
}

// StopPublication takes a publication back before it begins; later it leaves what has
// not gone on the old year.
func (s *Service) StopPublication(ctx context.Context, t tenancy.Tenant, pub *Publication, who string) error {
	return s.DB.Write(ctx, t.ID, func(tx tenancy.Write) error { return stopPublication(ctx, tx, pub.ID, who, s.Now()) })
}

// PublishNow makes a publication due.
func (s *Service) PublishNow(ctx context.Context, t tenancy.Tenant, pub *Publication) error {
	now := s.Now()
	if w, closed := blackout(t.Settings.Roster, now); closed {
		return fault.New(fault.Invalid, "roster.error.publish.blackout", "imports wait from %s to %s", w.From, w.To)
	}
	return s.DB.Write(ctx, t.ID, func(tx tenancy.Write) error { return movePublication(ctx, tx, pub.ID, now) })
}

// RetryPart gives a part that failed or was taken back another turn.
func (s *Service) RetryPart(ctx context.Context, t tenancy.Tenant, pub *Publication, n int) error {
	return s.DB.Write(ctx, t.ID, func(tx tenancy.Write) error { return retryPart(ctx, tx, pub.ID, n) })
}

// PublicationOf returns the newest publication of a plan, or the one that an import
// is a part of.
func (s *Service) PublicationOf(ctx context.Context, t tenancy.Tenant, plan string) (pub *Publication, ok bool, err error) {
	err = s.DB.Read(ctx, t.ID, func(tx tenancy.Read) error {
		pub, ok, err = publicationOf(ctx, tx, plan)
		return err
	})
	return pub, ok, err
}

// seen names the part and what it would change, for the form of an approval.
func (p *Part) seen() string { return strconv.Itoa(p.N) + "." + p.Digest() }

// Digest is what an approval of the part is bound to.
func (p *Part) Digest() string { return p.change.String() }
