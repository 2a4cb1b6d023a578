package identity_test

import (
	"maps"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"digione/internal/app/authz"
	"digione/internal/app/identity"
	"digione/internal/app/people/peopletest"
	"digione/internal/app/web"
	"digione/internal/tenancy/dbtest"
)

const (
	oid      = "1.2.246.562.10.12345678903"
	mpassUID = "urn:mpass.id:uid"
	provInfo = "urn:mpass.id:educationProviderInfo"
	hetuOID  = "urn:oid:1.2.246.21"
	aHetu    = "131052-308T"
)

func (w *world) profile(name string) {
	w.t.Helper()
	p := provider(w.issuer, "c-alpha")
	check(w.t, p.Apply(name, oid))
	w.put(dbtest.Alpha, p)
}

// as gives the first account of alpha the claims of somebody.
func (w *world) as(claims map[string]any) { w.users["c-alpha"][0].Claims = claims }

// mpass are all claims that MPASSid sends of somebody: who they are in their directory,
// where, and in which role; role is group, name and code.
func mpass(uid, organiser, role string, more map[string]any) map[string]any {
	claims := map[string]any{
		mpassUID: uid, "family_name": "Testinen", "given_name": "Aino Maria", "urn:mpass.id:nickname": "Aino",
		provInfo: organiser, "urn:mpass.id:role": oid + ";00000;" + role + ";1.2.246.562.10.00000000003;",
		"urn:mpass.id:schoolInfo": []string{"00000;Kilterin koulu", "1.2.246.562.10.00000000003;Kilterin koulu"},
		"urn:mpass.id:schoolCode": "00000", "urn:mpass.id:school": "Kilterin koulu", "urn:mpass.id:originalIssuer": "https://sts.alfala.example/adfs",
	}
	maps.Copy(claims, more)
	return claims
}

// TestMPASSid signs in with the claims that MPASSid sends, and with others.
func TestMPASSid(t *testing.T) {
	t.Parallel()
	number := "1.2.246.562.24." + id("aino").String() + " α"
	for name, c := range map[string]struct {
		claims map[string]any
		says   string // "" is in
	}{
		"a learner":                    {claims: mpass("x", oid+";Alfala", "7B;Oppilas;1", map[string]any{learnerID: number, "urn:mpass.id:class": "7B", "urn:mpass.id:classLevel": 7, "urn:mpass.id:learningMaterialsCharge": "0;00000"})},
		"a teacher":                    {claims: mpass("teacher", oid+";Alfala", ";Opettaja;2", nil)},
		"a role at two schools":        {claims: mpass("teacher", oid+";Alfala", ";Opettaja;2", map[string]any{"urn:mpass.id:role": []string{oid + ";00001;;Opettaja;2;1.2.246.562.10.00000000003;", oid + ";00002;;Sijaisopettaja;5;1.2.246.562.10.00000000004;"}})},
		"no role":                      {claims: mpass("teacher", oid+";Alfala", "", map[string]any{"urn:mpass.id:role": nil})},
		"providers as a list":          {claims: map[string]any{mpassUID: "teacher", provInfo: []string{oid + ";Alfala"}}},
		"the OID alone":                {claims: map[string]any{learnerID: number, provInfo: oid}},
		"another provider":             {claims: map[string]any{learnerID: number, provInfo: "1.2.246.562.10.99999999999;Muu"}, says: "Tunnuksesi on toisesta organisaatiosta"},
		"an OID that begins alike":     {claims: map[string]any{learnerID: number, provInfo: oid + "0;Muu"}, says: "Tunnuksesi on toisesta organisaatiosta"},
		"no provider":                  {claims: map[string]any{learnerID: number}, says: "Tunnuksesi on toisesta organisaatiosta"},
		"a provider that is no text":   {claims: map[string]any{learnerID: number, provInfo: map[string]any{"oid": oid}}, says: "Tunnuksesi on toisesta organisaatiosta"},
		"another's number, own uid":    {claims: map[string]any{learnerID: "1.2.246.562.24.1", mpassUID: "aino", provInfo: oid}, says: "Tunnustasi ei löydy koulun tiedoista"},
		"neither number nor uid":       {claims: map[string]any{provInfo: oid}, says: "Tunnustasi ei löydy koulun tiedoista"},
		"a uid that nobody has":        {claims: map[string]any{mpassUID: "nobody", provInfo: oid}, says: "Tunnustasi ei löydy koulun tiedoista"},
		"a uid that two persons share": {claims: map[string]any{mpassUID: "twice", provInfo: oid}, says: "Tunnuksesi on merkitty useammalle henkilölle"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.profile("mpassid")
			w.as(c.claims)
			b := w.browser()
			got := b.signIn(alpha, "aino")
			if c.says == "" {
				if got.status != 303 || b.get(alpha, "/").status != 200 {
					t.Errorf("not in: %d", got.status)
				}
				return
			}
			got.doc(t).Says("h1", c.says)
			b.out(alpha)
		})
	}
	// Who moves away is shut out at the next sign-in, known account or not.
	w := newWorld(t)
	w.profile("mpassid")
	w.as(map[string]any{learnerID: number, provInfo: oid})
	b := w.browser()
	b.signIn(alpha, "aino")
	b.in(alpha, "aino Testinen α")
	w.as(map[string]any{learnerID: number, provInfo: "1.2.246.562.10.99999999999;Muu"})
	w.browser().signIn(alpha, "aino").doc(t).Says("h1", "Tunnuksesi on toisesta organisaatiosta")
}

