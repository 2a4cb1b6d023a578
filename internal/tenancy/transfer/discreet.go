package transfer

import (
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"
)

// discreet leaves of a server's error what holds no value of a row: its context
// and detail name rows.
func discreet(err error) error {
	pe := (*pgconn.PgError)(nil)
	if !errors.As(err, &pe) {
		return err
	}
	where := pe.ConstraintName
	if where == "" {
		where = pe.ColumnName
	}
	return fmt.Errorf("the server refused a row: SQLSTATE %s %s", pe.Code, where)
}
