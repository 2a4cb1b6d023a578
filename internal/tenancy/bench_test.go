//go:build bench

package tenancy_test

import (
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"digione/internal/tenancy"
	"digione/internal/tenancy/dbtest"
	"digione/internal/tenancy/embedded"
)

// The benchmarks measure ratios to a limit in interleaved slices of one run, on a
// server of their own with durable settings. Run one at a time:
//
//	go test -tags bench -run TestBenchAccess -v ./internal/tenancy -tenants 300
//
// The fleet is kept in -dir and used again.
var (
	benchDir      = flag.String("dir", filepath.Join(os.TempDir(), fmt.Sprintf("digione-bench-%d", os.Getuid())), "data folder of the benchmarks' server")
	benchJSON     = flag.String("json", "", "file to append results to, one JSON object a line")
	benchTenants  = flag.Int("tenants", 300, "tenants of the fleet")
	benchSlice    = flag.Duration("slice", 1500*time.Millisecond, "length of a measured slice")
	benchPool     = flag.Int("pool", 4, "connections of a cell")
	benchParallel = flag.Int("parallel", 4, "migrators at a time")
	benchCells    = flag.Int("cells", 4, "cells of the fleet")
	benchClients  = flag.Int("clients", 16, "clients that ask at a time")
	benchOnly     = flag.String("only", "", "measure only the contenders of this application name, for a profiler")
	benchRounds   = flag.Int("rounds", 6, "slices of each contender")
)

// benchConns is how many connections each contender has.
const benchConns = 16

