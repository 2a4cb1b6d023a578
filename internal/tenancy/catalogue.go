package tenancy

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// entry is a tenant with what a transaction needs, computed once.
type entry struct {
	Tenant
	cellRole    string
	cellSize    int
	cellTenants int    // how many share the cell
	ref         string // to the address of its cluster
	addr        *pgx.ConnConfig
	lost        error  // why there is no addr
	phase       phase  // of its move to another cluster
	path        string // its search_path
	tag         string // prefix of its statements
}

// snapshot is the whole catalogue at one moment.
type snapshot struct {
	at    time.Time
	ids   map[ID]*entry
	hosts map[string]*entry
	slugs map[string]*entry
	list  []*entry
}

// Catalogue keeps the tenants in memory. Every change in the database is
// announced (LISTEN digione_catalogue) and read again; while the connection for
// that is lost it is read again every few seconds.
type Catalogue struct {
	cfg  *pgx.ConnConfig
	find func(cluster, ref string) (*pgx.ConnConfig, error)
	now  atomic.Pointer[snapshot]
	read sync.Mutex // one reading at a time: an older one never replaces a newer
	stop context.CancelFunc
	gone chan struct{}
}

const sqlTenants = `
select t.id, t.slug, t.kind, t.name_fi, t.name_sv, t.name_en, coalesce(t.municipality_code, ''), coalesce(t.business_id, ''),
       coalesce(t.organisation_oid, ''), t.cell, t.schema_name, t.role_name, t.ring, t.state, t.schema_version,
       t.settings, t.routable_at, t.created_at, t.keyset, (select o.opening from control.tenant_opening o where o.tenant = t.id),
       exists (select from control.support_grant g where g.tenant = t.id), c.login_role, c.pool_size, c.cluster, l.dsn_ref,
       coalesce((select m.phase from control.tenant_move m where m.tenant = t.id), ''),
       coalesce((select array_agg(h.host order by h.host) from control.tenant_host h where h.tenant = t.id), '{}')
  from control.tenant t
  join control.cell c on c.name = t.cell
  join control.cluster l on l.id = c.cluster`

func openCatalogue(ctx context.Context, cfg *pgx.ConnConfig, find func(cluster, ref string) (*pgx.ConnConfig, error)) (*Catalogue, error) {
	c := &Catalogue{cfg: cfg, find: find, gone: make(chan struct{})}
	conn, err := c.listen(ctx)
	if errors.Is(err, ErrPooler) || errors.Is(err, errStartup) {
		return nil, fmt.Errorf("open catalogue: %w", err)
	}
	if err != nil {
		return nil, fmt.Errorf("open catalogue: %w; has this database been set up? run: tenantctl migrate up", err)
	}
	bg, stop := context.WithCancel(context.Background())
	c.stop = stop
	go c.follow(bg, conn)
	return c, nil
}

func (c *Catalogue) close() {
	c.stop()
	<-c.gone
}

// listen subscribes first and reads then, so that no change falls in between.
func (c *Catalogue) listen(ctx context.Context) (*pgx.Conn, error) {
	conn, err := pgx.ConnectConfig(ctx, c.cfg)
	if err != nil {
		return nil, err
	}
	through, err := pooled(ctx, conn)
	if err == nil && through { // news come to one backend: it must stay ours
		err = keepsBackend(ctx, c.cfg, conn)
	}
	if err == nil {
		_, err = conn.Exec(ctx, "listen digione_catalogue")
	}
	if err == nil {
		err = c.load(ctx, conn)
	}
	if err != nil {
		_ = conn.Close(ctx)
		return nil, err
	}
	return conn, nil
}

func (c *Catalogue) follow(ctx context.Context, conn *pgx.Conn) {
	defer close(c.gone)
	for ctx.Err() == nil {
		if conn == nil {
			var err error
			if conn, err = c.listen(ctx); err != nil {
				select {
				case <-ctx.Done():
				case <-time.After(time.Second):
				}
				continue
			}
		}
		if c.hear(ctx, conn) == nil {
			continue
		}
		end, cancel := context.WithTimeout(context.Background(), time.Second)
		_ = conn.Close(end)
		cancel()
		conn = nil
	}
	if conn != nil {
		_ = conn.Close(context.Background())
	}
}

// hear waits for news and reads the catalogue. Silence is no proof that the
// connection stands: after a while it is read anyway.
func (c *Catalogue) hear(ctx context.Context, conn *pgx.Conn) error {
	wait, cancel := context.WithTimeout(ctx, silence)
	defer cancel()
	if _, err := conn.WaitForNotification(wait); err != nil && (wait.Err() == nil || ctx.Err() != nil) {
		return err
	}
	// A fleet's migration is thousands of changes: those of a moment are one reading.
	moment, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	for moment.Err() == nil && !conn.IsClosed() {
		_, _ = conn.WaitForNotification(moment)
	}
	read, cancel := context.WithTimeout(ctx, silence)
	defer cancel()
	return c.load(read, conn)
}

