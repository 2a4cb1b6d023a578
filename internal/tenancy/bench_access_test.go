//go:build bench

package tenancy_test

import (
	"context"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"digione/internal/tenancy"
	"digione/internal/tenancy/dbtest"
)

func pow(x, y float64) float64 { return math.Pow(x, y) }

// The rows of one tenant, a small municipality: 20 groups of 50 learners.
const (
	benchGroups  = 20
	benchPerson  = 1000
	benchInGroup = 50
)

// benchID is a UUIDv7 like those that an import makes: they grow with the rows of
// a table, and so lie together in its index.
func benchID(kind, i int) uuid.UUID {
	u := uuid.NewSHA1(uuid.Nil, []byte{byte(kind), byte(i >> 8), byte(i)})
	copy(u[:6], []byte{1, 0x99, byte(kind), 0, byte(i >> 8), byte(i)})
	u[6] = u[6]&0x0f | 0x70
	return u
}

type benchRows struct{ unit, course, group, person, enrolment string }

func makeBenchRows() benchRows {
	var r benchRows
	var unit, course, group, person, enrolment strings.Builder
	fmt.Fprintf(&unit, "%s\tschool\tKeskuskoulu\tbench\tu\t2026-08-01\n", benchID(1, 0))
	fmt.Fprintf(&course, "%s\t%s\tMatematiikka\tbench\tc\t2026-08-01\n", benchID(2, 0), benchID(1, 0))
	for i := range benchPerson {
		fmt.Fprintf(&person, "%s\tAino Maria %d\tVirtanen-%d\t2014-05-%02d\tfi\n", benchID(3, i), i, i*7919%benchPerson, i%28+1)
	}
	for g := range benchGroups {
		fmt.Fprintf(&group, "%s\t%s\t%s\thomeroom\t%dA\t[2026-08-01,2027-06-01)\tbench\tg%d\t2026-08-01\n", benchID(4, g), benchID(1, 0), benchID(2, 0), g, g)
		for k := range benchInGroup {
			n := g*benchInGroup + k
			fmt.Fprintf(&enrolment, "%s\t%s\t%s\tstudent\ttrue\t[2026-08-01,2027-06-01)\tbench\te%d\t2026-08-01\n", benchID(5, n), benchID(4, g), benchID(3, n), n)
		}
	}
	r.unit, r.course, r.group, r.person, r.enrolment = unit.String(), course.String(), group.String(), person.String(), enrolment.String()
	return r
}

func (r benchRows) load(ctx context.Context, conn *pgx.Conn, schema string) error {
	if _, err := conn.Exec(ctx, "begin; set local search_path = "+schema+", ext"); err != nil {
		return err
	}
	for _, c := range [][3]string{
		{"unit", "id, kind, name, source, sourced_id, date_last_modified", r.unit},
		{"course", "id, unit, title, source, sourced_id, date_last_modified", r.course},
		{"person", "id, given_names, family_name, birth_date, language", r.person},
		{"teaching_group", "id, unit, course, kind, title, validity, source, sourced_id, date_last_modified", r.group},
		{"enrolment", "id, teaching_group, person, role, is_primary, validity, source, sourced_id, date_last_modified", r.enrolment},
	} {
		if err := copyIn(ctx, conn, c[0], c[1], c[2]); err != nil {
			return err
		}
	}
	_, err := conn.Exec(ctx, "commit")
	return err
}

// benchFleet has n tenants with rows, a schema e1 that is one tenant's alone, and
// a schema fair with all tenants' rows under a tenant key.
func benchFleet(t *testing.T, n int) (dsn string, ids []tenancy.ID) {
	t.Helper()
	ctx := context.Background()
	o, dsn, made := benchOperator(t, benchServer(t), fmt.Sprintf("fleet_%d", n), false, (n+3) / *benchCells)
	env := &dbtest.Env{DSN: dsn}
	if made {
		provisionMany(t, o, "b", 0, n, 4)
		env.Exec(t, `create schema e1; create schema fair`)
		must(t, tenancy.MigrateScratch(ctx, dsn, "e1_made"))
		env.Exec(t, "drop schema e1; alter schema e1_made rename to e1")
		env.Exec(t, `create table fair.person (tenant int not null, like e1.person); create table fair.teaching_group (tenant int not null, like e1.teaching_group); create table fair.enrolment (tenant int not null, like e1.enrolment)`)
		rows := makeBenchRows()
		var wg sync.WaitGroup
		work := make(chan int)
		for range 3 {
			wg.Go(func() {
				conn, err := pgx.Connect(ctx, dsn)
				if err != nil {
					t.Error(err)
					return
				}
				defer func() { _ = conn.Close(ctx) }()
				for i := range work {
					s := fmt.Sprintf("t_b%04d", i)
					if i < 0 {
						s = "e1"
					}
					if err := rows.load(ctx, conn, s); err != nil {
						t.Error(err)
					}
					if i < 0 {
						continue
					}
					for _, table := range []string{"person", "teaching_group", "enrolment"} {
						if _, err := conn.Exec(ctx, fmt.Sprintf("insert into fair.%s select %d, x.* from %s.%s x", table, i, s, table)); err != nil {
							t.Error(err)
						}
					}
				}
			})
		}
		for i := -1; i < n; i++ {
			work <- i
		}
		close(work)
		wg.Wait()
		env.Exec(t, `alter table fair.person add primary key (tenant, id); alter table fair.teaching_group add primary key (tenant, id);
		  alter table fair.enrolment add primary key (tenant, id); create index on fair.enrolment (tenant, teaching_group)`)
		for _, after := range []string{"vacuum (freeze, analyze)", "checkpoint"} { // as autovacuum would leave it
			env.Exec(t, after)
		}
		if !t.Failed() {
			env.Exec(t, "create table public.bench_ready ()")
		}
	}
	env.Exec(t, fmt.Sprintf("update control.cell set pool_size = %d", *benchPool))
	list, err := o.Tenants(ctx)
	must(t, err)
	for _, tn := range list {
		ids = append(ids, tn.ID)
	}
	if len(ids) != n {
		t.Fatalf("%d tenants, want %d", len(ids), n)
	}
	return dsn, ids
}

