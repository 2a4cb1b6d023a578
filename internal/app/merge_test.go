package app_test

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"digione/internal/app"
	"digione/internal/app/authz"
	"digione/internal/app/merge"
	"digione/internal/app/objects"
	"digione/internal/app/people"
	"digione/internal/app/roster"
	"digione/internal/app/roster/generate"
	"digione/internal/app/web"
	"digione/internal/app/web/webtest"
	"digione/internal/tenancy"
	"digione/internal/tenancy/dbtest"
)

// imported is a municipality with a real import behind it, which can come again.
type imported struct {
	*testing.T
	env   *dbtest.Env
	site  *webtest.Site
	alpha tenancy.Tenant
	svc   *roster.Service
	zip   []byte
	admin uuid.UUID

	nights int
}

func newImported(t *testing.T) *imported {
	t.Helper()
	w := &imported{T: t, env: dbtest.New(t)}
	w.alpha, _ = w.env.DB.ByID(dbtest.Alpha)
	var b bytes.Buffer
	_, err := generate.Write(context.Background(), &b, generate.Spec{Tenant: "alpha", MunicipalityCode: "901", NameFi: "Alfala", NameSv: "Alfby", Learners: 120, Seed: 5, SchoolYear: 2027})
	ok(t, err)
	store, err := objects.Folder(t.TempDir())
	ok(t, err)
	at := webtest.Now
	w.svc = &roster.Service{DB: w.env.DB, Objects: store, Keyset: keyset, Now: func() time.Time { at = at.Add(time.Minute); return at }}
	w.zip = b.Bytes()
	w.again()
	w.site = webtest.New(w.env.DB, func(r *web.Router) {
		people.Routes(r, w.env.DB)
		merge.Routes(r, w.env.DB, app.MergeRoster)
	})
	w.scan(&w.admin, `select person from role_grant where role = 'districtAdministrator' and status = 'active' order by id limit 1`)
	return w
}

// again imports the package once more, with the rows of the given people taken for changed.
func (w *imported) again(changed ...uuid.UUID) {
	w.Helper()
	w.exec(`update roster_user set row_hash = decode(repeat('00', 16), 'hex') where person = any ($1)`, changed)
	w.nights++ // the same package would not be read again
	b := commented(w.T, w.zip, fmt.Sprint("night ", w.nights))
	_, err := w.svc.Import(context.Background(), w.alpha, roster.Package{Name: "a.zip", Content: bytes.NewReader(b), Size: int64(len(b))}, roster.Options{}, roster.Approval{Who: "test", Initial: true}, nil)
	ok(w.T, err)
}

// commented is the same package as another file.
func commented(t *testing.T, b []byte, comment string) []byte {
	t.Helper()
	in, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	ok(t, err)
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, f := range in.File {
		ok(t, w.Copy(f))
	}
	ok(t, w.SetComment(comment))
	ok(t, w.Close())
	return out.Bytes()
}

func (w *imported) scan(into any, q string, args ...any) {
	w.Helper()
	ok(w.T, w.env.DB.Read(context.Background(), w.alpha.ID, func(tx tenancy.Read) error { return tx.QueryRow(context.Background(), q, args...).Scan(into) }))
}

func (w *imported) exec(q string, args ...any) {
	w.Helper()
	ok(w.T, w.env.DB.Write(context.Background(), w.alpha.ID, func(tx tenancy.Write) error {
		_, err := tx.Exec(context.Background(), q, args...)
		return err
	}))
}

// everything is all rows that a merge may touch, as text.
func (w *imported) everything() map[string]string {
	w.Helper()
	out := map[string]string{}
	for _, table := range []string{"person", "person_identifier", "guardianship", "guardian_block", "disclosure", "account", "session", "role_grant", "enrolment", "grade_placement", "study_right", "roster_user", "match_review"} {
		var s *string
		w.scan(&s, `select string_agg(x::text, E'\n' order by x::text) from `+table+` x`)
		if s != nil {
			out[table] = *s
		}
	}
	return out
}

func (w *imported) post(path string, f url.Values) webtest.Answer {
	w.Helper()
	return w.site.Post(w.T, webtest.Alpha, w.admin, path, f)
}

