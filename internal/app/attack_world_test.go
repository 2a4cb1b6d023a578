package app_test

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/httptest"
	netmail "net/mail"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"digione/internal/app"
	"digione/internal/app/identity"
	"digione/internal/app/mail"
	"digione/internal/app/mail/catch"
	"digione/internal/app/objects"
	"digione/internal/app/onboarding"
	"digione/internal/app/people/peopletest"
	"digione/internal/app/roster"
	"digione/internal/app/roster/generate"
	"digione/internal/app/web"
	"digione/internal/app/web/webtest"
	"digione/internal/tenancy"
	"digione/internal/tenancy/dbtest"
	"digione/internal/tenancy/joining"
)

const deskHost, familyHost = "operator.test", "koti.test"

// siege is the whole application behind a listener. Its twins hold the same under
// the same ids, and each a canary of its own in every text that a page could show.
type siege struct {
	*testing.T
	env            *dbtest.Env
	app            *app.App
	addr, issuer   string
	mails, objects string // folders
	log            *lines
	alpha, beta    *side
	client         *http.Client
	offset         atomic.Int64 // of the clock
}

// side is one of the twins, as those who attack see it.
type side struct {
	tenancy.Tenant
	host, canary string
	twin         *side
	actors       []actor
	values       map[string]value // by parameter of a route, without the colon
}

// value is what a parameter may be at a side: own stands there, and mostly in the
// twin as well under the same id; only stands there alone.
type value struct{ own, only string }

// actor is a browser: what it sends as cookies.
type actor struct {
	name, cookie string
	id           uuid.UUID
}

// lines is what was logged.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string { l.mu.Lock(); defer l.mu.Unlock(); return l.b.String() }

