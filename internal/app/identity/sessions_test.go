package identity_test

import (
	"context"
	"testing"
	"time"

	"digione/internal/app/fault"
	"digione/internal/app/identity"
	"digione/internal/tenancy"
	"digione/internal/tenancy/dbtest"
)

func TestSessionsEnd(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*world, *browser){
		"absolutely": func(w *world, b *browser) {
			for range 12 { // used all day
				w.later(59 * time.Minute)
				b.get(alpha, "/")
			}
			w.later(13 * time.Minute)
		},
		"idle":          func(w *world, _ *browser) { w.later(time.Hour + time.Second) },
		"user removed":  exec(`update roster_user set status = 'tobedeleted' where username = 'aino'`),
		"user disabled": exec(`update roster_user set enabled = false where username = 'aino'`),
		"role removed":  exec(`update role_grant set status = 'tobedeleted'`),
		"provider off":  exec(`update identity_provider set enabled = false`),
		"account moved": exec(`update account set person = (select person from roster_user where username = 'teacher')`),
		"cookie cut":    func(_ *world, b *browser) { b.cookies[alpha]["digione"] = b.cookies[alpha]["digione"][:42] },
		"cookie changed": func(_ *world, b *browser) {
			b.cookies[alpha]["digione"] = "A" + b.cookies[alpha]["digione"][1:42] + "-"
		},
		"other tenant": func(_ *world, b *browser) {
			b.cookies[beta]["digione"] = b.cookies[alpha]["digione"]
			b.out(beta)
			delete(b.cookies[alpha], "digione")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			b := w.browser()
			b.signIn(alpha, "aino")
			b.in(alpha, "aino Testinen α")
			end(w, b)
			b.out(alpha)
			if name == "user removed" {
				if got := b.signIn(alpha, "aino"); got.status != 403 {
					t.Errorf("in again: %d", got.status)
				}
			}
		})
	}
}

func exec(sql string) func(*world, *browser) {
	return func(w *world, _ *browser) { w.exec(dbtest.Alpha, sql) }
}

func TestSessionsLiveOnWhileUsed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.browser()
	b.signIn(alpha, "aino")
	for range 6 {
		w.later(50 * time.Minute)
		b.in(alpha, "aino Testinen α")
	}
	// Over sessions are swept away as others begin.
	w.later(12 * time.Hour)
	w.browser().signIn(alpha, "teacher")
	if n := w.count(dbtest.Alpha, `select count(*) from session`); n != 1 {
		t.Errorf("%d sessions are left", n)
	}
}

func TestSessionIsTouchedOnceAMinute(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.browser()
	b.signIn(alpha, "aino")
	seen := func() (at time.Time) {
		check(t, w.env.DB.Read(context.Background(), dbtest.Alpha, func(tx tenancy.Read) error {
			return tx.QueryRow(context.Background(), `select seen_at from session limit 1`).Scan(&at)
		}))
		return at
	}
	first := seen()
	w.later(50 * time.Second)
	b.in(alpha, "aino Testinen α")
	if !seen().Equal(first) {
		t.Error("written within the minute")
	}
	w.later(15 * time.Second)
	b.in(alpha, "aino Testinen α")
	if !seen().After(first) {
		t.Error("not written after a minute")
	}
}

func TestPutProvider(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	good := provider("https://login.example", "x")
	w.put(dbtest.Alpha, good)
	good.Name, good.Scopes = "Uusi nimi", []string{"profile"}
	w.put(dbtest.Alpha, good)
	w.put(dbtest.Alpha, good)
	if n := w.count(dbtest.Alpha, `select count(*) from identity_provider where name = 'Uusi nimi' and scopes = '{openid,profile}'`); n != 1 {
		t.Errorf("%d rows", n)
	}
	for name, spoil := range map[string]func(*identity.Provider){
		"by e-mail":     func(p *identity.Provider) { p.LinkClaim = "email" },
		"by name":       func(p *identity.Provider) { p.LinkClaim = "name" },
		"no claim":      func(p *identity.Provider) { p.LinkClaim = "" },
		"link to email": func(p *identity.Provider) { p.LinkTo = "email" },
		"plain issuer":  func(p *identity.Provider) { p.Issuer = "http://login.example" },
		"no issuer":     func(p *identity.Provider) { p.Issuer = "login.example" },
		"issuer query":  func(p *identity.Provider) { p.Issuer += "?x=1" },
		"no secret":     func(p *identity.Provider) { p.Secret = "" },
		"no name":       func(p *identity.Provider) { p.Name = " " },
	} {
		p := good
		spoil(&p)
		if err := p.Check(); err == nil || fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}
