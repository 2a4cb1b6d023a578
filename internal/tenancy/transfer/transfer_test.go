package transfer_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/jackc/pgx/v5"

	"digione/internal/tenancy"
	"digione/internal/tenancy/dbtest"
	"digione/internal/tenancy/keys"
	"digione/internal/tenancy/transfer"
	"digione/schemas"
)

var ctx = context.Background()

// shelf keeps objects in memory.
type shelf struct {
	mu   sync.Mutex
	have map[string][]byte
}

func (s *shelf) files() transfer.Files {
	return transfer.Files{
		Get: func(_ context.Context, t tenancy.Tenant, _ *keys.Keyset, key string, sum [32]byte) (io.ReadCloser, error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			b, ok := s.have[string(t.ID)+"/"+key]
			if !ok || sha256.Sum256(b) != sum {
				return nil, errors.New("not what was stored")
			}
			return io.NopCloser(bytes.NewReader(b)), nil
		},
		Put: func(_ context.Context, t tenancy.Tenant, _ *keys.Keyset, key string, r io.Reader) ([32]byte, error) {
			b, err := io.ReadAll(r)
			s.mu.Lock()
			defer s.mu.Unlock()
			s.have[string(t.ID)+"/"+key] = b
			return sha256.Sum256(b), err
		},
		Erase: func(_ context.Context, id tenancy.ID) (n int, err error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			for k := range s.have {
				if strings.HasPrefix(k, string(id)+"/") {
					delete(s.have, k)
					n++
				}
			}
			return n, nil
		},
	}
}

func service(o *tenancy.Operator) *transfer.Service {
	return &transfer.Service{Operator: o, Files: (&shelf{have: map[string][]byte{}}).files(), Now: time.Now}
}

// operator opens an operator whose program knows more migrations.
func operator(t *testing.T, dsn string, more ...string) *tenancy.Operator {
	t.Helper()
	dir := fstest.MapFS{}
	files, err := fs.Glob(schemas.FS, "tenant/0*.sql")
	ok(t, err)
	for _, f := range files {
		b, err := fs.ReadFile(schemas.FS, f)
		ok(t, err)
		dir[strings.TrimPrefix(f, "tenant/")] = &fstest.MapFile{Data: b}
	}
	for i, sql := range more {
		dir[fmt.Sprintf("%d_next.sql", 90001+i)] = &fstest.MapFile{Data: []byte("-- +goose Up\n" + sql)}
	}
	cfg := dbtest.OperatorConfig(dsn)
	cfg.Migrations = dir
	o, err := tenancy.OpenOperator(ctx, cfg)
	ok(t, err)
	t.Cleanup(o.Close)
	return o
}

const (
	pets = `create table pet (
  id      bigint  generated always as identity constraint pet_pk primary key,
  parent  bigint  constraint pet_parent_fk references pet (id),
  name    text,
  upper   text    generated always as (upper(name)) stored,
  extra   jsonb   not null default '{}',
  born    timestamptz
);
insert into pet (parent, name, born) values (2, null, null), (null, '', '2026-01-02 03:04:05.678+02'), (1, E'a,"b"\nc\r\\', 'infinity'), (null, '\.', '-infinity'), (3, ' ä ', null);`
	nicknames = "alter table pet add column nickname text not null default 'none';"
)

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func town(slug string) tenancy.Spec {
	return tenancy.Spec{Slug: slug, NameFi: "Koulut", Kind: "private"}
}

