package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	vegeta "github.com/tsenart/vegeta/v12/lib"

	"digione/internal/app/identity"
	"digione/internal/app/web"
	"digione/internal/tenancy"
)

const (
	addr     = "127.0.0.1:28080"
	bareAddr = "127.0.0.1:28081"
)

// visitor is a signed-in person and the pages that they open.
type visitor struct {
	host, token, csrf string
	pages             []string
}

// crowd are the visitors of a tenant, by role.
type crowd map[string][]visitor

// people of each role, and the id behind their second page.
var roles = []struct{ name, sql, page string }{
	{"teacher", "select distinct on (e.person) e.person, e.teaching_group from enrolment e join teaching_group g on g.id = e.teaching_group and g.validity @> current_date where e.role = 'teacher' and e.status = 'active' and e.validity @> current_date order by e.person, e.teaching_group", "/ryhmat/"},
	{"principal", "select distinct on (g.person) g.person, g.unit from role_grant g join unit u on u.id = g.unit and u.kind = 'school' where g.role = 'principal' and g.status = 'active' order by g.person, g.unit", "/koulut/"},
	{"admin", "select distinct on (g.person) g.person, g.unit from role_grant g join unit u on u.id = g.unit and u.kind = 'provider' where g.role in ('districtAdministrator', 'systemAdministrator') and g.status = 'active' order by g.person, g.unit", "/koulut"},
	{"guardian", "select distinct on (s.guardian) s.guardian, s.child from guardianship s join person c on c.id = s.child and c.birth_date > current_date - interval '17 years' where s.validity @> current_date order by s.guardian, s.child", "/henkilot/"},
	{"learner", "select distinct on (g.person) g.person, g.unit from role_grant g where g.role = 'student' and g.status = 'active' and g.validity @> current_date order by g.person, g.unit", "/omat-tiedot"},
}

// perRole is how many people of each role of a tenant are signed in.
const perRole = 4

// signIn writes sessions as a sign-in would.
func signIn(ctx context.Context, conn *pgx.Conn, t tenancy.Tenant) (crowd, error) {
	out := crowd{}
	tx, err := conn.Begin(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = tx.Rollback(ctx) }()
	if _, err := tx.Exec(ctx, "set local search_path = "+pgx.Identifier{t.Schema}.Sanitize()+", ext"); err != nil {
		return nil, err
	}
	var provider string
	err = tx.QueryRow(ctx, `insert into identity_provider (id, name, issuer, client_id, secret_cipher, link_claim, link_to, strength)
values (gen_random_uuid(), 'Koe', 'https://login.example', 'proving', '', 'sub', 'username', 'strong')
on conflict (issuer, client_id) do update set name = excluded.name returning id::text`).Scan(&provider)
	if err != nil {
		return nil, err
	}
	for _, r := range roles {
		rows, err := tx.Query(ctx, r.sql+fmt.Sprintf(" limit %d", perRole))
		if err != nil {
			return nil, err
		}
		type pair struct{ Person, Thing string }
		pairs, err := pgx.CollectRows(rows, pgx.RowToStructByPos[pair])
		if err != nil {
			return nil, err
		}
		for _, p := range pairs {
			v := visitor{host: t.Hosts[0], token: identity.NewToken(), csrf: identity.NewToken(), pages: []string{"/", r.page}}
			if strings.HasSuffix(r.page, "/") {
				v.pages[1] += p.Thing
			}
			_, err := tx.Exec(ctx, `with a as (insert into account (id, provider, subject, person, linked_by, linked_at) values (gen_random_uuid(), $1::uuid, $2, $3::uuid, 'test', now())
on conflict (provider, subject) do update set linked_at = now() returning id)
insert into session (token_hash, account, person, csrf, started_at, seen_at, expires_at, strength) select $4, a.id, $3::uuid, $5, now(), now(), now() + interval '12 hours', 'strong' from a`,
				provider, r.name+p.Person, p.Person, identity.HashOf(v.token), v.csrf)
			if err != nil {
				return nil, err
			}
			out[r.name] = append(out[r.name], v)
		}
	}
	return out, tx.Commit(ctx)
}

// mix is what is asked, in hundredths: front pages, lists, searches, saves.
var mix = []struct {
	share int
	role  string
	what  func(visitor) request
}{
	{20, "guardian", front}, {10, "learner", front}, {12, "teacher", front}, {2, "principal", front}, {1, "admin", front},
	{25, "teacher", second}, {5, "principal", second}, {5, "guardian", second}, {5, "learner", second},
	{5, "admin", search}, {5, "teacher", save}, {5, "guardian", save},
}

