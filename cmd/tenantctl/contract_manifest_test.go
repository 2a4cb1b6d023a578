package main

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// TestApplyProviders: a manifest covers where people sign in and, once the
// joining has started, the waves of schools.
func TestApplyProviders(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	dir, c := t.TempDir(), code()
	slug, file := "kirjautuja-"+c, filepath.Join(dir, "t.yaml")
	secret := func(v string) { write(t, filepath.Join(dir, "salaisuus.txt"), []byte(v)) }
	manifest := func(name, scopes string, wave ...string) {
		write(t, file, fmt.Appendf(nil, `slug: %s
name_fi: Kirjautuja
municipality_code: "%s"
providers:
  - name: %s
    issuer: https://login.example/kirjautuja
    client_id: digione
    secret_file: salaisuus.txt
    scopes: %s
    link_claim: preferred_username
    link_to: username
settings:
  joining:
    waves: [%s]
`, slug, c, name, scopes, strings.Join(wave, ", ")))
	}
	one := func(args ...string) (action, changes string) {
		t.Helper()
		out := s.ok(append(args, "-f", dir, "-o", "json")...)
		if strings.Contains(out, "hyvin-salainen") || strings.Contains(out, "toinen-salainen") {
			t.Errorf("a secret is printed: %s", out)
		}
		o := object[[]fields](t, out)[0]
		var of []string
		for _, ch := range o["changes"].([]any) {
			of = append(of, ch.(map[string]any)["field"].(string))
		}
		return o["action"].(string), strings.Join(of, ", ")
	}
	is := func(action, changes string) {
		t.Helper()
		for _, args := range [][]string{{"plan"}, {"apply", "--dry-run"}, {"apply"}} {
			if a, ch := one(args...); a != action || ch != changes {
				t.Errorf("%v: %s, %q; want %s, %q", args, a, ch, action, changes)
			}
		}
		if a, ch := one("apply"); a != "none" || ch != "" {
			t.Errorf("applied twice: %s, %q", a, ch)
		}
	}
	secret("hyvin-salainen\n")
	manifest("Koulutunnus", "[]")
	is("create", "provider digione")
	if list := s.ok("tenant", "provider", slug); !strings.Contains(list, "Koulutunnus") {
		t.Errorf("providers: %s", list)
	}
	manifest("Uusi nimi", "[openid, profile, email]")
	is("update", "provider digione name, provider digione scopes")
	secret("toinen-salainen")
	is("update", "provider digione secret")

	wave := "{name: pilotti, opens: 2027-01-11, schools: [a]}"
	manifest("Uusi nimi", "[openid, profile, email]", wave)
	is("update", "settings")
	s.ok("join", "start", slug)
	if a, _ := one("plan"); a != "none" {
		t.Errorf("join start has planned the waves, and still: %s", a)
	}
	manifest("Uusi nimi", "[openid, profile, email]", wave, "{name: kaikki, opens: 2027-03-01, schools: [b, c]}")
	is("update", "settings, waves")

	// The schools of an open wave stay, and plan says so as apply does.
	db, err := pgx.Connect(context.Background(), house.server.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close(context.Background()) }()
	s.sql(db, `insert into control.join_event (tenant, at, actor, side, kind, wave)
	           select id, now(), 'digione', 'system', 'opened', 'pilotti' from control.tenant where slug = $1`, slug)
	before := s.ok("tenant", "show", slug, "-o", "json")
	manifest("Kolmas nimi", "[openid]", "{name: pilotti, opens: 2027-01-11, schools: [z]}")
	for _, args := range [][]string{{"plan"}, {"apply", "--dry-run"}, {"apply"}} {
		if a := s.run(append(args, "-f", dir)...); a.code != 1 || !strings.Contains(a.err, "wave pilotti is open") {
			t.Errorf("%v with another plan of an open wave: %s", args, a)
		}
	}
	if s.ok("tenant", "show", slug, "-o", "json") != before || strings.Contains(s.ok("tenant", "provider", slug), "Kolmas") {
		t.Error("a manifest that cannot be applied was applied in part")
	}
	if log := s.ok("audit", "--tenant", slug); strings.Contains(log, "salainen") {
		t.Errorf("a secret is in the operator log: %s", log)
	}
}

func TestManifestFaults(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "t.yaml")
	write(t, filepath.Join(dir, "tyhja.txt"), []byte(" \n"))
	write(t, file, []byte(`slug: faulty
name_fi: F
providers:
  - {name: A, issuer: "http://login.example", client_id: a, secret_file: puuttuu.txt, link_claim: email, link_to: username}
  - {name: B, issuer: "https://login.example", client_id: b, secret_file: tyhja.txt, link_claim: sub, link_to: nick}
  - {name: C, issuer: "https://login.example", client_id: b, link_claim: sub, link_to: username}
settings:
  joining:
    contacts: [{name: Maija Meri, email: "maija meri"}]
    waves:
      - {name: pilotti, opens: pian, schools: [a]}
      - {name: pilotti, opens: 2027-01-11, schools: [a, b, c, d]}
`))
	want := []string{"t.yaml:1: municipality code is missing", "t.yaml:9: settings.joining.contacts, number 1: email",
		"t.yaml:4: providers: issuer http://login.example: use https", "t.yaml:4: providers: accounts are never linked by email",
		"t.yaml:4: providers: secret_file " + filepath.Join(dir, "puuttuu.txt") + ": no such file",
		"t.yaml:5: providers: secret_file " + filepath.Join(dir, "tyhja.txt") + " is empty", `t.yaml:5: providers: link to "nick"`,
		"t.yaml:6: providers: secret_file is missing", "t.yaml:6: providers: the client \"b\"",
		`t.yaml:11: settings.joining.waves: wave pilotti: opens "pian"`, "t.yaml:11: settings.joining.waves: wave 2: give it a name",
		"more than three times", "school a is in pilotti"}
	for _, args := range [][]string{{"plan"}, {"apply"}, {"apply", "--dry-run"}} {
		a := s.refused(5, "", append(slices.Clone(args), "-f", file)...)
		for _, w := range want {
			if !strings.Contains(a.err, w) {
				t.Errorf("%v does not tell %q: %s", args, w, a)
			}
		}
		if strings.Contains(a.err, "maija meri") {
			t.Errorf("an address is told: %s", a)
		}
	}
	s.refused(2, "-f is missing", "plan")
}
