package tenancy

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// ErrPooler says that a pooler stands between DigiOne and PostgreSQL, set so that
// tenants could not be kept apart or statements not be found again.
var ErrPooler = errors.New("the pooler before PostgreSQL does not keep one backend for each connection; " +
	"set pool_mode = session (PgBouncer), or connect to PostgreSQL itself")

// errStartup is what a pooler says that does not pass a setting on.
var errStartup = errors.New("the pooler before PostgreSQL refuses a setting; add default_transaction_read_only to its " +
	"ignore_startup_parameters (PgBouncer): DigiOne then sets it itself")

const (
	sqlBackend = "select pg_backend_pid()"
	sqlNoWrite = "set default_transaction_read_only = on"
)

// pooled reports whether a pooler stands between: it tells its clients another
// number of their backend than PostgreSQL does.
func pooled(ctx context.Context, conn *pgx.Conn) (bool, error) {
	pid, err := backendOf(ctx, conn)
	return pid != int64(conn.PgConn().PID()), err
}

func backendOf(ctx context.Context, conn *pgx.Conn) (pid int64, err error) {
	err = conn.QueryRow(ctx, sqlBackend, pgx.QueryExecModeSimpleProtocol).Scan(&pid)
	return pid, err
}

// others is how many connections look whether they are given the backend of one that
// stands idle. A pooler gives out the one that was used last.
const others = 3

// keepsBackend returns ErrPooler where a pooler has given the backend of conn, which
// stays open, to somebody else.
func keepsBackend(ctx context.Context, cfg *pgx.ConnConfig, conn *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, reachTime)
	defer cancel()
	mine, err := backendOf(ctx, conn)
	if err != nil {
		return fmt.Errorf("look at the pooler: %w", err)
	}
	cfg = cfg.Copy()
	cfg.RuntimeParams["default_transaction_read_only"] = "on"
	for range others {
		other, err := pgx.ConnectConfig(ctx, cfg)
		if err != nil {
			return fmt.Errorf("look at the pooler: %w", startup(err))
		}
		defer func() {
			end, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			_ = other.Close(end)
		}()
		if _, err := other.Exec(ctx, "begin", pgx.QueryExecModeSimpleProtocol); err != nil {
			return fmt.Errorf("%w: %w", ErrPooler, err)
		}
		if its, err := backendOf(ctx, other); err != nil || its == mine {
			return errors.Join(ErrPooler, err)
		}
	}
	if again, err := backendOf(ctx, conn); err != nil || again != mine {
		return errors.Join(ErrPooler, err)
	}
	return nil
}

// startup explains the refusal of a setting; its code stands for other faults too.
func startup(err error) error {
	if err != nil && strings.Contains(err.Error(), "unsupported startup parameter") {
		return fmt.Errorf("%w: %w", errStartup, err)
	}
	return err
}

// What a cell knows of the way to its server.
const (
	wayUnknown = iota
	wayDirect
	wayPooled
)

// clean makes sure that a new connection is the cell's alone. Behind a pooler the
// backend may have served somebody before, and settings of the start are not passed.
func (c *cell) clean(ctx context.Context, cfg *pgx.ConnConfig, conn *pgx.Conn) error {
	if c.way.Load() == wayUnknown {
		through, err := pooled(ctx, conn)
		if err != nil {
			return err
		}
		if !through {
			c.way.Store(wayDirect)
			return nil
		}
		if err := keepsBackend(ctx, cfg, conn); err != nil {
			return err
		}
		c.way.Store(wayPooled)
	}
	if c.way.Load() == wayDirect {
		return nil
	}
	for _, sql := range []string{"discard all", sqlNoWrite} {
		if _, err := conn.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol); err != nil {
			return err
		}
	}
	if conn.PgConn().ParameterStatus("default_transaction_read_only") != "on" {
		return fmt.Errorf("%w: a session cannot be made read-only", ErrPooler)
	}
	return nil
}
