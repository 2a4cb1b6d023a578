package identity

import (
	"embed"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/google/uuid"
	"golang.org/x/oauth2"

	"digione/internal/app/authz"
	"digione/internal/app/web"
	"digione/internal/tenancy"
	"digione/internal/tenancy/keys"
)

//go:embed templates/*.html
var files embed.FS

var pages = web.Pages(files)

const (
	signInPath   = "/kirjaudu"
	callbackPath = "/kirjaudu/paluu"
	signOutPath  = "/kirjaudu-ulos"
	returnKey    = "paluu"
	otherKey     = "vaihda"         // asks the provider to let people choose who they are
	signInTime   = 10 * time.Minute // from the button to the way back
)

// Config is what signing in needs. For Routes, DB, Sessions and Keys must be given;
// Mount takes the rest alone.
type Config struct {
	DB       *tenancy.DB
	Sessions *Sessions
	Keys     func(tenancy.Tenant) (*keys.Keyset, error)
	TLS      bool // as in web.Config

	// Transport reaches the providers; nil is Go's own. It is for a proxy, or an
	// authority of one's own.
	Transport http.RoundTripper
	Log       *slog.Logger // nil is slog.Default
}

type handlers struct {
	Config
	realm    Realm
	issuers  *issuers
	throttle *throttle
}

// Routes mounts the way in and the way out for the people of tenants.
func Routes(r *web.Router, cfg Config) {
	Mount(r, tenants{cfg}, cfg)
	mountSessions(r, cfg)
}

// Mount mounts the way in and the way out of a realm.
func Mount(r *web.Router, realm Realm, cfg Config) {
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	h := handlers{cfg, realm, newIssuers(cfg.TLS, cfg.Transport), &throttle{}}
	r.Get(signInPath, authz.Public, h.show)
	r.Get(signInPath+"/:provider/alku", authz.Public, h.start)
	r.Get(callbackPath, authz.Public, h.callback)
	r.Post(signOutPath, authz.SessionEnd, h.signOut)
}

// SignInPage is all that templates/signin.html may use.
type SignInPage struct {
	web.Page
	Words  Words
	Ways   []Way
	Strong bool // somebody who is in must sign in strongly
}

// Way is a button to a provider, and for whom it is where it is not for all.
type Way struct{ Name, For, Path string }

// whom says for whom a provider is, "" for everybody.
func (h handlers) whom(rq *web.Request, p Provider) string {
	if len(p.kinds()) == len(authz.Kinds) {
		return ""
	}
	var words []string
	for _, k := range p.For {
		words = append(words, rq.Lang.T("identity.for."+string(k)))
	}
	return strings.Join(words, ", ")
}

func (h handlers) show(c *fiber.Ctx, rq *web.Request) error {
	strong := rq.Actor.SignedIn() && c.Query(web.StrongKey) != "" && !rq.Session.Strong
	if rq.Actor.SignedIn() && !strong {
		return c.Redirect(rq.ReturnTo(), fiber.StatusSeeOther)
	}
	page := SignInPage{Page: rq.Page("identity.title"), Words: h.realm.Words(), Strong: strong}
	if strong {
		page.Title, page.Words = rq.Lang.T("identity.strong"), Words{"identity.strong.lead", "identity.strong.help", "identity.strong.none", "identity.strong.none.help"}
	}
	other := c.Query(otherKey) != ""
	for i := range page.Langs {
		if other {
			page.Langs[i].Path += "&" + otherKey + "=1"
		}
		if strong {
			page.Langs[i].Path += "&" + web.StrongKey + "=1"
		}
	}
	all, err := h.realm.Providers(rq)
	if err != nil {
		return err
	}
	for _, p := range all {
		if strong && !p.Strong && len(p.StrongACR) == 0 {
			continue
		}
		page.Ways = append(page.Ways, Way{p.Name, h.whom(rq, p), StartPath(p.ID, rq.ReturnTo(), other, strong)})
	}
	return rq.Render(pages["signin"], page)
}

// StartPath is the address that leads to a provider and comes back to a page; other
// has the provider ask who it is.
func StartPath(provider uuid.UUID, back string, other, strong bool) string {
	q := url.Values{}
	if back != "/" {
		q.Set(returnKey, back)
	}
	if other {
		q.Set(otherKey, "1")
	}
	if strong {
		q.Set(web.StrongKey, "1")
	}
	path := signInPath + "/" + provider.String() + "/alku"
	if len(q) > 0 {
		path += "?" + q.Encode()
	}
	return path
}

