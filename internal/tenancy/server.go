package tenancy

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Home is the cluster that holds the catalogue. Its address is the program's own.
const Home = "main"

// ErrNoCluster says that the address of a tenant's cluster is not to be had, or
// is that of another database.
var ErrNoCluster = errors.New("its cluster is not reached")

// server is a cluster as the owner of the schemas reaches it.
type server struct {
	name    string
	pool    *pgxpool.Pool
	version int // server_version_num
}

func (s *server) home() bool { return s.name == Home }

// connect opens a server and looks at its version. It changes nothing.
func connect(ctx context.Context, name, dsn string, conns int) (*server, error) {
	pc, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, errors.New("the database url does not parse") // err may quote it
	}
	if pc.MaxConns = 10; conns > 0 {
		pc.MaxConns = int32(max(2, conns))
	}
	pool, err := pgxpool.NewWithConfig(ctx, pc)
	if err != nil {
		return nil, fmt.Errorf("connect database: %w", err)
	}
	s := &server{name: name, pool: pool}
	err = pool.QueryRow(ctx, "select current_setting('server_version_num')::int").Scan(&s.version)
	if err != nil {
		err = fmt.Errorf("connect database: %w", err)
	} else if s.version < 150000 {
		err = fmt.Errorf("PostgreSQL %d is too old: DigiOne needs 15 or newer", s.version/10000)
	} else {
		err = s.pooler(ctx)
	}
	if err != nil {
		pool.Close()
		return nil, err
	}
	return s, nil
}

// pooler refuses a way to the server on which locks and settings would not stay with
// whoever made them.
func (s *server) pooler(ctx context.Context) error {
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	through, err := pooled(ctx, conn.Conn())
	if err == nil && through {
		err = keepsBackend(ctx, s.pool.Config().ConnConfig, conn.Conn())
	}
	return err
}

// at returns the server that a tenant lies on.
func (o *Operator) at(ctx context.Context, t Tenant) (*server, error) {
	return o.server(ctx, t.Cluster)
}

// server returns a cluster, connected. That it is the one of that name is written
// in it: an address that was exchanged by mistake opens nothing.
func (o *Operator) server(ctx context.Context, name string) (*server, error) {
	if name == Home {
		return o.home, nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if s := o.servers[name]; s != nil {
		return s, nil
	}
	var ref string
	err := o.pool.QueryRow(ctx, "select dsn_ref from control.cluster where id = $1", name).Scan(&ref)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, fmt.Errorf("cluster %q: there is none; see: tenantctl cluster list", name)
	}
	if err != nil {
		return nil, err
	}
	s, err := o.reach(ctx, name, ref)
	if err != nil {
		return nil, err
	}
	if stamp, err := s.stamp(ctx); err != nil || stamp != o.stampOf(name) {
		s.pool.Close()
		return nil, fmt.Errorf("cluster %s: %w: %s leads to a database that is not it; see: tenantctl cluster check %s", name, ErrNoCluster, ref, name)
	}
	o.servers[name] = s
	return s, nil
}

// reach connects to what a reference leads to.
func (o *Operator) reach(ctx context.Context, name, ref string) (*server, error) {
	dsn, err := resolve(o.cfg.Resolve, ref)
	if err != nil {
		return nil, fmt.Errorf("cluster %s: %w: %w", name, ErrNoCluster, err)
	}
	s, err := connect(ctx, name, dsn, o.cfg.Conns)
	if err != nil {
		return nil, fmt.Errorf("cluster %s: %w: %w", name, ErrNoCluster, err)
	}
	return s, nil
}

// Resolver turns the reference to an address into the address. Its error names
// the reference and no secret.
type Resolver func(ref string) (dsn string, err error)

func resolve(r Resolver, ref string) (string, error) {
	if r == nil {
		return "", fmt.Errorf("this program does not resolve %s", ref)
	}
	return r(ref)
}

// stamp is what is written in a cluster's database: whose it is.
func (s *server) stamp(ctx context.Context) (string, error) {
	var there bool
	if err := s.pool.QueryRow(ctx, "select to_regclass('digione.cluster') is not null").Scan(&there); err != nil || !there {
		return "", err
	}
	var stamp string
	err := s.pool.QueryRow(ctx, "select coalesce(max(stamp), '') from digione.cluster").Scan(&stamp)
	return stamp, err
}

// stampOf names a cluster of this installation. Installations differ by their
// database secret.
func (o *Operator) stampOf(name string) string { return appRole(o.cfg.Secret) + " " + name }

// locked runs f while holding a database-wide lock, for what PostgreSQL cannot
// do twice at a time.
func (s *server) locked(ctx context.Context, key int, f func(*pgxpool.Conn) error) error {
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	if _, err := conn.Exec(ctx, "select pg_advisory_lock($1)", key); err != nil {
		return err
	}
	defer func() { _, _ = conn.Exec(context.WithoutCancel(ctx), "select pg_advisory_unlock($1)", key) }()
	return f(conn)
}

// loginAs connects as a runtime role.
func (o *Operator) loginAs(ctx context.Context, s *server, role string) (*pgx.Conn, error) {
	c := s.pool.Config().ConnConfig.Copy()
	c.User, c.Password = role, rolePassword(o.cfg.Secret, role)
	conn, err := pgx.ConnectConfig(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("log in as %s: %w; is the database secret the one that the cell was made with?", role, err)
	}
	return conn, nil
}