const (
	benchGroup = `select id, title, code, kind from teaching_group where id = $1`
	benchList  = `
select e.id, p.id, p.given_names, p.family_name, e.role, e.is_primary
  from enrolment e
  join person p on p.id = e.person
 where e.teaching_group = $1
 order by e.id
 limit 200`
	fairGroup = `select id, title, code, kind from fair.teaching_group where tenant = $2 and id = $1`
	fairList  = `
select e.id, p.id, p.given_names, p.family_name, e.role, e.is_primary
  from fair.enrolment e
  join fair.person p on p.tenant = e.tenant and p.id = e.person
 where e.tenant = $2 and e.teaching_group = $1
 order by e.id
 limit 200`
)

type benchEnrolment struct {
	id, person    uuid.UUID
	given, family string
	role          string
	primary       *bool
}

// benchBatch queues the request's two statements; got is filled when they ran.
func benchBatch(group, list string, args ...any) (b *pgx.Batch, got func() error) {
	b = &pgx.Batch{}
	var id uuid.UUID
	var title, code, kind string
	var out []benchEnrolment
	b.Queue(group, args...).QueryRow(func(row pgx.Row) error { return row.Scan(&id, &title, &code, &kind) })
	b.Queue(list, args...).Query(func(rows pgx.Rows) error {
		for rows.Next() {
			var e benchEnrolment
			if err := rows.Scan(&e.id, &e.person, &e.given, &e.family, &e.role, &e.primary); err != nil {
				return err
			}
			out = append(out, e)
		}
		return rows.Err()
	})
	return b, func() error {
		if title == "" || len(out) != benchInGroup {
			return fmt.Errorf("got %q with %d rows", title, len(out))
		}
		return nil
	}
}

// limitPool is a pool as one would have without tenants, at its best: warm,
// generic plans, no role, no path to set.
func limitPool(t *testing.T, dsn, app, path string) *pgxpool.Pool {
	t.Helper()
	cfg, err := pgxpool.ParseConfig(dsn)
	must(t, err)
	cfg.MaxConns, cfg.MinConns = benchConns, benchConns
	cfg.ConnConfig.RuntimeParams["application_name"] = app
	cfg.ConnConfig.RuntimeParams["plan_cache_mode"] = "force_generic_plan"
	if path != "" {
		cfg.ConnConfig.RuntimeParams["search_path"] = path
	}
	pool, err := pgxpool.NewWithConfig(context.Background(), cfg)
	must(t, err)
	t.Cleanup(pool.Close)
	return pool
}