// Two learners of a real roster become one and two again, row for row; the next
// import splits nobody.
func TestMergeAndUndo(t *testing.T) {
	t.Parallel()
	w := newImported(t)
	var kept, gone uuid.UUID
	const learner = `select g.person from role_grant g join enrolment e on e.person = g.person join guardianship s on s.child = g.person where g.role = 'student' order by g.person`
	w.scan(&kept, learner+` limit 1`)
	w.scan(&gone, `select person from (`+learner+` desc) x where person <> $1 limit 1`, kept)
	w.exec(`insert into identity_provider (id, name, issuer, client_id, secret_cipher, link_claim, link_to) values ($1, 'x', 'https://x.fi', 'x', '', 'sub', 'username')`, id("idp"))
	w.exec(`insert into account (id, provider, subject, person, linked_by, linked_at) values ($1, $2, 'gone', $3, 'x', now())`, id("account"), id("idp"), gone)
	w.exec(`insert into session (token_hash, account, person, csrf, started_at, seen_at, expires_at) values ('x', $1, $2, 'x', now(), now(), now())`, id("account"), gone)
	w.exec(`update person set hetu_hash = decode(repeat('ab', 16), 'hex'), hetu_cipher = 'sealed', protected = '[2026-01-01,)' where id = $1`, gone)
	w.exec(`update person set hetu_hash = null, hetu_cipher = null where id = $1`, kept)
	w.exec(`insert into match_review (id, sourced_id, person, reason, import_seq) values ($1, 'x', $2, 'x', 1)`, id("review"), gone)
	// Both have one guardian in common, who is over in the record that stays.
	w.exec(`insert into guardianship (id, child, guardian, kind, source, validity) select gen_random_uuid(), $1, s.guardian, 'agent', 'roster', '(,2020-01-01)' from guardianship s where s.child = $2 limit 1`, kept, gone)
	before := w.everything()

	page := "/yhdistamiset/" + kept.String() + "/" + gone.String()
	doc := w.site.Get(t, webtest.Alpha, w.admin, page).Doc(t)
	doc.Count("input[type=radio]", 3)
	for name, f := range map[string]url.Values{"no choice": {"syy": {"Sama oppilas"}}, "no reason": {"sailyy": {kept.String()}}, "a third": {"sailyy": {w.admin.String()}, "syy": {"Sama oppilas"}}} {
		if got := w.post(page, f); got.Status != 422 {
			t.Errorf("%s: %d", name, got.Status)
		}
	}
	if got := w.post("/yhdistamiset/"+kept.String()+"/"+w.admin.String(), url.Values{"sailyy": {kept.String()}, "syy": {"Sama ihminen"}}); got.Status != 422 {
		t.Errorf("one's own record: %d", got.Status)
	}
	f := url.Values{"sailyy": {kept.String()}, "syy": {"Sama oppilas, kaksi riviä"}}
	if got := w.post(page, f); got.Status != 303 {
		t.Fatalf("merge: %d %s", got.Status, got.Body)
	}
	if got := w.post(page, f); got.Status != 404 {
		t.Errorf("merge again: %d", got.Status)
	}
	w.merged(kept, gone)
	w.undo()
	w.same(before, w.everything())

	// Merged through an import that touches both rows, and taken apart afterwards.
	if got := w.post(page, f); got.Status != 303 {
		t.Fatalf("merge: %d", got.Status)
	}
	var persons, now int
	w.scan(&persons, `select count(*)::int from person`)
	w.again(kept)
	w.merged(kept, gone)
	if w.scan(&now, `select count(*)::int from person`); now != persons {
		t.Errorf("the import made %d new people", now-persons)
	}
	w.undo()
	w.scan(&now, `select count(*)::int from enrolment where person = $1`, gone)
	if want := strings.Count(before["enrolment"], gone.String()); now != want {
		t.Errorf("%d enrolments back, want %d", now, want)
	}
	w.scan(&now, `select count(*)::int from audit_event where action = 'person.merge' and reason <> '' and target = any ($1)`, []uuid.UUID{kept, gone})
	if now != 8 {
		t.Errorf("%d events with a reason, want 8", now)
	}
}

func (w *imported) merged(kept, gone uuid.UUID) {
	w.Helper()
	for _, what := range []string{"enrolment where person", "role_grant where person", "roster_user where person", "account where person", "session where person", "match_review where resolved_at is null and person"} {
		var n int
		if w.scan(&n, `select count(*)::int from `+what+` = $1`, gone); n != 0 {
			w.Errorf("%d %s of the record that is gone", n, what)
		}
	}
	var fine bool
	w.scan(&fine, `select hetu_hash is not null and protected is not null from person where id = $1`, kept)
	if !fine {
		w.Error("the record that stays took neither hetu nor protection")
	}
	w.scan(&fine, `select bool_and(s.validity @> '2026-11-23'::date) from guardianship s where s.child = $1 and s.guardian in (select guardian from guardianship where child = $2)`, kept, gone)
	if !fine {
		w.Error("the common guardian does not hold")
	}
	if got := w.site.Get(w.T, webtest.Alpha, w.admin, "/henkilot/"+gone.String()); got.Status != 404 {
		w.Errorf("the record that is gone: %d", got.Status)
	}
}

