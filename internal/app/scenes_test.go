package app_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"digione/internal/app/onboarding"
	"digione/internal/app/roster/generate"
	"digione/internal/app/web"
	"digione/internal/tenancy"
	"digione/internal/tenancy/dbtest"
	"digione/internal/tenancy/joining"
)

// scene is a page as somebody comes upon it. Every GET route of the application has
// one or stands in noPages: a new page is looked at by being there.
type scene struct {
	name  string // of its picture
	route string // as registered; at the operators' host it begins with ops:, at the guardians' with koti:
	query string // of the address
	of    string // key of the value that stands for the route's parameter, where there are several such things
	who   string // key of town.people; nobody is empty
	says  string // what the tour tells of it
	main  bool   // its picture is taken on a phone too
	act   string // a script that brings the page into the state of the scene
	until string // selector that shows that it did
	fails bool   // the page is one of an error
	goes  bool   // the municipality is leaving meanwhile
}

// noPages are the GET routes that answer with something else than a page.
var noPages = map[string]string{
	"/kirjaudu/:provider/alku":                     "leads to the provider",
	"/kirjaudu/paluu":                              "leads back from the provider; what it refuses is the scene refused",
	"/liittyminen/tiedosto/:hash":                  "a file",
	"/oppilastiedot/:plan/havainnot.csv":           "a file",
	"/oppilastiedot/:plan/roolit.csv":              "a file",
	"/oppilastiedot/:plan/julkaisu.csv":            "a file",
	"/oppilastiedot/paketti/:upload/havainnot.csv": "a file",
	"/oppilastiedot/lahetys/:upload":               "asked by a script",
	"/oppilastiedot/tila":                          "asked by a script",
	"/sisaan/:token":                               "leads in from the guardians' own host, once",
	"/tuki/:token":                                 "leads in, once; TestOperatorsBrowser goes there",
	"ops:/kirjaudu/:provider/alku":                 "leads to the provider",
	"ops:/kirjaudu/paluu":                          "leads back from the provider",
	"ops:/liittyjat/viimeisin":                     "asked by a script",
	"ops:/t/:slug/liittyminen/tiedosto/:hash":      "a file",
	"koti:/kirjaudu/:provider/alku":                "leads to the provider",
	"koti:/kirjaudu/paluu":                         "leads back from the provider",
	"koti:/mene/:link":                             "leads into the municipality",
	"koti:/mene/:link/:child":                      "leads into the municipality",
	"ops:/avain":                                   "for those who have a passkey; TestPasskey goes there",
}

const send = `(() => { const f = document.querySelector(%q); for (const [k, v] of Object.entries(%s)) f.elements[k].value = v; f.noValidate = true; f.requestSubmit(); return true })()`

func filled(form, fields string) string { return fmt.Sprintf(send, form, fields) }

