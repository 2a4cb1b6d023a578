package family_test

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"digione/internal/tenancy"
	"digione/internal/tenancy/dbtest"
)

// One sign-in, one front page: from an empty one to the children of both
// municipalities, into one of them, and back to nothing.
func TestFamily(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.browser().signIn("maija")
	first := b.get(home, "/").doc(t)
	first.Says("main", "Aloita liittämällä kunta")
	first.Lacks("aino", "α", "β")
	b.tie("maija", "alpha", "beta")

	for lang, words := range map[string][]string{"sv": {"4 barn", "Skolans uppgifter visas inte här"}, "en": {"4 children", "School details are not shown here"},
		"fi": {"4 lasta", "Koulun tietoja ei näytetä tässä"}} {
		b.get(home, "/?kieli="+lang)
		doc := b.get(home, "/").doc(t)
		for _, want := range append(words, "aino Testinen α", "aino Testinen β", "7B α, Kilteri", "veil Testinen β", "Alfa", "Beeta") {
			doc.Says("main", want)
		}
		doc.Lacks("eeli", "posti", "010180", "maija")
		for _, path := range []string{"/kunnat", "/kirjaudu"} {
			b.get(home, path)
		}
	}
	b.get(home, "/?kieli=fi")
	b.get(home, "/kunnat").doc(t).Says("main", "Irrota")

	b.visit(dbtest.Alpha, alpha)
	inside := b.get(alpha, "/").doc(t)
	inside.Says("main", "aino Testinen α")
	inside.Says(".place", "Huoltaja")
	inside.Lacks("β", "Rehtori", home)
	b.status(alpha, "/henkilot/"+id("aino").String(), 200)
	b.status(alpha, "/henkilot/"+id("eeli").String(), 404)  // as a guardian, not the principal that she is
	b.status(alpha, "/koulut/"+id("Kilteri").String(), 404) // nor anything of hers
	b.get(alpha, "/kirjautumiset").doc(t).Says("main", "yhteisen etusivun kautta")
	if got := b.get(alpha, b.entry(dbtest.Alpha, "/"+id("aino").String())); got.location != "/henkilot/"+id("aino").String() {
		t.Errorf("to a child: %d %s", got.status, got.location)
	}
	got := b.post(alpha, "/kirjaudu-ulos", url.Values{"csrf": {b.csrf(alpha)}})
	if got.status != 303 || b.get(alpha, "/").location != "/kirjaudu" || b.get(home, "/").status != 200 {
		t.Errorf("sign-out inside: %d, and the home is %d", got.status, b.get(home, "/").status)
	}

	b.visit(dbtest.Beta, beta)
	kept := b.cookies[beta]["digione"]
	if got := b.post(home, "/kirjaudu-ulos", url.Values{"csrf": {b.csrf(home)}}); got.status != 303 {
		t.Errorf("sign-out: %d", got.status)
	}
	b.cookies[beta]["digione"] = kept
	b.status(beta, "/", 303) // one sign-out ends all
	if n := w.count("control.family_visit"); n != "0" {
		t.Errorf("%s visits are left", n)
	}
	w.browser().signIn("maija").get(home, "/").doc(t).Says("main", "4 lasta") // the links stay
}

// Nobody is told more than that nothing was found, and nothing is made of it.
func TestNotFound(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var pages []string
	for _, c := range []struct{ who, slug string }{{"outi", "alpha"}, {"kalle", "beta"}, {"twice", "alpha"}} {
		b := w.browser().signIn(c.who)
		page := b.wish(c.slug, c.who)
		page.doc(t).Says("main", "Sinua ei löytynyt huoltajana")
		page.doc(t).Lacks("α", "β", "kalle", "outi")
		pages = append(pages, c.slug)
		if got := b.confirm(c.slug); got.status != 409 {
			t.Errorf("%s at %s: confirmed with %d", c.who, c.slug, got.status)
		}
	}
	if n := w.count("control.family_link"); n != "0" || len(pages) != 3 {
		t.Errorf("%s links", n)
	}
	for _, q := range []string{"nosuch", "", "operator", "koti"} {
		b := w.browser().signIn("outi")
		if got := b.post(home, "/liita", url.Values{"csrf": {b.csrf(home)}, "kunta": {q}}); got.status != 422 {
			t.Errorf("wish for %q: %d", q, got.status)
		}
	}
}

