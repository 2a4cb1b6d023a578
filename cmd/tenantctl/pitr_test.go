package main

import (
	"archive/zip"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"digione/internal/tenancy/embedded"
	"digione/internal/tenancy/transfer"
)

// apart is an installation of the test's own, and the folder that its server's
// user can enter; the data folder is below.
func apart(t *testing.T, settings ...string) (s *shell, dir string) {
	t.Helper()
	dir, err := folder()
	if err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(dir, "data")
	for i, setting := range settings {
		settings[i] = strings.ReplaceAll(setting, "DIR", dir)
	}
	server, err := embedded.Start(context.Background(), data, embedded.Options{Settings: append(settings, "shared_buffers=32MB")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cluster, err := clusterOf(server.DSN())
		if err := errors.Join(err, server.Stop(), removeData(dir, cluster)); err != nil {
			t.Error(err)
		}
	})
	return &shell{T: t, data: data, dsn: server.DSN()}, dir
}

// backup makes a base backup without WAL: that comes from the archive.
func (s *shell) backup(to string) {
	s.Helper()
	bin, err := embedded.Binaries()
	if err != nil {
		s.Fatal(err)
	}
	if said, err := exec.Command(filepath.Join(bin, "pg_basebackup"), "-d", s.dsn, "-D", to, "-X", "none", "--checkpoint=fast").CombinedOutput(); err != nil {
		s.Fatalf("%v: %s", err, said)
	}
}

// archive waits until all WAL so far is in the archive.
func (s *shell) archive(dir string) {
	s.Helper()
	last := s.asked("select pg_walfile_name(pg_switch_wal())")
	eventually(s, "the WAL is archived", time.Minute, func() bool {
		_, err := os.Stat(filepath.Join(dir, last))
		return err == nil && s.asked("select coalesce(last_archived_wal, '') from pg_stat_archiver") >= last
	})
}

// script runs scripts/restore-point-in-time; hurry may signal it.
func (s *shell) script(dir, at, slug, as string, hurry func(*exec.Cmd, *bytes.Buffer), flags ...string) answer {
	s.Helper()
	program := s.command(nil, nil).Path
	var out, errOut bytes.Buffer
	line := append([]string{"../../scripts/restore-point-in-time", "--base", filepath.Join(dir, "base"), "--wal", filepath.Join(dir, "wal"),
		"--at", at, "--tenant", slug, "--as", as, "--work", filepath.Join(dir, "work"), "--tenantctl", program}, flags...)
	cmd := exec.Command("sh", append(line, "--", "--data", s.data, "-o", "json")...)
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if err := cmd.Start(); err != nil {
		s.Fatal(err)
	}
	if hurry != nil {
		hurry(cmd, &errOut)
	}
	_ = cmd.Wait()
	if left, err := os.ReadDir(filepath.Join(dir, "work")); err != nil || len(left) != 0 {
		s.Errorf("the script left %v, %v", left, err)
	}
	return s.heard(answer{cmd.ProcessState.ExitCode(), out.String(), errOut.String()})
}

// canonical are the hashes of all tables and objects in an export.
func canonical(t *testing.T, file string) map[string]string {
	t.Helper()
	z, err := zip.OpenReader(file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = z.Close() }()
	f, err := z.Open("manifest.json")
	if err != nil {
		t.Fatal(err)
	}
	var m transfer.Manifest
	if err := json.NewDecoder(f).Decode(&m); err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, table := range m.Tables {
		out["table "+table.Name] = table.SHA256
	}
	for _, o := range m.Objects {
		out["object "+o.Key] = o.SHA256
	}
	return out
}