// aGuardian makes the teacher a guardian of aino too, with a hetu.
func (w *world) aGuardian() {
	tn, _ := w.env.DB.ByID(dbtest.Alpha)
	ks, err := keyset(tn)
	check(w.t, err)
	code, err := ks.Hash([]byte(aHetu))
	check(w.t, err)
	w.exec(dbtest.Alpha, `update person set hetu_hash = $1 where id = $2`, code, id("teacher"))
	peopletest.In(w.t, w.env.DB, dbtest.Alpha, " α", func(s peopletest.Seed) { s.Guardian(id("teacher"), id("aino")) })
}

// TestSuomifi: a teacher who comes in as a guardian is one, and nothing else; the
// sign-in is strong. Neither hetu nor its hash is in the log.
func TestSuomifi(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.aGuardian()
	w.profile("suomifi")
	w.as(map[string]any{hetuOID: aHetu})
	b := w.browser()
	b.signIn(alpha, "aino")
	b.in(alpha, "teacher Testinen α")
	if n := w.count(dbtest.Alpha, `select count(*) from session where strength = 'strong'`); n != 1 {
		t.Errorf("%d strong sessions", n)
	}
	s := w.session(b)
	if !s.Has(authz.Guardian) || s.Has(authz.Teacher) || len(s.Groups) != 0 || !s.Is(authz.Guardians) || s.Is(authz.Staff) {
		t.Errorf("she is %v", s.Roles())
	}
	if strings.Contains(w.log.String(), aHetu) {
		t.Error("the log holds a hetu")
	}
	// A learner of age, and staff who are nothing else, find another way.
	w.exec(dbtest.Alpha, `delete from guardianship`)
	b.out(alpha)
	w.browser().signIn(alpha, "aino").doc(t).Says("h1", "Tämä kirjautumistapa ei ole sinulle")
}

// session is the actor behind a browser's cookie.
func (w *world) session(b *browser) authz.Actor {
	w.t.Helper()
	s, ok, err := identity.NewSessions(w.env.DB, identity.Limits{}).Find(w.t.Context(), dbtest.Alpha, b.cookies[alpha]["digione"], w.now())
	check(w.t, err)
	if !ok {
		w.t.Fatal("no session")
	}
	return s.Actor
}