// tokenOf is a session's token that follows from a name.
func tokenOf(name string) string {
	sum := sha256.Sum256([]byte(name))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// roles are those whom each twin has, with sessions; the first ones are of twoSchools.
var roles = []string{"aino", "adult", "other", "guardian", "guardian over", "guardian ended", "guardian blocked", "teacher here", "substitute", "substitute over",
	"special here", "principal here", "secretary here", "welfare told", "officer", "admin"}

// newSiege builds one; whole is with packages of rosters, and with the proof that no
// column is without its canary.
func newSiege(t *testing.T, whole bool) *siege {
	t.Helper()
	s := &siege{T: t, env: dbtest.New(t), log: &lines{}, mails: t.TempDir(), objects: t.TempDir()}
	s.issuer = provider(t)
	// The twins join, and yet all their schools are open: else nobody but the office could sign in.
	s.env.Exec(t, `create function control.stays_open() returns trigger language plpgsql as 'begin return null; end';
create trigger stays_open before insert or update on control.tenant_opening for each row execute function control.stays_open()`)
	store, err := objects.Folder(s.objects)
	ok(t, err)
	catcher, err := catch.New(s.mails)
	ok(t, err)
	post, err := catch.Listen("localhost:0")
	ok(t, err)
	go func() { _ = catcher.Serve(post) }()
	t.Cleanup(func() { _ = catcher.Close() })
	s.app = app.New(app.Config{DB: s.env.DB, Keyset: keyset, Objects: store, Log: slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Now:       func() time.Time { return webtest.Now.Add(time.Duration(s.offset.Load())) },
		Mail:      mail.Server{Addr: post.Addr().String(), From: netmail.Address{Address: "ei-vastausta@digione.example"}},
		Operators: app.Operators{Host: deskHost, Issuer: s.issuer, ClientID: "ops", Secret: "s"},
		Family:    app.Family{Host: familyHost, Issuer: s.issuer, ClientID: "koti", Secret: "s"}})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ok(t, err)
	s.addr = l.Addr().String()
	go func() { _ = s.app.Router.Serve(l) }()
	t.Cleanup(func() { _ = s.app.Router.Shutdown(context.Background()); s.app.Rosters.Shutdown(context.Background()) })
	s.client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	t.Cleanup(s.client.CloseIdleConnections)
	s.alpha, s.beta = s.side(dbtest.Alpha), s.side(dbtest.Beta)
	s.alpha.twin, s.beta.twin = s.beta, s.alpha
	for _, x := range []*side{s.alpha, s.beta} {
		s.people(x)
		s.outside(x)
		if whole {
			s.packages(x)
		}
		s.canaries(x, whole)
	}
	return s
}

// provider answers for discovery alone: nobody signs in by it here.
func provider(t *testing.T) string {
	t.Helper()
	srv := httptest.NewUnstartedServer(nil)
	issuer := "http://" + srv.Listener.Addr().String()
	srv.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"issuer":%q,"authorization_endpoint":%q,"token_endpoint":%q,"jwks_uri":%q,"id_token_signing_alg_values_supported":["RS256"]}`,
			issuer, issuer+"/authorize", issuer+"/token", issuer+"/keys")
	})
	srv.Start()
	t.Cleanup(srv.Close)
	return issuer
}

func (s *siege) side(id tenancy.ID) *side {
	t, _ := s.env.DB.ByID(id)
	return &side{Tenant: t, host: t.Hosts[0], canary: "zq" + t.Slug, values: map[string]value{}}
}

// people seeds a side: what isolation inside a municipality is tried on, the same
// once more under ids that only this side has, and sessions.
func (s *siege) people(x *side) {
	s.Helper()
	only := "only " + x.Slug + " "
	peopletest.In(s.T, s.env.DB, x.ID, " "+x.canary, func(p peopletest.Seed) {
		twoSchools(p)
		grown := peopletest.Person{Born: "1980-01-01"}
		p.Grant(p.Person("admin", grown), "systemAdministrator", id("provider"))
		p.Grant(p.Person("second", grown), "systemAdministrator", id("provider"))
		school := p.School(only + "school")
		class := p.Group(only+"group", "homeroom", school)
		p.Learner(p.Person(only+"person", peopletest.Person{}), school, "7", class)
		p.Learner(p.Person(only+"other", peopletest.Person{}), school, "7", class)
		p.Guardian(p.Person(only+"guardian", grown), id(only+"person"))
		p.Exec(`update guardianship set id = $1 where guardian = $2`, id(only+"guardianship"), id(only+"guardian"))
		give(p, only+"guardian", "ext:substituteTeacher", school, class, "[2026-11-20,2026-11-24)")
		p.Exec(`insert into disclosure (id, learner, recipient, contacts, reason, validity, disclosed_by) values ($1, $2, $3, true, 'syy', '[2026-11-01,2026-12-01)', $4)`,
			id(only+"disclosure"), id(only+"person"), id("welfare"), id("principal here"))
		for _, name := range []string{"", only} {
			for _, record := range []string{"kept", "gone"} {
				p.Learner(p.Person(name+record, peopletest.Person{}), school, "7", class)
			}
			p.Exec(`insert into audit_alarm (id, actor, actor_kind, day, first_at, last_at, persons, usual, allowed, review) values ($1, $2, 'person', $3::text::date, now(), now(), 230, 40, 200, 'selvitys')`,
				id(name+"alarm"), id("teacher here"), map[string]string{"": "2026-11-23", only: "2026-11-22"}[name])
		}
		for i, table := range []string{"person_identifier (id, person, kind, value_hash, value, source, validity) values ($1, $2, 'oppijanumero', '', '1.2.246', 'test', '[2020-01-01,2021-01-01)')",
			"study_right (id, learner, unit, kind, source, states) values ($1, $2, '" + id("Kilteri").String() + "', 'perusopetus', 'hand', '[]')",
			"term (id, kind, title, validity, school_year, source, date_last_modified) values ($1, 'x', $2::uuid::text, '[2026-08-01,2027-06-01)', 2027, 'test', now())"} {
			p.Exec("insert into "+table, id(fmt.Sprint("row ", i)), id("aino"))
		}
	})
	for param, own := range map[string]string{"person": "aino", "other": "other", "group": "7B", "school": "Kilteri", "unit": "Kilteri", "guardianship": "guardianship", "guardian": "guardian",
		"disclosure": "disclosure to welfare told", "right": "right of substitute", "merge": "merge", "alarm": "alarm", "session": "session of aino", "provider": "the provider", "child": "aino"} {
		theirs := only + param
		switch param {
		case "right":
			theirs = "right of " + only + "guardian"
		case "unit":
			theirs = only + "school"
		case "session":
			theirs = "session of " + only + "person"
		case "child":
			theirs = only + "person"
		}
		x.values[param] = value{id(own).String(), id(theirs).String()}
	}
	s.sessions(x, append(slices.Clone(roles), "second", only+"person")...)
	for _, r := range roles {
		x.actors = append(x.actors, actor{r, "digione=" + tokenOf(x.Slug+r), id(r)})
	}
	for _, name := range []string{"", only} {
		a := s.send(x.host, x.as("admin"), "POST", "/yhdistamiset/"+id(name+"kept").String()+"/"+id(name+"gone").String(), url.Values{"syy": {"Sama henkilö"}, "sailyy": {id(name + "kept").String()}})
		if a.status != 303 {
			s.Fatalf("merge at %s: %d\n%s", x.Slug, a.status, a.body)
		}
		s.owner(x, `update person_merge set id = $1 where gone = $2`, id(name+"merge"), id(name+"gone"))
	}
}

// sessions gives people at a side sessions whose tokens follow from their names, and
// the provider by which they came.
func (s *siege) sessions(x *side, names ...string) {
	s.Helper()
	ks, err := keyset(x.Tenant)
	ok(s.T, err)
	ok(s.T, s.env.DB.Write(context.Background(), x.ID, func(tx tenancy.Write) error {
		return identity.PutProvider(context.Background(), tx, ks, identity.Provider{Name: "Tunnus", Issuer: s.issuer, ClientID: "client-" + x.Slug, Secret: "s",
			LinkClaim: "sub", LinkTo: identity.ToUsername, Strong: true})
	}))
	s.owner(x, `update identity_provider set id = $1`, id("the provider"))
	s.owner(x, `insert into identity_provider (id, name, issuer, client_id, secret_cipher, link_claim, link_to) select $1, name, issuer, 'other', secret_cipher, link_claim, link_to from identity_provider`,
		id("only "+x.Slug+" provider"))
	for _, name := range names {
		s.account(x, name)
	}
}

// account lets a person sign in, and begins a session of theirs.
func (s *siege) account(x *side, name string) {
	s.Helper()
	s.owner(x, `insert into account (id, provider, subject, person, linked_by, linked_at, last_login_at) values ($1, $2, $3, $4, 'x', now(), now())`,
		id("account of "+name), id("the provider"), name, id(name))
	s.owner(x, `insert into roster_user (id, person, enabled, username, given_name, family_name, source, sourced_id, status, date_last_modified, row_hash)
values ($1, $2, true, $3, 'x', 'x', 'test', $3, 'active', now(), '')`, id("row "+name), id(name), name)
	s.signedIn(x, name)
}

// signedIn begins a person's session, or leaves the one that is there.
func (s *siege) signedIn(x *side, name string) {
	s.Helper()
	s.owner(x, `insert into session (token_hash, account, person, csrf, started_at, seen_at, expires_at, strength, device, id) values ($1, $2, $3, $4, $5, $5, $5::timestamptz + interval '9 hours', 'strong', 'Laite', $6) on conflict do nothing`,
		identity.HashOf(tokenOf(x.Slug+name)), id("account of "+name), id(name), webtest.CSRF, webtest.Now, id("session of "+name))
}

// outside gives a side what stands in the schema control: its joining with a file, a
// visit of support, a guardian's link and the ways in.
func (s *siege) outside(x *side) {
	s.Helper()
	ctx := context.Background()
	j, err := onboarding.Service(s.env.DB, s.env.Operator, "test")
	ok(s.T, err)
	_, err = j.Start(ctx, x.Tenant, joining.Actor{Account: "olli", Side: joining.Tiera}, "", "2026-syksy")
	ok(s.T, err)
	file := webtest.PDF("Sopimus " + x.canary)
	if a := s.upload(x, "/liittyminen/agreement", "file", "sopimus.pdf", file, "reason", "Allekirjoitettu "+x.canary); a.status != 303 {
		s.Fatalf("evidence at %s: %d\n%s", x.Slug, a.status, a.body)
	}
	sum := sha256.Sum256(file)
	grant, link, account, operator := id("grant "+x.Slug), id("link "+x.Slug), id("account "+x.Slug), id("operator")
	visit, entry := "tuki."+tokenOf("visit "+x.Slug), tokenOf("entry "+x.Slug)
	family, into := tokenOf("family "+x.Slug), "perhe."+tokenOf("into "+x.Slug)
	now := webtest.Now
	for _, c := range []struct {
		sql  string
		args []any
	}{
		{`insert into control.operator (id, issuer, subject, name, role, added_by) values ($1, $2, 'paula', 'Paula', 'operator', 'test'), ($3, $2, 'olli', 'Olli', 'viewer', 'test') on conflict do nothing`, []any{operator, s.issuer, id("viewer")}},
		{`insert into control.operator_session (token_hash, operator, csrf, created_at, seen_at, expires_at) values ($1, $2, $5, $6, $6, $6::timestamptz + interval '9 hours'), ($3, $4, $5, $6, $6, $6::timestamptz + interval '9 hours') on conflict do nothing`,
			[]any{identity.HashOf(tokenOf("operator")), operator, identity.HashOf(tokenOf("viewer")), id("viewer"), webtest.CSRF, now}},
		{`insert into control.support_grant (id, tenant, operator, operator_name, reason, starts_at, ends_at) values ($1, $2, $3, 'Paula', $4, $5, $5::timestamptz + interval '8 hours')`, []any{grant, x.ID, operator, "Pyyntö numero 4711 " + x.canary, now}},
		{`insert into control.support_session (token_hash, support_grant, csrf, expires_at) values ($1, $2, $3, $4::timestamptz + interval '8 hours')`, []any{identity.HashOf(visit), grant, webtest.CSRF, now}},
		{`insert into control.support_entry (token_hash, support_grant, expires_at) values ($1, $2, $3::timestamptz + interval '8 hours')`, []any{identity.HashOf(entry), grant, now}},
		{`insert into control.family_account (id, issuer, subject) values ($1, $2, $3)`, []any{account, s.issuer, "sub-" + x.Slug}},
		{`insert into control.family_link (id, account, tenant, person, created_at) values ($1, $2, $3, $4, $5)`, []any{link, account, x.ID, id("guardian"), now}},
		{`insert into control.family_session (token_hash, account, csrf, strong, created_at, seen_at, expires_at) values ($1, $2, $3, true, $4, $4, $4::timestamptz + interval '9 hours')`, []any{identity.HashOf(family), account, webtest.CSRF, now}},
		{`insert into control.family_visit (token_hash, link, session, csrf, created_at, seen_at) values ($1, $2, $3, $4, $5, $5)`, []any{identity.HashOf(into), link, identity.HashOf(family), webtest.CSRF, now}},
		{`insert into control.family_entry (token_hash, link, session, expires_at) values ($1, $2, $3, $4::timestamptz + interval '8 hours')`, []any{identity.HashOf(tokenOf("family entry " + x.Slug)), link, identity.HashOf(family), now}},
	} {
		s.owner(x, c.sql, c.args...)
	}
	x.values["grant"], x.values["link"] = value{grant.String(), grant.String()}, value{link.String(), link.String()}
	x.values["hash"], x.values["token"] = value{hex.EncodeToString(sum[:]), hex.EncodeToString(sum[:])}, value{tokenOf("no such"), entry}
	x.values["requirement"], x.values["slug"] = value{"rulebook", ""}, value{x.Slug, ""}
	x.values["type"], x.values["kind"], x.values["part"] = value{"users", ""}, value{"update", ""}, value{"0", ""}
	x.actors = append(x.actors, actor{"support visit", "digione=" + visit, operator}, actor{"family visit", "digione=" + into, id("guardian")})
}

// packages imports a roster at a side and has its admin send two more packages: one
// with errors, and one whose plan is held and rehearsed.
func (s *siege) packages(x *side) {
	s.Helper()
	ctx := context.Background()
	store, err := objects.Folder(s.objects)
	ok(s.T, err)
	svc := &roster.Service{DB: s.env.DB, Objects: store, Keyset: keyset, Now: func() time.Time { return webtest.Now }}
	spec := generate.Spec{Tenant: x.Slug, MunicipalityCode: "901", NameFi: "Kunta", NameSv: "Kommun", Learners: 40, Seed: 5, SchoolYear: 2027}
	made := func() []byte {
		var b bytes.Buffer
		_, err := generate.Write(ctx, &b, spec)
		ok(s.T, err)
		return canaried(s.T, b.Bytes(), x.canary)
	}
	first := made()
	_, err = svc.Import(ctx, x.Tenant, roster.Package{Name: "eka-" + x.canary + ".zip", Content: bytes.NewReader(first), Size: int64(len(first))}, roster.Options{}, roster.Approval{Who: "test", Initial: true}, nil)
	ok(s.T, err)
	spec.Mutate, spec.Night = 0.3, 1
	night := made()
	broken := rewritten(s.T, night, "enrollments.csv", func(n int, line string) string {
		if n%7 == 0 {
			return strings.Replace(line, ",", ",x"+x.canary, 3)
		}
		return line
	})
	less := rewritten(s.T, night, "enrollments.csv", func(n int, line string) string {
		if n%2 == 0 {
			return ""
		}
		return line
	})
	upload := s.settled(x, s.sendPackage(x, "virheellinen "+x.canary+".zip", broken))
	plan := s.settled(x, s.sendPackage(x, "vajaa "+x.canary+".zip", less))
	if !strings.Contains(upload, "/paketti/") || !strings.Contains(plan, "/pln_") {
		s.Fatalf("packages at %s: %s, %s", x.Slug, upload, plan)
	}
	upload, plan = filepath.Base(upload), filepath.Base(plan)
	if a := s.send(x.host, x.as("admin"), "POST", "/oppilastiedot/"+plan+"/harjoitus", url.Values{"day": {"2027-01-11"}}); a.status != 303 {
		s.Fatalf("rehearsal: %d\n%s", a.status, a.body)
	}
	s.settled(x, "/oppilastiedot/"+plan+"/harjoitus")
	// The same ids in both twins; the import that is in and the upload of the plan keep their own.
	const same = "pln_00000000000000000000000000"
	for _, sql := range []string{`update roster_sample set plan = $1 where plan = $2`, `update roster_leaver set plan = $1 where plan = $2`, `update roster_rehearsal set plan = $1 where plan = $2`, `update roster_upload set plan = $1 where plan = $2`,
		`update roster_work set plan = $1 where plan = $2`, `update roster_import set id = $1 where id = $2`} {
		s.owner(x, sql, same[:len(plan)], plan)
	}
	for _, sql := range []string{`update roster_work set upload = $1 where upload = $2::uuid`, `update roster_upload set id = $1 where id = $2::uuid`} {
		s.owner(x, sql, id("upload"), upload)
	}
	x.values["plan"] = value{same[:len(plan)], s.text(x, `select id from roster_import where state = 'applied'`)}
	x.values["upload"] = value{id("upload").String(), s.text(x, `select id::text from roster_upload where state = 'planned'`)}
	s.owner(x, `insert into roster_change (import_seq, type, sourced_id, kind, before) select seq, 'users', (select min(sourced_id) from roster_user where person <> $1), 'update', jsonb_build_object('familyName', $2::text) from roster_import where state = 'applied'
on conflict (import_seq, type, sourced_id) do update set before = excluded.before`, id("aino"), x.canary)
	s.owner(x, `insert into local_edit (id, type, sourced_id, field, delivered, edited, edited_by, edited_at) select $1, 'users', sourced_id, 'givenName', 'x', 'y', 'test', now() from roster_user order by sourced_id limit 1`, id("edit"))
	s.owner(x, `insert into match_review (id, sourced_id, person, reason, import_seq) select $1, sourced_id, person, 'namesake', 1 from roster_user order by sourced_id limit 1`, id("review"))
	s.owner(x, `insert into roster_publication (id, plan, due_at, state, asked_by, asked_at) values ($1, $2, now() + interval '1 year', 'scheduled', 'test', now())`, id("publication"), x.values["plan"].own)
	s.owner(x, `insert into roster_publication_part (publication, n, kind, school, name, state, counts, change_hash, holds) values ($1, 1, 'school', 'S1', 'Koulu', 'held', '{}', '', '[]')`, id("publication"))
	s.owner(x, `insert into roster_delivery (id, name, tag, size, modified_at, state, failure, seen_at) values ($1, 'yö.zip', 'tag', 1, now(), 'failed', 'x', now())`, id("delivery"))
}

// canaried marks what people could read in a package.
func canaried(t *testing.T, content []byte, canary string) []byte {
	t.Helper()
	in, err := zip.NewReader(bytes.NewReader(content), int64(len(content)))
	ok(t, err)
	for _, f := range in.File {
		if !strings.HasSuffix(f.Name, ".csv") || f.Name == "manifest.csv" {
			continue
		}
		r, err := f.Open()
		ok(t, err)
		head, err := csv.NewReader(r).Read()
		ok(t, err)
		content = rewritten(t, content, f.Name, func(_ int, line string) string {
			row, err := csv.NewReader(strings.NewReader(line)).Read()
			ok(t, err)
			for i, column := range head {
				if slices.Contains([]string{"givenName", "familyName", "name", "title"}, column) && row[i] != "" {
					row[i] += " " + canary
				}
			}
			var b strings.Builder
			w := csv.NewWriter(&b)
			w.UseCRLF = strings.HasSuffix(line, "\r\n")
			ok(t, w.Write(row))
			w.Flush()
			return b.String()
		})
	}
	return content
}

func (s *siege) sendPackage(x *side, name string, content []byte) string {
	s.Helper()
	a := s.upload(x, "/oppilastiedot/paketti", "file", name, content)
	if a.status != 303 {
		s.Fatalf("package at %s: %d\n%s", x.Slug, a.status, a.body)
	}
	return a.location
}

// settled follows an admin's page until nothing runs any more.
func (s *siege) settled(x *side, path string) string {
	s.Helper()
	for range 3000 {
		a := s.send(x.host, x.as("admin"), "GET", path, nil)
		switch {
		case a.status == 303:
			path = a.location
		case strings.Contains(a.body, "data-ask"):
			time.Sleep(20 * time.Millisecond)
		default:
			return path
		}
	}
	s.Fatalf("%s never settles", path)
	return ""
}

func (x *side) as(name string) actor {
	return x.actors[slices.IndexFunc(x.actors, func(a actor) bool { return a.name == name })]
}

// response is what came back, headers and all.
type response struct {
	status                 int
	location, body, header string
}

// send asks as a browser does that has followed a link or sent a form of the same
// site. The path goes out as it is written.
func (s *siege) send(host string, who actor, method, path string, form url.Values) response {
	s.Helper()
	var body io.Reader
	if method == http.MethodPost {
		form = cloned(form)
		if !form.Has("csrf") {
			form.Set("csrf", web.Masked(webtest.CSRF))
		}
		body = strings.NewReader(form.Encode())
	}
	rq, err := http.NewRequest(method, "http://"+s.addr, body)
	ok(s.T, err)
	rq.URL.Opaque = path
	if method == http.MethodPost {
		rq.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return s.do(rq, host, who)
}

func (s *siege) do(rq *http.Request, host string, who actor) response {
	rq.Host = host
	rq.Header.Set("Sec-Fetch-Site", "same-origin")
	if who.cookie != "" {
		rq.Header.Set("Cookie", who.cookie)
	}
	res, err := s.client.Do(rq)
	if (errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)) && len(rq.URL.Opaque) > len(huge) {
		return response{status: http.StatusRequestHeaderFieldsTooLarge} // it refuses and hangs up while the rest is still being sent
	}
	if err != nil {
		s.Errorf("%s %s: %v", rq.Method, rq.URL.Opaque, err)
		return response{}
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		s.Errorf("%s %s: %v", rq.Method, rq.URL.Opaque, err)
	}
	return response{res.StatusCode, res.Header.Get("Location"), string(b), fmt.Sprint(res.Header)}
}

func (s *siege) upload(x *side, path, field, name string, content []byte, fields ...string) response {
	s.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	_ = w.WriteField("csrf", web.Masked(webtest.CSRF))
	for i := 0; i+1 < len(fields); i += 2 {
		_ = w.WriteField(fields[i], fields[i+1])
	}
	f, err := w.CreateFormFile(field, name)
	ok(s.T, err)
	_, err = f.Write(content)
	ok(s.T, err)
	ok(s.T, w.Close())
	rq, err := http.NewRequest(http.MethodPost, "http://"+s.addr, &b)
	ok(s.T, err)
	rq.URL.Opaque = path
	rq.Header.Set("Content-Type", w.FormDataContentType())
	return s.do(rq, x.host, x.as("admin"))
}

func cloned(v url.Values) url.Values {
	out := url.Values{}
	for k, list := range v {
		out[k] = slices.Clone(list)
	}
	return out
}

// owner runs a statement in a side's schema past all triggers.
func (s *siege) owner(x *side, sql string, args ...any) {
	s.Helper()
	s.conn(x, func(c *pgx.Conn) error { _, err := c.Exec(context.Background(), sql, args...); return err })
}

func (s *siege) text(x *side, sql string, args ...any) (v string) {
	s.Helper()
	s.conn(x, func(c *pgx.Conn) error { return c.QueryRow(context.Background(), sql, args...).Scan(&v) })
	return v
}

func (s *siege) conn(x *side, f func(*pgx.Conn) error) {
	s.Helper()
	ctx := context.Background()
	c, err := pgx.Connect(ctx, s.env.DSN)
	ok(s.T, err)
	defer func() { _ = c.Close(ctx) }()
	_, err = c.Exec(ctx, fmt.Sprintf("set session_replication_role = replica; set search_path = %s", pgx.Identifier{x.Schema}.Sanitize()))
	ok(s.T, err)
	if err := f(c); err != nil {
		s.Fatalf("%s: %v", x.Slug, err)
	}
}

// mailed is all that was sent.
func (s *siege) mailed() string { return contents(s.T, s.mails) }

// contents is all that the files below a folder hold, with their names.
func contents(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	ok(t, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		fmt.Fprintf(&b, "%s\n%s\n", path, content)
		return err
	}))
	return b.String()
}

// metrics is what those who watch over the service read.
func (s *siege) metrics() string {
	w := httptest.NewRecorder()
	s.app.Metrics.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	return w.Body.String()
}

var uuidForm = regexp.MustCompile(`^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$`)
