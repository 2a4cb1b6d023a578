package roster_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"digione/internal/app/roster"
	"digione/internal/app/roster/generate"
	"digione/internal/app/roster/oneroster"
)

// canonical says in names of the source what a tenant's rows are, those that follow
// from others among them: two tenants that brought in the same have the same.
const canonical = `
with p as (select person as id, string_agg(sourced_id, '+' order by sourced_id) as name from roster_user group by person)
select 'unit ' || sourced_id || ' ' || status from unit where sourced_id is not null
union all select 'term ' || sourced_id || ' ' || status || ' ' || validity from term where sourced_id is not null
union all select 'course ' || sourced_id || ' ' || status from course where sourced_id is not null
union all select 'group ' || sourced_id || ' ' || status || ' ' || validity from teaching_group where sourced_id is not null
union all select 'user ' || u.sourced_id || ' ' || u.status || ' ' || p.name from roster_user u join p on p.id = u.person
union all select 'role ' || sourced_id || ' ' || status || ' ' || p.name from role_grant join p on p.id = person where sourced_id is not null
union all select 'enrolment ' || sourced_id || ' ' || status || ' ' || p.name from enrolment join p on p.id = person where sourced_id is not null
union all select 'record ' || type || ' ' || sourced_id || ' ' || status || ' ' || fields from roster_record
union all select concat_ws(' ', 'person', p.name, given_names, call_name, family_name, birth_date, language, email, phone, hetu_hash is null, oppijanumero, protected)
  from person join p using (id)
union all select concat_ws(' ', 'identifier', p.name, kind, value, validity) from person_identifier join p on p.id = person
union all select concat_ws(' ', 'guardianship', c.name, g.name, source, validity) from guardianship x join p c on c.id = child join p g on g.id = guardian
union all select concat_ws(' ', 'placement', p.name, u.sourced_id, grade, t.sourced_id, x.validity)
  from grade_placement x join p on p.id = learner join unit u on u.id = x.unit left join teaching_group t on t.id = home_group
union all select concat_ws(' ', 'right', p.name, u.sourced_id, x.kind, states) from study_right x join p on p.id = learner join unit u on u.id = x.unit
union all select 'review ' || sourced_id || ' ' || reason from match_review
order by 1`

func (w *town) canon() (out []string) {
	w.Helper()
	w.query(canonical, func(rows pgx.Rows) error {
		var line string
		err := rows.Scan(&line)
		out = append(out, line)
		return err
	})
	return out
}