// fill puts rows with sealed values into a tenant.
func fill(t *testing.T, s *transfer.Service, tn tenancy.Tenant) {
	t.Helper()
	k, err := s.Operator.OpenKeyset(tn)
	ok(t, err)
	seal := func(plain, as string) []byte {
		b, err := k.Seal([]byte(plain), as)
		ok(t, err)
		return b
	}
	hash, err := k.Hash([]byte("010101-123N"))
	ok(t, err)
	content := []byte("a roster")
	sum, err := s.Files.Put(ctx, tn, k, "rosters/1.zip", bytes.NewReader(content))
	ok(t, err)
	ok(t, s.Operator.InSchema(ctx, tn, pgx.TxOptions{}, func(tx pgx.Tx) error {
		for _, q := range []struct {
			sql  string
			args []any
		}{
			{"insert into person (id, given_names, family_name, hetu_cipher, hetu_hash) values ('00000000-0000-0000-0000-000000000001', 'A', 'B', $1, $2)", []any{seal("010101-123N", "hetu"), hash}},
			{"insert into person (id, given_names, family_name) values ('00000000-0000-0000-0000-000000000002', 'C', '')", nil},
			{"insert into roster_record (id, type, fields, source, sourced_id, date_last_modified, row_hash) values (gen_random_uuid(), 'userProfiles', jsonb_build_object('a', 1.10, 'password', 'sealed:' || encode($1, 'base64')), 's', 'x', now(), '\\x00')",
				[]any{seal(strings.Repeat("long <password> ", 9), "roster.password")}},
			{"insert into roster_import (id, seq, state, kind, source_name, source_hash, object_key, version, options, base_seq, state_hash, change_hash, counts, holds, conflicts, findings, planned_by, planned_at) values ('pln_1', 1, 'applied', 'package', 'n', '\\x00', 'rosters/1.zip', '1.2', '{}', 0, '\\x00', '\\x00', '{}', '[]', '[]', '[]', 'x', now())", nil},
			{"insert into roster_change (import_seq, type, sourced_id, kind, before) values (1, 'users', 'u', 'update', jsonb_build_object('status', 'active', 'hetu', encode($1, 'base64'), 'fields', jsonb_build_object('password', 'sealed:' || encode($2, 'base64')))), (1, 'users', 'v', 'update', '{\"hetu\": null, \"fields\": {}}')",
				[]any{seal("010101-123N", "hetu"), seal("pw", "roster.password")}},
			{"insert into audit_event (id, at, actor_kind, action) values (gen_random_uuid(), now(), 'system', 'test')", nil},
			{"insert into object (key, sha256, size, encrypted) values ('rosters/1.zip', $1, $2, true)", []any{sum[:], len(content)}},
			{"insert into identity_provider (id, name, issuer, client_id, secret_cipher, link_claim, link_to) values ('00000000-0000-0000-0000-000000000003', 'n', 'i', 'c', $1, 'sub', 'username')", []any{seal("s", "identity_provider.secret")}},
			{"insert into sign_in (state_hash, provider, nonce, verifier, return_to, expires_at) values ('\\x01', '00000000-0000-0000-0000-000000000003', 'n', 'v', '/', now())", nil},
		} {
			if _, err := tx.Exec(ctx, q.sql, q.args...); err != nil {
				return fmt.Errorf("%s: %w", q.sql, err)
			}
		}
		return nil
	}))
}

// exported makes a filled tenant by a program with some migrations and exports it.
func exported(t *testing.T, o *tenancy.Operator, slug string) (*transfer.Service, tenancy.Tenant, *transfer.File) {
	t.Helper()
	s := service(o)
	tn, err := o.Provision(ctx, town(slug), nil)
	ok(t, err)
	_, err = o.Migrate(ctx, tenancy.MigrateOptions{Tenant: slug})
	ok(t, err)
	fill(t, s, tn)
	name := filepath.Join(t.TempDir(), "x.zip")
	_, _, err = s.ExportFile(ctx, tn, name)
	ok(t, err)
	f, err := transfer.OpenFile(ctx, name)
	ok(t, err)
	t.Cleanup(func() { _ = f.Close() })
	return s, tn, f
}

func restore(t *testing.T, s *transfer.Service, f *transfer.File, slug string) tenancy.Tenant {
	t.Helper()
	spec, _, err := s.Spec(ctx, f.Manifest, slug)
	ok(t, err)
	tn, err := s.Restore(ctx, spec, f, nil)
	ok(t, err)
	return tn
}

