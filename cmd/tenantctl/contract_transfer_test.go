package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
)

// asked asks the database for one text.
func (s *shell) asked(sql string, args ...any) (out string) {
	s.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, s.dsn)
	if err != nil {
		s.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	if strings.HasPrefix(sql, "select") {
		err = conn.QueryRow(ctx, sql, args...).Scan(&out)
	} else {
		_, err = conn.Exec(ctx, sql, args...)
	}
	if err != nil {
		s.Fatalf("%s: %v", sql, err)
	}
	return out
}

// digest is a hash over every row of a tenant as it lies in the database.
func (s *shell) digest(slug string) string {
	s.Helper()
	schema := schemaOf(slug)
	var b strings.Builder
	for table := range strings.FieldsSeq(s.asked("select string_agg(relname, ' ' order by relname) from pg_class where relkind = 'r' and relnamespace = $1::regnamespace", schema)) {
		b.WriteString(s.asked("select $1 || coalesce(md5(string_agg(x::text, ',' order by x::text)), '') from "+schema+"."+table+" x", table))
	}
	b.WriteString(s.asked("select t::text from control.tenant t where slug = $1", slug))
	return b.String()
}

func schemaOf(slug string) string { return "t_" + strings.ReplaceAll(slug, "-", "_") }

// filled makes a tenant with two imports: images, kept packages, secrets.
func (s *shell) filled(name string) string {
	s.Helper()
	slug := s.town(name)
	s.imported(slug, s.generated(60), "--initial")
	s.imported(slug, s.generated(60, "--mutate", "8%"), "--approve", "--reason", "test")
	secret := write(s, filepath.Join(s.TempDir(), "secret"), []byte("a sign-in secret"))
	s.ok("tenant", "provider", slug, "--name", "P", "--issuer", "https://login.example/"+slug, "--client-id", "c", "--secret-file", secret,
		"--link-claim", "sub", "--link-to", "username")
	return slug
}

// exportTo exports a tenant and returns the file.
func (s *shell) exportTo(slug string) string {
	s.Helper()
	file := filepath.Join(s.TempDir(), slug+".zip")
	o := object[fields](s, s.ok("tenant", "export", slug, "--out", file, "-o", "json"))
	named(s, "tenant export", o, "tenant file sha256 rows objects schema_version dry_run")
	if o["rows"].(float64) < 500 || o["objects"] != 2.0 {
		s.Errorf("export: %v", o)
	}
	if fi, err := os.Stat(file); err != nil || fi.Mode().Perm() != 0o600 {
		s.Errorf("export file: %v, %v", fi, err)
	}
	return file
}

func TestExportRestoreDiff(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	slug, twin := s.filled("out"), s.filled("twin")
	was, twinWas := s.digest(slug), s.digest(twin)
	file := s.exportTo(slug)
	copied := slug + "-copy"

	dry := object[fields](t, s.ok("tenant", "restore", copied, "--from", file, "--dry-run", "-o", "json"))
	const restoredFields = "tenant id action source source_slug sha256 rows objects schema_version left_out steps seconds dry_run"
	named(t, "restore --dry-run", dry, restoredFields)
	if dry["action"] != "create" || strings.Contains(s.ok("tenant", "list"), copied) {
		t.Errorf("dry run: %v", dry)
	}
	r := object[fields](t, s.ok("tenant", "restore", copied, "--from", file, "-o", "json"))
	named(t, "restore", r, restoredFields)
	if r["action"] != "create" || len(r["left_out"].([]any)) != 1 {
		t.Errorf("restore: %v", r)
	}
	if r := object[fields](t, s.ok("tenant", "restore", copied, "--from", file, "-o", "json")); r["action"] != "none" {
		t.Errorf("restore again: %v", r)
	}
	d := object[fields](t, s.ok("tenant", "diff", slug, copied, "-o", "json"))
	named(t, "diff", d, "a b equal differences")
	if d["equal"] != true {
		t.Errorf("diff: %v", d)
	}
	if cipher := "select string_agg(hetu_cipher::text, '' order by id) from %s.person"; s.asked(fmt.Sprintf(cipher, schemaOf(slug))) == s.asked(fmt.Sprintf(cipher, schemaOf(copied))) {
		t.Error("the copy's hetus are sealed by the keys of the source")
	}
	// The copy is a whole tenant: the same night's roster changes nothing in it.
	if p := s.imported(copied, s.generated(60, "--mutate", "8%")); p.changed() != 0 {
		t.Errorf("the roster of the copy is not the one that was exported: %+v", p)
	}
	s.ok("tenant", "diff", slug, slug)
	if s.digest(slug) != was || s.digest(twin) != twinWas {
		t.Error("another tenant was touched")
	}

	s.asked("update " + schemaOf(copied) + ".person set email = 'changed@example.test' where id = (select min(id::text)::uuid from " + schemaOf(copied) + ".person)")
	a := s.run("tenant", "diff", slug, copied, "-o", "json")
	if a.code != 1 || !strings.Contains(a.out, `{"kind":"table","name":"person"`) {
		t.Errorf("diff after a change: %s", a)
	}
	s.refused(1, "stands already and is not of this file; restore into another slug", "tenant", "restore", twin, "--from", file)
	cut := write(t, filepath.Join(t.TempDir(), "cut.zip"), must(os.ReadFile(file))[:20000])
	s.refused(5, "make a new one: tenantctl tenant export", "tenant", "restore", "cut-"+slug, "--from", cut)
	s.ok("verify", "isolation")
	s.ok("doctor", copied)
	s.discreet(unzipped(t, s.generated(60)))
}

