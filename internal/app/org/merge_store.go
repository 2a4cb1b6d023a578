package org

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"digione/internal/tenancy"
)

// Placements and study rights of which the other record has the like stay behind. On
// the way back rows follow that came since from the other record's roster rows.
const (
	sqlRepointEnrolments = `
update enrolment set person = @to
 where person = @from and (@ids::uuid[] is null or id = any (@ids) or source_user = any (@users)) returning id`
	sqlRepointPlacements = `
update grade_placement p set learner = @to
 where p.learner = @from and (@ids::uuid[] is null or p.id = any (@ids))
   and not exists (select from grade_placement o where o.learner = @to and o.unit = p.unit and o.source = p.source) returning p.id`
	sqlRepointStudyRights = `
update study_right s set learner = @to
 where s.learner = @from and (@ids::uuid[] is null or s.id = any (@ids))
   and not exists (select from study_right o where o.learner = @to and o.unit = s.unit and o.kind = s.kind) returning s.id`
)

// pointer is a merge's step: see people.Repoint.
type pointer interface {
	Run(ctx context.Context, tx tenancy.Write, what, sql string, more pgx.StrictNamedArgs) error
}

// Repoint points enrolments, placements and study rights to a merged person. users
// are the roster rows that go back, when they do.
func Repoint(ctx context.Context, tx tenancy.Write, r pointer, users []uuid.UUID) error {
	if err := r.Run(ctx, tx, "enrolment.person", sqlRepointEnrolments, pgx.StrictNamedArgs{"users": append([]uuid.UUID{}, users...)}); err != nil {
		return err
	}
	if err := r.Run(ctx, tx, "grade_placement.learner", sqlRepointPlacements, nil); err != nil {
		return err
	}
	return r.Run(ctx, tx, "study_right.learner", sqlRepointStudyRights, nil)
}
