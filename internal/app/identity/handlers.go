package identity

import (
	"embed"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/google/uuid"
	"golang.org/x/oauth2"

	"digione/internal/app/audit"
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

// Config is what signing in needs. DB, Sessions and Keys must be given.
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
	issuers *issuers
}

// Routes mounts the way in and the way out.
func Routes(r *web.Router, cfg Config) {
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	h := handlers{cfg, newIssuers(cfg.TLS, cfg.Transport)}
	r.Get(signInPath, authz.Public, h.show)
	r.Get(signInPath+"/:provider/alku", authz.Public, h.start)
	r.Get(callbackPath, authz.Public, h.callback)
	r.Post(signOutPath, authz.SessionEnd, h.signOut)
}

// SignInPage is all that templates/signin.html may use.
type SignInPage struct {
	web.Page
	Ways []Way
}

// Way is a button to a provider.
type Way struct{ Name, Path string }

func (h handlers) show(c *fiber.Ctx, rq *web.Request) error {
	if rq.Actor.SignedIn() {
		return c.Redirect(rq.ReturnTo(), fiber.StatusSeeOther)
	}
	page := SignInPage{Page: rq.Page("identity.title")}
	other := c.Query(otherKey) != ""
	for i := range page.Langs {
		if other {
			page.Langs[i].Path += "&" + otherKey + "=1"
		}
	}
	err := h.DB.Read(rq.Ctx, rq.Tenant.ID, func(tx tenancy.Read) error {
		all, err := ListProviders(rq.Ctx, tx)
		for _, p := range all {
			page.Ways = append(page.Ways, Way{p.Name, startPath(p.ID, rq.ReturnTo(), other)})
		}
		return err
	})
	if err != nil {
		return err
	}
	return rq.Render(pages["signin"], page)
}

func startPath(provider uuid.UUID, back string, other bool) string {
	q := url.Values{}
	if back != "/" {
		q.Set(returnKey, back)
	}
	if other {
		q.Set(otherKey, "1")
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
	p, err := h.provider(rq, id)
	if err != nil {
		return err
	}
	is, err := h.issuers.get(rq.Ctx, p.Issuer)
	if err != nil {
		return h.refuse(c, rq, pending{Provider: id, ReturnTo: rq.ReturnTo()}, because(outage, err))
	}
	browser := h.browserSecret(c, rq)
	state := newState(browser, rq.Tenant.ID)
	in := pending{Provider: id, Nonce: newToken(), Verifier: oauth2.GenerateVerifier(), ReturnTo: rq.ReturnTo()}
	err = h.DB.Write(rq.Ctx, rq.Tenant.ID, func(tx tenancy.Write) error {
		return insertSignIn(rq.Ctx, tx, state, in, rq.Now, rq.Now.Add(signInTime))
	}, tenancy.Trace())
	if err != nil {
		return err
	}
	opts := []oauth2.AuthCodeOption{
		oauth2.S256ChallengeOption(in.Verifier), oauth2.SetAuthURLParam("nonce", in.Nonce),
		oauth2.SetAuthURLParam("ui_locales", string(rq.Lang)),
	}
	if c.Query(otherKey) != "" {
		opts = append(opts, oauth2.SetAuthURLParam("prompt", "login"))
	}
	return c.Redirect(is.config(p, h.redirectURI(c, rq)).AuthCodeURL(state, opts...), fiber.StatusSeeOther)
}

// provider returns an enabled provider with its secret opened.
func (h handlers) provider(rq *web.Request, id uuid.UUID) (p Provider, err error) {
	var (
		sealed []byte
		ok     bool
	)
	err = h.DB.Read(rq.Ctx, rq.Tenant.ID, func(tx tenancy.Read) (err error) {
		p, sealed, ok, err = findProvider(rq.Ctx, tx, id)
		return err
	})
	if err != nil {
		return Provider{}, err
	}
	if !ok {
		return Provider{}, authz.Missing("provider")
	}
	ks, err := h.Keys(rq.Tenant)
	if err != nil {
		return Provider{}, err
	}
	secret, err := ks.Open(sealed, secretContext)
	p.Secret = string(secret)
	return p, err
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
	token, expires, err := h.enter(rq, p, who)
	if err != nil {
		return h.refuse(c, rq, in, err)
	}
	rq.SetSession(token, expires)
	h.forgetBrowser(c)
	return c.Redirect(web.LocalPath(in.ReturnTo), fiber.StatusSeeOther)
}

// take returns the sign-in that the state belongs to, once, and to no other
// browser than the one that began it: to that one it stays open.
func (h handlers) take(c *fiber.Ctx, rq *web.Request) (in pending, err error) {
	state := c.Query("state")
	if len(state) > 200 || !stateOf(c.Cookies(h.browserCookie()), rq.Tenant.ID, state) {
		return in, because(stateUnknown, errors.New("not of this browser"))
	}
	var ok bool
	err = h.DB.Write(rq.Ctx, rq.Tenant.ID, func(tx tenancy.Write) (err error) {
		in, ok, err = takeSignIn(rq.Ctx, tx, state, rq.Now)
		return err
	}, tenancy.Trace())
	if err == nil && !ok {
		err = because(stateUnknown, errors.New("used or expired"))
	}
	return in, err
}

func (h handlers) prove(c *fiber.Ctx, rq *web.Request, in pending) (p Provider, who proof, err error) {
	if p, err = h.provider(rq, in.Provider); err != nil {
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

// enter links the account if it must, and begins a session, in one transaction.
func (h handlers) enter(rq *web.Request, p Provider, who proof) (token string, expires time.Time, err error) {
	ks, err := h.Keys(rq.Tenant)
	if err != nil {
		return "", expires, err
	}
	err = h.DB.Write(rq.Ctx, rq.Tenant.ID, func(tx tenancy.Write) error {
		person, err := personOf(rq.Ctx, tx.Read, ks, p, who)
		if err != nil {
			return err
		}
		actor, err := authz.Load(rq.Ctx, tx.Read, person, rq.Today())
		if err != nil {
			return err
		}
		if len(actor.Roles()) == 0 {
			return because(withoutRole, nil)
		}
		a, err := putAccount(rq.Ctx, tx, p, who.subject, person, rq.Now)
		if err != nil {
			return err
		}
		if old := rq.SessionToken(); len(old) == tokenLen {
			if err := deleteSession(rq.Ctx, tx, old); err != nil {
				return err
			}
		}
		if token, expires, err = h.Sessions.begin(rq.Ctx, tx, a, rq.Now); err != nil {
			return err
		}
		return audit.Viewed(rq.Ctx, tx, h.event(rq, signedIn, person, ""))
	}, tenancy.Trace())
	return token, expires, err
}

func (h handlers) event(rq *web.Request, action string, actor uuid.UUID, reason string) audit.Entry {
	return audit.Entry{At: rq.Now, Actor: actor, Action: action, Kind: audit.Session, Reason: reason, Request: rq.ID}
}

func (h handlers) signOut(c *fiber.Ctx, rq *web.Request) error {
	err := h.DB.Write(rq.Ctx, rq.Tenant.ID, func(tx tenancy.Write) error {
		if err := deleteSession(rq.Ctx, tx, rq.SessionToken()); err != nil {
			return err
		}
		return audit.Viewed(rq.Ctx, tx, h.event(rq, signedOut, rq.Actor.Person, ""))
	}, tenancy.Trace())
	if err != nil {
		return err
	}
	rq.ClearSession()
	rq.Flash("flash.signedout")
	// At a shared computer the provider would let the next person in as the last.
	return c.Redirect(signInPath+"?"+otherKey+"=1", fiber.StatusSeeOther)
}