func (w *imported) undo() {
	w.Helper()
	var m uuid.UUID
	w.scan(&m, `select id from person_merge where undone_at is null`)
	path := "/yhdistamiset/" + m.String() + "/pura"
	if got := w.post(path, url.Values{"syy": {"Olivat kaksi eri oppilasta"}}); got.Status != 303 {
		w.Fatalf("undo: %d %s", got.Status, got.Body)
	}
	if got := w.post(path, url.Values{"syy": {"Olivat kaksi eri oppilasta"}}); got.Status != 409 {
		w.Errorf("undo again: %d", got.Status)
	}
}

func (w *imported) same(before, after map[string]string) {
	w.Helper()
	for table, was := range before {
		a, b := strings.Split(was, "\n"), strings.Split(after[table], "\n")
		for i := range a {
			if i >= len(b) || a[i] != b[i] {
				w.Errorf("%s after undoing is not what it was:\n%s\n%s", table, a[i], b[min(i, len(b)-1)])
				break
			}
		}
	}
}

const sqlPointers = `
select string_agg(c.conrelid::regclass::text || '.' || a.attname, ' ' order by 1)
  from pg_constraint c
  join pg_attribute a on a.attrelid = c.conrelid and a.attnum = c.conkey[1]
 where c.contype = 'f' and c.confrelid = 'person'::regclass`

// A new column that names a person must be thought of when two are merged.
func TestMergeKnowsAllPointers(t *testing.T) {
	t.Parallel()
	w := &imported{T: t, env: dbtest.New(t)}
	w.alpha, _ = w.env.DB.ByID(dbtest.Alpha)
	var found string
	w.scan(&found, sqlPointers)
	known := strings.Fields(`account.person disclosure.learner disclosure.recipient enrolment.person grade_placement.learner guardian_block.child guardian_block.guardian
guardianship.child guardianship.guardian match_review.person person.merged_into person_identifier.person person_merge.gone person_merge.kept role_grant.person
roster_user.person session.person study_right.learner`)
	for _, p := range strings.Fields(found) {
		if !slices.Contains(known, p) {
			t.Errorf("%s names a person: re-point it in a merge (people.Repoint), and add it here", p)
		}
	}
}

// A block and an end by hand outlive an import that brings the guardian again.
func TestImportHonoursBlocks(t *testing.T) {
	t.Parallel()
	w := newImported(t)
	ctx := context.Background()
	var child, blocked, ended uuid.UUID
	w.scan(&child, `select child from guardianship group by child having count(*) = 2 order by child limit 1`)
	w.scan(&blocked, `select guardian from guardianship where child = $1 order by guardian limit 1`, child)
	w.scan(&ended, `select guardian from guardianship where child = $1 order by guardian desc limit 1`, child)
	has := func() string {
		var out [2]bool
		for i, g := range []uuid.UUID{blocked, ended} {
			ok(t, w.env.DB.Read(ctx, w.alpha.ID, func(tx tenancy.Read) error {
				a, err := authz.Load(ctx, tx, g, webtest.Now)
				out[i] = slices.Contains(a.Children, child)
				return err
			}))
		}
		return fmt.Sprint(out[0], " ", out[1])
	}
	if has() != "true true" {
		t.Fatalf("before: %s", has())
	}
	d := people.Decision{By: w.admin, Reason: "Turvaamistoimi", At: webtest.Now, Today: webtest.Now.Truncate(24 * time.Hour)}
	ok(t, w.env.DB.Write(ctx, w.alpha.ID, func(tx tenancy.Write) error {
		if err := people.BlockGuardian(ctx, tx, child, blocked, d); err != nil {
			return err
		}
		var row uuid.UUID
		if err := tx.QueryRow(ctx, `select id from guardianship where child = $1 and guardian = $2`, child, ended).Scan(&row); err != nil {
			return err
		}
		_, err := people.EndGuardianship(ctx, tx, child, row, d.Today, d)
		return err
	}))
	for range 2 {
		if has() != "false false" {
			t.Errorf("after: %s", has())
		}
		w.exec(`update guardianship set validity = '(,2020-01-01)' where child = $1`, child)
		w.again(child) // derives the guardianships anew
	}
	var live int
	w.scan(&live, `select count(*)::int from guardianship where child = $1 and validity @> '2026-11-23'::date`, child)
	if live != 2 {
		t.Errorf("the import brought %d guardians again, want 2", live)
	}
	ok(t, w.env.DB.Write(ctx, w.alpha.ID, func(tx tenancy.Write) error { return people.LiftBlock(ctx, tx, child, blocked, d) }))
	if has() != "true false" {
		t.Errorf("after the block was lifted: %s", has())
	}
}
