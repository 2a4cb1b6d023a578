package operators_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"mime/quotedprintable"
	"net/http"
	"net/http/httptest"
	netmail "net/mail"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/google/uuid"

	"digione/internal/app/authz"
	"digione/internal/app/people/peopletest"
	"digione/internal/app/web"
	"digione/internal/app/web/htmlcheck"
	"digione/internal/tenancy"
	"digione/internal/tenancy/dbtest"
)

const (
	beta    = "beta.test"
	tenantc = "digione"
	why     = "Rehtori ei pääse kirjautumaan <b>"
)

var id = peopletest.ID

// people seeds both tenants with the same small town, and an admin's session in alpha.
func (w *world) people() (admin string) {
	w.Helper()
	for _, tenant := range []tenancy.ID{dbtest.Alpha, dbtest.Beta} {
		peopletest.In(w.T, w.env.DB, tenant, "", func(s peopletest.Seed) {
			school := s.School("Kilteri")
			class := s.Group("Seiskabee", "homeroom", school)
			s.Learner(s.Person("aino", peopletest.Person{Given: "Aino", Family: "Mäkinen"}), school, "7", class)
			s.Learner(s.Person("veil", peopletest.Person{Given: "Veera", Family: "Salattu", Protected: true}), school, "7", class)
			s.Grant(s.Person("admin", peopletest.Person{Born: "1980-01-01"}), "districtAdministrator", id("provider"))
			p, a := id("provider row"), id("account row")
			s.Exec(`insert into identity_provider (id, name, issuer, client_id, secret_cipher, scopes, link_claim, link_to, enabled)
values ($1, 'x', 'https://x.example', 'x', '', '{openid}', 'sub', 'username', true)`, p)
			s.Exec(`insert into account (id, provider, subject, person, linked_by, linked_at, last_login_at) values ($1, $2, 'x', $3, 'x', now(), now())`, a, p, id("admin"))
			hash := sha256.Sum256([]byte(strings.Repeat("A", 43)))
			s.Exec(`insert into session (token_hash, account, person, csrf, started_at, seen_at, expires_at) values ($1, $2, $3, 'x', now(), now(), now() + interval '9 hours')`, hash[:], a, id("admin"))
		})
	}
	return strings.Repeat("A", 43)
}

// ask has an operator ask for a grant in alpha and returns its id.
func (b *browser) ask(hours int) string {
	b.Helper()
	got := b.post(desk, "/t/alpha/tuki", url.Values{"csrf": {b.csrf()}, "syy": {why}, "tunnit": {fmt.Sprint(hours)}})
	if got.status != 303 || got.location != "/t/alpha" {
		b.Fatalf("ask: %d %s", got.status, got.body)
	}
	for _, form := range b.get(desk, "/t/alpha").doc(b.T).Find("#tuki form") {
		if grant, ok := strings.CutSuffix(htmlcheck.Attr(form, "action"), "/avaa"); ok {
			return strings.TrimPrefix(grant, "/t/alpha/tuki/")
		}
	}
	b.Fatal("no way in on the tenant's page")
	return ""
}

// way asks for a way into the tenant and returns its path there.
func (b *browser) way(grant string) string {
	b.Helper()
	doc := b.post(desk, "/t/alpha/tuki/"+grant+"/avaa", url.Values{"csrf": {b.csrf()}}).doc(b.T)
	address := htmlcheck.Attr(doc.Find("main a.ds-button")[0], "href")
	path, ok := strings.CutPrefix(address, "http://"+alpha)
	if !ok || !strings.HasPrefix(path, "/tuki/") {
		b.Fatalf("the way in leads to %s", address)
	}
	return path
}

// visit is a browser inside alpha.
func (b *browser) visit(grant string) *browser {
	b.Helper()
	in := b.browser()
	if got := in.get(alpha, b.way(grant)); got.status != 303 || got.location != "/" || !strings.HasPrefix(in.cookies[tenantc], "tuki.") {
		b.Fatalf("enter: %d %s", got.status, got.body)
	}
	return in
}

// inAlpha asks alpha one number.
func (w *world) inAlpha(sql string, args ...any) (n int) {
	w.Helper()
	w.check(w.env.DB.Read(context.Background(), dbtest.Alpha, func(tx tenancy.Read) error {
		return tx.QueryRow(context.Background(), sql, args...).Scan(&n)
	}))
	return n
}

