package roster

import (
	"context"

	"digione/internal/tenancy"
)

// Idle waits until nothing runs at the desk.
func (d *Desk) Idle() { d.under.Wait() }

// LookIn is what every page does first: work that is dead ends.
func (d *Desk) LookIn(ctx context.Context, t tenancy.Tenant) error {
	_, err := d.running(ctx, t)
	return err
}