func must(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}

func TestDrill(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	slug := s.filled("drill")
	was := s.digest(slug)
	d := object[fields](t, s.ok("tenant", "drill", slug, "-o", "json"))
	named(t, "drill", d, "tenant at ok seconds rows objects detail")
	if d["ok"] != true || s.digest(slug) != was {
		t.Errorf("drill: %v", d)
	}
	id := d["tenant"].(string)
	if got := s.asked("select count(*)::text || (select count(*) from control.restore where source = $1) from control.drill where tenant = $1 and ok", id); got != "10" {
		t.Errorf("recorded and left: %s", got)
	}
	// An object that is not what it was fails the drill.
	s.asked("update " + schemaOf(slug) + ".object set sha256 = decode(repeat('00', 32), 'hex') where key = (select min(key) from " + schemaOf(slug) + ".object)")
	if a := s.run("tenant", "drill", slug, "-o", "json"); a.code != 1 || !strings.Contains(a.err, "drill again") {
		t.Errorf("drill of a broken tenant: %s", a)
	}
	if got := s.asked("select count(*)::text from control.tenant t join control.restore r on r.tenant = t.id where r.source = $1", id); got != "0" {
		t.Errorf("%s side tenants are left", got)
	}
}

func TestMove(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	slug := s.filled("move")
	was := object[fields](t, s.ok("tenant", "show", slug, "-o", "json"))["cell"]
	dry := object[fields](t, s.ok("tenant", "move", slug, "--cell", "own-"+slug, "--dry-run", "-o", "json"))
	named(t, "move", dry, "tenant from to from_cluster to_cluster steps rows read_only_seconds closed_seconds dry_run")
	if now := object[fields](t, s.ok("tenant", "show", slug, "-o", "json"))["cell"]; now != was {
		t.Errorf("a dry run moved to %v", now)
	}
	for range 2 {
		s.ok("tenant", "move", slug, "--cell", "own-"+slug)
	}
	if now := object[fields](t, s.ok("tenant", "show", slug, "-o", "json"))["cell"]; now != "own-"+slug {
		t.Errorf("moved to %v", now)
	}
	members := s.asked("select string_agg(m.member::regrole::text, ' ') from pg_auth_members m join control.tenant t on t.role_name = m.roleid::regrole::text join pg_roles l on l.oid = m.member and not l.rolsuper where t.slug = $1", slug)
	if !strings.Contains(members, "own-"+slug) || strings.Contains(members, " ") {
		t.Errorf("the role is granted to %s", members)
	}
	s.ok("verify", "isolation")
	s.ok("doctor", slug)
	s.ok("roster", "history", slug)
}