// scenes are all of them, in the order of the tour.
func scenes(w *world) []scene {
	return []scene{
		{name: "sign-in", route: "/kirjaudu", main: true, says: "The way in: the ways that the municipality offers, one button each."},
		{name: "refused", route: "/kirjaudu/paluu", fails: true, says: "A sign-in that did not succeed says what to do next."},
		{name: "not-found", route: "/eiole", who: "admin", fails: true, says: "What one may not see does not exist; the way back is one step."},
		{name: "statement", route: "/saavutettavuus", says: "The accessibility statement, made from the results of the accessibility run."},
		{name: "home-learner", route: "/", who: "learner", main: true, says: "A learner's front page: today, the class and the groups."},
		{name: "home-guardian", route: "/", who: "guardian", main: true, says: "A guardian's front page: each child, where it goes to school and in which groups."},
		{name: "home-teacher", route: "/", who: "teacher", main: true, says: "A teacher's front page: one's own groups and classes, and a search."},
		{name: "home-principal", route: "/", who: "principal", main: true, says: "A principal's front page: the school's learners by grade."},
		{name: "home-admin", route: "/", who: "admin", main: true, says: "A municipal admin's front page: when the roster last came in, and all schools."},
		{name: "home-welfare", route: "/", who: "welfare", says: "Welfare staff's front page: the learners whom schools have disclosed to them."},
		{name: "self", route: "/omat-tiedot", who: "learner", says: "What the service knows about oneself, and where it comes from."},
		{name: "looks", route: "/katselut", who: "guardian", says: "Who looked at one's own data, and when."},
		{name: "looks-child", route: "/katselut/:person", who: "guardian", says: "Which organisation looked at a child's data."},
		{name: "sessions", route: "/kirjautumiset", who: "learner", says: "Where one is signed in, and how to end it."},
		{name: "schools", route: "/koulut", who: "admin", main: true, says: "All schools with what is counted in them."},
		{name: "school", route: "/koulut/:school", who: "principal", says: "A school: its home classes and other groups."},
		{name: "group", route: "/ryhmat/:group", who: "teacher", main: true, says: "A class list; it prints on one sheet."},
		{name: "search", route: "/haku", who: "principal", says: "The search for people; names never stand in an address."},
		{name: "search-hits", route: "/haku", who: "admin", main: true, act: filled(`main form[action="/haku"]`, fmt.Sprintf(`{nimi: %q}`, w.cast.Learner.FamilyName)), until: "main .rows", says: "What a search finds."},
		{name: "search-wrong", route: "/haku", who: "admin", act: filled(`main form[action="/haku"]`, `{nimi: "x"}`), until: "[aria-invalid]", says: "A form that needs mending: summed up on top, and said beside the field."},
		{name: "person", route: "/henkilot/:person", who: "principal", main: true, says: "A learner as the school sees them."},
		{name: "guardians", route: "/henkilot/:person/huoltajat", who: "principal", says: "Guardians by hand, and what is disclosed to others."},
		{name: "guardians-wrong", route: "/henkilot/:person/huoltajat", who: "principal", act: filled(`main form.filter[action$="/huoltajat"]`, `{tunnus: "eiole", syy: "x"}`), until: "main [role=alert]", says: "The same page when something in the form has to be mended."},
		{name: "rights", route: "/oikeudet", who: "admin", says: "Schools whose rights one may give."},
		{name: "rights-school", route: "/oikeudet/:unit", who: "principal", says: "Who has which right at a school, by hand and by the roster."},
		{name: "merges", route: "/yhdistamiset", who: "admin", query: "nimet=1", says: "Records that may be one person."},
		{name: "merge", route: "/yhdistamiset/:person/:other", who: "admin", says: "Two records side by side, and the decision."},
		{name: "privacy", route: "/tietosuoja", who: "privacy", says: "The data-protection officer looks with a reason."},
		{name: "privacy-hits", route: "/tietosuoja", who: "privacy", act: filled(`main form[action="/tietosuoja"]`, fmt.Sprintf(`{nimi: %q, syy: "Rekisteröidyn pyyntö 12/2026"}`, w.cast.Learner.FamilyName)), until: "main .rows", says: "Whom the officer may open, each look with the reason given."},
		{name: "oversight", route: "/valvonta", who: "admin", says: "Unusually many looks, to be explained, and the sealed end of the log."},
		{name: "visits", route: "/tuki", who: "admin", says: "Visits of support: who, why, until when."},
		{name: "joining", route: "/liittyminen", who: "admin", main: true, says: "The municipality's own page of joining: what is due, from whom, by when."},
		{name: "leaving", route: "/lahto", who: "admin", goes: true, says: "A municipality that leaves: what happens, and the word that it has all of its data."},
		{name: "leaving-wrong", route: "/lahto", who: "admin", goes: true, act: filled(`main form[action="/lahto"]`, `{tiiviste: "ab"}`), until: "main [role=alert]", says: "The same page when the file's checksum is another."},
		{name: "rosters", route: "/oppilastiedot", who: "admin", main: true, says: "Imports: what waits, how to send a package, what has been."},
		{name: "upload-invalid", route: "/oppilastiedot/paketti/:upload", who: "admin", says: "A package with errors: nothing was changed, and what to mend."},
		{name: "upload-findings", route: "/oppilastiedot/paketti/:upload/havainnot", who: "admin", says: "Each finding with file, line and what was expected."},
		{name: "plan", route: "/oppilastiedot/:plan", who: "admin", main: true, says: "A held import: what it would change, and why it waits for a second person."},
		{name: "plan-wrong", route: "/oppilastiedot/:plan", who: "principal", act: filled(`main form[action$="/tuo"]`, `{reason: ""}`), until: "main [role=alert]", says: "The approval of an import that has to be mended."},
		{name: "plan-second", route: "/oppilastiedot/:plan", who: "principal", says: "The same import for the one who may approve it."},
		{name: "plan-findings", route: "/oppilastiedot/:plan/havainnot", who: "admin", says: "The warnings of a plan."},
		{name: "plan-roles", route: "/oppilastiedot/:plan/roolit", who: "admin", says: "Who would lose a role: with what is left."},
		{name: "plan-samples", route: "/oppilastiedot/:plan/muutokset/:type/:kind", who: "admin", says: "Samples of a change, before and after side by side."},
		{name: "plan-rehearsal", route: "/oppilastiedot/:plan/harjoitus", who: "admin", says: "The rehearsal: how each school would stand on a chosen day."},
		{name: "publish", route: "/oppilastiedot/:plan/julkaisu", of: "published", who: "admin", main: true, says: "A school year that waits for its day: what happens at each school, and what a second person has to approve."},
		{name: "publish-second", route: "/oppilastiedot/:plan/julkaisu", of: "published", who: "principal", says: "The same for the one who may approve it."},
		{name: "publish-wrong", route: "/oppilastiedot/:plan/julkaisu", who: "admin", act: filled(`main form[action$="/julkaisu"]`, `{day: "2020-08-01"}`), until: "main [role=alert]", says: "Scheduling a school year, with a day that must be mended."},
		{name: "roster-person", route: "/oppilastiedot/henkilot/:person", who: "admin", says: "What imports did to one person."},
		{name: "family-sign-in", route: "koti:/kirjaudu", says: "The guardians' own host: one sign-in for the children in all municipalities."},
		{name: "family-new", route: "koti:/", who: "newcomer", main: true, says: "A guardian's first visit: which municipality to begin with."},
		{name: "family-asked", route: "koti:/liita", who: "asking", says: "Before a municipality is tied, one signs in once more."},
		{name: "family-found", route: "koti:/liita", who: "found", says: "The municipality knows the guardian; the link is made by their word."},
		{name: "family-none", route: "koti:/liita", who: "stranger", says: "Nobody was found, and what may be the cause."},
		{name: "family-home", route: "koti:/", who: "parent", main: true, says: "A guardian's front page over all municipalities: the children, where each one is."},
		{name: "family-towns", route: "koti:/kunnat", who: "parent", main: true, says: "The municipalities that are tied, and how to untie one."},
		{name: "family-statement", route: "koti:/saavutettavuus", says: "The accessibility statement at the guardians' host."},
		{name: "ops-sign-in", route: "ops:/kirjaudu", says: "The operators' way in."},
		{name: "ops-tenants", route: "ops:/", who: "operator", main: true, says: "The fleet: every municipality and its state."},
		{name: "ops-tenant", route: "ops:/t/:slug", who: "operator", says: "One municipality, its support grants and last changes."},
		{name: "ops-board", route: "ops:/liittyjat", who: "operator", main: true, says: "The joining board, what is late first."},
		{name: "ops-tenant-wrong", route: "ops:/t/:slug", who: "operator", act: filled(`main form[action$="/tuki"]`, `{syy: "x"}`), until: "main [role=alert]", says: "The same page when a request for a support grant has to be mended."},
		{name: "ops-joining", route: "ops:/t/:slug/liittyminen", who: "operator", says: "One municipality's joining, with what an operator decides."},
		{name: "ops-log", route: "ops:/loki", who: "operator", says: "Every change and every look of operators."},
		{name: "ops-operators", route: "ops:/operaattorit", who: "operator", says: "Who operates."},
		{name: "ops-keys", route: "ops:/avaimet", who: "operator", says: "One's own passkeys."},
		{name: "ops-statement", route: "ops:/saavutettavuus", says: "The accessibility statement at the operators' host."},
	}
}