// TestStrong: an action that asks for a strong sign-in leads to one and back, and
// the weak session before it ends.
func TestStrong(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.router.Get("/valvonta", authz.AuditRead, w.show)
	w.exec(dbtest.Alpha, `update role_grant set role = 'districtAdministrator', unit = (select id from unit where kind = 'provider') where person = $1`, id("teacher"))
	b := w.browser()
	b.signIn(alpha, "teacher")
	const to = "/kirjaudu?paluu=%2Fvalvonta&vahva=1"
	if got := b.get(alpha, "/valvonta"); got.status != 303 || got.location != to {
		t.Fatalf("weak: %d %s", got.status, got.location)
	}
	page := b.get(alpha, to).doc(t)
	page.Says("h1", "Tunnistaudu vahvasti")
	page.Says(".empty h2", "Vahva tunnistautuminen ei ole käytössä")
	p := provider(w.issuer, "c-alpha")
	p.StrongACR = []string{"urn:strong"}
	w.put(dbtest.Alpha, p)
	weak := b.cookies[alpha]["digione"]
	start := b.get(alpha, w.href(b.get(alpha, to)))
	if q, _ := url.Parse(start.location); q == nil || q.Query().Get("acr_values") != "urn:strong" {
		t.Errorf("the provider is not asked for a strong sign-in: %s", start.location)
	}
	b.get(alpha, b.atProvider(start.location, "teacher"))
	if got := b.get(alpha, "/valvonta"); got.status != 303 {
		t.Errorf("the provider does not say that it was strong: %d", got.status)
	}
	w.meddle(set("acr", "urn:strong"), nil)
	start = b.get(alpha, w.href(b.get(alpha, to)))
	if back := b.get(alpha, b.atProvider(start.location, "teacher")); back.location != "/valvonta" {
		t.Errorf("back to %s", back.location)
	}
	if got := b.get(alpha, "/valvonta"); got.status != 200 {
		t.Errorf("strong: %d", got.status)
	}
	b.cookies[alpha]["digione"] = weak
	b.out(alpha)
}

// TestOwnSessions: people see where they are signed in and end it from another
// device; of others' sessions they know nothing.
func TestOwnSessions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	phone, desk, other := w.browser(), w.browser(), w.browser()
	phone.headers["User-Agent"] = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.0 Mobile/15E148 Safari/604.1"
	desk.headers["User-Agent"] = "Mozilla/5.0 (X11; Linux x86_64; rv:120.0) Gecko/20100101 Firefox/120.0"
	phone.signIn(alpha, "aino")
	desk.signIn(alpha, "aino")
	other.signIn(alpha, "teacher")
	page := desk.get(alpha, "/kirjautumiset")
	doc := page.doc(t)
	doc.Says("tbody th", "Safari, iOS")
	doc.Count("tbody tr", 1)
	doc.Lacks("teacher", "β")
	csrf := w.csrf(desk)
	var phoneID, otherID string
	check(t, w.env.DB.Read(t.Context(), dbtest.Alpha, scan(`select (select id::text from session where device like 'Safari%'), (select id::text from session where person <> $1)`, id("aino"), &phoneID, &otherID)))
	for name, c := range map[string]struct {
		path string
		want int
	}{
		"another's": {"/kirjautumiset/" + otherID, 404}, "nobody's": {"/kirjautumiset/" + id("x").String(), 404}, "no id": {"/kirjautumiset/x", 404},
	} {
		if got := desk.post(alpha, c.path, url.Values{"csrf": {csrf}}); got.status != c.want {
			t.Errorf("end %s: %d", name, got.status)
		}
	}
	if got := desk.post(alpha, "/kirjautumiset/"+phoneID, url.Values{}); got.status != 403 {
		t.Errorf("without the token: %d", got.status)
	}
	phone.in(alpha, "aino Testinen α")
	if got := desk.post(alpha, "/kirjautumiset/"+phoneID, url.Values{"csrf": {csrf}}); got.status != 303 {
		t.Errorf("end the phone's: %d", got.status)
	}
	phone.out(alpha)
	desk.in(alpha, "aino Testinen α")
	phone.signIn(alpha, "aino")
	if got := desk.post(alpha, "/kirjautumiset/muut", url.Values{"csrf": {w.csrf(desk)}}); got.status != 303 {
		t.Errorf("end all others: %d", got.status)
	}
	phone.out(alpha)
	desk.in(alpha, "aino Testinen α")
	other.in(alpha, "teacher Testinen α")
	if n := w.count(dbtest.Alpha, `select count(*) from audit_event where action = 'session.ended' and actor = $1`, id("aino")); n != 2 {
		t.Errorf("%d events", n)
	}
}

