package tenancy

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Relocation is a tenant's move to a cell on another cluster.
type Relocation struct {
	Tenant     ID         `json:"tenant"`
	From       string     `json:"from"` // cells
	To         string     `json:"to"`
	Phase      string     `json:"phase"`
	Rows       int64      `json:"rows"`
	BegunAt    time.Time  `json:"begun_at"`
	HeldAt     *time.Time `json:"held_at"`
	ClosedAt   *time.Time `json:"closed_at"`
	SwitchedAt *time.Time `json:"switched_at"`
	DoneAt     *time.Time `json:"done_at"`
}

// ReadOnly is how long the tenant could be read and not changed, and of that
// Closed how long nobody entered it; zero before it has moved.
func (r Relocation) ReadOnly() time.Duration { return between(r.HeldAt, r.SwitchedAt) }

// Closed is how long nobody entered the tenant.
func (r Relocation) Closed() time.Duration { return between(r.ClosedAt, r.SwitchedAt) }

func between(a, b *time.Time) time.Duration {
	if a == nil || b == nil {
		return 0
	}
	return b.Sub(*a)
}

const sqlFindMove = `
select tenant, from_cell, to_cell, phase, rows, begun_at, held_at, closed_at, switched_at, done_at
  from control.tenant_move
 where tenant = $1`

// FindMove returns a tenant's last move to another cluster, the zero value when
// there was none.
func (o *Operator) FindMove(ctx context.Context, t Tenant) (Relocation, error) {
	rows, err := o.pool.Query(ctx, sqlFindMove, t.ID)
	if err != nil {
		return Relocation{}, fmt.Errorf("find move of %s: %w", t.Slug, err)
	}
	r, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[Relocation])
	if errors.Is(err, pgx.ErrNoRows) {
		return Relocation{}, nil
	}
	if err != nil {
		return r, fmt.Errorf("find move of %s: %w", t.Slug, err)
	}
	return r, nil
}

// UnderWay tells whether the move has begun and not ended.
func (r Relocation) UnderWay() bool { e := entry{phase: phase(r.Phase)}; return e.moving() }

// Settled refuses what may not happen while a tenant moves to another cluster.
func (o *Operator) Settled(ctx context.Context, t Tenant) error {
	r, err := o.FindMove(ctx, t)
	if err == nil && r.UnderWay() {
		err = fmt.Errorf("tenant %s moves to cell %s; finish that first: tenantctl tenant move %s --cell %s", t.Slug, r.To, t.Slug, r.To)
	}
	return err
}

// Carry copies rows from one cluster to the other and proves that they are equal.
// Held carries what nobody can change any more, Traces afterwards what readers
// write. Each empties its tables first; both return how many rows there are.
type Carry struct {
	Held, Traces func(ctx context.Context, from, to pgx.Tx, t Tenant) (rows int64, err error)
}

// RelocateSteps names the steps in their order.
func RelocateSteps() []string {
	var names []string
	for _, s := range (&mover{}).steps() {
		names = append(names, s.name)
	}
	return append(names, "drop")
}

// Relocate brings a tenant to a cell on another cluster. Killed anywhere, the same
// call goes on; until it has switched, Back takes it back. When a step fails, the
// tenant is served where it was as if nothing had begun.
func (o *Operator) Relocate(ctx context.Context, t Tenant, cell string, c Carry, heard StepFunc) (r Relocation, err error) {
	if t.State == Provisioning || t.State.Gone() {
		return r, fmt.Errorf("tenant %s is %s; it cannot move", t.Slug, t.State)
	}
	err = o.Alone(ctx, "move of "+t.Slug, func() error {
		m, err := o.beginMove(ctx, t, cell, c)
		if err != nil || m == nil {
			return err
		}
		defer m.close()
		if m.phase != switched {
			if err := m.carryOver(ctx, heard); err != nil {
				return err
			}
		}
		return m.step(ctx, "drop", heard, m.dropSource)
	})
	if err != nil {
		return r, err
	}
	return o.FindMove(ctx, t)
}

// Back abandons a move that has not switched: the tenant is served where it was,
// and the other cluster keeps nothing of it.
func (o *Operator) Back(ctx context.Context, t Tenant, heard StepFunc) (r Relocation, err error) {
	err = o.Alone(ctx, "move of "+t.Slug, func() error {
		last, err := o.FindMove(ctx, t)
		if err != nil {
			return err
		}
		if !last.UnderWay() {
			return fmt.Errorf("tenant %s does not move to another cluster; there is nothing to take back", t.Slug)
		}
		if phase(last.Phase) == switched {
			return fmt.Errorf("tenant %s is served from cell %s already; finish the move: tenantctl tenant move %s --cell %s", t.Slug, last.To, t.Slug, last.To)
		}
		m, err := o.beginMove(ctx, t, last.To, Carry{})
		if err != nil {
			return err
		}
		defer m.close()
		return m.step(ctx, "back", heard, func(ctx context.Context) error {
			if err := m.reopen(ctx); err != nil {
				return err
			}
			if err := m.to.dropSchema(ctx, t); err != nil {
				return err
			}
			return m.set(ctx, takenBack, preparing)
		})
	})
	if err != nil {
		return r, err
	}
	return o.FindMove(ctx, t)
}

