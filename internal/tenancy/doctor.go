package tenancy

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"digione/internal/tenancy/keys"
)

// Diagnosis is one thing that the doctor looked at.
type Diagnosis struct {
	Tenant string `json:"tenant"` // "" is the installation itself
	Check  string `json:"check"`
	OK     bool   `json:"ok"`
	Found  string `json:"found"`
	Next   string `json:"next"` // what to do, "" when nothing
}

// Doctor examines the installation, or one tenant of it, and changes nothing.
func (o *Operator) Doctor(ctx context.Context, slug string) ([]Diagnosis, error) {
	latest, err := o.Latest()
	if err != nil {
		return nil, err
	}
	list, err := tenants(ctx, o.pool, "true")
	if err != nil {
		return nil, err
	}
	var out []Diagnosis
	if slug == "" {
		out = append(out, Diagnosis{Check: "server", OK: true, Found: fmt.Sprintf("PostgreSQL %d.%d", o.home.version/10000, o.home.version%10000)})
		out = append(out, Diagnosis{Check: "tenants", OK: true, Found: fmt.Sprintf("%d", len(list))})
	}
	if slug == "" {
		clusters, err := o.Clusters(ctx)
		if err != nil {
			return nil, err
		}
		for _, c := range clusters {
			if c.Name == Home {
				continue
			}
			d, err := o.examineCluster(ctx, c)
			if err != nil {
				return nil, err
			}
			out = append(out, d...)
		}
	}
	found := false
	for _, t := range list {
		if slug != "" && t.Slug != slug {
			continue
		}
		found = true
		d, err := o.examine(ctx, t, latest)
		if err != nil {
			return nil, err
		}
		out = append(out, d...)
	}
	if slug != "" && !found {
		return nil, fmt.Errorf("tenant %q: %w; see: tenantctl tenant list", slug, ErrNoTenant)
	}
	return out, nil
}

func (o *Operator) examine(ctx context.Context, t *entry, latest int64) ([]Diagnosis, error) {
	var out []Diagnosis
	say := func(check string, ok bool, found, next string) {
		if ok {
			next = ""
		}
		out = append(out, Diagnosis{t.Slug, check, ok, found, next})
	}
	again := "run: tenantctl tenant create " + t.Slug
	half, err := o.halfDone(ctx, t.ID)
	if err != nil {
		return nil, err
	}
	if t.State == Provisioning {
		if half == "" {
			half = "stopped between two steps"
		}
		if restoring, err := o.restoring(ctx, t.ID); err != nil {
			return nil, err
		} else if restoring {
			again = "run: tenantctl tenant restore " + t.Slug + " --from FILE"
		}
		say("provisioning", false, half, again)
		return out, nil
	}
	if t.State.Gone() {
		if half != "" && t.State == Sealed {
			say("erasure", false, half, "run: tenantctl tenant erase "+t.Slug+" --confirm "+string(t.ID))
		} else {
			say("state", true, string(t.State), "")
		}
		return out, nil
	}
	srv, err := o.at(ctx, t.Tenant)
	if errors.Is(err, ErrNoCluster) {
		say("cluster", false, err.Error(), "run: tenantctl cluster check "+t.Cluster)
		return out, nil
	}
	if err != nil {
		return nil, err
	}
	if t.moving() {
		move, err := o.FindMove(ctx, t.Tenant)
		if err != nil {
			return nil, err
		}
		next := "run: tenantctl tenant move " + t.Slug + " --cell " + move.To
		if t.phase != switched {
			next += ", or take it back: tenantctl tenant move " + t.Slug + " --back"
		}
		say("move", false, fmt.Sprintf("from cell %s to %s, %s: under way, or killed", move.From, move.To, t.phase), next)
	}
	var schema, role, login bool
	const q = `select exists (select from pg_namespace where nspname = $1), exists (select from pg_roles where rolname = $2),
	                  coalesce((select pg_has_role(c.oid, r.oid, 'member') from pg_roles c, pg_roles r where c.rolname = $3 and r.rolname = $2), false)`
	if err := srv.pool.QueryRow(ctx, q, t.Schema, t.Role, t.cellRole).Scan(&schema, &role, &login); err != nil {
		return nil, fmt.Errorf("examine %s: %w", t.Slug, err)
	}
	say("state", true, string(t.State), "")
	if t.phase != closing { // then no login may take its role
		say("schema", schema && role && login, t.Schema, "restore the tenant from its backup")
	}
	say("version", t.SchemaVersion == latest, fmt.Sprintf("%d of %d", t.SchemaVersion, latest), "run: tenantctl migrate up --tenant "+t.Slug)
	say("hosts", len(t.Hosts) > 0, fmt.Sprint(t.Hosts), again)
	_, err = keys.Unwrap(o.cfg.Master, string(t.ID), t.keyset)
	opens := "keyset opens"
	if err != nil {
		opens = err.Error()
	}
	say("key", err == nil, opens, "give the master key that the tenant was made with: --master-key-file or --kms-key")
	if half != "" && t.SchemaVersion != latest { // a migrator killed after its work has left nothing to do
		say("steps", false, half, "run: tenantctl migrate up --tenant "+t.Slug)
	}
	return out, nil
}

// halfDone names steps whose last attempt has no good end, and for how long.
func (o *Operator) halfDone(ctx context.Context, id ID) (string, error) {
	const q = `
select distinct on (process, name) process, name, coalesce(outcome, ''), started_at, detail
  from control.step
 where tenant = $1
 order by process, name, attempt desc`
	rows, err := o.pool.Query(ctx, q, id)
	if err != nil {
		return "", err
	}
	var text string
	var process, name, outcome, detail string
	var at time.Time
	_, err = pgx.ForEachRow(rows, []any{&process, &name, &outcome, &at, &detail}, func() error {
		switch outcome {
		case "done":
		case "failed":
			text += fmt.Sprintf("%s step %q failed: %s. ", process, name, detail)
		default:
			text += fmt.Sprintf("%s step %q began %s and has no end: running, or killed. ", process, name, at.UTC().Format(time.RFC3339))
		}
		return nil
	})
	return text, err
}