// TestStaffIdle: a teacher's screen closes sooner than a learner's.
func TestStaffIdle(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	learner, teacher := w.browser(), w.browser()
	learner.signIn(alpha, "aino")
	teacher.signIn(alpha, "teacher")
	w.later(29 * time.Minute)
	teacher.in(alpha, "teacher Testinen α")
	w.later(30 * time.Minute)
	teacher.out(alpha)
	learner.in(alpha, "aino Testinen α")
}

func TestProfilesAreChecked(t *testing.T) {
	t.Parallel()
	p := identity.Provider{}
	if err := p.Apply("mpassid", ""); err == nil || !strings.Contains(err.Error(), "organisation_oid") {
		t.Errorf("without an OID: %v", err)
	}
	if err := p.Apply("vetuma", oid); err == nil {
		t.Error("an unknown profile is taken")
	}
	bad := provider("https://login.example", "c")
	bad.Also, bad.RequireClaim, bad.For = []identity.Link{{Claim: "email", To: identity.ToUsername}}, "x", []authz.Kind{"parent"}
	if n := len(bad.Faults()); n != 3 {
		t.Errorf("%d faults: %v", n, bad.Faults())
	}
}

// TestTooManySignIns: one browser that begins again and again is told to wait; an
// address that is used up lets those in whose browser is known.
func TestTooManySignIns(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(edge *web.Config, _ *identity.Config) {
		edge.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("0.0.0.0/32")}
	})
	start := "/kirjaudu/" + w.providerID() + "/alku"
	b, known := w.browser(), w.browser()
	known.signIn(alpha, "aino")
	if known.cookies[alpha]["digione-tuttu"] == "" {
		t.Fatal("the browser is not remembered")
	}
	w.stop()
	for range 16 { // the first has no mark of the browser yet
		if got := b.get(alpha, start); got.status != 303 {
			t.Fatalf("too early: %d", got.status)
		}
	}
	if got := b.get(alpha, start); got.status != 429 || got.header.Get("Retry-After") == "" {
		t.Errorf("the 17th: %d, %q", got.status, got.header.Get("Retry-After"))
	}
	if got := w.browser().get(alpha, start); got.status != 303 {
		t.Errorf("another browser at the same address: %d", got.status)
	}
	from := func(b *browser, address string) int {
		b.headers["X-Forwarded-For"] = "203.0.113.9, " + address // the first is anybody's word
		delete(b.cookies[alpha], "digione-alku")
		return b.get(alpha, start).status
	}
	for range 1000 {
		if got := from(w.browser(), "198.51.100.7"); got != 303 {
			t.Fatalf("a school of a thousand: %d", got)
		}
	}
	if got := from(w.browser(), "198.51.100.7"); got != 429 {
		t.Errorf("an address has no bound: %d", got)
	}
	for address, b := range map[string]*browser{"198.51.100.7": known, "198.51.100.8": w.browser()} {
		if got := from(b, address); got != 303 {
			t.Errorf("%s: %d", address, got)
		}
	}
	forged := w.browser()
	forged.cookies[alpha]["digione-tuttu"] = known.cookies[alpha]["digione-tuttu"][:44] + strings.Repeat("0", 32)
	if got := from(forged, "198.51.100.7"); got != 429 {
		t.Errorf("a made-up mark passes: %d", got)
	}
}