func equal(t *testing.T, s *transfer.Service, a, b tenancy.Tenant) {
	t.Helper()
	list, err := s.Diff(ctx, a, b)
	if err != nil || len(list) > 0 {
		t.Errorf("%s and %s: %+v, %v", a.Slug, b.Slug, list, err)
	}
}

func rows(t *testing.T, o *tenancy.Operator, tn tenancy.Tenant, sql string, args ...any) (out string) {
	t.Helper()
	ok(t, o.InSchema(ctx, tn, pgx.TxOptions{}, func(tx pgx.Tx) error { return tx.QueryRow(ctx, sql, args...).Scan(&out) }))
	return out
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	e := dbtest.New(t)
	s, tn, f := exported(t, e.Operator, "source")
	copied := restore(t, s, f, "copied")
	equal(t, s, tn, copied)
	if copied.State != tenancy.Active || copied.ID == tn.ID {
		t.Errorf("restored: %+v", copied)
	}
	if got := rows(t, e.Operator, copied, "select (select count(*) from sign_in)::text || (select count(*) from audit_event)"); got != "01" {
		t.Errorf("sign-ins and events: %s", got)
	}
	k, err := e.Operator.OpenKeyset(copied)
	ok(t, err)
	var cipher, hash []byte
	ok(t, e.Operator.InSchema(ctx, copied, pgx.TxOptions{}, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, "select hetu_cipher, hetu_hash from person where hetu_cipher is not null").Scan(&cipher, &hash)
	}))
	plain, err := k.Open(cipher, "hetu")
	want, herr := k.Hash([]byte("010101-123N"))
	if string(plain) != "010101-123N" || err != nil || herr != nil || !bytes.Equal(hash, want) {
		t.Errorf("hetu: %v, found again: %v", err, bytes.Equal(hash, want))
	}
	old, err := e.Operator.OpenKeyset(tn)
	ok(t, err)
	if _, err := old.Open(cipher, "hetu"); err == nil {
		t.Error("the keys of the source open the copy")
	}
	for table, change := range map[string]string{"person": "update person set email = 'x'", "roster_change": "update roster_change set kind = 'remove' where sourced_id = 'v'",
		"person_identifier": "insert into person_identifier (id, person, kind, value_hash, source, validity) select gen_random_uuid(), id, 'hetu', '\\x00', 's', '(,)' from person limit 1"} {
		ok(t, e.Operator.InSchema(ctx, copied, pgx.TxOptions{}, func(tx pgx.Tx) error { _, err := tx.Exec(ctx, change); return err }))
		list, err := s.Diff(ctx, tn, copied)
		if err != nil || !slices.ContainsFunc(list, func(d transfer.Difference) bool { return d.Name == table }) {
			t.Errorf("%s: %+v, %v", change, list, err)
		}
	}
}

// TestDiffUnderOtherKeys: tenants with hash keys of their own are compared by what
// the hashes are of.
func TestDiffUnderOtherKeys(t *testing.T) {
	t.Parallel()
	e := dbtest.New(t)
	s := service(e.Operator)
	var two []tenancy.Tenant
	for _, id := range []tenancy.ID{dbtest.Alpha, dbtest.Beta} {
		tn, err := e.Operator.Find(ctx, string(id))
		ok(t, err)
		fill(t, s, tn)
		ok(t, e.Operator.InSchema(ctx, tn, pgx.TxOptions{}, func(tx pgx.Tx) error {
			for _, q := range []string{"delete from roster_record", "delete from audit_event", "delete from roster_change", "delete from roster_import", "update code set created_at = '2026-01-01'",
				"update person set created_at = '2026-01-01'", "update object set created_at = '2026-01-01'", "update identity_provider set created_at = '2026-01-01'"} {
				if _, err := tx.Exec(ctx, q); err != nil {
					return err
				}
			}
			return nil
		}))
		two = append(two, tn)
	}
	equal(t, s, two[0], two[1])
}