const silence = 30 * time.Second

// Refresh reads the catalogue now: for a process that has just changed it.
func (c *Catalogue) Refresh(ctx context.Context) error {
	conn, err := pgx.ConnectConfig(ctx, c.cfg)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	return c.load(ctx, conn)
}

func (c *Catalogue) load(ctx context.Context, conn *pgx.Conn) error {
	c.read.Lock()
	defer c.read.Unlock()
	list, err := tenants(ctx, conn, "true")
	if err != nil {
		return err
	}
	s := &snapshot{at: time.Now(), ids: map[ID]*entry{}, hosts: map[string]*entry{}, slugs: map[string]*entry{}, list: list}
	shared := map[string]int{}
	for _, e := range list {
		shared[e.Cell]++
	}
	for _, e := range list {
		e.cellTenants = shared[e.Cell]
		e.addr, e.lost = c.find(e.Cluster, e.ref)
		s.ids[e.ID], s.slugs[e.Slug] = e, e
		for _, h := range e.Hosts {
			s.hosts[h] = e
		}
	}
	c.now.Store(s)
	return nil
}

type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// slugOrID is the condition of the one tenant of a short name or an ID.
const slugOrID = "t.slug = $1 or t.id = $1"

// tenants reads the tenants of a condition by slug, all by "true".
func tenants(ctx context.Context, q querier, condition string, args ...any) ([]*entry, error) {
	rows, err := q.Query(ctx, sqlTenants+"\n where "+condition+"\n order by t.slug", args...)
	if err != nil {
		return nil, fmt.Errorf("read tenants: %w", err)
	}
	list, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (*entry, error) {
		e := &entry{}
		var settings, opening []byte
		err := r.Scan(&e.ID, &e.Slug, &e.Kind, &e.NameFi, &e.NameSv, &e.NameEn, &e.MunicipalityCode, &e.BusinessID,
			&e.OrganisationOID, &e.Cell, &e.Schema, &e.Role, &e.Ring, &e.State, &e.SchemaVersion,
			&settings, &e.RoutableAt, &e.CreatedAt, &e.keyset, &opening, &e.Supported, &e.cellRole, &e.cellSize, &e.Cluster, &e.ref, &e.phase, &e.Hosts)
		if err != nil {
			return nil, err
		}
		e.path = e.Schema + ", ext"
		e.tag = "/*" + e.Schema + "*/ "
		if opening != nil {
			e.Opening = &Opening{}
			if err := json.Unmarshal(opening, e.Opening); err != nil {
				return nil, err
			}
		}
		return e, json.Unmarshal(settings, &e.Settings)
	})
	if err != nil {
		return nil, fmt.Errorf("read tenants: %w", err)
	}
	return list, nil
}

func (c *Catalogue) byID(id ID) (*entry, bool) {
	e, ok := c.now.Load().ids[id]
	return e, ok
}

// ByHost finds the tenant of a host name (lower case, no port), in any state.
func (c *Catalogue) ByHost(host string) (Tenant, bool) { return found(c.now.Load().hosts[host]) }

// BySlug finds a tenant by its short name, in any state.
func (c *Catalogue) BySlug(slug string) (Tenant, bool) { return found(c.now.Load().slugs[slug]) }

// ByID finds a tenant by its ID, in any state.
func (c *Catalogue) ByID(id ID) (Tenant, bool) { return found(c.now.Load().ids[id]) }

func found(e *entry) (Tenant, bool) {
	if e == nil {
		return Tenant{}, false
	}
	return e.Tenant, true
}

// Tenants lists all tenants by slug.
func (c *Catalogue) Tenants() []Tenant {
	s := c.now.Load()
	out := make([]Tenant, len(s.list))
	for i, e := range s.list {
		out[i] = e.Tenant
	}
	slices.SortFunc(out, func(a, b Tenant) int { return cmp.Compare(a.Slug, b.Slug) })
	return out
}

// WrappedKeyset returns a tenant's keyset as stored: of use only with the master key.
func (t Tenant) WrappedKeyset() []byte { return t.keyset }

// appRole is the login of the served application in the control schema. It is
// named after the secret, so that two installations in one server differ.
func appRole(secret []byte) string {
	sum := sha256.Sum256(append([]byte("digione app role\x00"), secret...))
	return "digione_app_" + hex.EncodeToString(sum[:4])
}

// rolePassword derives the password of a runtime role: nothing to store, nothing
// to leak, one secret to change.
func rolePassword(secret []byte, role string) string {
	m := hmac.New(sha256.New, secret)
	m.Write([]byte(role))
	return hex.EncodeToString(m.Sum(nil))
}

// sqlState returns the SQLSTATE of an error, "" when PostgreSQL did not send it.
func sqlState(err error) string {
	if pe := (*pgconn.PgError)(nil); errors.As(err, &pe) {
		return pe.Code
	}
	return ""
}
