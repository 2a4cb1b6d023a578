// Package faults_test takes PostgreSQL away from under readers and writers. It has
// a server of its own, so that nobody else's tests are disturbed.
package faults_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/jackc/pgx/v5"

	"digione/internal/app/authz"
	"digione/internal/app/web"
	"digione/internal/tenancy"
	"digione/internal/tenancy/dbtest"
)

type outcome string

const (
	acknowledged outcome = "acknowledged"
	refused      outcome = "refused"
	unknown      outcome = "unknown"
)

// ledger is what the clients know: each write has an id of its own.
type ledger struct {
	*testing.T
	e     *dbtest.Env
	db    *tenancy.DB
	site  *web.Router
	table string

	mu         sync.Mutex
	writes     map[string]outcome
	reads      int
	unread     int
	busy       int // of all answers: the queue was full
	wrong      []string
	wrote      time.Time // the last acknowledged
	read       time.Time
	goroutines int
	slowest    time.Duration
}

const (
	insertOne = `insert into unit (id, kind, name, source, sourced_id, date_last_modified) values (gen_random_uuid(), 'school', $1, 'test', $1, now())`
	countAll  = `select count(*)::int from unit`
)

func newLedger(t *testing.T) *ledger {
	t.Helper()
	e := dbtest.New(t)
	cfg := dbtest.Config(e.DSN)
	cfg.Assert, cfg.Patience, cfg.MaxConns, cfg.Queue = false, 500*time.Millisecond, 12, 8
	db, err := tenancy.Open(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	l := &ledger{T: t, e: e, db: db, table: "t_alpha.unit", writes: map[string]outcome{}}
	l.site = web.New(web.Config{Tenants: db, Sessions: nobody{}, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	l.site.Get("/luku", authz.Public, func(c *fiber.Ctx, rq *web.Request) error {
		var n int
		err := db.Read(rq.Ctx, rq.Tenant.ID, func(tx tenancy.Read) error { return tx.QueryRow(rq.Ctx, countAll).Scan(&n) })
		if err != nil {
			return err
		}
		return c.SendString(fmt.Sprint(n))
	})
	l.site.Post("/kirjaus", authz.Public, func(c *fiber.Ctx, rq *web.Request) error {
		if err := l.insert(rq.Ctx, rq.Form("id")); err != nil {
			return err
		}
		return c.SendString("ok")
	})
	return l
}

type nobody struct{}

func (nobody) Find(context.Context, tenancy.ID, string, time.Time) (web.Session, bool, error) {
	return web.Session{}, false, nil
}

func (l *ledger) insert(ctx context.Context, id string) error {
	return l.db.Write(ctx, dbtest.Alpha, func(tx tenancy.Write) error {
		_, err := tx.Exec(ctx, insertOne, id)
		return err
	})
}

// ask sends a request through the whole edge.
func (l *ledger) ask(method, path, form string) (status int, body string, wait string) {
	rq := httptest.NewRequest(method, path, strings.NewReader(form))
	rq.Host = "alpha.test"
	rq.Header.Set("Sec-Fetch-Site", "same-origin")
	rq.Header.Set("Accept-Language", "en")
	if method == http.MethodPost {
		rq.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	res, err := l.site.App().Test(rq, 60_000)
	if err != nil {
		return 0, err.Error(), ""
	}
	defer func() { _ = res.Body.Close() }()
	b, _ := io.ReadAll(res.Body)
	return res.StatusCode, string(b), res.Header.Get("Retry-After")
}

// page checks an answer that is no success: clear, with a time to come back, and
// without a word of what is inside.
func (l *ledger) page(status int, body, wait string) (unsure bool) {
	if status != http.StatusServiceUnavailable && status != http.StatusTooManyRequests || wait == "" {
		l.wrong = append(l.wrong, fmt.Sprintf("status %d, Retry-After %q: %.300s", status, wait, body))
	}
	if status == http.StatusTooManyRequests {
		l.busy++
	}
	for _, inside := range []string{"SQLSTATE", "127.0.0.1", "t_alpha", "pgconn", "EOF", "insert into", "could not extend"} {
		if strings.Contains(body, inside) {
			l.wrong = append(l.wrong, "the page says "+inside)
		}
	}
	return strings.Contains(body, "Look whether it is there")
}

// fate notes what a client was told of its write.
func (l *ledger) fate(id string, is outcome) {
	if l.writes[id] = is; is == acknowledged {
		l.wrote = time.Now()
	}
}

// write sends a write, by the tenant's database or by the page.
func (l *ledger) write(id string, byPage bool) {
	l.mu.Lock()
	l.writes[id] = unknown // sent
	l.mu.Unlock()
	began := time.Now()
	if byPage {
		status, body, wait := l.ask(http.MethodPost, "/kirjaus", "id="+id)
		l.mu.Lock()
		defer l.mu.Unlock()
		switch {
		case status == http.StatusOK:
			l.fate(id, acknowledged)
		case !l.page(status, body, wait):
			l.fate(id, refused)
		}
	} else {
		err := l.insert(context.Background(), id)
		l.mu.Lock()
		defer l.mu.Unlock()
		lost := (*tenancy.LostError)(nil)
		switch {
		case err == nil:
			l.fate(id, acknowledged)
		case errors.As(err, &lost) && lost.Unsure, errors.Is(err, context.DeadlineExceeded):
		case lost != nil, errors.As(err, new(*tenancy.BusyError)):
			l.fate(id, refused)
		default:
			l.wrong = append(l.wrong, err.Error())
		}
	}
	l.slowest = max(l.slowest, time.Since(began))
}

func (l *ledger) look() {
	status, body, wait := l.ask(http.MethodGet, "/luku", "")
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.reads++; status == http.StatusOK {
		l.read = time.Now()
		return
	}
	l.unread++
	l.page(status, body, wait)
}

// under runs writers and readers while f takes something away.
func (l *ledger) under(f func()) {
	l.Helper()
	ctx, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for w := range 6 {
		wg.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				l.write(fmt.Sprintf("%d-%d", w, i), w%2 == 0)
				time.Sleep(2 * time.Millisecond)
			}
		})
		wg.Go(func() {
			for ctx.Err() == nil {
				l.look()
				time.Sleep(2 * time.Millisecond)
			}
		})
	}
	wg.Go(func() {
		for ctx.Err() == nil {
			l.mu.Lock()
			l.goroutines = max(l.goroutines, runtime.NumGoroutine())
			l.mu.Unlock()
			time.Sleep(10 * time.Millisecond)
		}
	})
	f()
	stop()
	wg.Wait()
	l.settle()
}

// settle compares what the clients were told with what is there.
func (l *ledger) settle() {
	l.Helper()
	there := map[string]int{}
	rows, err := l.conn().Query(context.Background(), "select sourced_id from "+l.table+" where source = 'test'")
	if err != nil {
		l.Fatal(err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		l.Fatal(err)
	}
	for _, id := range ids {
		there[id]++
	}
	n := map[outcome]int{}
	for id, is := range l.writes {
		n[is]++
		switch {
		case there[id] > 1:
			l.Errorf("%s (%s) is there %d times", id, is, there[id])
		case is == acknowledged && there[id] == 0:
			l.Errorf("%s was acknowledged and is missing", id)
		case is == refused && there[id] > 0:
			l.Errorf("%s was refused and is there", id)
		}
		delete(there, id)
	}
	for id := range there {
		l.Errorf("%s is there, and nobody has sent it", id)
	}
	slices.Sort(l.wrong)
	if l.wrong = slices.Compact(l.wrong); len(l.wrong) > 0 {
		l.Errorf("%d answers that tell too much or too little, such as: %s", len(l.wrong), strings.Join(l.wrong[:min(3, len(l.wrong))], "\n"))
	}
	if n[acknowledged] < 20 || l.goroutines > 300 {
		l.Errorf("%d acknowledged, up to %d goroutines", n[acknowledged], l.goroutines)
	}
	l.Logf("%d acknowledged, %d refused, %d unknown; %d reads, %d of them refused; %d pages because the queue was full; slowest write %s, up to %d goroutines",
		n[acknowledged], n[refused], n[unknown], l.reads, l.unread, l.busy, l.slowest.Round(time.Millisecond), l.goroutines)
}

// recovered waits for the first read and write after a moment.
func (l *ledger) recovered(what string) {
	l.Helper()
	from := time.Now()
	for range 1500 {
		l.mu.Lock()
		read, wrote := l.read, l.wrote
		l.mu.Unlock()
		if read.After(from) && wrote.After(from) {
			l.Logf("%s: read again after %s, written after %s", what, read.Sub(from).Round(time.Millisecond), wrote.Sub(from).Round(time.Millisecond))
			return
		}
		time.Sleep(2 * time.Millisecond)
	}
	l.Errorf("%s: no success within 3 s", what)
}

func (l *ledger) conn() *pgx.Conn {
	l.Helper()
	c, err := pgx.Connect(context.Background(), l.e.DSN)
	if err != nil {
		l.Fatal(err)
	}
	l.Cleanup(func() { _ = c.Close(context.Background()) })
	return c
}