func TestRestoreOfAnOlderVersion(t *testing.T) {
	t.Parallel()
	e := dbtest.New(t)
	now := operator(t, e.DSN, pets)
	_, _, first := exported(t, e.Operator, "first") // of the snapshot's version
	s, tn, second := exported(t, now, "second")     // made by a migration after it
	later := operator(t, e.DSN, pets, nicknames)
	s.Operator = later

	a := restore(t, s, first, "afirst")
	if got := rows(t, later, a, "select count(*)::text || min(nickname) from pet"); a.SchemaVersion != 90002 || got != "5none" {
		t.Errorf("restored from the snapshot's version: version %d, pets %s", a.SchemaVersion, got)
	}
	ok(t, later.InSchema(ctx, tn, pgx.TxOptions{}, func(tx pgx.Tx) error { return nil }))
	s2 := service(now)
	s2.Files = s.Files
	copied := restore(t, s2, second, "same")
	equal(t, s2, tn, copied)
	if got := rows(t, now, copied, "insert into pet (name) values ('next') returning id::text || upper"); got != "6NEXT" {
		t.Errorf("the next pet is %s", got)
	}
	b := restore(t, s, second, "bsecond")
	if got := rows(t, later, b, "select string_agg(coalesce('<' || name || '>', '-') || coalesce(upper, '') || nickname, ' ' order by id) from pet"); b.SchemaVersion != 90002 || !strings.HasPrefix(got, "-none <>none <a,\"b\"\nc\r\\>") {
		t.Errorf("restored from the version before: version %d, pets %q", b.SchemaVersion, got)
	}
	if _, err := s.Diff(ctx, tn, b); err == nil || !strings.Contains(err.Error(), "bring both to one") {
		t.Errorf("diff of two versions: %v", err)
	}
	spec, _, err := s.Spec(ctx, second.Manifest, "toonew")
	ok(t, err)
	if _, err := service(e.Operator).Restore(ctx, spec, second, nil); err == nil || !strings.Contains(err.Error(), "use the version of tenantctl that wrote it") {
		t.Errorf("restore by an older program: %v", err)
	}
}

// TestStoppedRestore stops a restore after each of its steps, goes on with the
// same file, and with another one.
func TestStoppedRestore(t *testing.T) {
	t.Parallel()
	e := dbtest.New(t)
	s, tn, f := exported(t, e.Operator, "source")
	_, other, g := exported(t, e.Operator, "other")
	s.Files = (&shelf{have: map[string][]byte{}}).files()
	k, err := e.Operator.OpenKeyset(tn)
	ok(t, err)
	for _, of := range []tenancy.Tenant{tn, other} {
		_, err = s.Files.Put(ctx, of, k, "rosters/1.zip", strings.NewReader("a roster"))
		ok(t, err)
	}
	steps := tenancy.RestoreSteps()
	for i, stop := range steps {
		slug := fmt.Sprintf("stopped%c", 'a'+i)
		spec, _, err := s.Spec(ctx, f.Manifest, slug)
		ok(t, err)
		part, cancel := context.WithCancel(ctx)
		_, err = s.Restore(part, spec, f, func(step string, _ error) {
			if step == stop {
				cancel()
			}
		})
		cancel()
		half, ferr := e.Operator.Find(ctx, slug)
		ok(t, ferr)
		last := i == len(steps)-1
		if (half.State == tenancy.Active) != last || (err == nil && !last) {
			t.Errorf("stopped after %s: %s, %v", stop, half.State, err)
		}
		if !last {
			if _, err := e.Operator.Provision(ctx, town(slug), nil); err == nil || !strings.Contains(err.Error(), "tenant restore "+slug+" --from FILE") {
				t.Errorf("create of a half restored tenant: %v", err)
			}
			if d, err := e.Operator.Doctor(ctx, slug); err != nil || d[0].OK || !strings.Contains(d[0].Next, "tenant restore") {
				t.Errorf("doctor: %+v, %v", d, err)
			}
		}
		if i%2 == 0 || last {
			equal(t, s, tn, restore(t, s, f, slug))
		} else {
			equal(t, s, other, restore(t, s, g, slug))
		}
	}
}

