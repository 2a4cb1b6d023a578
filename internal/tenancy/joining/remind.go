package joining

import (
	"context"
	"fmt"
	"time"

	"digione/internal/tenancy"
)

// The kinds of reminders.
const (
	Soon    = "soon"    // due within a week
	Overdue = "overdue" // the day has passed
	Alarm   = "red"     // of a tenant that is live: measured and no longer good enough
)

const notice = 7 // days

// Reminder is a requirement of a tenant to write about.
type Reminder struct {
	Tenant tenancy.Tenant
	Kind   string // Soon, Overdue or Alarm
	Day    time.Time
	Status
}

// Reminders are what waits for a side and is due soon or overdue, the soonest
// first. Of a tenant that is live what turned red is an alarm, whenever it was due;
// Tiera hears of the system's as well.
func (s *State) Reminders(t tenancy.Tenant, side string, today time.Time) (out []Reminder) {
	for _, st := range s.Due() {
		whose := st.Waits()
		switch {
		case s.Lives() && st.State == Red:
			if whose == side || whose == System && side == Tiera {
				y, m, d := st.RedAt.In(helsinki).Date()
				out = append(out, Reminder{t, Alarm, time.Date(y, m, d, 0, 0, 0, 0, time.UTC), *st})
			}
		case whose != side || st.Due.After(today.AddDate(0, 0, notice)):
		case st.Due.Before(today):
			out = append(out, Reminder{t, Overdue, st.Due, *st})
		default:
			out = append(out, Reminder{t, Soon, st.Due, *st})
		}
	}
	return out
}

const sqlNoteReminders = `
insert into control.join_mail (tenant, requirement, due, kind, sent_at)
select r.tenant, r.requirement, r.due, r.kind, $5
  from unnest($1::text[], $2::text[], $3::date[], $4::text[]) r (tenant, requirement, due, kind)
 order by r.tenant, r.requirement, r.due, r.kind
    on conflict do nothing
returning tenant, requirement, kind`

// Remind sends those of the reminders that nobody was written about yet, in one
// mail, and returns them. Without send nothing is sent and nothing is noted.
//
// They are noted first, and the note is committed once send has returned: it must
// return only when the server has taken the mail. So two runs at a time send once,
// for the second waits for the first one's notes; a mail that is not taken is
// tried again by the next run; and whoever is killed between the server's answer
// and the commit lets the next run send the mail a second time. It is never lost.
func Remind(ctx context.Context, db DB, list []Reminder, now time.Time, send func(context.Context, []Reminder) error) ([]Reminder, error) {
	if len(list) == 0 {
		return nil, nil
	}
	tx, err := db.Begin(ctx)
	if err != nil {
		return nil, fmt.Errorf("begin: %w", err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	var tenants, requirements, kinds []string
	var dues []time.Time
	for _, r := range list {
		tenants, requirements = append(tenants, string(r.Tenant.ID)), append(requirements, r.ID)
		dues, kinds = append(dues, r.Day), append(kinds, r.Kind)
	}
	rows, err := tx.Query(ctx, sqlNoteReminders, tenants, requirements, dues, kinds, now)
	if err != nil {
		return nil, fmt.Errorf("note reminders: %w", err)
	}
	fresh := map[[3]string]bool{}
	for rows.Next() {
		var k [3]string
		if err := rows.Scan(&k[0], &k[1], &k[2]); err != nil {
			return nil, fmt.Errorf("note reminders: %w", err)
		}
		fresh[k] = true
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("note reminders: %w", err)
	}
	var out []Reminder
	for _, r := range list {
		if fresh[[3]string{string(r.Tenant.ID), r.ID, r.Kind}] {
			out = append(out, r)
		}
	}
	if len(out) == 0 || send == nil {
		return out, nil
	}
	if err := send(ctx, out); err != nil {
		return out, err
	}
	// The mail is on its way: a cancelled run still notes it.
	if err := tx.Commit(context.WithoutCancel(ctx)); err != nil {
		return out, fmt.Errorf("commit: %w", err)
	}
	return out, nil
}
