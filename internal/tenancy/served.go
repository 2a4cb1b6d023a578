package tenancy

import (
	"cmp"
	"slices"
)

// Served returns the tenants whose people are served now, by slug: those that
// background work may be done for.
func (c *Catalogue) Served() []Tenant {
	var out []Tenant
	for _, e := range c.now.Load().list {
		if e.State == Active || e.State == Leaving {
			out = append(out, e.Tenant)
		}
	}
	slices.SortFunc(out, func(a, b Tenant) int { return cmp.Compare(a.Slug, b.Slug) })
	return out
}
