// Package oversight shows who looked at whose data, and watches for those who look
// at more than their work needs. A learner and a guardian see which organisation
// looked, when and in what role, never which person: their own looks are left out.
// Those who oversee the municipality see alarms, and the end of the sealed chain.
// It writes audit_alarm; what it tells about is in audit_event.
package oversight

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"digione/internal/app/audit"
	"digione/internal/app/i18n"
	"digione/internal/app/jobs"
	appmail "digione/internal/app/mail"
	"digione/internal/tenancy"
	"digione/internal/tenancy/keys"
)

// Look is what an organisation saw of a person on one day in one role.
type Look struct {
	Day        time.Time
	First      time.Time
	Last       time.Time
	Unit       string // "" where it is not known
	UnitSv     string
	Kind, Role string // of the actor: person, operator, system; authz.Role
	Action     string
	Reason     string
	Times      int
}

// Alarm is that somebody looked at unusually many persons within an hour.
type Alarm struct {
	ID                      uuid.UUID
	Actor                   uuid.UUID
	Name                    string // "" for an operator
	Kind                    string
	First, Last             time.Time
	Persons, Usual, Allowed int
	Told, Reviewed          *time.Time
	Review, Reviewer        string
}

// Config is what the tasks need.
type Config struct {
	DB     *tenancy.DB
	Keyset func(tenancy.Tenant) (*keys.Keyset, error)
	Mail   appmail.Server // without an address nobody is written to
	TLS    bool
	Now    func() time.Time
}

// Tasks seal the audit and watch over it.
func Tasks(c Config) []jobs.Task {
	return []jobs.Task{
		{Name: "audit.seal", Every: 5 * time.Minute, Run: c.seal},
		{Name: "audit.watch", Every: 5 * time.Minute, Run: c.watch},
	}
}

func (c Config) seal(ctx context.Context, t tenancy.Tenant) error {
	ks, err := c.Keyset(t)
	if err != nil {
		return err
	}
	_, err = audit.Seal(ctx, c.DB, t, ks, c.Now)
	return err
}

// mostPersons is how many different persons somebody may look at within an hour
// before anybody is told, where the tenant's settings do not say: six full classes.
// Who looks at many on any day is told of at twice the most of their last week.
const mostPersons = 200

func (c Config) watch(ctx context.Context, t tenancy.Tenant) error {
	now, limit := c.Now(), t.Settings.Audit.AlarmPersons
	if limit == 0 {
		limit = mostPersons
	}
	var untold []uuid.UUID
	err := c.DB.Write(ctx, t.ID, func(tx tenancy.Write) (err error) {
		if err = raise(ctx, tx, now, i18n.Day(now), limit); err == nil {
			untold, err = listUntold(ctx, tx.Read)
		}
		return err
	}, tenancy.Trace())
	if err != nil || len(untold) == 0 || c.Mail.Addr == "" {
		return err
	}
	to := t.Settings.Joining.Addresses("data-protection")
	if len(to) == 0 {
		return nil
	}
	subject, body := letter(t, len(untold), c.TLS)
	if _, err := c.Mail.Send(ctx, appmail.Message{To: to, Subject: subject, Body: body}); err != nil {
		return fmt.Errorf("tell of alarms: %w", err)
	}
	return c.DB.Write(ctx, t.ID, func(tx tenancy.Write) error { return markTold(ctx, tx, untold, now) }, tenancy.Trace())
}

// letter names nobody: whom it is about, its readers see once they are signed in.
func letter(t tenancy.Tenant, alarms int, tls bool) (subject, body string) {
	scheme := "http://"
	if tls {
		scheme = "https://"
	}
	link := ""
	if len(t.Hosts) > 0 {
		link = scheme + t.Hosts[0] + overseen
	}
	var subjects, bodies []string
	for _, l := range []i18n.Lang{i18n.Fi, i18n.Sv} {
		subjects = append(subjects, l.T("oversight.mail.subject"))
		bodies = append(bodies, l.T("oversight.mail.body", "Name", t.Name(string(l)), "Count", alarms)+"\n\n"+link+"\n")
	}
	return strings.Join(subjects, " / "), strings.Join(bodies, "\n----------\n\n")
}
