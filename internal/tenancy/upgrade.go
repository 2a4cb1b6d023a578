package tenancy

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"digione/schemas"
)

// migration is one file of the tenant migrations, written for goose.
type migration struct {
	version int64
	file    string
	up      string
	alone   bool // may not run inside a transaction: goose runs it
}

func readMigrations(dir fs.FS) ([]migration, error) {
	entries, err := fs.ReadDir(dir, ".")
	if err != nil {
		return nil, fmt.Errorf("read migrations: %w", err)
	}
	versions, err := versionsIn(dir)
	if err != nil {
		return nil, err
	}
	out := make([]migration, len(versions))
	for i, v := range versions {
		text, err := fs.ReadFile(dir, entries[i].Name())
		if err != nil {
			return nil, fmt.Errorf("read migrations: %w", err)
		}
		head, body, found := strings.Cut(string(text), "-- +goose Up")
		if !found {
			return nil, fmt.Errorf("migration %s has no -- +goose Up", entries[i].Name())
		}
		body, _, _ = strings.Cut(body, "-- +goose Down")
		out[i] = migration{v, entries[i].Name(), body, strings.Contains(head+body, "-- +goose NO TRANSACTION")}
	}
	return out, nil
}

const (
	lockTimeout = "300ms" // an ALTER that waits makes every reader behind it wait
	lockRetries = 20
	lockMigrate = 7304
)

// upgrader is a migrator's own connection, opened when it is needed. It stands
// nowhere: each transaction enters its tenant for itself alone.
type upgrader struct {
	o    *Operator
	at   *server
	conn *pgx.Conn // to at
	rest map[*server]*pgx.Conn
}

func (u *upgrader) close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if u.conn != nil {
		_ = u.conn.Close(ctx)
	}
	for _, conn := range u.rest {
		if conn != nil && conn != u.conn {
			_ = conn.Close(ctx)
		}
	}
}

// goTo turns to the cluster of a tenant; a connection to each is kept.
func (u *upgrader) goTo(ctx context.Context, t *entry) error {
	s, err := u.o.at(ctx, t.Tenant)
	if err != nil || s == u.at {
		return err
	}
	if u.rest == nil {
		u.rest = map[*server]*pgx.Conn{}
	}
	u.rest[u.at] = u.conn
	u.at, u.conn = s, u.rest[s]
	return nil
}

// migrateOne brings one tenant's schema to the latest version, a transaction for
// each migration, and returns the version it reached, after a failure too.
func (u *upgrader) migrateOne(ctx context.Context, t *entry) (int64, error) {
	latest, err := u.o.Latest()
	if err != nil {
		return t.SchemaVersion, err
	}
	version := t.SchemaVersion
	for try := 1; ; {
		var at int64
		at, err = u.advance(ctx, t)
		switch code := sqlState(err); {
		case err == nil:
			if version, try = at, 1; version >= latest {
				return version, nil
			}
		case (code != "55P03" && code != "40P01") || try == lockRetries: // lock_not_available, deadlock_detected
			return version, plain(err)
		default:
			if err := sleep(ctx, time.Duration(try)*50*time.Millisecond); err != nil {
				return version, err
			}
			try++
		}
	}
}

// advance applies the next migration, if there is one, in two round trips: the
// first enters and asks where the schema stands, the second does the rest.
func (u *upgrader) advance(ctx context.Context, t *entry) (int64, error) {
	version, err := u.enter(ctx, t)
	if err != nil {
		u.rollback()
		return 0, err
	}
	for _, m := range u.o.migrations {
		switch {
		case m.version <= version:
		case m.alone:
			u.rollback()
			return u.o.migrateByGoose(ctx, t)
		default:
			if err := u.finish(ctx, t, m, m.up, m.version); err != nil {
				return 0, err
			}
			return m.version, nil
		}
	}
	return version, u.finish(ctx, t, migration{}, "", version) // only the catalogue may lag
}

// finish ends the transaction of a migration. At home the catalogue is told in the
// same one. On another cluster it is told afterwards: killed in between, it lags,
// and the next run finds the work done and tells it.
func (u *upgrader) finish(ctx context.Context, t *entry, m migration, up string, version int64) error {
	end := up + m.settle(t)
	if u.at.home() {
		end += m.note(t, "(select max(version_id) from goose_db_version)")
	}
	if _, err := u.send(ctx, end+"commit"); err != nil {
		u.rollback()
		return err
	}
	if u.at.home() {
		return nil
	}
	return u.o.tell(ctx, t, m, version)
}

// tell notes in the catalogue what was done on another cluster.
func (o *Operator) tell(ctx context.Context, t *entry, m migration, version int64) error {
	q := "begin; set local synchronous_commit = off" + m.note(t, fmt.Sprint(version)) + "commit"
	if _, err := o.pool.Exec(ctx, q, pgx.QueryExecModeSimpleProtocol); err != nil {
		return fmt.Errorf("note version of %s: %w", t.Slug, err)
	}
	return nil
}

// settle is what follows a migration in its transaction: the version is noted in
// the schema, and the default privileges taken back where it speaks of an
// append-only table. Of no migration it is what a kill may have left.
func (m migration) settle(t *entry) string {
	note := ""
	if m.version > 0 {
		note = fmt.Sprintf("\n;insert into goose_db_version (version_id, is_applied) values (%d, true)", m.version)
	}
	if m.version == 0 || slices.ContainsFunc(schemas.AppendOnly, func(table string) bool { return strings.Contains(m.up, table) }) {
		note += ";" + lockdown(t)
	}
	return note + ";\n"
}

