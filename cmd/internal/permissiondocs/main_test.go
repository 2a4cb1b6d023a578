package main

import "testing"

func TestWritten(t *testing.T) {
	t.Parallel()
	if err := run("../../../docs/permissions.md", true); err != nil {
		t.Error(err)
	}
}
