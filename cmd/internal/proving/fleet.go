package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"runtime/pprof"
	"strings"
	"sync"
	"testing/fstest"
	"time"

	"github.com/jackc/pgx/v5"

	"digione/cmd/internal/installation"
	"digione/internal/app/roster"
	"digione/internal/app/roster/generate"
	"digione/internal/tenancy"
	"digione/schemas"
)

// fleet is the nation under way.
type fleet struct {
	options
	in       *installation.Installation
	packages string
	specs    []generate.Spec
	tenants  []tenancy.Tenant
}

// sizes are the learners of each municipality, the largest first: a few large cities,
// many small places, as in docs/benchmarks.md. They add up to about all.
func sizes(n, all int, even bool) []int {
	out, sum := make([]int, n), 0.0
	weight := func(i int) float64 { return math.Pow(float64(i)+2.5, -1.02) }
	if even {
		weight = func(int) float64 { return 1 }
	}
	for i := range out {
		sum += weight(i)
	}
	for i := range out {
		out[i] = max(40, int(float64(all)*weight(i)/sum))
	}
	return out
}

func (f *fleet) build(ctx context.Context) error {
	year := time.Now().AddDate(0, 5, 0).Year()
	for i, n := range sizes(f.options.tenants, f.learners, f.even) {
		f.specs = append(f.specs, generate.Spec{Tenant: fmt.Sprintf("k%04d", i), MunicipalityCode: fmt.Sprintf("%03d", i%1000), NameFi: fmt.Sprintf("Kunta %d", i),
			NameSv: fmt.Sprintf("Kommun %d", i), Learners: n, Seed: uint64(i + 1), SchoolYear: year})
	}
	if err := os.MkdirAll(f.packages, 0o755); err != nil {
		return err
	}
	stands := filepath.Join(f.packages, "stands")
	if b, err := os.ReadFile(stands); err == nil && string(b) == f.shape() && !strings.Contains(f.parts, "fleet") {
		if _, err := f.provision(ctx); err != nil {
			return err
		}
		return f.finish(ctx)
	}
	for _, step := range []struct {
		name   string
		target string
		run    func(context.Context) (string, error)
	}{
		{"generate the packages (" + aside + ")", "", func(ctx context.Context) (string, error) { return f.generate(ctx, 0) }},
		{"provision", "<= 90", f.provision},
		{"first import", "<= 240", func(ctx context.Context) (string, error) { return f.imports(ctx, 0) }},
		{"verify isolation", "<= 30", f.verify},
		{"vacuum and analyze (the rest of the day; " + aside + ")", "", f.rest},
		{"generate the night's packages (" + aside + ")", "", func(ctx context.Context) (string, error) { return f.generate(ctx, 1) }},
		{"nightly run, 2 % changed", "<= 60", func(ctx context.Context) (string, error) { return f.imports(ctx, 1) }},
		{"fleet migration: column, index, table", "<= 30", f.migrate},
		{"vacuum and analyze (the rest of the night; " + aside + ")", "", f.rest},
	} {
		if !strings.Contains(f.parts, "fleet") && (strings.Contains(step.name, "night") || strings.HasPrefix(step.name, "fleet") || strings.HasPrefix(step.name, "verify")) {
			continue
		}
		began := time.Now()
		note, err := step.run(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
		say(step.name, time.Since(began).Seconds(), "s", step.target, note)
	}
	if err := os.WriteFile(stands, []byte(f.shape()), 0o600); err != nil {
		return err
	}
	return f.finish(ctx)
}

// finish runs one more night where it is asked for, and counts.
func (f *fleet) finish(ctx context.Context) error {
	if strings.Contains(f.parts, "night") {
		if err := f.another(ctx); err != nil {
			return err
		}
	}
	return f.totals(ctx)
}

// another is one more night of a kept fleet: what is worked on to make nights shorter.
func (f *fleet) another(ctx context.Context) error {
	night := 1
	for exists(f.file(0, night)) {
		night++
	}
	if _, err := f.generate(ctx, night); err != nil {
		return err
	}
	if f.profile != "" {
		out, err := os.Create(f.profile)
		if err != nil {
			return err
		}
		defer func() { _ = out.Close() }()
		if err := pprof.StartCPUProfile(out); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	began := time.Now()
	note, err := f.imports(ctx, night)
	if err == nil {
		say(fmt.Sprintf("night %d, 2 %% changed", night), time.Since(began).Seconds(), "s", "<= 60", note)
	}
	return err
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// shape is what tells a fleet that was built in a kept folder from another.
func (f *fleet) shape() string { return fmt.Sprint(f.options.tenants, " ", f.learners) }

// each runs f for every tenant, some at a time, and returns the first error.
func each(ctx context.Context, n, parallel int, f func(ctx context.Context, i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	next := make(chan int)
	var wg sync.WaitGroup
	for range parallel {
		wg.Go(func() {
			for i := range next {
				if err := f(ctx, i); err != nil {
					cancel(err)
				}
			}
		})
	}
	for i := range n {
		if ctx.Err() != nil {
			break
		}
		next <- i
	}
	close(next)
	wg.Wait()
	if err := context.Cause(ctx); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return ctx.Err()
}

func (f *fleet) file(i, night int) string {
	return filepath.Join(f.packages, fmt.Sprintf("%s-%d.zip", f.specs[i].Tenant, night))
}

func (f *fleet) generate(ctx context.Context, night int) (string, error) {
	var mu sync.Mutex
	var rows int64
	err := each(ctx, len(f.specs), 2, func(ctx context.Context, i int) error {
		out, err := os.Create(f.file(i, night))
		if err != nil {
			return err
		}
		spec := f.specs[i]
		if night > 0 {
			spec.Mutate, spec.Night = 0.02, night
		}
		sum, err := generate.Write(ctx, out, spec)
		mu.Lock()
		for _, n := range sum.Rows {
			rows += n
		}
		mu.Unlock()
		return errors.Join(err, out.Close())
	})
	return fmt.Sprintf("%d rows", rows), err
}

func (f *fleet) provision(ctx context.Context) (string, error) {
	f.tenants = make([]tenancy.Tenant, len(f.specs))
	return fmt.Sprintf("%d tenants, %d workers", len(f.specs), f.workers), each(ctx, len(f.specs), f.workers, func(ctx context.Context, i int) (err error) {
		f.tenants[i], err = f.in.Operator.Provision(ctx, tenancy.Spec{Slug: f.specs[i].Tenant, NameFi: f.specs[i].NameFi, NameSv: f.specs[i].NameSv, Kind: "private"}, nil)
		return err
	})
}

func (f *fleet) imports(ctx context.Context, night int) (string, error) {
	svc, err := f.in.Roster(ctx)
	if err != nil {
		return "", err
	}
	db, err := f.in.DB(ctx)
	if err != nil {
		return "", err
	}
	if err := db.Refresh(ctx); err != nil {
		return "", err
	}
	var mu sync.Mutex
	var rows int64
	held := 0
	err = each(ctx, len(f.specs), f.importer, func(ctx context.Context, i int) error {
		in, err := os.Open(f.file(i, night))
		if err != nil {
			return err
		}
		defer func() { _ = in.Close() }()
		fi, err := in.Stat()
		if err != nil {
			return err
		}
		plan, err := svc.Import(ctx, f.tenants[i], roster.Package{Name: filepath.Base(in.Name()), Content: in, Size: fi.Size()}, roster.Options{},
			roster.Approval{Who: "proving", Initial: night == 0}, nil)
		if err != nil {
			return fmt.Errorf("%s: %w", f.specs[i].Tenant, err)
		}
		mu.Lock()
		rows += plan.Rows
		if plan.State == roster.Held {
			held++
		}
		mu.Unlock()
		return nil
	})
	return fmt.Sprintf("%d rows, %d at a time, %d held", rows, f.importer, held), err
}

// rest does at once what autovacuum does in the hours after a nation has come in.
// What is measured next is another day.
func (f *fleet) rest(ctx context.Context) (string, error) {
	conn, err := pgx.Connect(ctx, f.in.DSN)
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close(ctx) }()
	_, err = conn.Exec(ctx, "vacuum (analyze)")
	if err == nil {
		_, err = conn.Exec(ctx, "checkpoint")
	}
	return "", err
}

// bigImport changes half of the second largest tenant's people; what holds it is
// approved.
func (f *fleet) bigImport(ctx context.Context) error {
	svc, err := f.in.Roster(ctx)
	if err != nil {
		return err
	}
	in, err := os.CreateTemp(f.packages, "big-*.zip")
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	if _, err := generate.Write(ctx, in, f.specs[1]); err != nil {
		return err
	}
	fi, err := in.Stat()
	if err != nil {
		return err
	}
	began := time.Now()
	plan, err := svc.Import(ctx, f.tenants[1], roster.Package{Name: filepath.Base(in.Name()), Content: in, Size: fi.Size()}, roster.Options{},
		roster.Approval{Who: "proving", Approve: true, Reason: "load"}, nil)
	if err == nil {
		say("the import meanwhile", time.Since(began).Seconds(), "s", "", fmt.Sprintf("%d rows, %s", plan.Rows, plan.State))
	}
	return err
}

func (f *fleet) verify(ctx context.Context) (string, error) {
	c, err := f.in.Operator.VerifyIsolation(ctx, "proving")
	if err == nil && len(c.Violations) > 0 {
		err = fmt.Errorf("%d violations, the first: %+v", len(c.Violations), c.Violations[0])
	}
	return fmt.Sprintf("%d pairs, %d violations", c.Pairs, len(c.Violations)), err
}

const nextMigration = `-- +goose Up
alter table unit add column nickname text not null default '';
create index unit_nickname_ix on unit (nickname);
create table pet (id uuid not null constraint pet_pk primary key, name text not null, created_at timestamptz not null default now());
comment on table pet is 'What a next version adds. Owned by cmd/internal/proving.';
-- +goose Down
drop table pet;
alter table unit drop column nickname;
`

// next are all tenant migrations and one more.
func next() (fs.FS, error) {
	out := fstest.MapFS{}
	files, err := fs.Glob(schemas.FS, "tenant/0*.sql")
	for _, name := range files {
		b, readErr := fs.ReadFile(schemas.FS, name)
		err = errors.Join(err, readErr)
		out[strings.TrimPrefix(name, "tenant/")] = &fstest.MapFile{Data: b}
	}
	out["90001_next.sql"] = &fstest.MapFile{Data: []byte(nextMigration)}
	return out, err
}

func (f *fleet) migrate(ctx context.Context) (string, error) { return f.migrateBy(ctx, f.workers) }

// migrateBy brings the fleet a version ahead with so many workers: as many as there are
// processors at night, one beside people.
func (f *fleet) migrateBy(ctx context.Context, workers int) (string, error) {
	files, err := next()
	if err != nil {
		return "", err
	}
	op, err := f.in.OpenOperator(ctx, files)
	if err != nil {
		return "", err
	}
	defer op.Close()
	done, err := op.Migrate(ctx, tenancy.MigrateOptions{Parallel: workers})
	return fmt.Sprintf("%d tenants, %d workers", len(done), workers), err
}

// totals counts what is in all tenants.
func (f *fleet) totals(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, f.in.DSN)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	sum := map[string]int64{}
	for _, t := range f.tenants {
		var learners, guardians, staff int64
		err := conn.QueryRow(ctx, fmt.Sprintf(`select count(distinct person) filter (where role = 'student'), count(distinct person) filter (where role in ('guardian', 'parent')),
count(distinct person) filter (where role not in ('student', 'guardian', 'parent', 'relative')) from %s.role_grant`, pgx.Identifier{t.Schema}.Sanitize())).Scan(&learners, &guardians, &staff)
		if err != nil {
			return err
		}
		sum["learners"] += learners
		sum["guardians"] += guardians
		sum["staff"] += staff
	}
	for _, what := range []string{"learners", "guardians", "staff"} {
		say(what, float64(sum[what]), "persons", "", "")
	}
	return nil
}