// benchServer starts the benchmarks' server. Autovacuum is off: its runs over new
// tables would fall into some slices and not into others.
func benchServer(t *testing.T) string {
	t.Helper()
	srv, err := embedded.Start(context.Background(), *benchDir, embedded.Options{Settings: []string{"autovacuum=off", "shared_buffers=2GB", "random_page_cost=1.1"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = srv.Stop() })
	return srv.DSN()
}

func inDatabase(dsn, name string) string { return strings.Replace(dsn, "/digione?", "/"+name+"?", 1) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// benchOperator works on a fresh database, or on one that a run before has filled.
func benchOperator(t *testing.T, admin, name string, fresh bool, capacity int) (o *tenancy.Operator, dsn string, made bool) {
	t.Helper()
	ctx := context.Background()
	dsn = inDatabase(admin, name)
	exists := line(t, admin, "select count(*)::text from pg_database where datname = $1", name) == "1"
	env := &dbtest.Env{DSN: admin}
	if exists && (fresh || line(t, dsn, "select coalesce(to_regclass('public.bench_ready')::text, '')") == "") {
		roles := lines(t, admin, "select rolname::text from pg_roles where rolname like any (array['t\\_b%', 't\\_p%', 'c\\_%']) and not exists (select from pg_shdepend d join pg_database on oid = d.dbid where d.refobjid = pg_roles.oid and datname <> $1)", name)
		env.Exec(t, "drop database "+name+" with (force)")
		for _, r := range roles {
			env.Exec(t, `drop role "`+r+`"`)
		}
		exists = false
	}
	if !exists {
		env.Exec(t, "create database "+name)
	}
	cfg := dbtest.OperatorConfig(dsn)
	cfg.CellCapacity, cfg.CellPool = capacity, *benchPool
	o, err := tenancy.OpenOperator(ctx, cfg)
	must(t, err)
	t.Cleanup(o.Close)
	must(t, o.Init(ctx))
	return o, dsn, !exists
}

// provisionMany makes tenants named prefix0000… with several workers.
func provisionMany(t *testing.T, o *tenancy.Operator, prefix string, from, to, workers int) {
	t.Helper()
	var wg sync.WaitGroup
	work := make(chan int)
	for range workers {
		wg.Go(func() {
			for i := range work {
				if _, err := o.Provision(context.Background(), private(fmt.Sprintf("%s%04d", prefix, i), ""), nil); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for i := from; i < to; i++ {
		work <- i
	}
	close(work)
	wg.Wait()
}

// contender is one way to serve a request.
type contender struct {
	name    string
	app     string // application_name of its connections
	request func(ctx context.Context, tenant int) error
	sum     measure
}

type measure struct {
	requests int
	seconds  float64
	cpu      float64 // seconds, client and server
	client   float64 // of them the client's
	times    []time.Duration
}

func (m measure) rate() float64 { return float64(m.requests) / max(m.seconds, 1e-9) }
func (m measure) micros() float64 {
	return m.cpu / float64(max(1, m.requests)) * 1e6
}
func (m measure) quantile(q float64) time.Duration {
	if len(m.times) == 0 {
		return 0
	}
	slices.Sort(m.times)
	return m.times[min(len(m.times)-1, int(q*float64(len(m.times))))]
}

// compare runs the contenders in turn, round after round.
func compare(t *testing.T, dsn string, list []*contender, tenants, rounds int, slice time.Duration) {
	t.Helper()
	order := rand.New(rand.NewPCG(1, 2)).Perm(tenants)
	for round := range rounds + 1 { // the first only warms
		for _, c := range list {
			if *benchOnly != "" && !strings.Contains(*benchOnly, c.app) {
				continue
			}
			m := oneSlice(t, dsn, c, order, uint64(round), slice)
			if round > 0 {
				c.sum.requests += m.requests
				c.sum.seconds += m.seconds
				c.sum.cpu += m.cpu
				c.sum.client += m.client
				c.sum.times = append(c.sum.times, m.times...)
			}
		}
	}
}

func oneSlice(t *testing.T, dsn string, c *contender, order []int, seed uint64, slice time.Duration) measure {
	t.Helper()
	ctx := context.Background()
	pids := backends(t, dsn, c.app)
	self, cpu := selfCPU(), selfCPU()+backendCPU(pids)
	began := time.Now()
	var wg sync.WaitGroup
	all := make([][]time.Duration, *benchClients)
	for w := range *benchClients {
		wg.Go(func() {
			zipf := newZipf(rand.New(rand.NewPCG(seed, uint64(w))), 1.1, len(order))
			for time.Since(began) < slice {
				at := time.Now()
				if err := c.request(ctx, order[zipf.next()]); err != nil {
					t.Errorf("%s: %v", c.name, err)
					return
				}
				all[w] = append(all[w], time.Since(at))
			}
		})
	}
	wg.Wait()
	m := measure{seconds: time.Since(began).Seconds(), cpu: selfCPU() + backendCPU(pids) - cpu, client: selfCPU() - self}
	for _, times := range all {
		m.requests += len(times)
		m.times = append(m.times, times...)
	}
	return m
}

// zipf picks rank k with a probability in proportion to 1/(k+1)^s.
type zipf struct {
	rng *rand.Rand
	sum []float64
}

func newZipf(rng *rand.Rand, s float64, n int) *zipf {
	z := &zipf{rng, make([]float64, n)}
	total := 0.0
	for k := range n {
		total += 1 / pow(float64(k+1), s)
		z.sum[k] = total
	}
	return z
}

func (z *zipf) next() int {
	i, _ := slices.BinarySearch(z.sum, z.rng.Float64()*z.sum[len(z.sum)-1])
	return min(i, len(z.sum)-1)
}

func backends(t *testing.T, dsn, app string) []int {
	t.Helper()
	var out []int
	for _, p := range lines(t, dsn, "select pid::text from pg_stat_activity where application_name = $1", app) {
		n, _ := strconv.Atoi(p)
		out = append(out, n)
	}
	return out
}

func selfCPU() float64 {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

func backendCPU(pids []int) (seconds float64) {
	for _, p := range pids {
		b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p))
		_, rest, _ := strings.Cut(string(b), ") ")
		if f := strings.Fields(rest); len(f) > 13 {
			user, _ := strconv.Atoi(f[11])
			system, _ := strconv.Atoi(f[12])
			seconds += float64(user+system) / 100
		}
	}
	return seconds
}

// privateMB is the private memory of each backend, smallest first.
func privateMB(pids []int) (out []float64) {
	for _, p := range pids {
		b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", p))
		kb := 0
		for _, l := range strings.Split(string(b), "\n") {
			if f := strings.Fields(l); len(f) > 1 && strings.HasPrefix(l, "Private_") && !strings.Contains(f[0], "Hugetlb") {
				n, _ := strconv.Atoi(f[1])
				kb += n
			}
		}
		out = append(out, float64(kb)/1024)
	}
	slices.SortFunc(out, cmp.Compare[float64])
	return out
}

// result prints a line and appends it to the file of results.
func result(t *testing.T, name string, fields map[string]any) {
	t.Helper()
	fields["benchmark"], fields["at"] = name, time.Now().UTC().Format(time.RFC3339)
	b, err := json.Marshal(fields)
	must(t, err)
	t.Log(string(b))
	if *benchJSON == "" {
		return
	}
	f, err := os.OpenFile(*benchJSON, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	must(t, err)
	defer func() { _ = f.Close() }()
	_, err = f.Write(append(b, '\n'))
	must(t, err)
}

// copyIn streams prepared text into a table.
func copyIn(ctx context.Context, conn *pgx.Conn, table, columns, text string) error {
	_, err := conn.PgConn().CopyFrom(ctx, strings.NewReader(text), "copy "+table+" ("+columns+") from stdin")
	return err
}