func (w *town) query(sql string, each func(pgx.Rows) error, args ...any) {
	w.Helper()
	conn, err := pgx.Connect(ctx, w.DSN)
	if err != nil {
		w.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	if _, err := conn.Exec(ctx, "set search_path = t_alpha"); err != nil {
		w.Fatal(err)
	}
	rows, err := conn.Query(ctx, sql, args...)
	if err != nil {
		w.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := each(rows); err != nil {
			w.Fatal(err)
		}
	}
	if rows.Err() != nil {
		w.Fatal(rows.Err())
	}
}

func (w *town) alike(what string, got, want []string) {
	w.Helper()
	n := 0
	for _, d := range []struct {
		sign string
		a, b []string
	}{{"too many", got, want}, {"missing", want, got}} {
		left := map[string]int{}
		for _, l := range d.b {
			left[l]++
		}
		for _, l := range d.a {
			if left[l]--; left[l] < 0 && n < 12 {
				w.Errorf("%s: %s: %s", what, d.sign, l)
				n++
			}
		}
	}
}

// scheduled rehearses a package and schedules its publication for now.
func (w *town) scheduled(next []byte) *roster.Publication {
	w.Helper()
	p, err := w.svc.Plan(ctx, w.tenant, pack(next), roster.Options{}, "tester", nil)
	if err != nil {
		w.Fatal(explain(err))
	}
	if _, err := w.svc.Rehearse(ctx, w.tenant, p.ID, now.Truncate(24*time.Hour), "tester", nil); err != nil {
		w.Fatal(explain(err))
	}
	pub, err := w.svc.SchedulePublication(ctx, w.tenant, p.ID, w.svc.Now(), "tester", nil)
	if err != nil {
		w.Fatal(explain(err))
	}
	return pub
}

// allow approves what is held, save a school.
func (w *town) allow(pub *roster.Publication, except string) {
	w.Helper()
	pub = w.publication(pub)
	var seen []roster.Seen
	for _, p := range pub.Parts {
		if p.State == roster.PartHeld && (p.School == "" || p.School != except) {
			seen = append(seen, roster.Seen{N: p.N, Change: p.Digest()})
		}
	}
	if len(seen) == 0 {
		return
	}
	if err := w.svc.ApproveParts(ctx, w.tenant, pub, seen, roster.Approval{Who: "other", Reason: "lukuvuosi"}); err != nil {
		w.Fatal(explain(err))
	}
}

func (w *town) publication(of *roster.Publication) *roster.Publication {
	w.Helper()
	pub, ok, err := w.svc.PublicationOf(ctx, w.tenant, of.Plan)
	if err != nil || !ok {
		w.Fatalf("no publication: %v", err)
	}
	return pub
}

// publish publishes what is due until nothing is.
func (w *town) publish() {
	w.Helper()
	for n := 0; ; n++ {
		more, err := w.svc.Publish(ctx, w.tenant, nil)
		if err != nil {
			w.Log(explain(err))
		}
		if !more {
			return
		}
		if n > 20 {
			w.Fatal("it never ends")
		}
	}
}

func states(pub *roster.Publication) string {
	var b strings.Builder
	for _, p := range pub.Parts {
		fmt.Fprintf(&b, "%d %s %s %s %q %v\n", p.N, p.Kind, p.Name, p.State, p.Why, p.Holds)
	}
	return b.String()
}

// nextGenerated is the same town a year later: other terms and classes, other people.
func nextGenerated(t testing.TB, learners int) []byte {
	t.Helper()
	var b bytes.Buffer
	_, err := generate.Write(context.Background(), &b, generate.Spec{Tenant: "alpha", MunicipalityCode: "901", NameFi: "Alfa", NameSv: "Alfa",
		Learners: learners, Seed: 7, SchoolYear: 2028, Mutate: 0.03, Night: 2})
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestPublishEqualsImport: published part by part, a package leaves the very rows that
// it leaves when it is imported whole; and all of it can be taken back.
func TestPublishEqualsImport(t *testing.T) {
	t.Parallel()
	first := made(t, 300, 0, 0)
	moved, _ := nextYear(t, first)
	for name, next := range map[string][]byte{"movers": moved, "a night": made(t, 300, 0.05, 3), "another year": nextGenerated(t, 320)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			whole, parts := newTown(t), newTown(t)
			for _, w := range []*town{whole, parts} {
				w.load(first, roster.Options{}, roster.Approval{Initial: true})
			}
			before := parts.canon()
			whole.load(next, roster.Options{}, roster.Approval{Approve: true, Reason: "test"})
			pub := parts.scheduled(next)
			parts.alike("scheduled", parts.canon(), before)
			parts.allow(pub, "")
			parts.publish()
			if pub = parts.publication(pub); pub.State != roster.Published {
				t.Fatalf("%s\n%s", pub.State, states(pub))
			}
			parts.same("published", parts.export(), lines(t, next))
			parts.alike("published", parts.canon(), whole.canon())
			imports := count(t, parts.Env, "t_alpha", "select count(*)::int from roster_import where seq is not null")
			parts.publish()
			if n := count(t, parts.Env, "t_alpha", "select count(*)::int from roster_import where seq is not null"); n != imports {
				t.Errorf("again: %d imports, want %d", n, imports)
			}
			if c := total(parts.load(next, roster.Options{}, roster.Approval{})); c.Insert+c.Update+c.Remove+c.Reactivate != 0 {
				t.Errorf("the same whole: %+v", c)
			}
			for _, p := range slices.Backward(pub.Parts) {
				if p.Import == "" {
					continue
				}
				if _, err := parts.svc.Rollback(ctx, parts.tenant, p.Import, false, false, roster.Approval{Who: "x"}, nil); err != nil {
					t.Fatalf("taking %s back: %v", p.Name, explain(err))
				}
			}
			parts.same("taken back", parts.export(), lines(t, first))
		})
	}
}

// seenAs says in how many schools a learner has a role, and in how many classes of
// each.
func (w *town) seenAs(user string) string {
	var out []string
	w.query(`select u.sourced_id, (select count(*)::int from enrolment e join teaching_group g on g.id = e.teaching_group
	                               where e.person = r.person and e.status = 'active' and g.unit = u.id)
	           from role_grant r join roster_user ru on ru.id = r.source_user join unit u on u.id = r.unit
	          where ru.sourced_id = $1 and r.status = 'active' and r.role = 'student' order by 1`, func(rows pgx.Rows) error {
		var school string
		var n int
		err := rows.Scan(&school, &n)
		out = append(out, school)
		return err
	}, user)
	return strings.Join(out, " ")
}

