package tenancy

import (
	"time"

	"github.com/jackc/pgx/v5"
)

// Script is all the SQL that makes a tenant's role, schema and code lists, for
// benchmarks that run it by other means. The cell must exist.
func (o *Operator) Script(slug, cellRole string) (string, error) {
	t := &entry{Tenant: Tenant{Slug: slug, Schema: "t_" + slug, Role: "t_" + slug}}
	s, err := o.script(t, true)
	return "begin;\ncreate role " + ident(t.Role) + " with noinherit nologin;\ngrant " + ident(t.Role) + " to " + ident(cellRole) + ";\n" +
		s + "\nset local search_path = " + ident(t.Schema) + ";\n" + codeList() + "\ncommit;\n", err
}

// Deafen lets a process hear no news of the catalogue any more.
func (db *DB) Deafen() {
	db.stop()
	<-db.gone
}

// Life is how old a session opened now may get.
func (db *DB) Life() time.Duration { return db.life() }

// Between calls f with each connection that nobody has borrowed, and returns how
// many those were.
func (db *DB) Between(f func(*pgx.Conn)) (n int) {
	db.mu.Lock()
	defer db.mu.Unlock()
	for _, c := range db.cells {
		c.mu.Lock()
		for _, s := range c.slots {
			if !s.busy && s.conn != nil && !s.conn.IsClosed() {
				f(s.conn)
				n++
			}
		}
		c.mu.Unlock()
	}
	return n
}
