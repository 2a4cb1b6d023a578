package app_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/jackc/pgx/v5"
)

// plain are the text columns that hold no canary, and why: all others must, so that a
// new column is marked or argued about. A name without a table speaks of all tables.
var plain = map[string]string{
	"status": "a word of a check", "source": "a word of a check", "kind": "a word of ours", "state": "a word of a check", "type": "a word of the format", "role": "a word of ours",
	"language": "a code", "list": "national", "value": "national, or an identifier", "strength": "a word of a check",
	"audit_event": "ids and words of ours alone", "audit_pending": "ids alone", "audit_seal": "hashes; no seal is made here", "code": "national lists, the same for all", "job": "nothing runs by itself here", "sign_in": "nobody signs in here",
	"identity_provider": "its name is shown to whoever comes; its secret is sealed", "account": "subject and rule are on no page, and tie a session to a person",
	"session.csrf": "the test's own token", "object": "keys and hashes",
	"audit_alarm.actor_kind": "a word of ours",
	"local_edit.field":       "a word of the format", "local_edit.policy": "a word of a check",
	"roster_import.id": "in addresses", "roster_import.undoes": "an id", "roster_import.object_key": "a key", "roster_import.version": "of the format", "roster_import.options": "switches",
	"roster_import.counts": "figures", "roster_import.holds": "rules and figures; schools by name are in schools", "roster_import.conflicts": "none is made here", "roster_import.findings": "a package with errors makes no plan; see roster_upload",
	"roster_import.rekeyed": "none is made here", "roster_import.totals": "figures", "roster_import.failure": "a word of ours", "roster_import.planned_by": "an account", "roster_import.approved_by": "an account", "roster_import.applied_by": "an account", "roster_import.closed_by": "an account",
	"roster_import.leavers": "figures", "roster_leaver.plan": "an id", "roster_leaver.role": "a word of the format",
	"roster_delivery.plan": "an id", "roster_delivery.failure": "a word of ours", "roster_rehearsal.plan": "an id", "roster_rehearsal.made_by": "an account", "roster_sample.plan": "an id",
	"roster_publication.plan": "an id", "roster_publication.asked_by": "an account", "roster_publication.ended_by": "an account", "roster_publication.told": "a digest of ours",
	"roster_publication_part.school": "an id of the roster", "roster_publication_part.counts": "figures", "roster_publication_part.holds": "rules and figures",
	"roster_publication_part.why": "a key of ours", "roster_publication_part.import": "an id", "roster_publication_part.approved_by": "an account",
	"roster_upload.mark": "of the browser's script", "roster_upload.options": "switches", "roster_upload.totals": "figures", "roster_upload.plan": "an id", "roster_upload.failure": "a word of ours", "roster_upload.sent_by": "an account",
	"roster_work.plan": "an id", "roster_work.stage": "a word of ours", "roster_work.started_by": "an account", "roster_record.fields": "delivered rows without a table; no page shows them",
	"person_merge.moved": "ids of rows", "study_right.states": "no page shows it", "unit.school_code": "a number of five digits",
}

// canaries puts the side's canary behind every text of its schema, and fails on a
// column of which no row holds one.
func (s *siege) canaries(x *side, whole bool) {
	s.Helper()
	ctx := context.Background()
	s.conn(x, func(c *pgx.Conn) error {
		rows, err := c.Query(ctx, `select t.relname::text, a.attname::text, format_type(a.atttypid, null)
  from pg_class t join pg_attribute a on a.attrelid = t.oid
 where t.relnamespace = $1::text::regnamespace and t.relkind in ('r', 'p') and not t.relispartition and t.relname <> 'goose_db_version'
   and a.attnum > 0 and not a.attisdropped and a.attgenerated = '' and format_type(a.atttypid, null) in ('text', 'text[]', 'jsonb')
 order by 1, 2`, x.Schema)
		if err != nil {
			return err
		}
		type column struct{ Table, Name, Kind string }
		columns, err := pgx.CollectRows(rows, pgx.RowToStructByPos[column])
		if err != nil {
			return err
		}
		marked := 0
		for _, at := range columns {
			if plain[at.Name] != "" || plain[at.Table] != "" || plain[at.Table+"."+at.Name] != "" {
				continue
			}
			table, name := pgx.Identifier{at.Table}.Sanitize(), pgx.Identifier{at.Name}.Sanitize()
			set := ""
			switch {
			case at.Kind == "text":
				set = fmt.Sprintf(`update %[1]s set %[2]s = %[2]s || ' %[3]s' where %[2]s not like '%%%[3]s%%'`, table, name, x.canary)
			case at.Kind == "text[]":
				set = fmt.Sprintf(`update %[1]s set %[2]s = %[2]s || '%[3]s'::text`, table, name, x.canary)
			case at.Name == "extra":
				set = fmt.Sprintf(`update %[1]s set %[2]s = coalesce(%[2]s, '{}') || '{"metadata.koe": "%[3]s"}'`, table, name, x.canary)
			}
			if set != "" {
				if _, err := c.Exec(ctx, set); err != nil {
					return fmt.Errorf("mark %s.%s: %w", at.Table, at.Name, err)
				}
			}
			var there bool
			if err := c.QueryRow(ctx, fmt.Sprintf(`select exists (select from %s where %s::text like '%%%s%%')`, table, name, x.canary)).Scan(&there); err != nil {
				return err
			}
			if !there && whole {
				s.Errorf("%s.%s holds no canary: seed it, or say in plain why not", at.Table, at.Name)
			}
			marked++
		}
		if marked < 75 {
			s.Errorf("%d columns are marked", marked)
		}
		return nil
	})
}

