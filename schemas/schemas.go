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
var AppendOnly = []string{"audit_event"}

// Codes is a CSV with header: list, value, fi, sv, en. The national code lists
// (koodisto) of Opintopolku, as far as the product uses them.
//
//go:embed codes.csv
var Codes []byte
