package transfer

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"digione/internal/tenancy"
	"digione/internal/tenancy/keys"
	"digione/schemas"
)

// shape is a table as the schema has it.
type shape struct {
	Table
	order  string   // by its primary key
	refers []string // tables that its foreign keys name
}

// sqlShapes lists the tables of a schema with what is stored in them: partitions
// are reached through their parent, generated columns make themselves.
const sqlShapes = `
select c.relname::text,
       coalesce((select array_agg(a.attname::text order by a.attnum) from pg_attribute a
                  where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''), '{}'),
       coalesce((select array_agg(format_type(a.atttypid, a.atttypmod) order by a.attnum) from pg_attribute a
                  where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''), '{}'),
       coalesce((select string_agg(quote_ident(a.attname) || case when a.attcollation <> 0 then ' collate "C"' else '' end, ', ' order by k.n)
                   from pg_index i
                  cross join lateral unnest(i.indkey::int2[]) with ordinality as k(attnum, n)
                   join pg_attribute a on a.attrelid = c.oid and a.attnum = k.attnum
                  where i.indrelid = c.oid and i.indisprimary), ''),
       coalesce((select array_agg(distinct f.relname::text) from pg_constraint k join pg_class f on f.oid = k.confrelid
                  where k.conrelid = c.oid and k.contype = 'f' and k.confrelid <> c.oid), '{}')
  from pg_class c
 where c.relnamespace = $1::regnamespace and c.relkind in ('r', 'p') and not c.relispartition and c.relname <> 'goose_db_version'
 order by c.relname`

// shapes returns the tables of a tenant, each after those that it refers to.
func shapes(ctx context.Context, tx pgx.Tx, t tenancy.Tenant) ([]shape, error) {
	rows, err := tx.Query(ctx, sqlShapes, t.Schema)
	if err != nil {
		return nil, fmt.Errorf("list tables: %w", err)
	}
	list, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (shape, error) {
		var s shape
		var names, types []string
		err := r.Scan(&s.Name, &names, &types, &s.order, &s.refers)
		for i, n := range names {
			sealed := slices.ContainsFunc(schemas.Sealed, func(c schemas.SealedColumn) bool { return c.Table == s.Name && c.Column == n })
			s.Columns = append(s.Columns, Column{n, types[i], sealed})
		}
		s.Transient = slices.Contains(schemas.Transient, s.Name)
		return s, err
	})
	if err != nil {
		return nil, fmt.Errorf("list tables: %w", err)
	}
	for _, s := range list {
		if s.order == "" {
			return nil, fmt.Errorf("table %s has no primary key: its rows have no order", s.Name)
		}
	}
	return inOrder(list)
}

// inOrder puts each table after those that it refers to.
func inOrder(list []shape) ([]shape, error) {
	var out []shape
	done := map[string]bool{}
	for len(list) > 0 {
		n := len(list)
		list = slices.DeleteFunc(list, func(s shape) bool {
			for _, r := range s.refers {
				if !done[r] {
					return false
				}
			}
			out, done[s.Name] = append(out, s), true
			return true
		})
		if len(list) == n {
			return nil, fmt.Errorf("tables %s and others refer to each other in a circle; such rows cannot be loaded in order", list[0].Name)
		}
	}
	return out, nil
}

func idents(columns []Column) string {
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = pgx.Identifier{c.Name}.Sanitize()
	}
	return strings.Join(names, ", ")
}

// dump writes a table as CSV with its sealed values open (as they are when there
// is no key) and completes what the shape says of it. Columns in without are left
// out.
func dump(ctx context.Context, tx pgx.Tx, s shape, k *keys.Keyset, w io.Writer, without ...string) (Table, error) {
	t := s.Table
	t.Columns = slices.DeleteFunc(slices.Clone(s.Columns), func(c Column) bool { return slices.Contains(without, c.Name) })
	var changes map[int]change
	if k != nil {
		var err error
		if changes, err = sealing(t.Name, t.Columns, k, false); err != nil {
			return t, err
		}
	}
	h := sha256.New()
	rw := &rewriter{w: io.MultiWriter(w, h), changes: changes}
	sql := fmt.Sprintf("copy (select %s from %s order by %s) to stdout (format csv, header)", idents(t.Columns), pgx.Identifier{t.Name}.Sanitize(), s.order)
	tag, err := tx.Conn().PgConn().CopyTo(ctx, rw, sql)
	if err == nil {
		err = rw.end()
	}
	if err != nil {
		return t, fmt.Errorf("read table %s: %w", t.Name, err)
	}
	t.Rows, t.SHA256 = tag.RowsAffected(), hexOf(h.Sum(nil))
	return t, nil
}

// load fills a table from its CSV and seals what stands open in it.
func load(ctx context.Context, tx pgx.Tx, t Table, k *keys.Keyset, r io.Reader) error {
	changes, err := sealing(t.Name, t.Columns, k, true)
	if err != nil {
		return err
	}
	pr, pw := io.Pipe()
	go func() {
		rw := &rewriter{w: pw, changes: changes}
		_, err := io.Copy(rw, r)
		if err == nil {
			err = rw.end()
		}
		pw.CloseWithError(err)
	}()
	sql := fmt.Sprintf("copy %s (%s) from stdin (format csv, header match)", pgx.Identifier{t.Name}.Sanitize(), idents(t.Columns))
	tag, err := tx.Conn().PgConn().CopyFrom(ctx, pr, sql)
	_ = pr.Close()
	if err == nil && tag.RowsAffected() != t.Rows {
		err = fmt.Errorf("%d rows came in, the manifest says %d", tag.RowsAffected(), t.Rows)
	}
	if err != nil {
		return fmt.Errorf("load table %s: %w", t.Name, discreet(err))
	}
	return resetSequences(ctx, tx, t)
}

// resetSequences lets numbers that the database gives go on after the highest one.
func resetSequences(ctx context.Context, tx pgx.Tx, t Table) error {
	for _, c := range t.Columns {
		if c.Type != "bigint" && c.Type != "integer" && c.Type != "smallint" {
			continue
		}
		table, column := pgx.Identifier{t.Name}.Sanitize(), pgx.Identifier{c.Name}.Sanitize()
		var seq *string
		if err := tx.QueryRow(ctx, "select pg_get_serial_sequence($1, $2)", table, c.Name).Scan(&seq); err != nil || seq == nil {
			if err != nil {
				return fmt.Errorf("find sequence of %s: %w", t.Name, err)
			}
			continue
		}
		q := fmt.Sprintf("select setval($1::text::regclass, coalesce(max(%s), 1), max(%s) is not null) from %s", column, column, table)
		if _, err := tx.Exec(ctx, q, *seq); err != nil {
			return fmt.Errorf("set sequence of %s: %w", t.Name, err)
		}
	}
	return nil
}