func TestSupportVisit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	admin := w.browser()
	admin.cookies[tenantc] = w.people()
	admin.get(alpha, "/").doc(t).Count("nav a[href=/tuki]", 0)
	admin.get(alpha, "/tuki").doc(t).Says("main", "Ei tukikäyntejä")
	paula := w.browser().signIn("paula")
	grant := paula.ask(2)
	in := paula.visit(grant)
	for path, says := range map[string]string{
		"/": "Kilteri", "/koulut": "Kilteri", "/koulut/" + id("Kilteri").String(): "Seiskabee", "/ryhmat/" + id("Seiskabee").String(): "Aino", "/henkilot/" + id("aino").String(): "Mäkinen",
	} {
		doc := in.get(alpha, path).doc(t)
		doc.Says("main", says)
		doc.Says(".visit", "Tukikäynti: Nimi paula, "+why+", päättyy klo ")
		doc.Lacks("Salattu")
		doc.Says(".place", "Tukikäynti")
	}
	csrf := htmlcheck.Attr(in.get(alpha, "/haku").doc(t).Find("input[name=csrf]")[0], "value")
	doc := in.post(alpha, "/haku", url.Values{"csrf": {csrf}, "nimi": {"salat"}}).doc(t)
	doc.Says("main", "Salattu")
	doc.Lacks("Kilteri", "Seiskabee")
	doc = in.get(alpha, "/henkilot/"+id("veil").String()).doc(t) // where the protected one is stays hidden
	doc.Lacks("Kilteri", "Seiskabee", "Kotikunta", "@posti")
	// What an admin has and a visitor has not.
	for _, path := range []string{"/tuki", "/liittyminen", "/omat-tiedot"} {
		if got := in.get(alpha, path); got.status != 404 {
			t.Errorf("%s: %d", path, got.status)
		}
		in.get(alpha, "/").doc(t).Count("nav a[href="+path+"]", 0)
	}
	in.get(alpha, "/tuki").doc(t).Says(".visit", "Tukikäynti")
	for _, path := range []string{"/liittyminen/agreement", "/", "/koulut", "/tuki", "/tuki/x", "/kirjaudu"} {
		if got := in.post(alpha, path, url.Values{"csrf": {csrf}, "reason": {"x"}}); got.status != 404 && got.status != 403 && got.status != 405 {
			t.Errorf("POST %s: %d", path, got.status)
		}
	}
	// The events: each page, and each person on it.
	if n := w.inAlpha(`select count(*) from audit_event where actor_kind = 'operator' and reason = $1 and actor is not null`, grant); n == 0 {
		t.Error("no events")
	}
	for sql, want := range map[string]int{
		`action = 'support.entered'`: 1, `target_kind = 'page' and action = 'school.read'`: 2, `target_kind = 'page' and action = 'person.read'`: 2,
		`target_kind = 'person' and target = '` + id("aino").String() + `'`: 2, `target_kind = 'person' and target = '` + id("veil").String() + `'`: 2, `target_kind = 'search'`: 1,
	} {
		if n := w.inAlpha(`select count(*) from audit_event where actor_kind = 'operator' and reason = $1 and `+sql, grant); n != want {
			t.Errorf("%d events %s, want %d", n, sql, want)
		}
	}
	// The municipality reads of it at once, in three languages; the twin does not.
	w.check(w.env.DB.Refresh(t.Context()))
	for lang, says := range map[string]string{"fi": "4 katselua, eri henkilöitä 2", "sv": "4 visningar, olika personer 2", "en": "4 views, different people 2"} {
		admin.cookies["lang"] = lang
		doc := admin.get(alpha, "/tuki").doc(t)
		for _, want := range []string{says, "Nimi paula", why} {
			doc.Says("tbody", want)
		}
		doc.Count("nav a[href=/tuki]", 1)
		paula.cookies["lang"] = lang
		paula.get(desk, "/t/alpha").doc(t).Says("#tuki", why)
		paula.get(desk, "/t/beta").doc(t).Lacks(why)
	}
	doc = admin.get(beta, "/tuki").doc(t)
	doc.Lacks("Nimi paula", why)
	doc.Count("nav a[href=/tuki]", 0)
	// Leaving ends the session, not the grant.
	last := in.cookies[tenantc]
	if got := in.post(alpha, "/kirjaudu-ulos", url.Values{"csrf": {csrf}}); got.status != 303 || in.cookies[tenantc] != "" {
		t.Errorf("leave: %d", got.status)
	}
	in.cookies[tenantc] = last
	if got := in.get(alpha, "/"); got.status != 303 {
		t.Errorf("after leaving: %d", got.status)
	}
	paula.visit(grant)
	for command, want := range map[string]int{"support begin": 2, "support open": 2, "support enter": 2, "support leave": 1} {
		if n := w.one(`select count(*) from control.operator_log where command = $1 and tenant = 'alpha' and actor = 'Nimi paula'`, command); n != want {
			t.Errorf("%d lines %q, want %d", n, command, want)
		}
	}
	if c, err := w.env.Operator.VerifyIsolation(t.Context(), "test"); err != nil || len(c.Violations) > 0 {
		t.Errorf("isolation: %v %v", c.Violations, err)
	}
}