// world is a town in which every page has something to show.
type world struct {
	*town
	people map[string]string // who of a scene -> username
	values map[string]string // parameter of a route -> value
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{town: newTown(t), values: map[string]string{":slug": "alpha", ":type": "users", ":kind": "update"}}
	w.people = map[string]string{"admin": w.cast.Admin.Username, "principal": w.cast.Principal.Username, "teacher": w.cast.Teacher.Username,
		"guardian": w.cast.Guardian.Username, "learner": w.cast.Learner.Username, "operator": "Paula Operaattori",
		"newcomer": "Uusi", "asking": "Kysyvä", "found": "Löytyvä", "stranger": "Tuntematon", "parent": "Vanhempi"}
	w.persons(t)
	w.imports(t)
	return w
}

// persons finds the ids of the pages, and gives the rights that no roster gives.
func (w *world) persons(t *testing.T) {
	t.Helper()
	ctx := context.Background()
	one := func(name, sql string, args ...any) {
		var v string
		ok(t, w.env.DB.Read(ctx, dbtest.Alpha, func(tx tenancy.Read) error { return tx.QueryRow(ctx, sql, args...).Scan(&v) }))
		if strings.HasPrefix(name, ":") {
			w.values[name] = v
		} else {
			w.people[name] = v
		}
	}
	one(":school", `select g.unit::text from role_grant g join roster_user u on u.id = g.source_user where u.username = $1 and g.role = 'principal' limit 1`, w.cast.Principal.Username)
	w.values[":unit"] = w.values[":school"]
	one(":person", `select person::text from roster_user where username = $1`, w.cast.Learner.Username)
	one(":group", `select e.teaching_group::text from enrolment e join roster_user u on u.person = e.person join teaching_group g on g.id = e.teaching_group where u.username = $1 and g.kind = 'homeroom' limit 1`, w.cast.Teacher.Username)
	one(":other", `select g.person::text from role_grant g where g.unit = $1::uuid and g.role = 'student' and g.person <> $2::uuid order by g.person limit 1`, w.values[":school"], w.values[":person"])
	const parents = `select u.username from roster_user u where u.username <> $1 and u.username is not null and exists (select from guardianship s where s.guardian = u.person) order by u.username offset $2 limit 1`
	one("privacy", parents, w.cast.Guardian.Username, 0)
	one("welfare", parents, w.cast.Guardian.Username, 1)
	const grant = `insert into t_alpha.role_grant (id, person, role, unit, validity, source, reason, date_last_modified)
		select gen_random_uuid(), r.person, '%s', %s, '[2020-01-01,)', 'hand', 'Nimetty 1.11.2026', now() from t_alpha.roster_user r where r.username = '%s' limit 1`
	const provider = `(select id from t_alpha.unit where kind = 'provider' limit 1)`
	w.env.Exec(t, fmt.Sprintf(grant, "systemAdministrator", provider, w.people["principal"]))
	w.people["second"] = w.people["principal"]
	w.env.Exec(t, fmt.Sprintf(grant, "hand:dataProtection", provider, w.people["privacy"]))
	w.env.Exec(t, fmt.Sprintf(grant, "hand:welfare", "'"+w.values[":school"]+"'", w.people["welfare"]))
	w.env.Exec(t, fmt.Sprintf(`insert into t_alpha.disclosure (id, learner, recipient, contacts, reason, validity, disclosed_by)
		select gen_random_uuid(), '%s', r.person, true, 'Huoltaja on suostunut tapaamiseen', daterange(current_date, current_date + 60), '%s' from t_alpha.roster_user r where r.username = '%s' limit 1`,
		w.values[":person"], w.values[":other"], w.people["welfare"]))
	w.env.Exec(t, fmt.Sprintf(`insert into t_alpha.audit_alarm (id, actor, actor_kind, day, first_at, last_at, persons, usual, allowed)
		select gen_random_uuid(), r.person, 'person', current_date, now() - interval '1 hour', now(), 230, 40, 200 from t_alpha.roster_user r where r.username = '%s' limit 1`, w.people["teacher"]))
}