// TestErasureStopped stops an erasure after each step; a call by anybody ends it.
func TestErasureStopped(t *testing.T) {
	t.Parallel()
	e := dbtest.New(t)
	for i, stop := range transfer.EraseSteps() {
		s, tn, _ := exported(t, e.Operator, fmt.Sprintf("gone%c", 'a'+i))
		tn, err := s.Leave(ctx, tn, "maija", "test")
		ok(t, err)
		ok(t, e.DB.Refresh(ctx))
		if err := e.DB.Write(ctx, tn.ID, func(tenancy.Write) error { return nil }); !errors.Is(err, tenancy.ErrLeaving) {
			t.Errorf("write while leaving: %v", err)
		}
		ok(t, e.DB.Write(ctx, tn.ID, func(tenancy.Write) error { return nil }, tenancy.Trace()))
		tn = sealed(t, s, tn)
		ok(t, e.DB.Refresh(ctx))
		if err := e.DB.Read(ctx, tn.ID, func(tenancy.Read) error { return nil }); !errors.Is(err, tenancy.ErrGone) {
			t.Errorf("read of a sealed tenant: %v", err)
		}
		var held *transfer.HeldError
		if _, err = s.Erase(ctx, tn, "maija", "test", nil); !errors.As(err, &held) {
			t.Fatalf("request: %v", err)
		}
		if _, err = s.Erase(ctx, tn, "maija", "test", nil); !errors.Is(err, transfer.ErrOtherPerson) {
			t.Fatalf("confirmed by the same: %v", err)
		}
		part, cancel := context.WithCancel(ctx)
		_, _ = s.Erase(part, tn, "kalle", "", func(step string, _ error) {
			if step == stop {
				cancel()
			}
		})
		cancel()
		half, err := e.Operator.Find(ctx, string(tn.ID))
		ok(t, err)
		if last := stop == "receipt"; len(half.WrappedKeyset()) > 0 || (half.State == tenancy.Erased) != last {
			t.Errorf("stopped after %s: %s, keyset of %d bytes", stop, half.State, len(half.WrappedKeyset()))
		}
		c, err := e.Operator.VerifyIsolation(ctx, "test")
		if err != nil || len(c.Violations) > 0 {
			t.Errorf("stopped after %s: %+v, %v", stop, c.Violations, err)
		}
		done, err := s.Erase(ctx, half, "anybody", "", nil)
		if err != nil || done.Receipt == nil || done.Receipt.ConfirmedBy != "kalle" || done.Receipt.Erased.Objects != 1 {
			t.Errorf("erased in the end: %+v, %v", done, err)
		}
	}
}

