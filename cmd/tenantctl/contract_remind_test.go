package main

import (
	"context"
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"digione/internal/app/mail/catch"
	"digione/internal/app/web/webtest"
	"digione/internal/tenancy/joining"
)

// post is a mail server that keeps what it gets.
type post struct {
	*testing.T
	c    *catch.Catcher
	dir  string
	addr string
}

func newPost(t *testing.T) *post {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "mail")
	c, err := catch.New(dir)
	if err != nil {
		t.Fatal(err)
	}
	l, err := catch.Listen("localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- c.Serve(l) }()
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return &post{t, c, dir, l.Addr().String()}
}

// read returns the pages of all mails, the way that people read them.
func (p *post) read() (out []string) {
	p.Helper()
	files, err := filepath.Glob(filepath.Join(p.dir, "*.eml"))
	if err != nil {
		p.Fatal(err)
	}
	for _, f := range files {
		w := httptest.NewRecorder()
		p.c.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/"+filepath.Base(f), nil))
		b, err := io.ReadAll(w.Body)
		if err != nil {
			p.Fatal(err)
		}
		out = append(out, string(b))
		if err := os.Remove(f); err != nil {
			p.Fatal(err)
		}
	}
	return out
}

// joiner makes a tenant whose joining began some days ago.
func (s *shell) joiner(db *pgx.Conn, name, contacts string, days int) string {
	s.Helper()
	c := code()
	slug := name + "-" + c
	s.ok("apply", "-f", write(s, filepath.Join(s.TempDir(), "t.yaml"), fmt.Appendf(nil,
		"slug: %s\nname_fi: Inkoo %s\nname_sv: Ingå %s\nmunicipality_code: \"%s\"\nsettings:\n  joining:\n    contacts: [%s]\n", slug, c, c, c, contacts)))
	s.sql(db, `insert into control.join_event (tenant, at, actor, side, kind, template)
	           select id, now() - make_interval(days => $2), 'paula', 'tiera', 'started', 'joining/1' from control.tenant where slug = $1`, slug, days)
	return slug
}

func (s *shell) sql(db *pgx.Conn, q string, args ...any) {
	s.Helper()
	if _, err := db.Exec(context.Background(), q, args...); err != nil {
		s.Fatal(err)
	}
}