func (w *world) joins(t *testing.T) {
	t.Helper()
	ctx := context.Background()
	s, err := onboarding.Service(w.env.DB, w.env.Operator, "test")
	ok(t, err)
	olli := joining.Actor{Account: "olli", Side: joining.Tiera}
	_, err = s.Start(ctx, w.alpha, olli, "", "2027-kevät")
	ok(t, err)
	_, err = s.Plan(ctx, w.alpha, olli, []joining.Wave{{Name: "pilotti", Opens: "2027-01-11", Schools: []string{"alpha-o-001"}}})
	ok(t, err)
	_, err = s.Check(ctx, w.alpha, "")
	ok(t, err)
	beta, err := w.env.Operator.Find(ctx, "beta")
	ok(t, err)
	s.Now = func() time.Time { return time.Now().AddDate(0, -2, 0) }
	_, err = s.Start(ctx, beta, olli, "", "2026-syksy")
	ok(t, err)
}

// imports has an admin send a package with errors and one that is held.
func (w *world) imports(t *testing.T) {
	t.Helper()
	spec := generate.Spec{Tenant: "alpha", MunicipalityCode: "901", NameFi: "Alfala", NameSv: "Alfby", Learners: 300, Seed: 5, SchoolYear: schoolYear(time.Now()), Mutate: 0.03, Night: 1}
	var night bytes.Buffer
	_, err := generate.Write(context.Background(), &night, spec)
	ok(t, err)
	spec.SchoolYear, spec.Night = spec.SchoolYear+1, 2
	var autumn bytes.Buffer
	_, err = generate.Write(context.Background(), &autumn, spec)
	ok(t, err)
	b := browser(t)
	w.enter(t, b, "alpha", w.people["admin"])
	for _, p := range []struct{ name, param, until string }{{"virheellinen.zip", ":upload", `main a[href$="/havainnot"]`}, {"elokuu.zip", "published", `.matrix`}, {"vajaa.zip", ":plan", `.matrix`}} {
		content := rewritten(t, night.Bytes(), "enrollments.csv", func(n int, line string) string {
			switch {
			case p.param == ":upload" && n%7 == 0:
				return strings.Replace(line, ",", ",x", 3)
			case p.param == ":plan" && n%4 == 0:
				return ""
			}
			return line
		})
		if p.param == "published" {
			content = autumn.Bytes()
		}
		file := filepath.Join(t.TempDir(), p.name)
		ok(t, os.WriteFile(file, content, 0o600))
		do(t, b, "open", chromedp.Navigate(w.at("alpha", "/oppilastiedot")))
		do(t, b, "file", chromedp.SetUploadFiles(`#file`, []string{file}))
		do(t, b, "send", chromedp.Click(`form[data-upload] button`))
		do(t, b, p.name, chromedp.WaitVisible(p.until))
		path := do(t, b, "where", chromedp.Evaluate[string](`location.pathname`))
		w.values[p.param] = path[strings.LastIndex(path, "/")+1:]
		if p.param != ":upload" {
			do(t, b, "rehearsal", chromedp.Navigate(w.at("alpha", path+"/harjoitus")))
			do(t, b, "rehearse", chromedp.Click(`form[action$="/harjoitus"] button`))
			do(t, b, "rehearsed", chromedp.WaitVisible(`tbody a[href*="koulu="]`))
		}
	}
	do(t, b, "publishing", chromedp.Navigate(w.at("alpha", "/oppilastiedot/"+w.values["published"]+"/julkaisu")))
	do(t, b, "schedule", chromedp.Click(`form[action$="/julkaisu"] button`))
	do(t, b, "scheduled", chromedp.WaitVisible(`main .tiles`))
}

