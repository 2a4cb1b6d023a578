package home_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"digione/internal/app/home"
	"digione/internal/app/org"
	"digione/internal/app/people/peopletest"
	"digione/internal/app/web"
	"digione/internal/app/web/webtest"
	"digione/internal/tenancy/dbtest"
)

// Whoever relies on a list sees from when it is, and whether that is older than the
// schedule promises. What was taken back, a rollback and the twin's imports say nothing.
func TestFreshness(t *testing.T) {
	t.Parallel()
	e := dbtest.New(t)
	peopletest.In(t, e.DB, dbtest.Alpha, " α", town)
	peopletest.In(t, e.DB, dbtest.Beta, " β", town)
	s := webtest.New(e.DB, func(r *web.Router) { home.Routes(r, e.DB); org.Routes(r, e.DB) })
	imported := func(schema string, seq int, state, kind, at string) {
		t.Helper()
		e.Exec(t, fmt.Sprintf(`insert into %s.roster_import (id, seq, state, kind, source_name, source_hash, object_key, version, options, base_seq, state_hash, change_hash,
			counts, holds, conflicts, findings, planned_by, planned_at, applied_at)
			values ('pln_%d', %d, '%s', '%s', 'a.zip', '', '', '1.2', '{}', 0, '', '', '{}', '[]', '[]', '[]', 'test', '%s', '%s')`, schema, seq, seq, state, kind, at, at))
	}
	lists := map[string]string{"/": "", "/koulut": "", "/koulut/" + id("Kilteri").String(): "", "/ryhmat/" + id("MA7").String(): ""}
	each := func(want, not string) {
		t.Helper()
		seen := 0
		for _, who := range []string{"teacher", "principal", "admin"} {
			for path := range lists {
				a := s.Get(t, webtest.Alpha, id(who), path)
				if a.Status != 200 {
					continue // the school of another, a group of another
				}
				seen++
				if !strings.Contains(a.Body, want) || not != "" && strings.Contains(a.Body, not) {
					t.Errorf("%s of %s: want %q, not %q\n%s", path, who, want, not, a.Body)
				}
			}
		}
		if seen < 10 {
			t.Errorf("only %d pages were seen", seen)
		}
	}
	imported("t_beta", 1, "applied", "package", "2026-11-23 05:00Z")
	each("", "Luettelo päivitetty")
	imported("t_alpha", 1, "applied", "package", "2026-11-22 04:10Z")
	imported("t_alpha", 2, "rolled_back", "package", "2026-11-23 04:10Z")
	imported("t_alpha", 3, "applied", "rollback", "2026-11-23 04:20Z")
	each("Luettelo päivitetty 22.11.2026 klo 6.10", "Vanhempi kuin luvattu")
	e.Exec(t, `update control.tenant set settings = '{"roster": {"schedule": {"from": "02:00", "until": "06:30"}}}' where id = '`+string(dbtest.Alpha)+`'`)
	for range 500 {
		if a, _ := e.DB.ByID(dbtest.Alpha); a.Settings.Roster.Schedule.Set() {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	each("Vanhempi kuin luvattu", "")
	imported("t_alpha", 4, "applied", "package", "2026-11-23 02:10Z")
	each("Luettelo päivitetty 23.11.2026 klo 4.10", "Vanhempi kuin luvattu")
}
