package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"digione/cmd/internal/installation"
	"digione/cmd/internal/settings"
	"digione/internal/app"
	"digione/internal/app/identity/devidp"
	"digione/internal/app/roster/generate"
	"digione/internal/app/web/webtest"
	"digione/internal/tenancy"
)

var record = flag.String("record", "", "file to write the recording of TestFirstPupil to")

// TestFirstPupil goes from a signed agreement to the first pupil signed in, by six
// commands of two operators, with prepared files: manifest, agreement, roster, and
// the secret of the sign-in provider.
func TestFirstPupil(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	dir, c := t.TempDir(), code()
	slug := "kunta-" + c
	put := func(name, text string) string {
		t.Helper()
		return write(t, filepath.Join(dir, name), []byte(text))
	}
	srv := httptest.NewUnstartedServer(nil)
	issuer := "http://" + srv.Listener.Addr().String()
	host := slug + ".localhost"
	idp, err := devidp.New(devidp.Config{Issuer: issuer, Dir: t.TempDir(),
		Client: func(id string) (devidp.Client, bool) {
			return devidp.Client{ID: id, Secret: "salaisuus", Name: id, RedirectURIs: []string{"http://" + host + "/kirjaudu/paluu"}}, id == "digione"
		},
		User: func(_, name string) (devidp.User, bool) {
			return devidp.User{Subject: name, Username: name, Name: name}, true
		},
		List: func(string) []devidp.User { return nil }})
	if err != nil {
		t.Fatal(err)
	}
	srv.Config.Handler = idp
	srv.Start()
	t.Cleanup(srv.Close)
	spec := generate.Spec{Tenant: slug, MunicipalityCode: "999", NameFi: "Kunta", Learners: 40, Seed: 5, SchoolYear: schoolYear(time.Now())}
	cast, err := generate.FindCast(spec)
	if err != nil {
		t.Fatal(err)
	}
	roster := filepath.Join(dir, "oppilaat.zip")
	s.ok("roster", "generate", "--tenant", slug, "--name-fi", "Kunta", "--learners", "40", "--seed", "5", "--out", roster)
	put("tunnus.txt", "salaisuus\n")
	paper := put("sopimus.pdf", string(webtest.PDF("")))
	manifest := put("kunta.yaml", fmt.Sprintf(`slug: %s
name_fi: Kunta
municipality_code: "%s"
providers:
  - {name: Kunnan tunnus, issuer: "%s", client_id: digione, secret_file: tunnus.txt, link_claim: preferred_username, link_to: username}
settings:
  declared: {schools: 1, learners: 40}
  joining:
    waves:
      - {name: pilotti, opens: %s, schools: [%s-o-001]}
`, slug, c, issuer, time.Now().AddDate(0, 0, -1).Format(time.DateOnly), slug))

	tape := &recording{plain: strings.NewReplacer(dir+"/", "", slug, "inkoo", issuer, "https://login.inkoo.example")}
	began, commands := time.Now(), 0
	command := func(want int, args ...string) {
		t.Helper()
		commands++
		at := time.Now()
		a := s.run(args...)
		if a.code != want {
			t.Fatalf("%s: %s", strings.Join(args, " "), a)
		}
		tape.add(args, a, time.Since(at))
	}
	command(0, "apply", "-f", manifest)
	command(0, "join", "start", slug, "--wave", "2027-spring")
	command(0, "join", "attest", slug, "agreement", "data-processing", "rulebook", "impact-assessment", "contacts",
		"--evidence", paper, "--signer", "Maija Meri", "--actor", "olli")
	command(0, "join", "approve", slug, "--actor", "paula")
	command(0, "roster", "import", slug, roster, "--initial")
	command(8, "join", "advance", slug) // somebody is awaited: the first sign-ins, for one
	if commands > 6 || time.Since(began) > 10*time.Minute {
		t.Errorf("%d commands, %s", commands, time.Since(began))
	}

	tape.write(t, *record)

	in, err := installation.OpenServing(context.Background(), settings.Settings{Data: s.data, HostSuffix: "localhost", MaxConns: 8})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(in.Close)
	db, err := in.DB(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	a := app.New(app.Config{DB: db, Keyset: in.Keyset, Objects: in.Objects, Log: slog.New(slog.DiscardHandler)})
	if status := enter(t, a, host, cast.Learner.Username); status != http.StatusOK {
		t.Errorf("the first pupil gets %d at the front page", status)
	}
	// The sign-in itself is what the stage waited for.
	s.run("join", "check", slug)
	if out := s.ok("join", "status", slug, "-o", "json"); strings.Contains(out, `"learner-sign-in"`) {
		t.Errorf("the pupil's sign-in was not measured: %s", out)
	}
	tn, ok := db.BySlug(slug)
	if !ok || tn.State != tenancy.Active {
		t.Errorf("the tenant is %v", tn.State)
	}
}

// recording is what stood on the terminal, for the documentation: an asciicast of
// version 2, which asciinema plays.
type recording struct {
	plain *strings.Replacer
	at    time.Duration
	lines []string
}

func (r *recording) say(text string) {
	b, _ := json.Marshal([]any{r.at.Seconds(), "o", strings.ReplaceAll(r.plain.Replace(text), "\n", "\r\n")}) // plain strings
	r.lines = append(r.lines, string(b))
}

func (r *recording) add(args []string, a answer, took time.Duration) {
	line := "$ tenantctl"
	for _, arg := range args {
		if strings.Contains(arg, " ") {
			arg = `"` + arg + `"`
		}
		line += " " + arg
	}
	r.say(line + "\n")
	r.at += took
	r.say(a.out + a.err)
	r.at += 2 * time.Second // to read
}

func (r *recording) write(t *testing.T, file string) {
	t.Helper()
	if file == "" {
		return
	}
	head := `{"version": 2, "width": 150, "height": 50, "title": "From a signed agreement to the first pupil"}`
	write(t, file, []byte(head+"\n"+strings.Join(r.lines, "\n")+"\n"))
}

func schoolYear(now time.Time) int {
	if now.Month() >= time.August {
		return now.Year() + 1
	}
	return now.Year()
}

// enter signs somebody in by the provider, as a browser would, and returns the
// status of the front page.
func enter(t *testing.T, a *app.App, host, who string) int {
	t.Helper()
	cookies := map[string]string{}
	get := func(path string) (*http.Response, string) {
		t.Helper()
		rq := httptest.NewRequest(http.MethodGet, path, nil)
		rq.Host = host
		for k, v := range cookies {
			rq.AddCookie(&http.Cookie{Name: k, Value: v})
		}
		res, err := a.Router.App().Test(rq, 60_000)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		for _, c := range res.Cookies() {
			cookies[c.Name] = c.Value
		}
		b, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res, string(b)
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	follow := func(res *http.Response, err error) *url.URL {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		to, err := res.Location()
		if err != nil {
			t.Fatalf("status %d: %v", res.StatusCode, err)
		}
		return to
	}
	_, page := get("/kirjaudu")
	_, path, ok := strings.Cut(page, `href="/kirjaudu/`)
	path, _, _ = strings.Cut(path, `"`)
	if !ok {
		t.Fatalf("no way in: %s", page)
	}
	start, _ := get("/kirjaudu/" + path)
	login := follow(client.Get(start.Header.Get("Location")))
	on := follow(client.PostForm(login.Scheme+"://"+login.Host+"/login", url.Values{"id": {login.Query().Get("id")}, "username": {who}}))
	back := follow(client.Get(on.String()))
	if res, body := get(back.RequestURI()); res.StatusCode != http.StatusSeeOther {
		t.Fatalf("sign-in of %s: %d %.400s", who, res.StatusCode, body)
	}
	home, _ := get("/")
	return home.StatusCode
}
