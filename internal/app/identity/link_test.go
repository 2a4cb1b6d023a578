package identity_test

import (
	"strings"
	"testing"

	"digione/internal/app/identity"
	"digione/internal/tenancy/dbtest"
)

func TestWhoIsLetIn(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ says, code string }{
		"stranger": {"Tunnustasi ei löydy koulun tiedoista", "nobody"},
		"AINO":     {"Tunnustasi ei löydy koulun tiedoista", "nobody"},
		"late":     {"Tunnustasi ei löydy koulun tiedoista", "nobody"}, // a person, but no user of the roster
		"barred":   {"Tunnustasi ei löydy koulun tiedoista", "nobody"},
		"gone":     {"Tunnustasi ei löydy koulun tiedoista", "nobody"},
		"twice":    {"Tunnuksesi on merkitty useammalle henkilölle", "several"},
		"roleless": {"Sinulla ei ole juuri nyt roolia", "norole"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			b := w.browser()
			got := b.signIn(alpha, name)
			w.refused(t, b, got, 403, c.says, c.code)
			got.doc(t).Says("main a", "Kirjaudu toisella tunnuksella")
			b.out(alpha)
			if log := w.log.String(); strings.Contains(log, name) || strings.Contains(log, "Testinen") || !strings.Contains(log, `"code":"`+c.code) {
				t.Errorf("log: %s", log)
			}
		})
	}
}

func TestLinkingRules(t *testing.T) {
	t.Parallel()
	claim := func(v any) func(*world) {
		return func(w *world) { w.users["c-alpha"][0].Claims[learnerID] = v }
	}
	const hetu = "131052-308T"
	for name, c := range map[string]struct {
		to    identity.LinkTo
		setup func(*world)
		in    bool
	}{
		"oppijanumero":                      {identity.ToOppijanumero, claim("1.2.246.562.24." + id("aino").String() + " α"), true},
		"in a list of one":                  {identity.ToOppijanumero, claim([]string{"1.2.246.562.24." + id("aino").String() + " α"}), true},
		"in a list of two":                  {identity.ToOppijanumero, claim([]string{"1.2.246.562.24." + id("aino").String() + " α", "x"}), false},
		"another's oppijanumero":            {identity.ToOppijanumero, claim("1.2.246.562.24.1"), false},
		"oppijanumero of one who is barred": {identity.ToOppijanumero, claim("1.2.246.562.24." + id("barred").String() + " α"), false},
		"the twin's oppijanumero":           {identity.ToOppijanumero, claim("1.2.246.562.24." + id("aino").String() + " β"), false},
		"sourced id":                        {identity.ToSourcedID, claim("s-aino"), true},
		"sourced id in capitals":            {identity.ToSourcedID, claim("S-AINO"), false},
		"with a blank":                      {identity.ToSourcedID, claim("s-aino "), false},
		"a number":                          {identity.ToSourcedID, claim(7), false},
		"empty":                             {identity.ToSourcedID, claim(""), false},
		"hetu": {identity.ToHetu, func(w *world) {
			claim(hetu)(w)
			tn, _ := w.env.DB.ByID(dbtest.Alpha)
			ks, err := keyset(tn)
			check(w.t, err)
			code, err := ks.Hash([]byte(hetu))
			check(w.t, err)
			w.exec(dbtest.Alpha, `update person set hetu_hash = $1 where id = $2`, code, id("aino"))
		}, true},
		"a hetu that is a former one": {identity.ToHetu, func(w *world) {
			claim(hetu)(w)
			tn, _ := w.env.DB.ByID(dbtest.Alpha)
			ks, err := keyset(tn)
			check(w.t, err)
			code, err := ks.Hash([]byte(hetu))
			check(w.t, err)
			w.exec(dbtest.Alpha, `insert into person_identifier (id, person, kind, value_hash, source, validity) values (gen_random_uuid(), $1, 'hetu', $2, 'roster', daterange(null, '2026-11-01'))`, id("aino"), code)
		}, false},
		"another's hetu": {identity.ToHetu, claim(hetu), false},
		"only at the userinfo endpoint": {identity.ToSourcedID, func(w *world) {
			claim("s-aino")(w)
			w.tamper = func(m map[string]any) { delete(m, learnerID) }
		}, true},
		"nowhere": {identity.ToSourcedID, func(w *world) { delete(w.users["c-alpha"][0].Claims, learnerID) }, false},
		"userinfo about somebody else": {identity.ToSourcedID, func(w *world) {
			claim("s-aino")(w)
			w.tamper, w.info = func(m map[string]any) { delete(m, learnerID) }, set("sub", "sub-teacher")
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			p := provider(w.issuer, "c-alpha")
			p.LinkClaim, p.LinkTo = learnerID, c.to
			w.put(dbtest.Alpha, p)
			c.setup(w)
			b := w.browser()
			got := b.signIn(alpha, "aino")
			if !c.in {
				if got.status != 403 || b.cookies[alpha]["digione"] != "" {
					t.Errorf("status %d", got.status)
				}
				b.out(alpha)
				return
			}
			b.in(alpha, "aino Testinen α")
			if log := w.log.String(); strings.Contains(log, hetu) || strings.Contains(log, "s-aino") {
				t.Errorf("log: %s", log)
			}
			// A known account needs no claim any more, and no longer follows it.
			w.users["c-alpha"][0].Claims[learnerID] = "s-teacher"
			again := w.browser()
			w.mu.Lock()
			w.tamper = nil
			w.mu.Unlock()
			again.signIn(alpha, "aino")
			again.in(alpha, "aino Testinen α")
		})
	}
}