func TestBenchAccess(t *testing.T) {
	ctx := context.Background()
	n := *benchTenants
	dsn, ids := benchFleet(t, n)
	db, err := tenancy.Open(ctx, tenancy.Config{DSN: dsn + "&application_name=ours", Secret: dbtest.Secret, MaxConns: benchConns, Queue: 1000})
	must(t, err)
	defer db.Close()
	must(t, db.Warm(ctx))
	e1, fair, naive := limitPool(t, dsn, "e1", "e1, ext"), limitPool(t, dsn, "fair", ""), limitPool(t, dsn, "naive", "")
	bound := newBound(t, dsn)
	group := func(tenant int) uuid.UUID { return benchID(4, tenant%benchGroups) }
	batch := func(pool *pgxpool.Pool, b *pgx.Batch, got func() error) error {
		if err := pool.SendBatch(ctx, b).Close(); err != nil {
			return err
		}
		return got()
	}
	list := []*contender{
		{name: "E1: one schema, no tenants", app: "e1", request: func(ctx context.Context, i int) error {
			b, got := benchBatch(benchGroup, benchList, group(i))
			return batch(e1, b, got)
		}},
		{name: "tenancy: Read and Finish", app: "ours", request: func(ctx context.Context, i int) error {
			b, got := benchBatch(benchGroup, benchList, group(i))
			if err := db.Read(ctx, ids[i], func(tx tenancy.Read) error { return tx.Finish(ctx, b) }); err != nil {
				return err
			}
			return got()
		}},
		{name: "one schema, tenant key", app: "fair", request: func(ctx context.Context, i int) error {
			b, got := benchBatch(fairGroup, fairList, group(i), i)
			return batch(fair, b, got)
		}},
		{name: "set search_path per request", app: "naive", request: func(ctx context.Context, i int) error {
			return naiveRequest(ctx, naive, i, group(i))
		}},
		{name: "schema per tenant, nothing set or checked", app: "bound", request: func(ctx context.Context, i int) error {
			return bound.request(ctx, i, group(i))
		}},
	}
	for i := range ids { // every tenant is touched once
		must(t, list[1].request(ctx, i))
	}
	compare(t, dsn, list, n, *benchRounds, *benchSlice)
	memory := privateMB(backends(t, dsn, "ours"))
	limit := list[0].sum
	for _, c := range list {
		m := c.sum
		result(t, fmt.Sprintf("access, %d tenants", n), map[string]any{
			"way": c.name, "req_per_s": int(m.rate()), "rate_to_E1": round(m.rate() / limit.rate()), "rate_to_fair": round(m.rate() / list[2].sum.rate()), "cpu_to_bound": round(m.micros() / list[4].sum.micros()),
			"cpu_us": int(m.micros()), "client_us": int(m.client / float64(max(1, m.requests)) * 1e6), "cpu_to_E1": round(m.micros() / limit.micros()),
			"p50_ms": round(m.quantile(.5).Seconds() * 1e3), "p99_ms": round(m.quantile(.99).Seconds() * 1e3),
			"p99_to_E1": round(m.quantile(.99).Seconds() / limit.quantile(.99).Seconds())})
	}
	total := 0.0
	for _, mb := range memory {
		total += mb
	}
	result(t, fmt.Sprintf("memory, %d tenants", n), map[string]any{"backends": len(memory), "mean_mb": round(total / float64(len(memory))), "max_mb": round(memory[len(memory)-1])})
}

// bound is the least that a schema per tenant can cost: qualified statements as
// the owner, each tenant on one connection of its own few; no role, no path.
type bound struct {
	locks       [benchConns]sync.Mutex
	conns       [benchConns]*pgx.Conn
	group, list []string
}

func newBound(t *testing.T, dsn string) *bound {
	t.Helper()
	b := &bound{}
	cfg, err := pgx.ParseConfig(dsn + "&application_name=bound&plan_cache_mode=force_generic_plan")
	must(t, err)
	cfg.StatementCacheCapacity = 4000
	for i := range b.conns {
		b.conns[i], err = pgx.ConnectConfig(context.Background(), cfg)
		must(t, err)
		t.Cleanup(func() { _ = b.conns[i].Close(context.Background()) })
	}
	for i := range *benchTenants {
		in := strings.NewReplacer("from ", fmt.Sprintf("from t_b%04d.", i), "join ", fmt.Sprintf("join t_b%04d.", i))
		b.group, b.list = append(b.group, in.Replace(benchGroup)), append(b.list, in.Replace(benchList))
	}
	return b
}

func (b *bound) request(ctx context.Context, tenant int, group uuid.UUID) error {
	q, got := benchBatch(b.group[tenant], b.list[tenant], group)
	k := tenant % benchConns
	b.locks[k].Lock()
	defer b.locks[k].Unlock()
	if err := b.conns[k].SendBatch(ctx, q).Close(); err != nil {
		return err
	}
	return got()
}

func round(x float64) float64 {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return 0
	}
	return math.Round(x*1000) / 1000
}

// naiveRequest is the usual way: a shared pool, the path set before the statements.
func naiveRequest(ctx context.Context, pool *pgxpool.Pool, tenant int, group uuid.UUID) error {
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	if _, err := conn.Exec(ctx, fmt.Sprintf("set search_path = t_b%04d, ext", tenant)); err != nil {
		return err
	}
	b, got := benchBatch(benchGroup, benchList, group)
	for _, q := range b.QueuedQueries {
		one := &pgx.Batch{QueuedQueries: []*pgx.QueuedQuery{q}}
		if err := conn.SendBatch(ctx, one).Close(); err != nil {
			return err
		}
	}
	return got()
}
