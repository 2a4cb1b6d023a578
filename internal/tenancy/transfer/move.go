package transfer

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"digione/internal/tenancy"
	"digione/schemas"
)

// Moved is where a tenant went, and how long it could not be changed, or entered,
// meanwhile: zero within a cluster.
type Moved struct {
	Tenant          string   `json:"tenant"`
	From            string   `json:"from"`
	To              string   `json:"to"`
	FromCluster     string   `json:"from_cluster"`
	ToCluster       string   `json:"to_cluster"`
	Steps           []string `json:"steps"`
	Rows            int64    `json:"rows"`
	ReadOnlySeconds float64  `json:"read_only_seconds"`
	ClosedSeconds   float64  `json:"closed_seconds"`
	DryRun          bool     `json:"dry_run"`
}

// PlanMove says what Move would do and changes nothing.
func (s *Service) PlanMove(ctx context.Context, t tenancy.Tenant, cell, cluster string) (Moved, error) {
	v, _, err := s.plan(ctx, t, cell, cluster)
	v.DryRun = true
	return v, err
}

func (s *Service) plan(ctx context.Context, t tenancy.Tenant, cell, cluster string) (v Moved, last tenancy.Relocation, err error) {
	if t, err = s.Operator.Find(ctx, string(t.ID)); err != nil { // a call that was killed may have moved it
		return v, last, err
	}
	v = Moved{Tenant: t.Slug, From: t.Cell, To: cell, FromCluster: t.Cluster, Steps: tenancy.MoveSteps()}
	if last, err = s.Operator.FindMove(ctx, t); err != nil {
		return v, last, err
	}
	if v.ToCluster, err = s.Operator.ClusterOf(ctx, t, cell, cluster); err != nil {
		return v, last, err
	}
	if v.ToCluster != v.FromCluster || last.UnderWay() {
		v.Steps = tenancy.RelocateSteps()
	}
	return v, last, nil
}

// Move brings a tenant to another cell: within its cluster by a membership, to
// another cluster with its rows. Objects stay where they are.
func (s *Service) Move(ctx context.Context, t tenancy.Tenant, cell, cluster string, heard tenancy.StepFunc) (Moved, error) {
	v, last, err := s.plan(ctx, t, cell, cluster)
	if err != nil {
		return v, err
	}
	switch {
	case last.UnderWay(): // it has its cell
	case v.ToCluster == v.FromCluster:
		_, err := s.Operator.Move(ctx, t, cell, heard)
		return v, err
	default:
		if _, err := s.Operator.MakeCell(ctx, t, cell, v.ToCluster); err != nil {
			return v, err
		}
	}
	r, err := s.Operator.Relocate(ctx, t, cell, carry, heard)
	if err != nil {
		return v, err
	}
	v.From, v.Rows = r.From, r.Rows
	v.ReadOnlySeconds, v.ClosedSeconds = r.ReadOnly().Seconds(), r.Closed().Seconds()
	v.FromCluster, err = s.Operator.ClusterOf(ctx, t, r.From, "")
	return v, err
}

// carry copies tables from one cluster to the other.
var carry = tenancy.Carry{
	Held: func(ctx context.Context, from, to pgx.Tx, t tenancy.Tenant) (int64, error) {
		list, err := shapes(ctx, from, t)
		if err != nil {
			return 0, err
		}
		var all []string
		for _, sh := range list {
			all = append(all, pgx.Identifier{sh.Name}.Sanitize())
		}
		if _, err := to.Exec(ctx, "truncate "+strings.Join(all, ", ")); err != nil { // of a killed attempt, or a migration's
			return 0, fmt.Errorf("empty the new tables: %w", err)
		}
		n, err := carryTables(ctx, from, to, list, false)
		if err == nil {
			_, err = to.Exec(ctx, "analyze "+strings.Join(all, ", "))
		}
		return n, err
	},
	Traces: func(ctx context.Context, from, to pgx.Tx, t tenancy.Tenant) (int64, error) {
		list, err := shapes(ctx, from, t)
		if err != nil {
			return 0, err
		}
		n, err := carryTables(ctx, from, to, list, true)
		if err == nil {
			err = carrySequences(ctx, from, to, t)
		}
		return n, err
	},
}

func carryTables(ctx context.Context, from, to pgx.Tx, list []shape, traces bool) (rows int64, err error) {
	for _, sh := range list {
		if slices.Contains(schemas.Traces, sh.Name) != traces {
			continue
		}
		n, err := carryTable(ctx, from, to, sh)
		if err != nil {
			return rows, err
		}
		rows += n
	}
	return rows, nil
}

// carryTable streams a table and proves by its canonical hash that what came to lie
// in the new place is what went. Sealed values stay sealed: the keys go with the
// tenant's row.
func carryTable(ctx context.Context, from, to pgx.Tx, sh shape) (int64, error) {
	pr, pw := io.Pipe()
	var went Table
	sent := make(chan error, 1)
	go func() {
		w := bufio.NewWriterSize(pw, 1<<18)
		var err error
		if went, err = dump(ctx, from, sh, nil, w); err == nil {
			err = w.Flush()
		}
		pw.CloseWithError(err)
		sent <- err
	}()
	sql := fmt.Sprintf("copy %s (%s) from stdin (format csv, header match)", pgx.Identifier{sh.Name}.Sanitize(), idents(sh.Columns))
	_, err := to.Conn().PgConn().CopyFrom(ctx, pr, sql)
	_ = pr.CloseWithError(context.Canceled) // lets the sender end
	if gone := <-sent; err == nil {
		err = gone
	}
	if err != nil {
		return 0, fmt.Errorf("carry table %s: %w", sh.Name, discreet(err))
	}
	came, err := dump(ctx, to, sh, nil, io.Discard)
	if err == nil && (came.Rows != went.Rows || came.SHA256 != went.SHA256) {
		err = fmt.Errorf("table %s is not the same in the new place: %d rows went, %d came", sh.Name, went.Rows, came.Rows)
	}
	return went.Rows, err
}

// carrySequences lets numbers go on where they were.
func carrySequences(ctx context.Context, from, to pgx.Tx, t tenancy.Tenant) error {
	const q = `select relname::text from pg_class where relnamespace = $1::regnamespace and relkind = 'S' order by relname`
	rows, err := from.Query(ctx, q, t.Schema)
	if err != nil {
		return fmt.Errorf("list sequences: %w", err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return fmt.Errorf("list sequences: %w", err)
	}
	for _, n := range names {
		if n == "goose_db_version_id_seq" {
			continue // counts its own schema's migrations
		}
		var last int64
		var called bool
		err := from.QueryRow(ctx, "select last_value, is_called from "+pgx.Identifier{n}.Sanitize()).Scan(&last, &called)
		if err == nil {
			_, err = to.Exec(ctx, "select setval($1::text::regclass, $2, $3)", pgx.Identifier{n}.Sanitize(), last, called)
		}
		if err != nil {
			return fmt.Errorf("carry sequence %s: %w", n, err)
		}
	}
	return nil
}