// movers makes a package in which the learners of a class go on to another school
// under new roles, as a change of school comes from most registers.
func movers(t *testing.T, first []byte) (next []byte, from, to string, users []string) {
	t.Helper()
	schools, at, rolled := []string{}, map[string]string{}, map[string]bool{}
	_ = edited(t, first, oneroster.Bulk, nil, func(r *oneroster.Record) bool {
		switch {
		case r.Table.Type == oneroster.Orgs && r.Get("type") == "school":
			schools = append(schools, strings.Clone(r.SourcedID))
		case r.Table.Type == oneroster.Roles && r.Get("role") == "student":
			at[strings.Clone(r.Get("userSourcedId"))] = strings.Clone(r.Get("orgSourcedId"))
		}
		return true
	})
	from, to = schools[0], schools[1]
	for _, u := range slices.Sorted(maps.Keys(at)) {
		if at[u] == from && len(users) < 5 {
			users = append(users, u)
		}
	}
	next = edited(t, first, oneroster.Bulk, nil, func(r *oneroster.Record) bool {
		user := r.Get("userSourcedId")
		switch r.Table.Type {
		case oneroster.Roles:
			if slices.Contains(users, user) && r.Get("role") == "student" && !rolled[user] {
				rolled[strings.Clone(user)] = true
				r.SourcedID += "-uusi"
				set(r, "orgSourcedId", to)
			}
		case oneroster.Users:
			if slices.Contains(users, r.SourcedID) {
				set(r, "primaryOrgSourcedId", to)
			}
		case oneroster.Enrollments:
			return !slices.Contains(users, user)
		}
		return true
	})
	return next, from, to, users
}

// TestPublishMovers: a held school stays as it was while the others go, and who
// changes school is in exactly one at any time.
func TestPublishMovers(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	first := made(t, 300, 0, 0)
	w.load(first, roster.Options{}, roster.Approval{Initial: true})
	next, from, to, users := movers(t, first)
	w.tenant.Settings.Roster.Inserts, w.tenant.Settings.Roster.Floor = 0.00001, 1 // every school that somebody comes to waits
	pub := w.scheduled(next)
	w.allow(pub, to)
	w.publish()
	pub = w.publication(pub)
	for _, p := range pub.Parts {
		want := roster.PartDone
		switch {
		case p.School == to:
			want = roster.PartHeld
		case p.Kind == "rest":
			want = roster.PartWaiting
		}
		if p.State != want {
			t.Errorf("%s %s is %s, want %s", p.Kind, p.Name, p.State, want)
		}
	}
	if pub.State != roster.Publishing {
		t.Errorf("the publication is %s", pub.State)
	}
	for _, u := range users {
		if at := w.seenAs(u); at != from {
			t.Errorf("while the new school is held, %s is at %q, want %q", u, at, from)
		}
	}
	// The night's package is still of the old year: it waits.
	if p, err := w.svc.Import(ctx, w.tenant, pack(made(t, 300, 0.02, 1)), roster.Options{}, roster.Approval{Who: "tester"}, nil); !errors.As(err, new(*roster.HeldError)) || !contains(rules(p), "publishing") {
		t.Errorf("the old year during a publication: %v, %v", p, err)
	}
	w.allow(pub, "")
	w.publish()
	for _, u := range users {
		if at := w.seenAs(u); at != to {
			t.Errorf("afterwards %s is at %q, want %q", u, at, to)
		}
	}
	w.same("afterwards", w.export(), lines(t, next))
	if pub = w.publication(pub); pub.State != roster.Published {
		t.Errorf("%s\n%s", pub.State, states(pub))
	}
	// One school alone is taken back, and published again.
	for _, p := range pub.Parts {
		if p.School != to {
			continue
		}
		if _, err := w.svc.Rollback(ctx, w.tenant, p.Import, false, false, roster.Approval{Who: "x"}, nil); err != nil {
			t.Fatal(explain(err))
		}
		for _, u := range users {
			if at := w.seenAs(u); at != from {
				t.Errorf("taken back, %s is at %q, want %q", u, at, from)
			}
		}
		if err := w.svc.RetryPart(ctx, w.tenant, pub, p.N); err != nil {
			t.Fatal(err)
		}
	}
	w.publish()
	if pub = w.publication(pub); pub.State != roster.Publishing {
		t.Fatalf("reactivating is something else than inserting, and must be looked at:\n%s", states(pub))
	}
	w.allow(pub, "")
	w.publish()
	w.same("published again", w.export(), lines(t, next))
}

