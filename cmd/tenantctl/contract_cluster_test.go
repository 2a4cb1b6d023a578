package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"digione/internal/tenancy/dbtest"
)

// TestClusters: a second server comes in, a tenant is made on it, comes home and
// goes back; no secret is printed.
func TestClusters(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	east, _ := dbtest.Elsewhere(t)
	file := filepath.Join(dir, "east.url")
	if err := os.WriteFile(file, []byte(east+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	home := filepath.Join(dir, "digione.yaml")
	if err := os.WriteFile(home, []byte("database-url: "+dbtest.Empty(t)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := &shell{T: t, data: dir}
	at := func(args ...string) []string { return append([]string{"--config", home}, args...) }

	s.refused(2, "give --url-env or --url-file", at("cluster", "add", "east")...)
	s.refused(1, "DIGIONE_NOT_SET is not set", at("cluster", "add", "east", "--url-env", "DIGIONE_NOT_SET")...)
	s.refused(1, "there is none", at("cluster", "check", "east")...)
	dry := object[fields](t, s.ok(at("cluster", "add", "east", "--url-file", file, "--dry-run", "-o", "json")...))
	named(t, "add", dry, "name reference dry_run")
	if n := len(object[[]fields](t, s.ok(at("cluster", "list", "-o", "json")...))); n != 1 {
		t.Errorf("a dry run added: %d clusters", n)
	}
	for range 2 {
		s.ok(at("cluster", "add", "east", "--url-file", file)...)
	}
	list := object[[]fields](t, s.ok(at("cluster", "list", "-o", "json")...))
	if len(list) != 2 || list[1]["reference"] != "file:"+file {
		t.Fatalf("clusters: %v", list)
	}
	named(t, "a cluster", list[1], "name reference cells tenants created_at")

	manifest := filepath.Join(dir, "inkoo.yaml")
	if err := os.WriteFile(manifest, []byte("{slug: inkoo, name_fi: Inkoo, municipality_code: \"149\", cluster: east}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.ok(at("apply", "-f", manifest)...)
	s.ok(at("tenant", "create", "oulu", "--name-fi", "Oulu", "--municipality-code", "564")...)
	preview := object[fields](t, s.ok(at("tenant", "move", "inkoo", "--cell", "koti", "--cluster", "main", "--dry-run", "-o", "json")...))
	if preview["to_cluster"] != "main" || len(preview["steps"].([]any)) != 6 {
		t.Errorf("preview: %v", preview)
	}
	s.refused(1, "there is nothing to take back", at("tenant", "move", "inkoo", "--back")...)
	went := object[fields](t, s.ok(at("tenant", "move", "inkoo", "--cell", "koti", "--cluster", "main", "-o", "json")...))
	if went["from_cluster"] != "east" || went["read_only_seconds"].(float64) <= 0 {
		t.Errorf("moved: %v", went)
	}
	if a := s.run(at("apply", "-f", manifest)...); a.code != 1 || !strings.Contains(a.err, "a manifest does not move it") {
		t.Errorf("apply to another cluster: %s", a)
	}
	s.ok(at("tenant", "move", "inkoo", "--cell", "ita", "--cluster", "east")...)
	s.ok(at("apply", "-f", manifest)...)
	s.ok(at("cluster", "check", "east")...)
	s.ok(at("doctor")...)
	s.ok(at("verify", "isolation")...)

	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{"doctor", "cluster check east"} {
		if a := s.run(at(strings.Fields(command)...)...); a.code != 1 || !strings.Contains(a.out, "east.url") {
			t.Errorf("%s without the address: %s", command, a)
		}
	}
	s.ok(at("doctor", "oulu")...)
	for _, secret := range []string{east, "postgres://digione:"} {
		if strings.Contains(s.said.String(), secret) {
			t.Error("a database url was printed")
		}
	}
}