// What no longer fits shows nothing, and opens nothing.
func TestNoLongerFits(t *testing.T) {
	t.Parallel()
	end := func(sql string, args ...any) func(*world) {
		return func(w *world) { w.exec(dbtest.Beta, sql, args...) }
	}
	for name, c := range map[string]struct {
		change func(*world)
		says   string
	}{
		"guardianship over": {end(`update guardianship set validity = daterange('2020-01-01', '2021-01-01') where guardian = $1`, id("maija")), "Täällä ei ole nyt näytettävää"},
		"ended by hand":     {end(`update guardianship set ended_on = '2021-01-01' where guardian = $1`, id("maija")), "Täällä ei ole nyt näytettävää"},
		"blocked": {end(`insert into guardian_block (id, child, guardian, reason, blocked_by, blocked_at)
select gen_random_uuid(), child, guardian, 'päätös', guardian, now() from guardianship where guardian = $1`, id("maija")), "Täällä ei ole nyt näytettävää"},
		"user gone": {end(`update role_grant set status = 'tobedeleted' where person = $1`, id("maija")), "Täällä ei ole nyt näytettävää"},
		"merged": {func(w *world) {
			w.exec(dbtest.Beta, `update guardianship set guardian = $1 where guardian = $2`, id("kalle"), id("maija"))
			w.exec(dbtest.Beta, `update person set merged_into = $1 where id = $2`, id("kalle"), id("maija"))
		}, "Täällä ei ole nyt näytettävää"},
		"school not open": {func(w *world) {
			w.env.Exec(w.T, `insert into control.tenant_opening (tenant, opening) values ('`+string(dbtest.Beta)+`', '{"schools": []}')`)
			w.check(w.env.DB.Refresh(context.Background()))
		}, "Täällä ei ole nyt näytettävää"},
		"suspended": {func(w *world) {
			tn, _ := w.env.DB.ByID(dbtest.Beta)
			w.check(w.env.Operator.SetState(context.Background(), tn, tenancy.Suspended))
			w.check(w.env.DB.Refresh(context.Background()))
		}, "Tietoja ei juuri nyt saada"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			b := w.browser().signIn("maija").tie("maija", "alpha", "beta").visit(dbtest.Beta, beta)
			waiting := b.entry(dbtest.Beta, "")
			c.change(w)
			doc := b.get(home, "/").doc(t)
			doc.Says("main", c.says)
			doc.Says("main", "aino Testinen α")
			doc.Lacks("β")
			if got := b.get(beta, "/"); got.status == 200 || strings.Contains(got.body, "aino") {
				t.Errorf("the visit goes on: %d", got.status)
			}
			b.cookies[beta] = nil
			if got := b.get(beta, waiting); got.status == 303 {
				t.Errorf("the entry opens: %d", got.status)
			}
		})
	}
}

// Untied, everything that came of the link ends at once.
func TestUnlink(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.browser().signIn("maija").tie("maija", "alpha", "beta").visit(dbtest.Alpha, alpha).visit(dbtest.Beta, beta)
	waiting := b.entry(dbtest.Beta, "")
	link := strings.TrimPrefix(b.linkTo(dbtest.Beta), "/mene/")
	got := b.post(home, "/kunnat/"+link+"/irrota", url.Values{"csrf": {b.csrf(home)}})
	if got.status != 303 || got.location != "/kunnat" {
		t.Fatalf("unlink: %d %.300s", got.status, got.body)
	}
	b.get(home, "/").doc(t).Lacks("β", "Beeta")
	b.status(beta, "/", 303)
	b.status(beta, waiting, 404)
	b.status(home, "/mene/"+link, 404)
	b.status(alpha, "/", 200)
	if got := b.post(home, "/kunnat/"+link+"/irrota", url.Values{"csrf": {b.csrf(home)}}); got.status != 404 {
		t.Errorf("a second time: %d", got.status)
	}
	b.tie("maija", "beta").get(home, "/").doc(t).Says("main", "aino Testinen β")
}

// A view at home is the guardian's view in each tenant, and by nothing in it can two
// tenants tell that they share a guardian.
func TestViewsLeaveEvents(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.browser().signIn("maija").tie("maija", "alpha", "beta")
	b.get(home, "/")
	b.visit(dbtest.Alpha, alpha)
	b.visit(dbtest.Beta, beta)
	requests := map[string]bool{}
	for _, tenant := range []tenancy.ID{dbtest.Alpha, dbtest.Beta} {
		from := pgx.Identifier{w.schema(tenant)}.Sanitize() + ".audit_event"
		seen := w.lines(`select distinct target::text from ` + from + ` where actor = '` + id("maija").String() + `' and actor_role = 'guardian' and actor_kind = 'person' and action = 'home.read' and target_kind = 'person' order by 1`)
		want := []string{id("aino").String(), id("veil").String()}
		slices.Sort(want)
		if !slices.Equal(seen, want) {
			t.Errorf("%s: views %v, want %v", tenant, seen, want)
		}
		if n := w.lines(`select count(*)::text from ` + from + ` where action = 'session.start'`)[0]; n != "1" {
			t.Errorf("%s: %s sign-ins", tenant, n)
		}
		for _, r := range w.lines(`select distinct request || ' ' || at::text from ` + from) {
			if requests[r] {
				t.Errorf("one request or moment stands in both: %s", r)
			}
			requests[r] = true
		}
	}
	w.apart(t, b)
}

