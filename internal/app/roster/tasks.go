package roster

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"digione/internal/app/fault"
	"digione/internal/app/i18n"
	"digione/internal/app/jobs"
	appmail "digione/internal/app/mail"
	"digione/internal/tenancy"
)

// tellDays is how long after it happened somebody is still written to.
const tellDays = 7

// Tasks are what runs by itself: bringing in what was delivered, publishing a school
// year on its day, and pruning.
type Tasks struct {
	Desk *Desk
	Mail appmail.Server // without an address nobody is written to
	TLS  bool
}

// Jobs returns the tasks.
func (c Tasks) Jobs() []jobs.Task {
	return []jobs.Task{
		{Name: "roster.inbox", Every: 5 * time.Minute, Run: c.Inbox},
		{Name: "roster.publish", Every: 5 * time.Minute, Run: c.Publish},
		{Name: "roster.prune", Every: 24 * time.Hour, Lease: importDeadline, Run: c.Prune},
	}
}

// Inbox begins to bring in what a tenant's system has delivered, at the hours of its
// schedule and outside of its blackouts, and writes to its people about what waits
// for them. It does not wait for an import: that runs at the desk, where a program
// that dies is noticed within half a minute.
func (c Tasks) Inbox(ctx context.Context, t tenancy.Tenant) error {
	return errors.Join(c.tell(ctx, t), c.begin(ctx, t))
}

func (c Tasks) begin(ctx context.Context, t tenancy.Tenant) error {
	set, now := t.Settings.Roster, c.Desk.Now()
	if _, closed := blackout(set, now); closed || !set.Schedule.Open(now.In(helsinki)) {
		return nil
	}
	list, _, err := c.Desk.Look(ctx, t)
	if err != nil || len(list) == 0 {
		return err
	}
	w := &Work{ID: uuid.New(), Kind: workInbox, StartedBy: InboxAccount}
	err = c.Desk.start(ctx, t, w, func(ctx context.Context, say Progress) error {
		_, err := c.Desk.Inbox(ctx, t, say)
		return err
	})
	if fault.KindOf(err) == fault.Conflict {
		return nil // something runs already; the next look comes soon
	}
	return err
}

// Prune deletes what has been kept for long enough.
func (c Tasks) Prune(ctx context.Context, t tenancy.Tenant) error {
	_, err := c.Desk.Service.Prune(ctx, t, false)
	if fault.KindOf(err) == fault.Conflict {
		err = nil // an import runs; tomorrow is another day
	}
	return errors.Join(err, c.Desk.pruneInbox(ctx, t))
}

// tell writes to the tenant's contacts, once for each delivery that is held or has
// failed. A kill between the server's answer and the note sends the same message
// again, under the same Message-ID.
func (c Tasks) tell(ctx context.Context, t tenancy.Tenant) error {
	to := t.Settings.Joining.Addresses("roster")
	if c.Mail.Addr == "" || len(to) == 0 {
		return nil
	}
	var untold []*Delivery
	now := c.Desk.Now()
	err := c.Desk.DB.Read(ctx, t.ID, func(tx tenancy.Read) (err error) {
		untold, err = listUntold(ctx, tx, now.AddDate(0, 0, -tellDays))
		return err
	})
	for _, d := range untold {
		if err != nil {
			break
		}
		subject, body := letter(t, d, c.TLS)
		if _, err = c.Mail.Send(ctx, appmail.Message{ID: "roster-" + d.ID.String(), To: to, Subject: subject, Body: body}); err != nil {
			return fmt.Errorf("tell of a delivery: %w", err)
		}
		err = c.Desk.DB.Write(ctx, t.ID, func(tx tenancy.Write) error { return markDeliveryTold(ctx, tx, d.ID, now) }, tenancy.Trace())
	}
	return err
}

// letter names nobody, not even a file, which its maker may have named after
// somebody: what happened is read on the page.
func letter(t tenancy.Tenant, d *Delivery, tls bool) (subject, body string) {
	link := linkTo(t, d.path(), tls)
	var subjects, bodies []string
	for _, l := range []i18n.Lang{i18n.Fi, i18n.Sv} {
		subjects = append(subjects, l.T("roster.mail.subject."+string(d.State)))
		bodies = append(bodies, l.T("roster.mail.body."+string(d.State), "Name", t.Name(string(l)), "When", l.DateTime(*d.EndedAt))+"\n\n"+link+"\n")
	}
	return strings.Join(subjects, " / "), strings.Join(bodies, "\n----------\n\n")
}

// linkTo is the address of a page of a tenant, empty for a tenant without a host.
func linkTo(t tenancy.Tenant, path string, tls bool) string {
	switch {
	case len(t.Hosts) == 0:
		return ""
	case tls:
		return "https://" + t.Hosts[0] + path
	}
	return "http://" + t.Hosts[0] + path
}

// path is where somebody sees what became of a delivery.
func (d *Delivery) path() string {
	switch {
	case d.Plan != "":
		return own + "/" + d.Plan
	case d.Upload != nil:
		return own + "/paketti/" + d.Upload.String()
	}
	return own
}