// unwatched are the tables of a tenant in which a stranger may leave something.
var unwatched = map[string]string{
	"sign_in": "whoever comes may begin to sign in; what is kept is a hash and a nonce",
}

// state is what a side keeps: its tables' hashes, its files, and what the schema
// control keeps of it.
func (s *siege) state(x *side) map[string]string {
	s.Helper()
	ctx := context.Background()
	out := map[string]string{}
	s.conn(x, func(c *pgx.Conn) error {
		rows, err := c.Query(ctx, `select format('%I.%I', n.nspname, t.relname), case when n.nspname = 'control' then a.attname::text else '' end
  from pg_class t join pg_namespace n on n.oid = t.relnamespace
  left join pg_attribute a on a.attrelid = t.oid and a.attname = 'tenant'
 where t.relkind in ('r', 'p') and not t.relispartition and (n.nspname = $1 or n.nspname = 'control' and a.attname is not null)`, x.Schema)
		if err != nil {
			return err
		}
		type table struct{ Name, Tenant string }
		tables, err := pgx.CollectRows(rows, pgx.RowToStructByPos[table])
		if err != nil {
			return err
		}
		for _, t := range tables {
			where := ""
			if t.Tenant != "" {
				where = fmt.Sprintf("where tenant in ('%s', '%s')", x.ID, x.Slug)
			}
			var sum string
			if err := c.QueryRow(ctx, fmt.Sprintf(`select count(*) || ' ' || coalesce(md5(string_agg(r::text, E'\n' order by r::text)), '') from %s r %s`, t.Name, where)).Scan(&sum); err != nil {
				return err
			}
			out[t.Name] = sum
		}
		const grants = `select count(*) || ' ' || coalesce(md5(string_agg(r::text, E'\n' order by r::text)), '') from control.%s r join control.%s o on o.id = r.%s where o.tenant = '%s'`
		for _, t := range [][3]string{{"support_entry", "support_grant", "support_grant"}, {"support_session", "support_grant", "support_grant"}, {"family_entry", "family_link", "link"}, {"family_visit", "family_link", "link"}} {
			var sum string
			if err := c.QueryRow(ctx, fmt.Sprintf(grants, t[0], t[1], t[2], x.ID)).Scan(&sum); err != nil {
				return err
			}
			out["control."+t[0]] = sum
		}
		return nil
	})
	dir := filepath.Join(s.objects, string(x.ID))
	if _, err := os.Stat(dir); err == nil {
		sum := sha256.Sum256([]byte(contents(s.T, dir)))
		out["files"] = hex.EncodeToString(sum[:])
	}
	return out
}

// unchanged fails on whatever is another than before.
func (s *siege) unchanged(x *side, before map[string]string, but ...string) {
	s.Helper()
	after := s.state(x)
	if len(before) < 40 || len(after) != len(before) {
		s.Errorf("%s: %d things compared with %d", x.Slug, len(after), len(before))
	}
next:
	for name, sum := range after {
		if unwatched[name[strings.LastIndex(name, ".")+1:]] != "" {
			continue
		}
		for _, prefix := range but {
			if strings.HasPrefix(name, prefix) {
				continue next
			}
		}
		if before[name] != sum {
			s.Errorf("%s of %s was changed from outside: %s, was %s", name, x.Slug, sum, before[name])
		}
	}
}