func TestLeaveSealErase(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	slug, twin := s.filled("leave"), s.town("stays")
	twinWas := s.digest(twin)
	o := object[fields](t, s.ok("tenant", "show", slug, "-o", "json"))
	id := o["id"].(string)
	state := func() any { return object[fields](t, s.ok("tenant", "show", slug, "-o", "json"))["state"] }

	s.refused(2, "--reason is missing", "tenant", "leave", slug)
	s.refused(1, "run first: tenantctl tenant leave", "tenant", "seal", slug, "--confirm", id, "--export", s.exportTo(slug))
	s.refused(1, "begins with: tenantctl tenant seal", "tenant", "erase", slug, "--confirm", id, "--reason", "r")
	for range 2 {
		named(t, "leave", object[fields](t, s.ok("tenant", "leave", slug, "--reason", "agreement ended", "-o", "json")), tenantFields)
	}
	if state() != "leaving" {
		t.Errorf("state: %v", state())
	}
	s.ok("roster", "history", slug)
	s.refused(1, "tenant is leaving: it can be read, not changed; to keep it: tenantctl tenant resume", "roster", "import", slug, s.generated(60, "--mutate", "2%"), "--approve", "--reason", "x")
	s.ok("tenant", "resume", slug)
	old := s.exportTo(slug)
	s.ok("roster", "plan", slug, s.generated(60, "--mutate", "2%"))
	s.ok("tenant", "leave", slug, "--reason", "agreement ended")
	s.refused(1, "has not verified an export", "tenant", "seal", slug, "--confirm", id, "--export", old)
	if state() != "leaving" {
		t.Errorf("state after a seal with an old export: %v", state())
	}
	last := filepath.Join(t.TempDir(), "last.zip")
	s.refused(5, "is not the hash of the last export", "tenant", "verify-export", slug, "--sha256", strings.Repeat("0", 64), "--signer", "M", "--reason", "r")
	sum := object[fields](t, s.ok("tenant", "export", slug, "--out", last, "-o", "json"))["sha256"].(string)
	s.refused(2, "--signer is missing", "tenant", "verify-export", slug, "--sha256", sum, "--reason", "letter")
	s.ok("tenant", "verify-export", slug, "--sha256", sum, "--signer", "Maija Meri", "--reason", "letter", "--dry-run")
	s.refused(1, "has not verified an export", "tenant", "seal", slug, "--confirm", id, "--export", last)
	named(t, "verify-export", object[fields](t, s.ok("tenant", "verify-export", slug, "--sha256", sum, "--signer", "Maija Meri", "--reason", "letter", "-o", "json")), "tenant sha256 signer noted_by dry_run")
	s.refused(5, "of another tenant", "tenant", "seal", slug, "--confirm", id, "--export", s.otherExport(twin))
	s.refused(2, "--confirm is missing", "tenant", "seal", slug, "--export", last)
	s.refused(5, "--confirm is not the id of", "tenant", "seal", slug, "--confirm", "tnt_x", "--export", last)
	dry := s.run("tenant", "seal", slug, "--export", last, "--dry-run", "-o", "json")
	named(t, "seal", object[fields](t, dry.out), "tenant slug state rows objects bytes export_sha256 verified_by verified_on verified_at requested_by sealed_by dry_run")
	if dry.code != 0 || !strings.Contains(dry.err, "nothing was changed") || state() != "leaving" {
		t.Errorf("dry run: %s", dry)
	}
	if a := s.run("tenant", "seal", slug, "--confirm", id, "--export", last, "--actor", "maija"); a.code != 8 || !strings.Contains(a.err, "Somebody else confirms: tenantctl tenant seal "+slug) || state() != "leaving" {
		t.Fatalf("seal by one: %s", a)
	}
	s.refused(4, "another person runs the command with --actor", "tenant", "seal", slug, "--confirm", id, "--export", last, "--actor", "Maija")
	for range 2 {
		g := object[fields](t, s.ok("tenant", "seal", slug, "--confirm", id, "--export", last, "--actor", "kalle", "-o", "json"))
		if g["state"] != "sealed" || g["sealed_by"] != "kalle" || g["verified_by"] != "Maija Meri" {
			t.Errorf("sealed: %v", g)
		}
	}
	s.refused(1, "is sealed; nobody enters it any more", "roster", "history", slug)
	s.ok("doctor", slug)
	s.ok("migrate", "up", "--tenant", slug)

	s.refused(2, "--confirm is missing", "tenant", "erase", slug)
	s.refused(5, "--confirm is not the id of", "tenant", "erase", slug, "--confirm", "tnt_x", "--reason", "r")
	a := s.run("tenant", "erase", slug, "--confirm", id, "--reason", "agreement ended", "--actor", "maija", "-o", "json")
	if a.code != 8 || !strings.Contains(a.err, "Somebody else confirms: tenantctl tenant erase "+slug) {
		t.Fatalf("request: %s", a)
	}
	e := object[fields](t, a.out)
	if e["state"] != "requested" || e["going"].(fields)["objects"].(float64) < 2 {
		t.Errorf("request: %v", e)
	}
	s.refused(4, "another person runs the command with --actor", "tenant", "erase", slug, "--confirm", id, "--actor", "Maija")
	if s.asked("select count(*)::text from "+schemaOf(slug)+".person") == "0" {
		t.Error("erased by one person")
	}
	for range 2 {
		e = object[fields](t, s.ok("tenant", "erase", slug, "--confirm", id, "--actor", "kalle", "-o", "json"))
		if e["state"] != "erased" || e["receipt"] == nil {
			t.Errorf("erase: %v", e)
		}
	}
	r := object[fields](t, s.ok("tenant", "receipt", slug, "-o", "json"))
	named(t, "receipt", r, "tenant slug name municipality_code business_id reason requested_by requested_at confirmed_by confirmed_at erased_at export_sha256 verified_by verified_at sealed_by sealed_at erased remains")
	if r["requested_by"] != "maija" || r["confirmed_by"] != "kalle" || len(r["export_sha256"].(string)) != 64 {
		t.Errorf("receipt: %v", r)
	}
	s.gone(slug, id)
	if s.digest(twin) != twinWas {
		t.Error("another tenant was touched")
	}
	s.ok("doctor", slug)
	s.ok("verify", "isolation")
	s.refused(1, "", "tenant", "resume", slug)
	s.refused(1, "was erased; choose another slug", "tenant", "create", slug, "--name-fi", "X", "--municipality-code", code())
	// What was erased comes back from its export, and from nothing else.
	s.ok("tenant", "restore", "back-"+slug, "--from", last)
}

