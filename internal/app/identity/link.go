package identity

import (
	"context"

	"github.com/google/uuid"

	"digione/internal/tenancy"
	"digione/internal/tenancy/keys"
)

// personOf is the linking rule of the package comment; by is the rule that linked.
func personOf(ctx context.Context, tx tenancy.Read, ks *keys.Keyset, p Provider, who Proof) (person uuid.UUID, by Link, err error) {
	if !p.admits(who.Claims) {
		return uuid.Nil, by, because(elsewhere, nil)
	}
	known, ok, err := findAccount(ctx, tx, p.ID, who.Subject)
	if err != nil || ok {
		return known.Person, by, err
	}
	fit, by, err := fitting(ctx, tx, ks, p, who)
	switch {
	case err != nil:
		return uuid.Nil, by, err
	case len(fit) == 0:
		return uuid.Nil, by, because(nobody, nil)
	case len(fit) > 1:
		return uuid.Nil, by, because(several, nil)
	}
	return fit[0], by, nil
}

// fitting returns the persons whom the claims name, two at most.
func fitting(ctx context.Context, tx tenancy.Read, ks *keys.Keyset, p Provider, who Proof) (fit []uuid.UUID, by Link, err error) {
	by, value, ok := p.link(who.Claims)
	if !ok {
		return nil, by, nil
	}
	fit, err = matchPersons(ctx, tx, ks, by.To, value)
	return fit, by, err
}

// Match returns the one person of the tenant whom a provider's claims name, by the
// provider's rules and without an account; ok is false where none or several fit.
func Match(ctx context.Context, tx tenancy.Read, ks *keys.Keyset, p Provider, who Proof) (person uuid.UUID, ok bool, err error) {
	fit, _, err := fitting(ctx, tx, ks, p, who)
	if err != nil || len(fit) != 1 {
		return uuid.Nil, false, err
	}
	return fit[0], true, nil
}