// start sends the browser to the provider. What only this browser may bring back
// stands in a cookie, the rest in the database.
func (h handlers) start(c *fiber.Ctx, rq *web.Request) error {
	id, err := rq.ParamID("provider")
	if err != nil {
		return err
	}
	if wait := h.slow(c, rq); wait > 0 {
		return &tenancy.BusyError{RetryAfter: wait}
	}
	p, err := h.realm.Provider(rq, id)
	if err != nil {
		return err
	}
	is, err := h.issuers.get(rq.Ctx, p.Issuer)
	if err != nil {
		return h.refuse(c, rq, Pending{Provider: id, ReturnTo: rq.ReturnTo()}, because(outage, err))
	}
	browser := h.browserSecret(c, rq)
	state := newState(browser, h.realm.Name(rq))
	in := Pending{Provider: id, Nonce: NewToken(), Verifier: oauth2.GenerateVerifier(), ReturnTo: rq.ReturnTo()}
	if err := h.realm.Keep(rq, HashOf(state), in, rq.Now.Add(signInTime)); err != nil {
		return err
	}
	opts := []oauth2.AuthCodeOption{
		oauth2.S256ChallengeOption(in.Verifier), oauth2.SetAuthURLParam("nonce", in.Nonce),
		oauth2.SetAuthURLParam("ui_locales", string(rq.Lang)),
	}
	if c.Query(otherKey) != "" {
		opts = append(opts, oauth2.SetAuthURLParam("prompt", "login"))
	}
	if c.Query(web.StrongKey) != "" && len(p.StrongACR) > 0 {
		opts = append(opts, oauth2.SetAuthURLParam("acr_values", strings.Join(p.StrongACR, " ")), oauth2.SetAuthURLParam("prompt", "login"))
	}
	return c.Redirect(is.config(p, h.redirectURI(c, rq)).AuthCodeURL(state, opts...), fiber.StatusSeeOther)
}

// callback is where the provider sends the browser back to.
func (h handlers) callback(c *fiber.Ctx, rq *web.Request) error {
	in, err := h.take(c, rq)
	if err != nil {
		return h.refuse(c, rq, in, err)
	}
	p, who, err := h.prove(c, rq, in)
	if err != nil {
		return h.refuse(c, rq, in, err)
	}
	token, expires, err := h.realm.Enter(rq, p, who)
	if err != nil {
		return h.refuse(c, rq, in, err)
	}
	rq.SetSession(token, expires)
	h.forgetBrowser(c)
	h.remember(c, rq)
	return c.Redirect(web.LocalPath(in.ReturnTo), fiber.StatusSeeOther)
}

// take returns the sign-in that the state belongs to, once, and to no other
// browser than the one that began it: to that one it stays open.
func (h handlers) take(c *fiber.Ctx, rq *web.Request) (in Pending, err error) {
	state := c.Query("state")
	if len(state) > 200 || !stateOf(c.Cookies(h.browserCookie()), h.realm.Name(rq), state) {
		return in, because(stateUnknown, errors.New("not of this browser"))
	}
	in, ok, err := h.realm.Take(rq, HashOf(state))
	if err == nil && !ok {
		err = because(stateUnknown, errors.New("used or expired"))
	}
	return in, err
}

func (h handlers) prove(c *fiber.Ctx, rq *web.Request, in Pending) (p Provider, who Proof, err error) {
	if p, err = h.realm.Provider(rq, in.Provider); err != nil {
		return p, who, err
	}
	is, err := h.issuers.get(rq.Ctx, p.Issuer)
	if err != nil {
		return p, who, because(outage, err)
	}
	// One tenant's providers share this address: an answer that names its sender
	// must come from the provider that was asked.
	if iss := c.Query("iss"); iss != "" && iss != p.Issuer || iss == "" && is.says {
		return p, who, because(untrusted, errors.New("answer of another provider"))
	}
	switch said := c.Query("error"); {
	case said == "access_denied":
		return p, who, because(cancelled, nil)
	case said == "temporarily_unavailable":
		return p, who, because(outage, nil)
	case said != "":
		return p, who, because(providerError, errors.New("the provider said "+plainCode(said)))
	}
	who, err = h.issuers.redeem(rq.Ctx, p, in, h.redirectURI(c, rq), c.Query("code"), rq.Now)
	return p, who, err
}

func (h handlers) signOut(c *fiber.Ctx, rq *web.Request) error {
	if err := h.realm.Leave(rq); err != nil {
		return err
	}
	rq.ClearSession()
	rq.Flash("flash.signedout")
	// At a shared computer the provider would let the next person in as the last.
	return c.Redirect(signInPath+"?"+otherKey+"=1", fiber.StatusSeeOther)
}
