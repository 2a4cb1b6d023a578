package roster

import (
	"context"
	"errors"
	"time"

	"digione/internal/app/objects"
	"digione/internal/tenancy"
)

// keepDays is how long what a rollback needs is kept where the settings say nothing.
const keepDays = 90

// KeptUntil is the day until which an import of a moment can be rolled back.
func KeptUntil(t tenancy.Tenant, applied time.Time) time.Time {
	return applied.AddDate(0, 0, kept(t))
}

func kept(t tenancy.Tenant) int {
	if days := t.Settings.Roster.KeepDays; days > 0 {
		return days
	}
	return keepDays
}

// Pruned is what pruning deletes, or would.
type Pruned struct {
	Plans    int `json:"plans"`    // that were never applied
	Imports  int `json:"imports"`  // that can no longer be rolled back; their lines in the history stay
	Packages int `json:"packages"` // kept files
	Uploads  int `json:"uploads"`  // that nobody went on with
}

// Prune deletes what has been kept for as long as the settings say: plans that were
// never applied, the images and samples of imports, packages that nothing needs any
// more, and uploads that were left. Killed anywhere, it goes on when run again. Dry,
// it counts.
func (s *Service) Prune(ctx context.Context, t tenancy.Tenant, dry bool) (p Pruned, err error) {
	now := s.Now()
	before := now.AddDate(0, 0, -kept(t))
	if !dry {
		if p.Uploads, err = s.sweepUploads(ctx, t); err != nil {
			return p, err
		}
	}
	err = s.DB.Write(ctx, t.ID, func(tx tenancy.Write) error {
		if p.Plans, p.Imports, err = countOld(ctx, tx.Read, before); err != nil || dry {
			return err
		}
		if err := lockRoster(ctx, tx); err != nil {
			return err
		}
		return pruneImports(ctx, tx, before, now)
	}, within)
	if err != nil {
		return p, err
	}
	p.Packages, err = s.prunePackages(ctx, t, before, dry)
	return p, err
}

// prunePackages deletes files that no plan needs. None can begin to need one
// meanwhile.
func (s *Service) prunePackages(ctx context.Context, t tenancy.Tenant, before time.Time, dry bool) (n int, err error) {
	ks, err := s.Keyset(t)
	if err != nil {
		return 0, err
	}
	files := objects.For(s.Objects, t.ID, ks)
	var away error
	err = s.DB.Write(ctx, t.ID, func(tx tenancy.Write) error {
		if err := lockPackages(ctx, tx, false); err != nil {
			return err
		}
		keys, err := unneeded(ctx, tx.Read, before)
		if n = len(keys); err != nil || dry {
			return err
		}
		keys, away = files.DeleteEach(ctx, keys)
		n = len(keys)
		return objects.Forget(ctx, tx, keys...)
	}, within)
	return n, errors.Join(err, away)
}