// going lets the municipality leave while f looks at it.
func (w *world) going(t *testing.T, f func()) {
	t.Helper()
	be := func(state string) {
		w.env.Exec(t, "update control.tenant set state = '"+state+"' where slug = 'alpha'")
		ok(t, w.env.DB.Refresh(context.Background()))
	}
	w.env.Exec(t, `insert into control.leaving (tenant, reason, begun_by, begun_at, offered_sha256, offered_at, offered)
		select id, 'Kunta siirtyy kuntayhtymän palveluun 1.8.2027', 'olli', '2026-11-02', repeat('ab', 32), '2026-11-20 12:00+02',
		  '{"schema_version": 13, "tables": [{"name": "person", "rows": 3120, "sha256": ""}], "objects": [{"key": "a", "size": 5, "sha256": ""}]}'
		  from control.tenant where slug = 'alpha' on conflict do nothing`)
	be("leaving")
	defer be("active")
	f()
}

func (w *world) at(host, path string) string {
	return fmt.Sprintf("http://%s.test:%d%s", host, w.port, path)
}

// enter makes a browser somebody's; nobody's when user is empty.
func (w *world) enter(t *testing.T, b context.Context, host, user string) {
	t.Helper()
	_, err := chromedp.Call(b, network.ClearBrowserCookies, cdp.Empty{})
	ok(t, err)
	if user == "" {
		return
	}
	do(t, b, "open", chromedp.Navigate(w.at(host, "/")))
	through(t, b, user)
	if host != "koti" || user == w.people["newcomer"] {
		return
	}
	do(t, b, "municipalities", chromedp.Navigate(w.at(host, "/kunnat")))
	if tied := do(t, b, "tied", chromedp.Evaluate[bool](`!!document.querySelector('form[action$="/irrota"]')`)); tied {
		return
	}
	do(t, b, "municipality", chromedp.Evaluate[bool](`(() => { document.querySelector('#kunta').value = 'alpha'; return true })()`))
	do(t, b, "go on", chromedp.Click(`form[action="/liita"] button`))
	do(t, b, "asked", chromedp.WaitVisible(`main a[href*="/alku"]`))
	if user == w.people["asking"] {
		return
	}
	through(t, b, user)
	if user == w.people["parent"] {
		do(t, b, "yes", chromedp.Click(`form[action="/liita/vahvista"] button`))
		do(t, b, "tied", chromedp.WaitVisible(`ul.children`))
	}
}

