package joining

import (
	"context"
	"slices"

	"digione/internal/tenancy"
)

// Dry is a log that decides as the one that it reads from, and keeps what would be
// appended to itself: for dry runs, of steps that measure nothing.
func Dry(of Log) Log { return &dry{Log: of, more: map[tenancy.ID][]Event{}} }

type dry struct {
	Log
	more map[tenancy.ID][]Event
}

func (d *dry) events(ctx context.Context, tenant tenancy.ID, after int64) ([]Event, error) {
	list, err := d.Log.events(ctx, tenant, after)
	return append(list, d.more[tenant]...), err
}

func (d *dry) decide(ctx context.Context, ts Templates, tenant tenancy.ID, f func(*State) ([]Event, error)) (*State, error) {
	list, err := d.events(ctx, tenant, 0)
	if err != nil {
		return nil, err
	}
	s, err := Fold(ts, list)
	if err != nil {
		return nil, err
	}
	more, err := f(s)
	if err != nil || len(more) == 0 {
		return s, err
	}
	for i := range more {
		more[i].Tenant = string(tenant)
	}
	d.more[tenant] = append(d.more[tenant], more...)
	return Fold(ts, slices.Concat(list, more))
}
