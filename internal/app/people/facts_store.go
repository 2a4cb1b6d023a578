package people

import (
	"context"
	"fmt"

	"digione/internal/tenancy"
)

const sqlShared = `
select count(*)::int
  from (select 1
          from person_identifier i
          join person p on p.oppijanumero = i.value and p.id <> i.person
         where i.kind = 'oppijanumero'
           and upper_inf(i.validity)
         group by i.value) shared`

// SharedNumbers counts national learner numbers that more than one person bears.
func SharedNumbers(ctx context.Context, tx tenancy.Read) (n int, err error) {
	if err := tx.QueryRow(ctx, sqlShared).Scan(&n); err != nil {
		return 0, fmt.Errorf("count shared learner numbers: %w", err)
	}
	return n, nil
}