type request struct {
	method, path string
	form         url.Values
}

func front(visitor) request    { return request{method: http.MethodGet, path: "/"} }
func second(v visitor) request { return request{method: http.MethodGet, path: v.pages[1]} }

var names = []string{"mä", "virt", "korhonen", "öh", "aino", "laine", "saari", "ek", "niem", "ha"}

func search(visitor) request {
	return request{http.MethodPost, "/haku", url.Values{"nimi": {names[rand.IntN(len(names))]}}} //nolint:gosec // no secret
}

// save ends the person's other sessions: a delete and an audit event.
func save(visitor) request {
	return request{http.MethodPost, "/kirjautumiset/muut", url.Values{}}
}

// town picks tenants by Zipf, the large ones most often.
type town struct {
	crowds []crowd
	cum    []float64
}

func newTown(crowds []crowd) *town {
	t := &town{crowds: crowds}
	sum := 0.0
	for i := range crowds {
		sum += 1 / math.Pow(float64(i+1), 1.1)
		t.cum = append(t.cum, sum)
	}
	return t
}

func (t *town) pick() int {
	x := rand.Float64() * t.cum[len(t.cum)-1] //nolint:gosec // no secret
	for i, c := range t.cum {
		if x <= c {
			return i
		}
	}
	return len(t.cum) - 1
}

// target makes the next request, of a tenant that choose names.
func (t *town) target(choose func() int) vegeta.Targeter {
	return func(out *vegeta.Target) error {
		for {
			c := t.crowds[choose()]
			n := rand.IntN(100) //nolint:gosec // no secret
			for _, m := range mix {
				if n -= m.share; n >= 0 {
					continue
				}
				if len(c[m.role]) == 0 {
					break // a small place has not everybody
				}
				v := c[m.role][rand.IntN(len(c[m.role]))] //nolint:gosec // no secret
				fill(out, addr, v, m.what(v))
				return nil
			}
		}
	}
}

func fill(out *vegeta.Target, to string, v visitor, r request) {
	out.Method, out.URL = r.method, "http://"+to+r.path
	out.Header = http.Header{"Host": {v.host}, "Cookie": {"digione=" + v.token}, "Accept-Encoding": {"gzip"}}
	if out.Body = nil; r.form != nil {
		r.form.Set("csrf", web.Masked(v.csrf))
		out.Body = []byte(r.form.Encode())
		out.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		out.Header.Set("Sec-Fetch-Site", "same-origin")
	}
}

// browsers hold the connections of all load: each run would open thousands anew.
var browsers = &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConns: 4000, MaxIdleConnsPerHost: 2000, MaxConnsPerHost: 2000},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

// attack sends an open load and returns what came back; each answer is shown to seen.
func attack(ctx context.Context, target vegeta.Targeter, rate int, span time.Duration, seen ...func(*vegeta.Result)) *vegeta.Metrics {
	a := vegeta.NewAttacker(vegeta.Client(browsers), vegeta.MaxWorkers(2000))
	var m vegeta.Metrics
	stop := context.AfterFunc(ctx, func() { a.Stop() })
	defer stop()
	for r := range a.Attack(target, vegeta.Rate{Freq: rate, Per: time.Second}, span, "") {
		m.Add(r)
		for _, see := range seen {
			see(r)
		}
	}
	m.Close()
	return &m
}

// wrong counts answers that a person would call an error.
func wrong(m *vegeta.Metrics) (n int) {
	for code, times := range m.StatusCodes {
		if code == "0" || code >= "400" {
			n += times
		}
	}
	return n
}

// serve starts the built program and loads it.
func (f *fleet) serve(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, f.in.DSN)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	var crowds []crowd
	for _, t := range f.tenants {
		c, err := signIn(ctx, conn, t)
		if err != nil {
			return fmt.Errorf("sign in at %s: %w", t.Slug, err)
		}
		crowds = append(crowds, c)
	}
	if _, err := conn.Exec(ctx, "checkpoint"); err != nil {
		return err
	}
	app, err := f.program(ctx)
	if err != nil {
		return err
	}
	defer app.stop()
	var dir string
	if err := conn.QueryRow(ctx, "show data_directory").Scan(&dir); err != nil {
		return err
	}
	l := &load{fleet: f, town: newTown(crowds), app: app, server: dir, conn: conn}
	for _, part := range []struct {
		name string
		run  func(context.Context) error
	}{{"signin", l.signIns}, {"load", l.mixed}, {"search", l.search}, {"noisy", l.noisy}, {"soak", l.soak}} {
		if strings.Contains(f.parts, part.name) || part.name == "load" && strings.Contains(f.parts, "mixed") {
			if err := part.run(ctx); err != nil {
				return fmt.Errorf("%s: %w", part.name, err)
			}
		}
	}
	return nil
}

