package roster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"digione/internal/app/fault"
	"digione/internal/app/i18n"
	appmail "digione/internal/app/mail"
	"digione/internal/tenancy"
)

// Publish begins to publish what is due of a school year, and writes to the tenant's
// people about what waits for them, and when it is done. As with the inbox the work
// runs at the desk, where a program that dies is noticed within half a minute.
func (c Tasks) Publish(ctx context.Context, t tenancy.Tenant) error {
	return errors.Join(c.tellPublication(ctx, t), c.beginPublish(ctx, t))
}

func (c Tasks) beginPublish(ctx context.Context, t tenancy.Tenant) error {
	pub, due, err := c.Desk.DuePublication(ctx, t)
	if err != nil || !due {
		return err
	}
	err = c.Desk.BeginPublish(ctx, t, pub.Plan, pub.AskedBy)
	if fault.KindOf(err) == fault.Conflict {
		return nil // something runs already; the next look comes soon
	}
	return err
}

// news is what there is to tell of a publication, empty when nothing: what kind of
// letter, and what it is about, so that each thing is told once.
func (p *Publication) news() (letter, about string) {
	var n []string
	for _, part := range p.Parts {
		if part.State == PartHeld || part.State == PartFailed {
			n = append(n, fmt.Sprint(part.N))
		}
	}
	going := slices.ContainsFunc(p.Parts, func(o *Part) bool { return o.mayGo(p) })
	switch {
	case p.State == Published:
		return "done", "done"
	case len(n) == 0 || p.State == Publishing && going:
		return "", ""
	case p.State == Scheduled:
		return "waiting", "waiting " + strings.Join(n, " ")
	}
	return "held", "held " + strings.Join(n, " ")
}

// fresh tells whether there is more to tell than what was told last: that fewer wait
// than before is no news.
func fresh(told, about string) bool {
	known := strings.Fields(told)
	return slices.ContainsFunc(strings.Fields(about), func(word string) bool { return !slices.Contains(known, word) })
}

// tellPublication writes to the tenant's contacts. A kill between the server's answer
// and the note sends the same message again, under the same Message-ID.
func (c Tasks) tellPublication(ctx context.Context, t tenancy.Tenant) error {
	to := t.Settings.Joining.Addresses("roster")
	if c.Mail.Addr == "" || len(to) == 0 {
		return nil
	}
	var list []*Publication
	err := c.Desk.DB.Read(ctx, t.ID, func(tx tenancy.Read) (err error) {
		list, err = untoldPublications(ctx, tx, c.Desk.Now().AddDate(0, 0, -tellDays))
		return err
	})
	for _, p := range list {
		letter, about := p.news()
		if err != nil || !fresh(p.told, about) {
			continue
		}
		subject, body := c.publicationLetter(t, p, letter)
		id := "publication-" + p.ID.String() + "-" + strings.ReplaceAll(about, " ", "-")
		if _, err = c.Mail.Send(ctx, appmail.Message{ID: id, To: to, Subject: subject, Body: body}); err != nil {
			return fmt.Errorf("tell of a publication: %w", err)
		}
		err = c.Desk.DB.Write(ctx, t.ID, func(tx tenancy.Write) error { return markPublicationTold(ctx, tx, p.ID, about) }, tenancy.Trace())
	}
	return err
}

// publicationLetter gives numbers and a link; names of schools and people are read on
// the page.
func (c Tasks) publicationLetter(t tenancy.Tenant, p *Publication, letter string) (subject, body string) {
	done, held, when := 0, 0, p.At
	for _, part := range p.Parts {
		switch {
		case part.State == PartHeld || part.State == PartFailed:
			held++
		case part.Kind == partSchool && part.gone():
			done++
		}
	}
	if p.EndedAt != nil {
		when = *p.EndedAt
	}
	var subjects, bodies []string
	for _, l := range []i18n.Lang{i18n.Fi, i18n.Sv} {
		subjects = append(subjects, l.T("roster.mail.publish.subject."+letter))
		bodies = append(bodies, l.T("roster.mail.publish.body."+letter, "Name", t.Name(string(l)), "When", l.DateTime(when), "Done", done, "Held", held)+
			"\n\n"+linkTo(t, publishing(p.Plan), c.TLS)+"\n")
	}
	return strings.Join(subjects, " / "), strings.Join(bodies, "\n----------\n\n")
}
