package identity

import (
	"context"

	"github.com/google/uuid"

	"digione/internal/tenancy"
	"digione/internal/tenancy/keys"
)

// personOf is the linking rule of the package comment.
func personOf(ctx context.Context, tx tenancy.Read, ks *keys.Keyset, p Provider, who Proof) (uuid.UUID, error) {
	known, ok, err := findAccount(ctx, tx, p.ID, who.Subject)
	if err != nil || ok {
		return known.Person, err
	}
	value, ok := p.linkValue(who.Claims)
	if !ok {
		return uuid.Nil, because(nobody, nil)
	}
	fit, err := matchPersons(ctx, tx, ks, p.LinkTo, value)
	switch {
	case err != nil:
		return uuid.Nil, err
	case len(fit) == 0:
		return uuid.Nil, because(nobody, nil)
	case len(fit) > 1:
		return uuid.Nil, because(several, nil)
	}
	return fit[0], nil
}