// load is a served fleet.
type load struct {
	*fleet
	town   *town
	app    *process
	server string // the PostgreSQL data folder
	conn   *pgx.Conn
}

// process is a program beside this one.
type process struct{ cmd *exec.Cmd }

func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	_ = p.cmd.Wait()
}

func (f *fleet) program(ctx context.Context) (*process, error) {
	args := []string{"serve", "--data", f.dir, "--database-url", f.in.DSN, "--listen", addr, "--metrics-listen", "127.0.0.1:28082", "--host-suffix", "test", "--log-level", "warn"}
	cmd := exec.Command(f.binary, append(args, strings.Fields(f.flags)...)...)
	return begin(ctx, cmd, "http://"+addr+"/readyz")
}

func begin(ctx context.Context, cmd *exec.Cmd, ready string) (*process, error) {
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{cmd}
	for end := time.Now().Add(time.Minute); time.Now().Before(end) && ctx.Err() == nil; time.Sleep(100 * time.Millisecond) {
		res, err := http.Get(ready) //nolint:gosec // of this machine
		if err != nil {
			continue
		}
		_ = res.Body.Close()
		if res.StatusCode == http.StatusOK {
			return p, nil
		}
	}
	p.stop()
	return nil, errors.New("the program does not get ready")
}

// tell prints what a stretch of load showed.
func (l *load) tell(what string, m *vegeta.Metrics, before, pg usage, span time.Duration) {
	after, server := usageOf([]int{l.app.cmd.Process.Pid}), usageOf(postgres(l.server))
	codes := fmt.Sprint(m.StatusCodes)
	say(what+": rate", m.Rate, "requests/s", "", codes)
	say(what+": p50", m.Latencies.P50.Seconds()*1e3, "ms", "", "")
	say(what+": p99", m.Latencies.P99.Seconds()*1e3, "ms", "", "")
	say(what+": errors", float64(wrong(m)), "requests", "<= 0", strings.Join(m.Errors, "; "))
	say(what+": CPU of the application", (after.cpu-before.cpu).Seconds()/span.Seconds(), "cores", "", "")
	say(what+": CPU of PostgreSQL", (server.cpu-pg.cpu).Seconds()/span.Seconds(), "cores", "", "")
	say(what+": memory of the application", float64(after.rss)/1e6, "MB", "<= 500", "resident")
	say(what+": private memory of PostgreSQL", float64(server.private)/1e6, "MB", "<= 3000", "all processes")
}

func (l *load) mixed(ctx context.Context) error {
	attack(ctx, l.town.target(l.town.pick), l.rate/2, 10*time.Second) // everything is touched once
	before, pg := usageOf([]int{l.app.cmd.Process.Pid}), usageOf(postgres(l.server))
	m := attack(ctx, l.town.target(l.town.pick), l.rate, l.span)
	l.tell(fmt.Sprintf("mixed load at %d/s", l.rate), m, before, pg, l.span)
	for _, page := range []string{"front pages and lists"} {
		m := attack(ctx, l.only(l.town.pick, front, second), l.rate, 20*time.Second)
		say(fmt.Sprintf("%s at %d/s: p99", page, l.rate), m.Latencies.P99.Seconds()*1e3, "ms", "<= 50", fmt.Sprint(m.StatusCodes))
	}
	if !strings.Contains(l.parts, "load") {
		return nil
	}
	ours := l.highest(ctx, l.town.target(l.town.pick))
	say("highest rate at p99 <= 100 ms", float64(ours), "requests/s", "", "")
	bare, err := l.bare(ctx)
	if err != nil {
		return err
	}
	limit := l.highest(ctx, bare)
	say("bare handler, one schema: highest rate at p99 <= 100 ms", float64(limit), "requests/s", "", "session, a group and its members in one round trip")
	lists := l.highest(ctx, l.only(l.town.pick, nil, second))
	say("lists of groups alone, of the bare handler", float64(lists)/float64(max(limit, 1)), "ratio", "", fmt.Sprintf("%d/s", lists))
	return nil
}