// TestPublishKilled: killed at any moment (at some, at all in make crashes), a
// publication goes on with the next part when it is run again, and each part was
// brought in exactly once.
func TestPublishKilled(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	first := made(t, 300, 0, 0)
	w.load(first, roster.Options{}, roster.Approval{Initial: true})
	clock := w.svc.Now
	night, step := 0, 4
	if os.Getenv("DIGIONE_CRASH") == "full" {
		step = 1
	}
	for at, more := 1, true; more; at += step {
		night++
		next := made(t, 300, 0.04, night)
		pub := w.scheduled(next)
		w.allow(pub, "")
		run, kill := context.WithCancel(ctx)
		n := 0
		w.svc.Now = func() time.Time {
			if n++; n == at {
				kill()
			}
			return clock()
		}
		_, err := w.svc.Publish(run, w.tenant, nil)
		kill()
		if more = n >= at; more && n > at+8 && err == nil {
			t.Errorf("killed at %d: no error after %d", at, n)
		}
		w.svc.Now = clock
		w.publish()
		if pub = w.publication(pub); pub.State != roster.Published {
			t.Fatalf("killed at %d: %s\n%s", at, pub.State, states(pub))
		}
		w.same(fmt.Sprintf("killed at %d", at), w.export(), lines(t, next))
		for _, p := range pub.Parts {
			if p.Attempts > 1+1 {
				t.Errorf("killed at %d: part %d took %d attempts", at, p.N, p.Attempts)
			}
		}
		if n := count(t, w.Env, "t_alpha", fmt.Sprintf(`select count(*)::int - (select count(import) from roster_publication_part where publication = '%s')::int
			from roster_import where kind = 'part' and planned_at >= (select asked_at from roster_publication where id = '%s')`, pub.ID, pub.ID)); n != 0 {
			t.Fatalf("killed at %d: %d imports belong to no part", at, n)
		}
		if at > 200 {
			t.Fatal("it never ends")
		}
	}
	if night < 20/step {
		t.Errorf("only %d runs were killed", night)
	}
}

// TestPublishChanged: what differs from what was approved waits to be approved again,
// and names no other school.
func TestPublishChanged(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	first := made(t, 300, 0, 0)
	w.load(first, roster.Options{}, roster.Approval{Initial: true})
	next, from, _, users := movers(t, first)
	pub := w.scheduled(next)
	w.allow(pub, "")
	// Before the day somebody's e-mail changes in the register.
	n := 0
	email := edited(t, first, oneroster.Bulk, nil, func(r *oneroster.Record) bool {
		if r.Table.Type == oneroster.Users && r.Get("primaryOrgSourcedId") == from && !slices.Contains(users, r.SourcedID) && n == 0 {
			n++
			set(r, "email", "uusi@alfa.example")
		}
		return true
	})
	w.load(email, roster.Options{}, roster.Approval{})
	w.publish()
	pub = w.publication(pub)
	for _, p := range pub.Parts {
		if held := p.State == roster.PartHeld; held != (p.School == from) || held && p.Why != "roster.publish.why.changed" {
			t.Errorf("%s %s is %s %q", p.Kind, p.Name, p.State, p.Why)
		}
	}
	w.allow(pub, "")
	w.publish()
	w.same("approved again", w.export(), lines(t, next))

	// A part that fails is tried a few times; the others go on, and it can go alone.
	w.Exec(t, `create function t_alpha.fail() returns trigger language plpgsql as $$ begin raise exception 'no'; end $$`)
	w.Exec(t, fmt.Sprintf(`create trigger fail before update on t_alpha.role_grant for each row
		when (old.unit = '%s' and new.status <> old.status) execute function t_alpha.fail()`, w.unit(from)))
	pub = w.scheduled(first)
	w.allow(pub, "")
	w.publish()
	pub = w.publication(pub)
	failed := -1
	for _, p := range pub.Parts {
		if p.State == roster.PartFailed {
			failed = p.N
		} else if p.Kind != "rest" && p.State != roster.PartDone {
			t.Errorf("%s %s is %s", p.Kind, p.Name, p.State)
		}
	}
	if failed < 0 {
		t.Fatalf("nothing failed:\n%s", states(pub))
	}
	w.Exec(t, `drop trigger fail on t_alpha.role_grant`)
	if err := w.svc.RetryPart(ctx, w.tenant, pub, failed); err != nil {
		t.Fatal(err)
	}
	w.publish()
	w.same("back", w.export(), lines(t, first))
}

func (w *town) unit(sourcedID string) (id string) {
	w.query(`select id::text from unit where sourced_id = $1`, func(rows pgx.Rows) error { return rows.Scan(&id) }, sourcedID)
	return id
}