// handed writes the export of a tenant that leaves, and opens it.
func handed(t *testing.T, s *transfer.Service, tn tenancy.Tenant) *transfer.File {
	t.Helper()
	name := filepath.Join(t.TempDir(), "last.zip")
	_, _, err := s.ExportFile(ctx, tn, name)
	ok(t, err)
	f, err := transfer.OpenFile(ctx, name)
	ok(t, err)
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// word is a municipality's, about an export.
func word(s *transfer.Service, f *transfer.File) transfer.Verification {
	return transfer.Verification{SHA256: f.SHA256, Side: transfer.ByMunicipality, Actor: "person 1", Name: "Rehtori Rinne", At: s.Now()}
}

// sealed takes a leaving tenant through export, verification and two people.
func sealed(t *testing.T, s *transfer.Service, tn tenancy.Tenant) tenancy.Tenant {
	t.Helper()
	f := handed(t, s, tn)
	ok(t, transfer.Verify(ctx, s.Operator.Control(), tn, word(s, f)))
	var held *transfer.SealHeldError
	if _, err := s.Seal(ctx, tn, "maija", f); !errors.As(err, &held) {
		t.Fatalf("sealed by one: %v", err)
	}
	_, err := s.Seal(ctx, tn, "kalle", f)
	ok(t, err)
	tn, err = s.Operator.Find(ctx, string(tn.ID))
	ok(t, err)
	return tn
}

// TestSealing: a tenant is sealed with what its municipality has verified, and by two
// people; whatever else is tried, it goes on leaving.
func TestSealing(t *testing.T) {
	t.Parallel()
	e := dbtest.New(t)
	s, tn, early := exported(t, e.Operator, "goes")
	ctl := e.Operator.Control()
	if err := transfer.Verify(ctx, ctl, tn, word(s, early)); err == nil {
		t.Error("verified before it leaves")
	}
	tn, err := s.Leave(ctx, tn, "maija", "agreement ended")
	ok(t, err)
	if err := transfer.Verify(ctx, ctl, tn, word(s, early)); !errors.Is(err, transfer.ErrOtherExport) {
		t.Errorf("an export of before: %v", err)
	}
	f := handed(t, s, tn)
	if _, err := s.Seal(ctx, tn, "maija", f); !errors.Is(err, transfer.ErrUnverified) {
		t.Errorf("not verified: %v", err)
	}
	v := word(s, f)
	v.SHA256 = strings.ToUpper(v.SHA256[:32]) + " " + v.SHA256[32:]
	for range 2 {
		ok(t, transfer.Verify(ctx, ctl, tn, v))
	}
	if n := rowsOf(t, e, "select count(*)::text from control.export_verification"); n != "1" {
		t.Errorf("%s words of one", n)
	}
	if got, there, err := transfer.Verified(ctx, ctl, tn.ID); err != nil || !there || got.Name != v.Name || got.SHA256 != f.SHA256 || got.Contents.Rows() != f.Manifest.Rows() {
		t.Errorf("verified: %+v, %v, %v", got, there, err)
	}
	if _, err := ctl.Exec(ctx, "delete from control.export_verification"); err == nil {
		t.Error("a word can be taken back")
	}

	// What is noted of who reads may come to it, nothing else.
	inside := func(sql string) {
		t.Helper()
		ok(t, e.Operator.InSchema(ctx, tn, pgx.TxOptions{}, func(tx pgx.Tx) error { _, err := tx.Exec(ctx, sql); return err }))
	}
	inside("insert into audit_alarm (id, actor, actor_kind, day, first_at, last_at, persons, usual, allowed) values (gen_random_uuid(), gen_random_uuid(), 'person', current_date, now(), now(), 2, 1, 1)")
	last := handed(t, s, tn)
	inside("update person set given_names = given_names || 'x'")
	other := handed(t, s, tn)
	if _, err := s.Seal(ctx, tn, "maija", other); err == nil || !strings.Contains(err.Error(), "is not what its municipality verified") {
		t.Errorf("another content: %v", err)
	}
	inside("update person set given_names = left(given_names, -1)")

	var held *transfer.SealHeldError
	if g, err := s.Seal(ctx, tn, "maija", last); !errors.As(err, &held) || g.RequestedBy != "maija" || g.Rows != last.Manifest.Rows() || g.VerifiedBy != v.Name {
		t.Errorf("asked: %+v, %v", g, err)
	}
	if _, err := s.Seal(ctx, tn, " Maija", last); !errors.Is(err, transfer.ErrOtherPerson) {
		t.Errorf("by the same: %v", err)
	}
	// The second was killed once the state had changed: anybody's call goes on.
	_, err = ctl.Exec(ctx, "update control.tenant set state = 'sealed' where id = $1", tn.ID)
	ok(t, err)
	half, err := e.Operator.Find(ctx, "goes")
	ok(t, err)
	for range 2 {
		if g, err := s.Seal(ctx, half, "kalle", last); err != nil || g.State != tenancy.Sealed || g.SealedBy != "kalle" || g.ExportSHA256 != last.SHA256 {
			t.Errorf("sealed: %+v, %v", g, err)
		}
	}
}

// TestLeavingAgain: what was agreed in a leaving that was taken back counts no more.
func TestLeavingAgain(t *testing.T) {
	t.Parallel()
	e := dbtest.New(t)
	s, tn, _ := exported(t, e.Operator, "stays")
	tn, err := s.Leave(ctx, tn, "maija", "agreement ended")
	ok(t, err)
	f := handed(t, s, tn)
	ok(t, transfer.Verify(ctx, e.Operator.Control(), tn, word(s, f)))
	_, err = s.Seal(ctx, tn, "maija", f)
	if !errors.As(err, new(*transfer.SealHeldError)) {
		t.Fatal(err)
	}
	_, err = e.Operator.Control().Exec(ctx, "update control.tenant set state = 'active' where id = $1", tn.ID)
	ok(t, err)
	tn.State = tenancy.Active
	tn, err = s.Leave(ctx, tn, "maija", "after all")
	ok(t, err)
	if _, err := s.Seal(ctx, tn, "kalle", f); !errors.Is(err, transfer.ErrUnverified) {
		t.Errorf("by what was agreed before: %v", err)
	}
	if o, there, err := transfer.Offered(ctx, e.Operator.Control(), tn.ID); err != nil || !there || o.SHA256 != "" || o.AskedBy != "" {
		t.Errorf("left of before: %+v, %v", o, err)
	}
}

// TestReceiptNamesDays: what is said to remain has a last day where one is known.
func TestReceiptNamesDays(t *testing.T) {
	t.Parallel()
	e := dbtest.New(t)
	s, tn, _ := exported(t, e.Operator, "paper")
	s.Retention = transfer.Retention{BackupDays: 35}
	tn, err := s.Leave(ctx, tn, "maija", "test")
	ok(t, err)
	tn = sealed(t, s, tn)
	_, _ = s.Erase(ctx, tn, "maija", "test", nil)
	done, err := s.Erase(ctx, tn, "kalle", "", nil)
	ok(t, err)
	r := done.Receipt
	day := r.ErasedAt.AddDate(0, 0, 35).UTC().Format(time.DateOnly)
	if r.VerifiedBy != "Rehtori Rinne" || !slices.Equal(r.SealedBy, []string{"maija", "kalle"}) || r.SealedAt.IsZero() ||
		r.Remains[0].Date == nil || r.Remains[0].Until != day+" (35 days)" || r.Remains[1].Date != nil || !strings.Contains(r.Remains[1].Until, "former-version-days") {
		t.Errorf("receipt: %+v", r)
	}
}

func rowsOf(t *testing.T, e *dbtest.Env, sql string) (out string) {
	t.Helper()
	ok(t, e.Operator.Control().QueryRow(ctx, sql).Scan(&out))
	return out
}

func TestLastDrill(t *testing.T) {
	t.Parallel()
	e := dbtest.New(t)
	s, tn, _ := exported(t, e.Operator, "source")
	if _, found, err := transfer.LastDrill(ctx, e.Operator, tn.ID); found || err != nil {
		t.Errorf("before any: %v, %v", found, err)
	}
	d, err := s.Drill(ctx, tn)
	ok(t, err)
	last, found, err := transfer.LastDrill(ctx, e.Operator, tn.ID)
	if err != nil || !found || !last.OK || last.Rows != d.Rows || last.Objects != 1 {
		t.Errorf("drill %+v, last %+v, %v", d, last, err)
	}
}

// TestSealedColumns: what a schema keeps sealed is named in schemas.Sealed.
func TestSealedColumns(t *testing.T) {
	t.Parallel()
	e := dbtest.New(t)
	tn, err := e.Operator.Find(ctx, "alpha")
	ok(t, err)
	named := strings.Fields(rows(t, e.Operator, tn, "select string_agg(table_name || '.' || column_name, ' ') from information_schema.columns where table_schema = current_schema() and column_name like '%cipher'"))
	for _, c := range named {
		if !slices.ContainsFunc(schemas.Sealed, func(s schemas.SealedColumn) bool { return s.Table+"."+s.Column == c && s.Path == nil }) {
			t.Errorf("%s is not in schemas.Sealed", c)
		}
	}
	for _, c := range schemas.Sealed {
		if rows(t, e.Operator, tn, "select count(*)::text from information_schema.columns where table_schema = current_schema() and table_name = $1 and column_name = $2", c.Table, c.Column) != "1" {
			t.Errorf("schemas.Sealed names %s.%s, which is not there", c.Table, c.Column)
		}
	}
}
