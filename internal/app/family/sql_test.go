package family_test

import (
	"testing"

	"digione/internal/tenancy/dbtest"
)

func TestSQL(t *testing.T) { dbtest.CheckSQL(t, ".") }