// apart looks through everything that a tenant holds or is sent for what is another's
// or the account's.
func (w *world) apart(t *testing.T, b *browser) {
	t.Helper()
	ids := w.lines(`select id::text from control.family_account union select id::text from control.family_link union select subject from control.family_account`)
	for tenant, others := range map[tenancy.ID][]string{dbtest.Alpha: {string(dbtest.Beta), "β", "beta"}, dbtest.Beta: {string(dbtest.Alpha), "α", "alpha"}} {
		schema := pgx.Identifier{w.schema(tenant)}.Sanitize()
		for _, table := range w.lines(`select table_name::text from information_schema.tables where table_schema = $1 and table_type = 'BASE TABLE'`, w.schema(tenant)) {
			rows := strings.Join(w.lines(`select to_jsonb(t)::text from `+schema+`.`+pgx.Identifier{table}.Sanitize()+` t`), "\n")
			for _, word := range append(slices.Clone(ids), append(others, home, w.issuer)...) {
				if strings.Contains(rows, `"`+word) || strings.Contains(rows, word+`"`) {
					t.Errorf("%s of %s holds %q", table, tenant, word)
				}
			}
		}
	}
	accounts := w.lines(`select id::text from control.family_account`)
	for line := range strings.SplitSeq(w.log.String(), "\n") {
		for _, a := range accounts {
			if strings.Contains(line, a) && (strings.Contains(line, string(dbtest.Alpha)) || strings.Contains(line, string(dbtest.Beta))) {
				t.Errorf("a line of the log names an account and a tenant: %s", line)
			}
		}
		if strings.Contains(line, string(dbtest.Alpha)) && strings.Contains(line, string(dbtest.Beta)) || strings.Contains(line, "010180") || strings.Contains(line, "aino") {
			t.Errorf("line of the log: %s", line)
		}
	}
	for host, other := range map[string]string{alpha: "beta", beta: "alpha"} {
		got := b.get(host, "/")
		sent := fmt.Sprint(got.header) + got.body + fmt.Sprint(b.cookies[host])
		for _, word := range append(ids, other+".test", home, w.issuer) {
			if strings.Contains(sent, word) {
				t.Errorf("%s is sent %q", host, word)
			}
		}
	}
}

// A municipality that does not answer delays nobody.
func TestSlowTenant(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.browser().signIn("maija").tie("maija", "alpha", "beta")
	conn, err := pgx.Connect(t.Context(), w.env.DSN)
	w.check(err)
	defer func() { _ = conn.Close(context.Background()) }()
	tx, err := conn.Begin(t.Context())
	w.check(err)
	_, err = tx.Exec(t.Context(), `lock table `+pgx.Identifier{w.schema(dbtest.Beta)}.Sanitize()+`.guardianship in access exclusive mode`)
	w.check(err)
	began := time.Now()
	got := b.get(home, "/")
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("the page took %s", took)
	}
	doc := got.doc(t)
	doc.Says("main", "aino Testinen α")
	doc.Says("main", "Tietoja ei juuri nyt saada")
	doc.Lacks("β")
	b.wish("beta", "maija").doc(t).Says("main", "Kunnasta ei juuri nyt saada vastausta")
	w.check(tx.Rollback(t.Context()))
	b.get(home, "/").doc(t).Says("main", "aino Testinen β")
}

// The control schema holds nothing of a person.
func TestNothingIsKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.browser().signIn("maija").tie("maija", "alpha", "beta").visit(dbtest.Alpha, alpha)
	for _, table := range []string{"family_account", "family_link", "family_session", "family_sign_in", "family_entry", "family_visit"} {
		rows := strings.Join(w.lines(`select to_jsonb(t)::text from control.`+table+` t`), "\n")
		for _, word := range []string{"010180", "999A", "Testinen", "maija Test", id("aino").String(), id("veil").String()} {
			if strings.Contains(rows, word) {
				t.Errorf("%s holds %q", table, word)
			}
		}
	}
}

// With the keys of a tenant goes who was a guardian there.
func TestErasedTenant(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.browser().signIn("maija").tie("maija", "alpha", "beta")
	beta, _ := w.env.DB.ByID(dbtest.Beta)
	if err := w.env.Operator.DestroyKeys(t.Context(), beta); err == nil {
		t.Error("an active tenant's keys are gone")
	}
	if n := w.count("control.family_link"); n != "2" {
		t.Errorf("%s links before", n)
	}
	w.env.Exec(t, `update control.tenant set state = 'sealed' where slug = 'beta'`)
	w.check(w.env.Operator.DestroyKeys(t.Context(), beta))
	if left := w.lines(`select tenant from control.family_link`); !slices.Equal(left, []string{string(dbtest.Alpha)}) {
		t.Errorf("links: %v", left)
	}
}
