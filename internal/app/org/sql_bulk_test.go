package org_test

import (
	"testing"

	"digione/internal/tenancy/dbtest"
)

func TestBulkSQL(t *testing.T) { dbtest.CheckSQL(t, ".") }
