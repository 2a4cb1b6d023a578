package transfer

import (
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/jackc/pgx/v5"

	"digione/internal/tenancy"
	"digione/internal/tenancy/keys"
	"digione/schemas"
)

// Difference is a table or an object that two tenants do not have alike.
type Difference struct {
	Kind string `json:"kind"` // table or object
	Name string `json:"name"`
	A    int64  `json:"a"` // rows or bytes; -1: it is not there
	B    int64  `json:"b"`
}

// contents are the sums of everything that a tenant keeps.
type contents struct {
	version int64
	tables  []Table
	objects []Object
}

// Diff compares two tenants by what they keep, whatever keys they keep it under.
// Sessions are left out.
func (s *Service) Diff(ctx context.Context, a, b tenancy.Tenant) ([]Difference, error) {
	ka, err := s.Operator.OpenKeyset(a)
	if err != nil {
		return nil, err
	}
	kb, err := s.Operator.OpenKeyset(b)
	if err != nil {
		return nil, err
	}
	without, err := incomparable(ka, kb)
	if err != nil {
		return nil, err
	}
	ca, err := s.contents(ctx, a, ka, without)
	if err != nil {
		return nil, err
	}
	cb, err := s.contents(ctx, b, kb, without)
	if err != nil {
		return nil, err
	}
	if ca.version != cb.version {
		return nil, fmt.Errorf("%s is on schema version %d and %s on %d; bring both to one: tenantctl migrate up", a.Slug, ca.version, b.Slug, cb.version)
	}
	return compare(ca, cb), nil
}

// incomparable names the columns of keyed hashes when the keys differ: those of
// a restored tenant are the ones of its source.
func incomparable(a, b *keys.Keyset) ([]string, error) {
	ha, err := a.Hash([]byte("transfer"))
	if err != nil {
		return nil, err
	}
	hb, err := b.Hash([]byte("transfer"))
	if err != nil || slices.Equal(ha, hb) {
		return nil, err
	}
	return schemas.KeyedHashes, nil
}

// contents reads everything of a tenant and keeps the sums. Objects are opened and
// compared with their inventory on the way.
func (s *Service) contents(ctx context.Context, t tenancy.Tenant, k *keys.Keyset, without []string) (c contents, err error) {
	err = s.Operator.InSchema(ctx, t, snapshotted, func(tx pgx.Tx) error {
		if err := tx.QueryRow(ctx, "select max(version_id) from goose_db_version").Scan(&c.version); err != nil {
			return err
		}
		list, err := shapes(ctx, tx, t)
		if err != nil {
			return err
		}
		for _, sh := range list {
			if sh.Transient {
				continue
			}
			table, err := dump(ctx, tx, sh, k, io.Discard, without...)
			if err != nil {
				return err
			}
			c.tables = append(c.tables, table)
		}
		c.objects, err = inventory(ctx, tx)
		return err
	})
	if err != nil {
		return c, fmt.Errorf("read %s: %w", t.Slug, err)
	}
	for _, o := range c.objects {
		r, err := s.object(ctx, t, k, o)
		if err != nil {
			return c, err
		}
		if err := r.Close(); err != nil {
			return c, err
		}
	}
	return c, nil
}

// contents of a file are those of the tenant when it was exported.
func (m *Manifest) contents() contents {
	c := contents{version: m.SchemaVersion, objects: m.Objects}
	for _, t := range m.Tables {
		if !t.Transient {
			c.tables = append(c.tables, t)
		}
	}
	return c
}

// compare lists what differs, tables first, each by name.
func compare(a, b contents) []Difference {
	out := []Difference{}
	tables := func(c contents) map[string]sum {
		m := map[string]sum{}
		for _, t := range c.tables {
			m[t.Name] = sum{t.Rows, t.SHA256}
		}
		return m
	}
	objects := func(c contents) map[string]sum {
		m := map[string]sum{}
		for _, o := range c.objects {
			m[o.Key] = sum{o.Size, o.SHA256}
		}
		return m
	}
	out = append(out, differing("table", tables(a), tables(b))...)
	return append(out, differing("object", objects(a), objects(b))...)
}

type sum struct {
	n      int64
	sha256 string
}

func differing(kind string, a, b map[string]sum) (out []Difference) {
	names := map[string]bool{}
	for n := range a {
		names[n] = true
	}
	for n := range b {
		names[n] = true
	}
	for n := range names {
		if a[n] == b[n] {
			continue
		}
		d := Difference{Kind: kind, Name: n, A: a[n].n, B: b[n].n}
		if a[n].sha256 == "" {
			d.A = -1
		}
		if b[n].sha256 == "" {
			d.B = -1
		}
		out = append(out, d)
	}
	slices.SortFunc(out, func(x, y Difference) int {
		if x.Name < y.Name {
			return -1
		}
		return 1
	})
	return out
}
