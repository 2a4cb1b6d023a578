// Package leaving is what a municipality's admins see while it leaves the service: why,
// since when, which export they were handed, and where they say that they have it. Only
// after that word can operators seal the tenant. It writes control.export_verification
// through internal/tenancy/transfer, and no table of a tenant. It must not know what an
// export holds beyond its counts.
package leaving
