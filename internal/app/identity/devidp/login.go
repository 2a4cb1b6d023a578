package devidp

import (
	"bytes"
	_ "embed"
	"html/template"
	"net/http"

	"github.com/zitadel/oidc/v3/pkg/op"
)

const loginPath = "/login"

//go:embed login.html
var loginHTML string

//go:embed login.css
var loginCSS []byte

var loginTemplate = template.Must(template.New("login").Parse(loginHTML))

// LoginPage is all that login.html may use.
type LoginPage struct {
	ID, Client, Typed string
	Users             []User
	Wrong, Gone       bool
}

func (p *Provider) loginPage(w http.ResponseWriter, r *http.Request) {
	p.show(w, r.FormValue("id"), LoginPage{}, http.StatusOK)
}

func (p *Provider) show(w http.ResponseWriter, id string, page LoginPage, status int) {
	a, err := p.store.request(id)
	if err != nil {
		page.Gone, status = true, http.StatusBadRequest
	} else {
		page.ID, page.Client, page.Users = id, a.ask.ClientID, p.cfg.List(a.ask.ClientID)
		if c, ok := p.cfg.Client(a.ask.ClientID); ok && c.Name != "" {
			page.Client = c.Name
		}
	}
	var b bytes.Buffer
	if err := loginTemplate.Execute(&b, page); err != nil {
		http.Error(w, "the page cannot be shown", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	// Without form-action: a browser would apply it to the way back as well.
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'")
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes())
}

func (p *Provider) login(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 4096)
	id, username := r.PostFormValue("id"), r.PostFormValue("username")
	a, err := p.store.request(id)
	if err != nil {
		p.show(w, id, LoginPage{}, http.StatusBadRequest)
		return
	}
	u, ok := p.cfg.User(a.ask.ClientID, username)
	if !ok {
		p.show(w, id, LoginPage{Wrong: true, Typed: username}, http.StatusUnprocessableEntity)
		return
	}
	p.store.pick(id, u)
	ctx := op.ContextWithIssuer(r.Context(), p.cfg.Issuer)
	http.Redirect(w, r, op.AuthCallbackURL(p.op)(ctx, id), http.StatusSeeOther)
}

func (p *Provider) css(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	_, _ = w.Write(loginCSS)
}