// through takes a browser from a page with a way in through the provider and back.
func through(t *testing.T, b context.Context, user string) {
	t.Helper()
	do(t, b, "way in", chromedp.Click(`main a[href*="/alku"]`))
	do(t, b, "login page", chromedp.WaitVisible(`input[name=username]`))
	do(t, b, "pick "+user, chromedp.Evaluate[bool](fmt.Sprintf(pickUser, user)))
	do(t, b, "page", chromedp.WaitReady(`form[action="/kirjaudu-ulos"]`))
}

// place is the host of a scene and its address there.
func (w *world) place(t *testing.T, s scene) (host, path string) {
	t.Helper()
	host, path = "alpha", s.route
	for prefix, there := range map[string]string{"ops:": "operator", "koti:": "koti"} {
		if rest, is := strings.CutPrefix(path, prefix); is {
			host, path = there, rest
		}
	}
	parts := strings.Split(path, "/")
	for i, p := range parts {
		if strings.HasPrefix(p, ":") {
			if p == ":plan" && s.of != "" {
				parts[i] = w.values[s.of]
				continue
			}
			if w.values[p] == "" {
				t.Fatalf("%s: no value for %s; give one in newWorld", s.route, p)
			}
			parts[i] = w.values[p]
		}
	}
	path = strings.Join(parts, "/")
	if s.query != "" {
		path += "?" + s.query
	}
	return host, path
}

// open shows a scene in a language.
func (w *world) open(t *testing.T, b context.Context, s scene, lang string) {
	t.Helper()
	host, path := w.place(t, s)
	sep := "?"
	if strings.Contains(path, "?") {
		sep = "&"
	}
	do(t, b, s.name, chromedp.Navigate(w.at(host, path+sep+"kieli="+lang)))
	if s.act != "" {
		do(t, b, s.name, chromedp.Evaluate[bool](s.act))
		do(t, b, s.name+": "+s.until, chromedp.WaitVisible(s.until))
	}
	do(t, b, s.name, chromedp.WaitVisible("main h1"))
	status := do(t, b, "status", chromedp.Evaluate[int](`performance.getEntriesByType('navigation')[0].responseStatus`))
	if bad := status >= 400 && s.act == ""; bad != s.fails {
		t.Errorf("%s (%s) as %s answered %d", s.name, path, s.who, status)
	}
}

// TestScenes keeps a scene, and so a sentence of the tour and the rules of
// accessibility, for every page.
func TestScenes(t *testing.T) {
	t.Parallel()
	have := map[string]bool{}
	for _, s := range scenes(&world{town: &town{}}) {
		have[s.route] = true
		if s.says == "" {
			t.Errorf("%s: say what the tour tells of it", s.name)
		}
	}
	for _, route := range pageRoutes() {
		if !have[route] {
			t.Errorf("GET %s has no scene: add one to scenes, or say in noPages what it is", route)
		}
	}
}

// pageRoutes are the routes that answer with a page.
func pageRoutes() []string {
	a := newApp()
	var out []string
	list := func(prefix string, routes []web.Route) {
		for _, r := range routes {
			if route := prefix + r.Path; r.Method == "GET" && noPages[route] == "" {
				out = append(out, route)
			}
		}
	}
	list("", a.Router.Routes())
	list("koti:", a.Family.Router.Routes())
	list("ops:", a.Operators.Router.Routes())
	return out
}