// TestSupportMail: the municipality's contacts are written to when a grant begins, its
// reason is on the page alone.
func TestSupportMail(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.env.Exec(t, `update control.tenant set settings = '{"joining": {"contacts": [{"name": "Maija", "email": "maija@alfala.example"}]}}' where slug = 'alpha'`)
	w.check(w.env.DB.Refresh(t.Context()))
	w.browser().signIn("paula").ask(2)
	var found []string
	for end := time.Now().Add(20 * time.Second); len(found) == 0 && time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		found, _ = filepath.Glob(filepath.Join(w.mails, "*.eml"))
	}
	if len(found) != 1 {
		t.Fatalf("%d mails", len(found))
	}
	raw, err := os.ReadFile(found[0])
	w.check(err)
	m, err := netmail.ReadMessage(bytes.NewReader(raw))
	w.check(err)
	body, err := io.ReadAll(quotedprintable.NewReader(m.Body))
	w.check(err)
	if !strings.Contains(m.Header.Get("To"), "maija@alfala.example") || !strings.Contains(string(body), "Nimi paula voi katsoa") || !strings.Contains(string(body), "http://alpha.test/tuki") {
		t.Errorf("to %s: %s", m.Header.Get("To"), body)
	}
	if strings.Contains(string(body), "Rehtori") {
		t.Error("the mail holds the reason")
	}
}

func TestSupportEntry(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.people()
	paula := w.browser().signIn("paula")
	grant := paula.ask(1)
	nothing := func(name, host, path string) {
		t.Helper()
		b := w.browser()
		if got := b.get(host, path); got.status != 404 || b.cookies[tenantc] != "" {
			t.Errorf("%s: %d, cookie %q", name, got.status, b.cookies[tenantc])
		}
	}
	path := paula.way(grant)
	nothing("forged", alpha, "/tuki/"+strings.Repeat("A", 43))
	nothing("the twin", beta, path)
	nothing("the operators' host", desk, path)
	if got := w.browser().send(httptest.NewRequest(http.MethodHead, path, nil), alpha); got.status != 404 {
		t.Errorf("head: %d", got.status)
	}
	if got := w.browser().get(alpha, path); got.status != 303 { // none of these used it up
		t.Errorf("first use: %d", got.status)
	}
	nothing("used", alpha, path)
	path = paula.way(grant)
	w.later(61 * time.Second)
	nothing("too late", alpha, path)
	path = paula.way(grant)
	w.check(w.env.Operator.EndAccount(t.Context(), w.account("paula")))
	nothing("the operator has ended", alpha, path)
	w.list("paula", tenancy.RoleOperator)
	paula = w.browser().signIn("paula")
	path = paula.way(grant)
	if got := paula.post(desk, "/t/alpha/tuki/"+grant+"/lopeta", url.Values{"csrf": {paula.csrf()}}); got.status != 303 {
		t.Errorf("end: %d", got.status)
	}
	nothing("the grant has ended", alpha, path)
	if n := w.one(`select count(*) from control.support_session`); n != 1 {
		t.Errorf("%d sessions, want the one of the first use", n)
	}
	grant = paula.ask(1)
	for range 3 { // paula works on
		w.later(20*time.Minute + time.Second)
		paula.get(desk, "/")
	}
	if got := paula.post(desk, "/t/alpha/tuki/"+grant+"/avaa", url.Values{"csrf": {paula.csrf()}}); got.status != 404 {
		t.Errorf("a way in by a grant whose time is over: %d", got.status)
	}
}

