package roster

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"digione/internal/app/people"
	"digione/internal/tenancy"
)

// A row of users.csv is known by its sourcedId and names its person here: so the next
// import finds the merged person by it, and splits nobody.
const (
	sqlRepointUsers   = `update roster_user set person = @to where person = @from and (@ids::uuid[] is null or id = any (@ids)) returning id`
	sqlRepointReviews = `update match_review set person = @to where person = @from and (@ids::uuid[] is null or id = any (@ids)) returning id`
	sqlResolve        = `update match_review set resolved_at = @at where person = any (@persons) and resolved_at is null returning id`
	sqlReopen         = `update match_review set resolved_at = null where id = any (@ids)`
)

// resolved are the reviews that a merge has settled.
const resolved = "match_review.resolved"

// Repoint points the source's rows to a merged person, and settles the reviews of
// both; undone, these wait again.
func Repoint(ctx context.Context, tx tenancy.Write, r people.Repoint, at time.Time) error {
	if r.Back {
		if _, err := tx.Exec(ctx, sqlReopen, pgx.StrictNamedArgs{"ids": r.Take(resolved)}); err != nil {
			return fmt.Errorf("reopen reviews: %w", err)
		}
	} else {
		ids, err := Resolve(ctx, tx, []uuid.UUID{r.From, r.To}, at)
		if err != nil {
			return err
		}
		r.Note(resolved, ids)
	}
	if err := r.Run(ctx, tx, "roster_user.person", sqlRepointUsers, nil); err != nil {
		return err
	}
	return r.Run(ctx, tx, "match_review.person", sqlRepointReviews, nil)
}

// Resolve settles the reviews of persons, and returns which.
func Resolve(ctx context.Context, tx tenancy.Write, persons []uuid.UUID, at time.Time) ([]uuid.UUID, error) {
	rows, err := tx.Query(ctx, sqlResolve, pgx.StrictNamedArgs{"persons": persons, "at": at})
	if err != nil {
		return nil, fmt.Errorf("settle reviews: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
}