// only asks teachers' front pages and lists.
func (l *load) only(choose func() int, whats ...func(visitor) request) vegeta.Targeter {
	return func(out *vegeta.Target) error {
		for {
			c := l.town.crowds[choose()]["teacher"]
			w := whats[rand.IntN(len(whats))] //nolint:gosec // no secret
			if len(c) == 0 || w == nil {
				continue
			}
			v := c[rand.IntN(len(c))] //nolint:gosec // no secret
			fill(out, addr, v, w(v))
			return nil
		}
	}
}

// highest finds the rate that is still answered within 100 ms, to about a tenth.
func (l *load) highest(ctx context.Context, target vegeta.Targeter) int {
	holds := func(rate int) bool {
		m := attack(ctx, target, rate, 6*time.Second)
		time.Sleep(time.Second)
		fmt.Fprintf(os.Stderr, "at %d/s: p99 %s, %v %v\n", rate, m.Latencies.P99, m.StatusCodes, m.Errors)
		return m.Latencies.P99 <= 100*time.Millisecond && wrong(m) == 0
	}
	low, high := 0, 0
	for rate := 200; rate < 20_000 && ctx.Err() == nil; rate = rate * 3 / 2 {
		if ok := holds(rate) || holds(rate); !ok { //nolint:staticcheck // it is tried twice
			high = rate
			break
		}
		low = rate
	}
	for high-low > max(10, low/10) && ctx.Err() == nil {
		if mid := (low + high) / 2; holds(mid) {
			low = mid
		} else {
			high = mid
		}
	}
	return low
}

// search asks the people search of the largest tenant, by its admins.
func (l *load) search(ctx context.Context) error {
	admins := l.town.crowds[0]["admin"]
	if len(admins) == 0 {
		return errors.New("the largest tenant has no admin")
	}
	var persons int
	if err := l.conn.QueryRow(ctx, "select count(*) from "+pgx.Identifier{l.tenants[0].Schema, "person"}.Sanitize()).Scan(&persons); err != nil {
		return err
	}
	m := attack(ctx, func(out *vegeta.Target) error {
		v := admins[rand.IntN(len(admins))] //nolint:gosec // no secret
		fill(out, addr, v, search(v))
		return nil
	}, 20, 20*time.Second)
	say(fmt.Sprintf("people search over %d persons, 20/s: p99", persons), m.Latencies.P99.Seconds()*1e3, "ms", "<= 30", fmt.Sprint(m.StatusCodes, m.Errors))
	return nil
}

// noisy measures the others while one tenant asks a hundred times its share, and
// while another imports.
func (l *load) noisy(ctx context.Context) error {
	loud := l.loud % len(l.town.crowds)
	others := func() int {
		for {
			if i := l.town.pick(); i != loud {
				return i
			}
		}
	}
	quiet := attack(ctx, l.town.target(others), l.rate, l.span/2)
	say("quiet: p99 of the others", quiet.Latencies.P99.Seconds()*1e3, "ms", "", fmt.Sprint(quiet.StatusCodes))
	total := l.town.cum[len(l.town.cum)-1]
	share := 1 / math.Pow(float64(loud+1), 1.1) / total
	noise := int(100 * share * float64(l.rate))
	var wg sync.WaitGroup
	var m *vegeta.Metrics
	wg.Go(func() {
		m = attack(ctx, l.town.target(func() int { return loud }), noise, l.span/2)
	})
	during := attack(ctx, l.town.target(others), l.rate, l.span/2)
	wg.Wait()
	say(fmt.Sprintf("one tenant at 100 times its share (%d/s): p99 of the others, of quiet", noise), during.Latencies.P99.Seconds()/quiet.Latencies.P99.Seconds(), "ratio", "<= 1.5", fmt.Sprint(during.StatusCodes))
	say("the noisy one's own answers", float64(m.StatusCodes["429"])/float64(max(1, int(m.Requests))), "share of 429", "", fmt.Sprint(m.StatusCodes))
	say("answers of 429 to the others", float64(during.StatusCodes["429"]), "", "<= 0", "")
	f2 := *l.fleet
	f2.specs[1].Mutate, f2.specs[1].Night = 0.5, 7+rand.IntN(390) //nolint:gosec // no secret
	done := make(chan error, 1)
	go func() { done <- f2.bigImport(ctx) }()
	during = attack(ctx, l.town.target(others), l.rate, l.span/2)
	say("a huge import of one tenant: p99 of the others, of quiet", during.Latencies.P99.Seconds()/quiet.Latencies.P99.Seconds(), "ratio", "<= 1.5", fmt.Sprint(during.StatusCodes))
	return <-done
}
