// Package schemas embeds the goose migrations of the control catalogue and of
// one tenant. Tenant files name their tables without a schema: the search_path
// of the migrating connection decides where they land.
package schemas

import "embed"

// FS holds control/*.sql, tenant/*.sql and the checked snapshot tenant/schema.sql.
//
//go:embed control/*.sql tenant/*.sql
var FS embed.FS

// Snapshot is the name in FS of the tenant schema that all tenant migrations
// together make. New tenants are made from it; a test proves that it agrees.
const Snapshot = "tenant/schema.sql"

// AppendOnly names the tenant tables that a running tenant may read and add to,
// never change.
var AppendOnly = []string{"audit_event", "audit_seal"}

// Traces names the tables to which who only reads, or nobody, writes: sign-ins, sessions, the
// audit. No other table refers to them; a test holds that.
var Traces = []string{"account", "audit_alarm", "audit_event", "audit_pending", "audit_seal", "job", "session", "sign_in"}

// Sealed names what tenants keep encrypted by their own key: whoever moves a
// tenant opens these and seals them anew. Every column whose name ends in cipher
// is here; a test holds that.
var Sealed = []SealedColumn{
	{Table: "person", Column: "hetu_cipher", Context: "hetu"},
	{Table: "person_identifier", Column: "cipher", Context: "hetu"},
	{Table: "roster_user", Column: "hetu_cipher", Context: "hetu"},
	{Table: "identity_provider", Column: "secret_cipher", Context: "identity_provider.secret"},
	{Table: "roster_user", Column: "extra", Path: []string{"password"}, Prefix: "sealed:", Context: "roster.password"},
	{Table: "roster_record", Column: "fields", Path: []string{"password"}, Prefix: "sealed:", Context: "roster.password"},
	{Table: "roster_change", Column: "before", Path: []string{"hetu"}, Context: "hetu"},
	{Table: "roster_change", Column: "before", Path: []string{"fields", "password"}, Prefix: "sealed:", Context: "roster.password"},
}

// SealedColumn is a column of sealed bytes, or a member of a jsonb column that
// holds them in base64 after a prefix.
type SealedColumn struct {
	Table, Column string
	Path          []string // of the member, nil for a bytea column
	Prefix        string   // a member without it is not sealed
	Context       string
}

// Transient names tables whose rows mean nothing in another installation: whoever
// is signed in there signs in anew, and what runs by itself is due anew.
var Transient = []string{"session", "sign_in", "job"}

// KeyedHashes names columns that hold hashes under the tenant's own key.
var KeyedHashes = []string{"hetu_hash", "value_hash", "row_hash", "state_hash", "change_hash"}

// Codes is a CSV with header: list, value, fi, sv, en. The national code lists
// (koodisto) of Opintopolku, as far as the product uses them.
//
//go:embed codes.csv
var Codes []byte