func (w *world) account(name string) uuid.UUID {
	w.Helper()
	all, err := w.env.Operator.Accounts(w.Context())
	w.check(err)
	for _, a := range all {
		if a.Subject == "op-"+name {
			return a.ID
		}
	}
	w.Fatalf("no %s", name)
	return uuid.Nil
}

// A visit ends with whatever carried it.
func TestSupportEnds(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(w *world, b *browser, grant string){
		"the grant's time": func(w *world, _ *browser, _ string) { w.later(time.Hour + time.Second) },
		"ended": func(w *world, b *browser, grant string) {
			if got := b.post(desk, "/t/alpha/tuki/"+grant+"/lopeta", url.Values{"csrf": {b.csrf()}}); got.status != 303 {
				w.Errorf("end: %d", got.status)
			}
		},
		"the operator ended": func(w *world, _ *browser, _ string) {
			w.check(w.env.Operator.EndAccount(w.Context(), w.account("paula")))
		},
		"the operator is a viewer": func(w *world, _ *browser, _ string) { w.list("paula", tenancy.RoleViewer) },
		"another issuer": func(w *world, _ *browser, _ string) {
			w.env.Exec(w.T, `update control.operator set issuer = 'https://other.example'`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.people()
			paula := w.browser().signIn("paula")
			grant := paula.ask(1)
			in := paula.visit(grant)
			if got := in.get(alpha, "/koulut"); got.status != 200 {
				t.Fatalf("on a visit: %d", got.status)
			}
			end(w, paula, grant)
			if got := in.get(alpha, "/henkilot/"+id("aino").String()); got.status != 303 || strings.Contains(got.body, "Aino") {
				t.Errorf("afterwards: %d", got.status)
			}
		})
	}
}

func TestSupportRefusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.people()
	changed := 0
	for _, act := range []authz.Action{authz.PersonRead, authz.HomeRead, authz.SchoolRead} { // a form that a feature may come to have
		w.app.Router.Post("/koe/"+string(act), act, func(*fiber.Ctx, *web.Request) error { changed++; return nil })
	}
	paula := w.browser().signIn("paula")
	grant := paula.ask(8)
	in := paula.visit(grant)
	csrf := htmlcheck.Attr(in.get(alpha, "/haku").doc(t).Find("input[name=csrf]")[0], "value")
	for _, act := range []authz.Action{authz.PersonRead, authz.HomeRead, authz.SchoolRead} {
		if got := in.post(alpha, "/koe/"+string(act), url.Values{"csrf": {csrf}}); got.status != 404 || changed > 0 {
			t.Errorf("a form under %s: %d, changed %d times", act, got.status, changed)
		}
	}
	if got := in.post(alpha, "/haku", url.Values{"nimi": {"aino"}}); got.status != 403 {
		t.Errorf("a search without token: %d", got.status)
	}
	// What is wrong with a request for a grant is said with its form.
	short := paula.post(desk, "/t/alpha/tuki", url.Values{"csrf": {paula.csrf()}, "syy": {"lyhyt"}, "tunnit": {"2"}})
	if short.status != 422 || !strings.Contains(short.body, `href="#syy"`) || !strings.Contains(short.body, `value="lyhyt"`) || !strings.Contains(short.body, `value="2" selected`) {
		t.Errorf("too short a reason: %d %s", short.status, short.body)
	}
	short.doc(t)
	// A session of alpha at the twin, and an operator's own cookies at a tenant.
	other := w.browser()
	other.cookies[tenantc] = in.cookies[tenantc]
	if got := other.get(beta, "/koulut"); got.status != 303 {
		t.Errorf("at the twin: %d", got.status)
	}
	for _, token := range []string{paula.cookies[cookie], "tuki." + paula.cookies[cookie], strings.TrimPrefix(in.cookies[tenantc], "tuki.")} {
		other.cookies = map[string]string{tenantc: token, cookie: paula.cookies[cookie]}
		if got := other.get(alpha, "/koulut"); got.status != 303 {
			t.Errorf("an operator's session: %d", got.status)
		}
	}
	if got := other.get(desk, "/"); got.status != 200 {
		t.Errorf("at the operators' host: %d", got.status)
	}
	other.cookies = map[string]string{cookie: in.cookies[tenantc]}
	if got := other.get(desk, "/"); got.status != 303 {
		t.Errorf("a visit at the operators' host: %d", got.status)
	}
	// A grant is of one tenant and one operator, and viewers have no part in it.
	w.list("outi", tenancy.RoleOperator)
	outi, olli := w.browser().signIn("outi"), w.browser().signIn("olli")
	for name, c := range map[string]struct {
		b      *browser
		path   string
		status int
	}{
		"another tenant's address": {paula, "/t/beta/tuki/" + grant + "/avaa", 404}, "another operator enters": {outi, "/t/alpha/tuki/" + grant + "/avaa", 404},
		"another operator ends": {outi, "/t/alpha/tuki/" + grant + "/lopeta", 404}, "ends elsewhere": {paula, "/t/beta/tuki/" + grant + "/lopeta", 404},
		"a viewer asks": {olli, "/t/alpha/tuki", 403}, "a viewer enters": {olli, "/t/alpha/tuki/" + grant + "/avaa", 403}, "a viewer ends": {olli, "/t/alpha/tuki/" + grant + "/lopeta", 403},
		"no grant": {paula, "/t/alpha/tuki/" + uuid.NewString() + "/avaa", 404}, "no id": {paula, "/t/alpha/tuki/x/avaa", 404}, "no tenant": {paula, "/t/nosuch/tuki", 404},
	} {
		if got := c.b.post(desk, c.path, url.Values{"csrf": {c.b.csrf()}, "syy": {why}, "tunnit": {"1"}}); got.status != c.status || strings.Contains(got.body, "/tuki/t") {
			t.Errorf("%s: %d, want %d", name, got.status, c.status)
		}
	}
	doc := olli.get(desk, "/t/alpha").doc(t)
	doc.Says("#tuki", why)
	doc.Count("#tuki form", 0)
	outi.get(desk, "/t/alpha").doc(t).Count("#tuki form", 1) // to ask, not to enter
	for name, form := range map[string]url.Values{
		"short": {"syy": {"liian   "}, "tunnit": {"1"}}, "long": {"syy": {strings.Repeat("x", 501)}, "tunnit": {"1"}}, "no reason": {"tunnit": {"1"}},
		"nine hours": {"syy": {why}, "tunnit": {"9"}}, "three": {"syy": {why}, "tunnit": {"3"}}, "less than none": {"syy": {why}, "tunnit": {"-1"}}, "no hours": {"syy": {why}},
	} {
		form.Set("csrf", paula.csrf())
		if got := paula.post(desk, "/t/alpha/tuki", form); got.status != 422 {
			t.Errorf("%s: %d", name, got.status)
		}
	}
	if got := paula.post(desk, "/t/alpha/tuki", url.Values{"syy": {why}, "tunnit": {"1"}}); got.status != 403 {
		t.Errorf("without token: %d", got.status)
	}
	if n := w.one(`select count(*) from control.support_grant`); n != 1 {
		t.Errorf("%d grants", n)
	}
	if got := paula.get(desk, "/t/alpha/tuki/"+grant+"/avaa"); got.status != 404 && got.status != 405 {
		t.Errorf("a way in by a link: %d", got.status)
	}
	// Nothing is seen that is not noted.
	w.env.Exec(t, `alter table `+w.schema()+`.audit_event add constraint full_ck check (target_kind <> 'page') not valid`)
	for _, path := range []string{"/koulut", "/henkilot/" + id("aino").String()} {
		if got := in.get(alpha, path); got.status != 500 || strings.Contains(got.body, "Kilteri") || strings.Contains(got.body, "Aino") {
			t.Errorf("%s without an event: %d", path, got.status)
		}
	}
	w.env.Exec(t, `alter table `+w.schema()+`.audit_event add constraint full2_ck check (target_kind <> 'session') not valid`)
	b := w.browser()
	if got := b.get(alpha, paula.way(grant)); got.status != 500 || b.cookies[tenantc] != "" {
		t.Errorf("an entry without an event: %d", got.status)
	}
}

func (w *world) schema() string {
	w.Helper()
	a, ok := w.env.DB.ByID(dbtest.Alpha)
	if !ok {
		w.Fatal("no alpha")
	}
	return a.Schema
}