func TestPointInTime(t *testing.T) {
	t.Parallel()
	s, dir := apart(t, "archive_mode=on", "archive_command=test ! -f DIR/wal/%f && cp %p DIR/wal/%f")
	for _, name := range []string{"wal", "work"} {
		if err := errors.Join(os.Mkdir(filepath.Join(dir, name), 0o777), os.Chmod(filepath.Join(dir, name), 0o777)); err != nil {
			t.Fatal(err)
		}
	}
	slug, twin := s.filled("aika"), s.filled("muu")
	learners, err := strconv.Atoi(cmp.Or(os.Getenv("PITR_LEARNERS"), "60"))
	if err != nil {
		t.Fatal(err)
	}
	for _, town := range []string{slug, twin} {
		s.imported(town, s.generated(learners), "--approve", "--reason", "test")
	}
	s.backup(filepath.Join(dir, "base"))
	for _, town := range []string{slug, twin} {
		s.imported(town, s.generated(learners, "--mutate", "15%"), "--approve", "--reason", "test")
	}
	reference := filepath.Join(dir, "reference.zip")
	s.ok("tenant", "export", slug, "--out", reference)
	moment := s.asked(`select to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`)

	// What must not have happened to one, and the good work of the other.
	s.imported(slug, s.generated(30), "--approve", "--reason", "test")
	s.asked("delete from " + schemaOf(slug) + ".enrolment")
	s.imported(twin, s.generated(60), "--approve", "--reason", "test")
	s.archive(filepath.Join(dir, "wal"))
	was, twinWas := s.digest(slug), s.digest(twin)

	for name, c := range map[string]struct {
		at, as, words string
		code          int
	}{
		"no zone":       {"2026-11-23 09:30:00", slug + "-then", "with its zone", 2},
		"taken slug":    {moment, twin, "stands already", 1},
		"too late":      {"2099-01-01T00:00:00Z", slug + "-late", "pg_switch_wal", 1},
		"before backup": {"2001-01-01T00:00:00+02:00", slug + "-early", "use an older one", 1},
	} {
		if a := s.script(dir, c.at, slug, c.as, nil); a.code != c.code || !strings.Contains(a.err, c.words) || a.out != "" {
			t.Errorf("%s: %s", name, a)
		}
	}
	if a := s.script(dir, moment, slug, slug+"-then", nil, "--dry-run"); a.code != 0 || !strings.Contains(a.err, "Nothing was changed") {
		t.Errorf("dry run: %s", a)
	}
	if a := s.script(dir, moment, slug, slug+"-then", func(cmd *exec.Cmd, _ *bytes.Buffer) {
		eventually(t, "the side server runs", time.Minute, func() bool {
			begun, _ := filepath.Glob(filepath.Join(dir, "work", "*", "data", "postmaster.pid"))
			return len(begun) == 1
		})
		_ = cmd.Process.Signal(syscall.SIGTERM)
	}); a.code != 2 || !strings.Contains(a.err, "interrupted") {
		t.Errorf("interrupted: %s", a)
	}

	began := time.Now()
	kept := filepath.Join(dir, "kept.zip")
	a := s.script(dir, moment, slug, slug+"-then", nil, "--keep-export", kept)
	if a.code != 0 {
		t.Fatal(a)
	}
	t.Logf("the script took %.1f s\n%s", time.Since(began).Seconds(), a.err)
	if r := object[fields](t, a.out); r["tenant"] != slug+"-then" || r["action"] != "create" {
		t.Errorf("restored: %v", r)
	}
	if want, got := canonical(t, reference), canonical(t, kept); !maps.Equal(want, got) {
		t.Errorf("exported at the moment %v, from the side server %v", want, got)
	}
	s.ok("tenant", "restore", slug+"-reference", "--from", reference)
	s.ok("tenant", "diff", slug+"-reference", slug+"-then")
	if a := s.run("tenant", "diff", slug, slug+"-then"); a.code != 1 {
		t.Errorf("what was destroyed is not seen: %s", a)
	}
	if s.digest(slug) != was || s.digest(twin) != twinWas {
		t.Error("a tenant that stands was touched")
	}
	s.ok("verify", "isolation")

	// The copy takes the place of the one that is wrong.
	s.ok("tenant", "suspend", slug)
	manifest := write(t, filepath.Join(dir, "places.yaml"), fmt.Appendf(nil, `
slug: %[1]s
name_fi: Wrong
municipality_code: "999"
hosts: [%[1]s-wrong.localhost]
---
slug: %[1]s-then
name_fi: Right
municipality_code: %[2]q
hosts: [%[1]s.localhost]
`, slug, strings.TrimPrefix(slug, "aika-")))
	s.ok("apply", "-f", manifest, "--yes")
	right := object[fields](t, s.ok("tenant", "show", slug+"-then", "-o", "json"))
	if hosts := right["hosts"].([]any); len(hosts) != 1 || hosts[0] != slug+".localhost" || slug != "aika-"+right["municipality_code"].(string) {
		t.Errorf("in its place: %v", right)
	}
}