// note is how the catalogue hears of a version; a tenant that has moved meanwhile
// is another matter.
func (m migration) note(t *entry, version string) string {
	note := ";"
	if m.version > 0 {
		note = stepDone(t.ID) + ";"
	}
	return note + fmt.Sprintf("\nupdate control.tenant set schema_version = %s where id = '%s' and cell = '%s';\n", version, t.ID, t.Cell)
}

// stepDone notes a migration that went well, in its own transaction.
func stepDone(id ID) string {
	return fmt.Sprintf(`;
insert into control.step (tenant, process, name, attempt, started_at, finished_at, outcome)
select '%[1]s', 'migrate', 'schema', coalesce(max(attempt), 0) + 1, transaction_timestamp(), clock_timestamp(), 'done'
  from control.step
 where tenant = '%[1]s' and process = 'migrate' and name = 'schema'`, id)
}

// enter begins a transaction inside the tenant and returns the version of its
// schema. One migrator at a time: a second polls, so that others need not wait.
// Its commit does not wait for the disk; the wave's end does, once for all.
func (u *upgrader) enter(ctx context.Context, t *entry) (int64, error) {
	if err := u.goTo(ctx, t); err != nil {
		return 0, err
	}
	if u.conn == nil || u.conn.IsClosed() {
		var err error
		if u.conn, err = pgx.ConnectConfig(ctx, u.at.pool.Config().ConnConfig); err != nil {
			return 0, fmt.Errorf("connect database: %w", err)
		}
	}
	wait := "off"
	if !u.at.home() {
		wait = "on" // the catalogue must not know of what a crash of this server undoes
	}
	begin := fmt.Sprintf("begin; set local synchronous_commit = "+wait+"; set local search_path = %s, ext; set local lock_timeout = '%s'; select pg_try_advisory_xact_lock(hashtextextended('%s', %d)); select max(version_id) from goose_db_version",
		ident(t.Schema), lockTimeout, t.Schema, lockMigrate)
	for {
		results, err := u.send(ctx, begin)
		if err != nil {
			return 0, err
		}
		if string(results[4].Rows[0][0]) == "t" {
			var version int64
			_, err := fmt.Sscan(string(results[5].Rows[0][0]), &version)
			return version, err
		}
		u.rollback()
		if err := sleep(ctx, 20*time.Millisecond); err != nil {
			return 0, err
		}
		// Who holds the lock may be moving the tenant to another cluster.
		if now, err := u.o.find(ctx, string(t.ID)); err != nil || now == nil {
			return 0, errors.Join(err, ErrNoTenant)
		} else if now.Cluster != t.Cluster {
			*t = *now
			return u.enter(ctx, t)
		}
	}
}

// send runs statements as one message.
func (u *upgrader) send(ctx context.Context, sql string) ([]*pgconn.Result, error) {
	return u.conn.PgConn().Exec(ctx, sql).ReadAll()
}

// rollback ends the transaction whatever the caller's context says.
func (u *upgrader) rollback() {
	if u.conn == nil || u.conn.IsClosed() || u.conn.PgConn().TxStatus() == 'I' {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if _, err := u.send(ctx, "rollback"); err != nil {
		_ = u.conn.Close(ctx)
	}
}

// migrateByGoose brings a tenant up where a migration may not run inside a
// transaction. Its connection, also one opened anew, stands in the tenant.
func (o *Operator) migrateByGoose(ctx context.Context, t *entry) (int64, error) {
	s, err := o.at(ctx, t.Tenant)
	if err != nil {
		return 0, err
	}
	db := s.open(t.Schema + ", ext")
	defer func() { _ = db.Close() }()
	if _, err := db.ExecContext(ctx, "set lock_timeout = '"+lockTimeout+"'"); err != nil {
		return 0, err
	}
	const lock = "select pg_try_advisory_lock(hashtextextended($1, $2))"
	for got := false; !got; {
		if err := db.QueryRowContext(ctx, lock, t.Schema, lockMigrate).Scan(&got); err != nil {
			return 0, err
		}
		if !got {
			if err := sleep(ctx, 20*time.Millisecond); err != nil {
				return 0, err
			}
		}
	}
	err = gooseUp(ctx, db, o.tenant) // the lock goes with the connection
	version, noteErr := o.reached(ctx, t)
	if err == nil && noteErr == nil {
		_, noteErr = o.pool.Exec(ctx, strings.TrimPrefix(stepDone(t.ID), ";"), pgx.QueryExecModeSimpleProtocol)
	}
	if err == nil {
		err = noteErr
	}
	return version, err
}

// reached notes in the catalogue the version that a tenant's schema is on.
func (o *Operator) reached(ctx context.Context, t *entry) (version int64, err error) {
	s, err := o.at(ctx, t.Tenant)
	if err != nil {
		return 0, err
	}
	sql := "begin; set local search_path = " + ident(t.Schema) + ", ext" + migration{}.settle(t) + "commit"
	if _, err := s.pool.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol); err != nil {
		return 0, fmt.Errorf("settle schema %s: %w", t.Schema, err)
	}
	if version, err = versionOf(ctx, s.pool, t.Schema); err != nil {
		return 0, err
	}
	return version, o.tell(ctx, t, migration{}, version)
}

// versionOf reads the version that a schema is on. The statement is not prepared: its
// text is the tenant's own, and a session that keeps plans of hundreds of tenants
// looks at each of them whenever a table is made.
func versionOf(ctx context.Context, q querier, schema string) (version int64, err error) {
	rows, err := q.Query(ctx, "select max(version_id) from "+ident(schema)+".goose_db_version", pgx.QueryExecModeSimpleProtocol)
	if err == nil {
		version, err = pgx.CollectExactlyOneRow(rows, pgx.RowTo[int64])
	}
	if err != nil {
		return 0, fmt.Errorf("read version of schema %s: %w", schema, err)
	}
	return version, nil
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