// mover carries one tenant. Its two connections hold a lock each: no migrator
// works on the source, and nobody else on the target. A lock ends with the
// connection, and with it whatever that connection could still have done.
type mover struct {
	o         *Operator
	from, to  *server
	was, will *entry // the tenant in either place
	src, dst  *pgx.Conn
	run       uuid.UUID
	phase     phase
	carry     Carry
	into      pgx.Tx // on dst, from copying to the end of closing
	rows      int64
}

const lockMoves = 7305

// beginMove finds or makes the record of a move and takes the locks; nil when the
// tenant is there and nothing is left to do.
func (o *Operator) beginMove(ctx context.Context, t Tenant, cell string, c Carry) (*mover, error) {
	last, err := o.FindMove(ctx, t)
	if err != nil {
		return nil, err
	}
	e, err := o.find(ctx, string(t.ID))
	if err != nil {
		return nil, err
	}
	from := e.Cell
	switch {
	case last.UnderWay() && last.To != cell:
		return nil, o.Settled(ctx, t)
	case last.UnderWay():
		from = last.From
	case e.Cell == cell:
		return nil, nil
	}
	m := &mover{o: o, carry: c}
	if m.run, err = uuid.NewV7(); err != nil {
		return nil, err
	}
	if m.was, m.from, err = o.placedIn(ctx, e, from); err == nil {
		m.will, m.to, err = o.placedIn(ctx, e, cell)
	}
	if err != nil {
		return nil, err
	}
	if err := o.pool.QueryRow(ctx, sqlBeginMove, t.ID, from, cell, m.run).Scan(&m.phase); err != nil {
		return nil, fmt.Errorf("note move of %s: %w", t.Slug, err)
	}
	if m.src, err = lockedConn(ctx, m.from, t.Schema, lockMigrate); err == nil {
		m.dst, err = lockedConn(ctx, m.to, t.Schema, lockMoves)
	}
	if err != nil {
		m.close()
		return nil, err
	}
	return m, nil
}

const sqlBeginMove = `
insert into control.tenant_move as m (tenant, from_cell, to_cell, phase, run, begun_at)
values ($1, $2, $3, 'preparing', $4, now())
    on conflict (tenant) do update
   set run = excluded.run, from_cell = excluded.from_cell, to_cell = excluded.to_cell,
       phase = case when m.phase in ('done', 'back') then 'preparing' else m.phase end,
       begun_at = case when m.phase in ('done', 'back') then excluded.begun_at else m.begun_at end,
       held_at = case when m.phase in ('held', 'closing', 'switched') then m.held_at end,
       closed_at = case when m.phase = 'switched' then m.closed_at end,
       switched_at = case when m.phase = 'switched' then m.switched_at end, done_at = null
returning m.phase`

// placedIn is a tenant as if it were in a cell.
func (o *Operator) placedIn(ctx context.Context, e *entry, cell string) (*entry, *server, error) {
	in := *e
	in.Cell = cell
	if err := o.pool.QueryRow(ctx, "select cluster, login_role from control.cell where name = $1", cell).Scan(&in.Cluster, &in.cellRole); err != nil {
		return nil, nil, fmt.Errorf("find cell %s: %w", cell, err)
	}
	s, err := o.at(ctx, in.Tenant)
	return &in, s, err
}

// lockedConn is a connection that holds a lock of a schema for as long as it lives.
func lockedConn(ctx context.Context, s *server, schema string, lock int) (*pgx.Conn, error) {
	conn, err := pgx.ConnectConfig(ctx, s.pool.Config().ConnConfig)
	if err != nil {
		return nil, fmt.Errorf("connect cluster %s: %w", s.name, err)
	}
	for end := time.Now().Add(patience); ; {
		var got bool
		if err = conn.QueryRow(ctx, "select pg_try_advisory_lock(hashtextextended($1, $2))", schema, lock).Scan(&got); err == nil && got {
			return conn, nil
		}
		if err == nil && time.Now().After(end) {
			err = fmt.Errorf("a migration or another move works on %s on cluster %s; wait for its end, then run the command again", schema, s.name)
		}
		if err == nil {
			err = sleep(ctx, 50*time.Millisecond)
		}
		if err != nil {
			_ = conn.Close(context.WithoutCancel(ctx))
			return nil, err
		}
	}
}

func (m *mover) close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	for _, conn := range []*pgx.Conn{m.src, m.dst} {
		if conn != nil {
			_ = conn.Close(ctx)
		}
	}
}

type moveStep struct {
	name string
	run  func(ctx context.Context) error
}

func (m *mover) steps() []moveStep {
	return []moveStep{{"prepare", m.prepare}, {"hold", m.hold}, {"copy", m.copy}, {"close", m.shut}, {"switch", m.change}}
}

func (m *mover) carryOver(ctx context.Context, heard StepFunc) error {
	for _, s := range m.steps() {
		if err := m.step(ctx, s.name, heard, s.run); err != nil {
			if m.phase == switched {
				return err
			}
			again, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
			defer cancel()
			return errors.Join(err, m.reopen(again)) // read only no longer than there is a reason
		}
	}
	return nil
}

func (m *mover) step(ctx context.Context, name string, heard StepFunc, run func(context.Context) error) error {
	err := m.o.record(ctx, m.was.ID, "move", name, func() error { return run(ctx) })
	if heard != nil {
		heard(name, err)
	}
	if err != nil {
		return fmt.Errorf("move %s, step %s: %w; mend the cause and run the command again", m.was.Slug, name, err)
	}
	return nil
}
