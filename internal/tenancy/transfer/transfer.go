// Package transfer takes a whole tenant out of an installation and brings it in:
// export, restore, comparison, restore drill, and the ways of a tenant that
// leaves. It writes control.drill, control.leaving, control.export_verification and control.erasure, and every
// table of a tenant that is being restored. It must not know what the rows mean:
// schemas says which values are sealed.
package transfer

import (
	"context"
	"encoding/hex"
	"io"
	"time"

	"digione/internal/tenancy"
	"digione/internal/tenancy/keys"
)

// Format is the version of the file that Export writes.
const Format = 1

// Files reach the objects of a tenant; the caller knows where they lie.
type Files struct {
	Get   func(ctx context.Context, t tenancy.Tenant, k *keys.Keyset, key string, sha256 [32]byte) (io.ReadCloser, error)
	Put   func(ctx context.Context, t tenancy.Tenant, k *keys.Keyset, key string, r io.Reader) (sha256 [32]byte, err error)
	Erase func(ctx context.Context, id tenancy.ID) (int, error)
}

// Service moves tenants of one installation.
type Service struct {
	Operator *tenancy.Operator
	Files    Files
	Now      func() time.Time

	Retention Retention // what a receipt says of copies
}

// Manifest says what a file holds.
type Manifest struct {
	Format           int              `json:"format"`
	Tenant           tenancy.ID       `json:"tenant"`
	Slug             string           `json:"slug"`
	Kind             string           `json:"kind"`
	NameFi           string           `json:"name_fi"`
	NameSv           string           `json:"name_sv"`
	NameEn           string           `json:"name_en"`
	MunicipalityCode string           `json:"municipality_code"`
	BusinessID       string           `json:"business_id"`
	OrganisationOID  string           `json:"organisation_oid"`
	Settings         tenancy.Settings `json:"settings"`
	SchemaVersion    int64            `json:"schema_version"`
	ExportedAt       time.Time        `json:"exported_at"`
	HashKey          []byte           `json:"hash_key"`
	Tables           []Table          `json:"tables"`
	Objects          []Object         `json:"objects"`
}

// Table is one table of a file; SHA256 is of its CSV.
type Table struct {
	Name      string   `json:"name"`
	Columns   []Column `json:"columns"`
	Rows      int64    `json:"rows"`
	SHA256    string   `json:"sha256"`
	Transient bool     `json:"transient"` // not restored, not compared
}

// Column is a column of a table. Sealed tells that the tenant keeps the value, or
// a member of it, encrypted; in the file it stands open.
type Column struct {
	Name   string `json:"name"`
	Type   string `json:"type"`
	Sealed bool   `json:"sealed"`
}

// Object is one file of the tenant; SHA256 is of its plain content.
type Object struct {
	Key    string `json:"key"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// Rows counts the rows of all tables.
func (m *Manifest) Rows() (n int64) {
	for _, t := range m.Tables {
		n += t.Rows
	}
	return n
}

func hexOf(b []byte) string { return hex.EncodeToString(b) }
