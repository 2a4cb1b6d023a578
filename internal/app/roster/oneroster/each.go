package oneroster

import (
	"context"
	"errors"
	"fmt"
	"io"

	"digione/internal/app/fault"
)

// Each gives the rows of a type in the order of the file, canonical and, in
// lenient mode, repaired. It needs a Check that found no error. The Record and
// its slices are used again for the next row: Clone it, or copy what is to stay;
// the strings are safe to keep. An absent type gives nothing.
func (p *Package) Each(ctx context.Context, t Type, f func(*Record) error) error {
	if !p.checked || !p.valid {
		return fault.New(fault.Invalid, "roster.package.invalid",
			"the package %s was not checked or has errors; check it and mend them first", p.name)
	}
	table := TableOf(t)
	if t == Roles && p.RolesFromUsers() {
		return p.eachLegacyRole(ctx, f)
	}
	return p.eachRow(ctx, table, func(r *rows) error { return f(&r.rec) })
}

func (p *Package) eachRow(ctx context.Context, t *Table, f func(*rows) error) error {
	if t == nil || p.entries[t.Type.FileName()] == nil {
		return nil
	}
	r, _, err := p.openRows(t)
	if err != nil {
		return p.eachFault(t, err)
	}
	defer r.closer.Close()
	for n := 1; r.sc.next(); n++ {
		if n%ctxEvery == 0 && ctx.Err() != nil {
			return fmt.Errorf("read %s: %w", r.e.name, ctx.Err())
		}
		if len(r.sc.fields) != r.width() || r.sc.fault.code != "" {
			return p.eachFault(t, errLonger)
		}
		r.fill()
		if err := f(r); err != nil {
			return err
		}
	}
	if r.sc.err != nil {
		return p.eachFault(t, r.sc.err)
	}
	return nil
}

// eachFault: damage now means that the file is not the one that was checked.
func (p *Package) eachFault(t *Table, err error) error {
	if damaged(err) || errors.Is(err, io.EOF) {
		return fault.New(fault.Conflict, "roster.package.changed",
			"%s of %s changed after it was checked; check it again", t.Type.FileName(), p.name)
	}
	return fmt.Errorf("read %s: %w", t.Type.FileName(), err)
}

func (p *Package) eachLegacyRole(ctx context.Context, f func(*Record) error) error {
	roles := TableOf(Roles)
	role := &Record{Table: roles, Fields: make([]string, len(roles.Columns))}
	return p.eachRow(ctx, TableOf(Users), func(r *rows) error {
		return r.legacyRoles(role, p.orgKind, f)
	})
}

// orgKind is the type of an org of the package, or else of the tenant.
func (p *Package) orgKind(id string) string {
	if k, ok := p.orgKinds[keyOf(id)]; ok {
		return k
	}
	known, _ := p.store.Lookup(Orgs, id)
	return known.Kind
}