func TestRemind(t *testing.T) {
	t.Parallel()
	s, ctx := newShell(t), context.Background()
	db, err := pgx.Connect(ctx, house.server.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close(ctx) }()
	p := newPost(t)
	const contact = "{name: Mäja Åberg, email: maja.aberg@kunta.example, role: data-protection-officer}"
	town := s.joiner(db, "muistettava", contact, 10)
	alone := s.joiner(db, "yhteydeton", "", 10)
	live := s.joiner(db, "valmis", contact, 400)
	templates, err := joining.BuiltIn()
	if err != nil {
		t.Fatal(err)
	}
	for _, stage := range templates[joining.DefaultTemplate].Stages {
		for _, r := range stage.Requirements {
			for _, e := range [][2]string{{"waived", "olli"}, {"approved", "paula"}} {
				s.sql(db, `insert into control.join_event (tenant, at, actor, side, kind, requirement, reason)
				           select id, now(), $2, 'tiera', $3, $4, 'koe' from control.tenant where slug = $1`, live, e[1], e[0], r.ID)
			}
		}
	}

	flags := []string{"--smtp", p.addr, "--mail-from", "DigiOne <ei-vastausta@digione.example>", "--tiera-mail", "liittyminen@tiera.example", "-o", "json"}
	remind := func(code int, more ...string) (of map[string][]string, a answer) {
		t.Helper()
		a = s.run(append(append([]string{"join", "remind"}, flags...), more...)...)
		if a.code != code {
			t.Fatalf("remind: want exit %d: %s", code, a)
		}
		of = map[string][]string{}
		for _, r := range object[[]fields](t, a.out) {
			named(t, "a reminder", r, "tenant to requirement due kind sent error")
			slug := r["tenant"].(string)
			of[slug] = append(of[slug], fmt.Sprint(r["to"], " ", r["requirement"], " ", r["kind"], " ", r["sent"]))
		}
		for _, secret := range []string{"maja.aberg", "Åberg", "liittyminen@"} {
			if strings.Contains(a.err+a.out, secret) {
				t.Errorf("says %q: %s", secret, a)
			}
		}
		return of, a
	}

	s.refused(2, "--smtp is missing", "join", "remind", "--mail-from", "a@b.example")
	s.refused(2, "--mail-from is missing", "join", "remind", "--smtp", p.addr)
	s.refused(2, "--tiera-mail is no address", "join", "remind", "--tiera-mail", "tiera")

	// Nobody answers: nothing is lost.
	if a := s.run("join", "remind", "--smtp", "127.0.0.1:1", "--mail-from", "a@b.example"); a.code == 0 || !strings.Contains(a.err, "cannot be reached") {
		t.Errorf("no server: %s", a)
	}
	planned, _ := remind(3, "--dry-run")
	if got := p.read(); len(got) != 0 {
		t.Errorf("a dry run has sent %d mails", len(got))
	}
	if len(planned[town]) < 4 || !strings.Contains(strings.Join(planned[town], ", "), "municipality agreement soon false") || len(planned[live]) != 0 {
		t.Errorf("dry run: %v", planned)
	}
	sent, a := remind(3)
	if strings.Join(sent[town], ", ") != strings.ReplaceAll(strings.Join(planned[town], ", "), "false", "true") {
		t.Errorf("sent %v, planned %v", sent, planned)
	}
	if !strings.Contains(a.err, alone+": nobody to write to") {
		t.Errorf("a municipality without contacts: %s", a)
	}
	mails := p.read()
	if len(mails) != 1 {
		t.Fatalf("%d mails: %v", len(mails), mails)
	}
	code := strings.TrimPrefix(town, "muistettava-")
	for _, want := range []string{"Inkoo " + code, "Ingå " + code, "Mäja Åberg", "maja.aberg@kunta.example", "Liittymissopimus (määräpäivä ", "Anslutningsavtal (senast ",
		"Määräpäivä lähestyy:", "Förfaller snart:", "https://" + town + ".localhost/liittyminen"} {
		if !strings.Contains(mails[0], want) {
			t.Errorf("the mail does not say %q: %s", want, mails[0])
		}
	}
	if strings.Contains(mails[0], "onboarding.") || strings.Index(mails[0], "Liittymissopimus") > strings.Index(mails[0], "Anslutningsavtal") {
		t.Errorf("the mail: %s", mails[0])
	}
	if again, _ := remind(1); len(again[town]) != 0 || len(p.read()) != 0 {
		t.Errorf("a second run: %v", again)
	}

	// Tiera's turn, and a week later.
	paper := write(t, filepath.Join(t.TempDir(), "s.pdf"), webtest.PDF(""))
	s.ok("join", "attest", town, "agreement", "--evidence", paper, "--signer", "Maija Meri")
	tx, err := db.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range []string{"set local session_replication_role = replica", "update control.join_event e set at = at - interval '6 days' from control.tenant t where t.id = e.tenant and t.slug = '" + town + "'"} {
		if _, err := tx.Exec(ctx, q); err != nil {
			t.Fatal(err)
		}
	}
	if err := tx.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	late, _ := remind(3)
	if got := strings.Join(late[town], ", "); !strings.Contains(got, "municipality data-processing overdue true") || !strings.Contains(got, "tiera agreement overdue true") || strings.Contains(got, "soon") {
		t.Errorf("overdue: %s", got)
	}
	mails = p.read()
	if len(mails) != 2 || !strings.Contains(mails[0], "Myöhässä:") || !strings.Contains(mails[0], "Försenat:") || strings.Contains(mails[0], "Liittymissopimus") {
		t.Fatalf("%d mails: %v", len(mails), mails)
	}
	for _, want := range []string{"liittyminen@tiera.example", "Inkoo " + code + ": Liittymissopimus", "Ingå " + code + ": Anslutningsavtal", "https://operator.localhost/liittyjat"} {
		if !strings.Contains(mails[1], want) {
			t.Errorf("Tiera's mail does not say %q: %s", want, mails[1])
		}
	}
	if again, _ := remind(1); len(again[town]) != 0 || len(p.read()) != 0 {
		t.Errorf("a last run: %v", again)
	}
	if log := s.ok("audit"); !strings.Contains(log, "join remind") || strings.Contains(log, "maja.aberg") {
		t.Errorf("the operator log: %s", log)
	}
}
