package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"digione/internal/app/identity"
	"digione/internal/app/identity/devidp"
	"digione/internal/tenancy"
)

const idpAddr = "localhost:28083"

// signIns lets people sign in at the local provider, which runs in this process: at
// a fixed rate for a stretch, each in a browser of their own, through every redirect.
// They stay below what one address may begin at once.
func (l *load) signIns(ctx context.Context) error {
	const rate, span = 100, 8 * time.Second
	stop, err := l.provider(ctx)
	if err != nil {
		return err
	}
	defer stop()
	users, err := l.usernames(ctx)
	if err != nil {
		return err
	}
	for range 300 { // everything is touched once
		if err := enter(ctx, users[rand.IntN(len(users))]); err != nil { //nolint:gosec // no secret
			return err
		}
	}
	var mu sync.Mutex
	var took []time.Duration
	failed := map[string]int{}
	before, pg := usageOf([]int{l.app.cmd.Process.Pid}), usageOf(postgres(l.server))
	began := time.Now()
	var wg sync.WaitGroup
	for i := range int(span.Seconds() * rate) {
		time.Sleep(time.Until(began.Add(time.Duration(i) * time.Second / rate)))
		u := users[rand.IntN(len(users))] //nolint:gosec // no secret
		wg.Go(func() {
			begin := time.Now()
			err := enter(ctx, u)
			mu.Lock()
			defer mu.Unlock()
			if took = append(took, time.Since(begin)); err != nil {
				failed[err.Error()]++
			}
		})
	}
	wg.Wait()
	all := time.Since(began)
	after, server := usageOf([]int{l.app.cmd.Process.Pid}), usageOf(postgres(l.server))
	slices.Sort(took)
	n := 0
	for _, times := range failed {
		n += times
	}
	say("sign-ins, whole ways through the provider", float64(len(took)-n)/all.Seconds(), "per second", "", fmt.Sprintf("of %d offered", rate))
	say("sign-ins: failed", float64(n), "", "<= 0", fmt.Sprint(failed))
	say("sign-ins: p99 of the whole way", took[len(took)*99/100].Seconds()*1e3, "ms", "", "")
	say("sign-ins: CPU of the application", (after.cpu-before.cpu).Seconds()/all.Seconds(), "cores", "", "")
	say("sign-ins: CPU of PostgreSQL", (server.cpu-pg.cpu).Seconds()/all.Seconds(), "cores", "", "")
	return nil
}

// somebody signs in at a host by a provider.
type somebody struct{ host, provider, username string }

// provider starts the local provider and registers it with every tenant.
func (l *load) provider(ctx context.Context) (stop func(), err error) {
	const secret = "proving" // of no value: the provider listens on this machine alone
	_, port, _ := net.SplitHostPort(addr)
	hosts := map[string][]string{}
	db, err := l.in.DB(ctx)
	if err != nil {
		return nil, err
	}
	for _, t := range l.tenants {
		hosts["digione-"+t.Slug] = []string{"http://" + t.Hosts[0] + ":" + port + "/kirjaudu/paluu"}
		ks, err := l.in.Keyset(t)
		if err != nil {
			return nil, err
		}
		err = db.Write(ctx, t.ID, func(tx tenancy.Write) error {
			return identity.PutProvider(ctx, tx, ks, identity.Provider{Name: "Koe", Issuer: "http://" + idpAddr, ClientID: "digione-" + t.Slug, Secret: secret,
				LinkClaim: "preferred_username", LinkTo: identity.ToUsername, Strong: true})
		})
		if err != nil {
			return nil, err
		}
	}
	idp, err := devidp.New(devidp.Config{
		Issuer: "http://" + idpAddr, Dir: filepath.Join(l.dir, "signin"),
		Client: func(id string) (devidp.Client, bool) {
			return devidp.Client{ID: id, Secret: secret, Name: id, RedirectURIs: hosts[id]}, hosts[id] != nil
		},
		User: func(_, username string) (devidp.User, bool) {
			return devidp.User{Subject: username, Username: username, Name: username}, true
		},
		List: func(string) []devidp.User { return nil },
	})
	if err != nil {
		return nil, err
	}
	ln, err := devidp.Listen(idpAddr)
	if err != nil {
		return nil, err
	}
	srv := &http.Server{Handler: idp, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = srv.Serve(ln) }()
	return func() { _ = srv.Close() }, nil
}

// usernames are some learners of every tenant.
func (l *load) usernames(ctx context.Context) ([]somebody, error) {
	var out []somebody
	for _, t := range l.tenants {
		s := pgx.Identifier{t.Schema}.Sanitize()
		rows, err := l.conn.Query(ctx, fmt.Sprintf(`select distinct u.username, (select p.id::text from %[1]s.identity_provider p where p.issuer = $1)
  from %[1]s.roster_user u join %[1]s.role_grant g on g.person = u.person and g.role = 'student' and g.status = 'active' and g.validity @> current_date
 where u.status = 'active' and u.enabled and u.username <> '' limit 5`, s), "http://"+idpAddr)
		if err != nil {
			return nil, err
		}
		found, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (somebody, error) {
			w := somebody{host: t.Hosts[0]}
			return w, r.Scan(&w.username, &w.provider)
		})
		if err != nil {
			return nil, err
		}
		out = append(out, found...)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("nobody can sign in")
	}
	return out, nil
}

// ways hold the connections of all browsers; every host is this machine.
var ways = &http.Transport{MaxIdleConns: 2000, MaxIdleConnsPerHost: 1000, DialContext: func(ctx context.Context, network, to string) (net.Conn, error) {
	_, port, _ := net.SplitHostPort(to)
	var d net.Dialer
	return d.DialContext(ctx, network, "localhost:"+port)
}}

// enter signs somebody in and asks that they have come in.
func enter(ctx context.Context, who somebody) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	jar, err := cookiejar.New(nil)
	if err != nil {
		return err
	}
	browser := &http.Client{Transport: ways, Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if r.URL.Path == "/" { // in: the front page is another figure
			return http.ErrUseLastResponse
		}
		return nil
	}}
	_, port, _ := net.SplitHostPort(addr)
	home := "http://" + who.host + ":" + port
	at, _, err := visit(ctx, browser, http.MethodGet, home+"/kirjaudu/"+who.provider+"/alku", nil)
	if err != nil {
		return err
	}
	if at.Host != idpAddr {
		return fmt.Errorf("no way to the provider: %s", at.Path)
	}
	at, status, err := visit(ctx, browser, http.MethodPost, "http://"+idpAddr+"/login", url.Values{"id": {at.Query().Get("id")}, "username": {who.username}})
	if err != nil {
		return err
	}
	site, _ := url.Parse(home)
	if !slices.ContainsFunc(jar.Cookies(site), func(c *http.Cookie) bool { return c.Name == "digione" && c.Value != "" }) {
		return fmt.Errorf("not let in: %d at %s", status, at.Path)
	}
	return nil
}

func visit(ctx context.Context, browser *http.Client, method, to string, form url.Values) (at *url.URL, status int, err error) {
	r, err := http.NewRequestWithContext(ctx, method, to, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, 0, err
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	res, err := browser.Do(r)
	if err != nil {
		return nil, 0, err
	}
	_, err = io.Copy(io.Discard, res.Body)
	_ = res.Body.Close()
	return res.Request.URL, res.StatusCode, err
}
