package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestAuditChain seals, exports and verifies what a municipality's people did.
func TestAuditChain(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	slug := s.town("sinetti")
	schema := schemaOf(slug)
	s.asked("insert into " + schema + ".audit_event (id, at, actor_kind, action) select gen_random_uuid(), now(), 'system', 'test' from generate_series(1, 7)")
	if a := s.run("audit", "head", slug, "-o", "json"); a.code != 1 || !strings.Contains(a.err, "7: audit events stand under no head") {
		t.Errorf("stray events: %s", a)
	}
	s.asked("insert into " + schema + ".audit_pending (event, at) select id, at from " + schema + ".audit_event")
	file := filepath.Join(t.TempDir(), "audit.jsonl")
	s.refused(2, "--out is missing", "audit", "export", slug)
	s.ok("audit", "export", slug, "--out", file)
	head := object[fields](t, s.ok("audit", "head", slug, "-o", "json"))
	named(t, "audit head", head, "tenant seq hash public_key sealed stray")
	v := object[fields](t, s.ok("audit", "verify", file, "-o", "json"))
	named(t, "audit verify", v, "file valid tenant heads events pending seq hash keys error")
	if v["valid"] != true || v["events"] != 7.0 || v["hash"] != head["hash"] || v["keys"].([]any)[0] != head["public_key"] {
		t.Errorf("%v after %v", v, head)
	}
	noted := head["hash"].(string)
	s.ok("audit", "verify", file, "--head", "1:"+noted, "--key", head["public_key"].(string))
	s.refused(1, "it is not the head that was noted down", "audit", "verify", file, "--head", "1:"+strings.Repeat("0", 64))
	s.refused(1, "a key that is not trusted", "audit", "verify", file, "--key", strings.Repeat("0", 64))
	s.refused(1, "head 2 was noted down and is not in the file", "audit", "verify", file, "--head", "2:"+noted)
	s.refused(2, "is no head", "audit", "verify", file, "--head", "x")
	s.refused(2, "is no public key", "audit", "verify", file, "--key", "x")
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(strings.Replace(string(b), `"action":"test"`, `"action":"tset"`, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	s.refused(1, "not those that were sealed", "audit", "verify", file)
	if list := object[[]fields](t, s.ok("audit", "seal", slug, "-o", "json")); len(list) != 1 || list[0]["events"] != 0.0 {
		t.Errorf("nothing waits: %v", list)
	}
}