func sumOf(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", sha256.Sum256(b))
}

func (s *shell) otherExport(slug string) string {
	s.Helper()
	file := filepath.Join(s.TempDir(), slug+"-other.zip")
	s.ok("tenant", "export", slug, "--out", file)
	return file
}

// gone checks that nothing of a tenant is left but its row.
func (s *shell) gone(slug, id string) {
	s.Helper()
	got := s.asked(`select (exists (select from pg_namespace where nspname = t.schema_name) or exists (select from pg_roles where rolname = t.role_name)
	  or t.keyset is not null or exists (select from control.tenant_host where tenant = t.id))::text || t.state from control.tenant t where slug = $1`, slug)
	if got != "falseerased" {
		s.Errorf("left of %s: %s", slug, got)
	}
	if _, err := os.Stat(filepath.Join(s.data, "objects", id)); !os.IsNotExist(err) {
		s.Errorf("objects of %s: %v", slug, err)
	}
}

// TestKilledTransfer: whenever a restore or an erasure is killed, the same command
// ends it, and the tenant is reached by nobody before that.
func TestKilledTransfer(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("kills many commands")
	}
	s := newShell(t)
	slug := s.filled("slain")
	file := s.exportTo(slug)
	s.ran("version") // which builds the program
	whole := s.ran("tenant", "restore", slug+"-w", "--from", file)
	killed := 0
	for i := 0; killed < 4 && i < 15; i++ {
		after := moments(1, whole)[0]
		to := fmt.Sprintf("%s-%d", slug, i)
		line := []string{"tenant", "restore", to, "--from", file}
		if _, early := s.interrupted(syscall.SIGKILL, after, line...); early {
			if strings.Contains(s.asked("select coalesce((select max(state) from control.tenant where slug = $1), '')", to), "provisioning") {
				killed++ // in its midst
			}
		}
		s.ran(line...)
		s.ok("tenant", "diff", slug, to)
		s.ok("doctor", to)
	}
	if killed < 2 {
		t.Errorf("only %d restores were killed in time", killed)
	}

	victim := slug + "-0"
	id := object[fields](t, s.ok("tenant", "show", victim, "-o", "json"))["id"].(string)
	s.ok("tenant", "leave", victim, "--reason", "test")
	last := s.otherExport(victim)
	s.ok("tenant", "verify-export", victim, "--sha256", sumOf(t, last), "--signer", "M", "--reason", "letter")
	s.run("tenant", "seal", victim, "--confirm", id, "--export", last, "--actor", "maija")
	s.ok("tenant", "seal", victim, "--confirm", id, "--export", last, "--actor", "kalle")
	if a := s.run("tenant", "erase", victim, "--confirm", id, "--reason", "test", "--actor", "maija"); a.code != 8 {
		t.Fatalf("request: %s", a)
	}
	line := []string{"tenant", "erase", victim, "--confirm", id, "--actor", "kalle"}
	for _, after := range moments(4, whole) {
		s.interrupted(syscall.SIGKILL, after, line...)
	}
	s.ran(line...)
	s.gone(victim, id)
	s.ok("verify", "isolation")
}
