package operators

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"
	"github.com/gofiber/fiber/v2"

	"digione/internal/app/authz"
	"digione/internal/app/fault"
	"digione/internal/app/identity"
	"digione/internal/app/web"
	"digione/internal/tenancy"
)

// Where a passkey is shown, and where one's own are listed, added and ended.
const (
	provePath = "/avain"
	keysPath  = "/avaimet"
)

// longestName is of a key, in characters.
const longestName = 60

func (h handlers) passkeyRoutes() {
	h.Router.Get(provePath, authz.KeyProve, h.askKey)
	h.Router.Post(provePath, authz.KeyProve, h.proveKey)
	h.Page(keysPath, "keys", h.keys)
	h.Router.Post(keysPath, authz.FleetRead, h.addKey)
	h.Router.Post(keysPath+"/poista", authz.FleetRead, h.endKey)
}

// keyHolder is an operator as the library sees them.
type keyHolder struct {
	Operator
	keys []tenancy.Passkey
}

func (k keyHolder) WebAuthnID() []byte          { return k.ID[:] }
func (k keyHolder) WebAuthnName() string        { return k.Name }
func (k keyHolder) WebAuthnDisplayName() string { return k.Name }

func (k keyHolder) WebAuthnCredentials() []webauthn.Credential {
	var out []webauthn.Credential
	for _, p := range k.keys {
		var c webauthn.Credential
		if json.Unmarshal(p.Credential, &c) == nil {
			out = append(out, c)
		}
	}
	return out
}

// relying is this site as the library sees it: keys are bound to its host.
func (h handlers) relying(rq *web.Request) (*webauthn.WebAuthn, error) {
	return webauthn.New(&webauthn.Config{RPID: h.host, RPDisplayName: "DigiOne", RPOrigins: []string{rq.Origin()},
		AuthenticatorSelection: protocol.AuthenticatorSelection{UserVerification: protocol.VerificationRequired, ResidentKey: protocol.ResidentKeyRequirementPreferred}})
}

func (h handlers) holder(rq *web.Request) (keyHolder, *tenancy.Desk, error) {
	d, err := h.db.Desk()
	if err != nil {
		return keyHolder{}, nil, err
	}
	keys, err := d.Passkeys(rq.Ctx, rq.Actor.Person)
	return keyHolder{From(rq), keys}, d, err
}

// KeyPage is all that templates/key.html may use.
type KeyPage struct {
	web.Page
	Options string // JSON for the browser
	Back    string
	Wrong   bool
}

func (h handlers) askKey(c *fiber.Ctx, rq *web.Request) error {
	if rq.Session.Strong {
		return c.Redirect(rq.ReturnTo(), fiber.StatusSeeOther)
	}
	return h.showKey(rq, KeyPage{Back: rq.ReturnTo()}, fiber.StatusOK)
}

func (h handlers) showKey(rq *web.Request, page KeyPage, status int) error {
	who, d, err := h.holder(rq)
	if err != nil {
		return err
	}
	rp, err := h.relying(rq)
	if err != nil {
		return err
	}
	options, data, err := rp.BeginLogin(who)
	if err != nil {
		return fmt.Errorf("ask for a passkey: %w", err)
	}
	if page.Options, err = keep(rq, d, options, data); err != nil {
		return err
	}
	page.Page = rq.Page("operators.key.title")
	page.Nav = nil // nothing else opens yet
	return rq.RenderStatus(status, pages["key"], page)
}

// keep holds what the key must answer, and returns what the browser is asked.
func keep(rq *web.Request, d *tenancy.Desk, options any, data *webauthn.SessionData) (string, error) {
	challenge, err := json.Marshal(data)
	if err != nil {
		return "", err
	}
	if err := d.KeepChallenge(rq.Ctx, identity.HashOf(rq.SessionToken()), challenge); err != nil {
		return "", err
	}
	b, err := json.Marshal(options)
	return string(b), err
}

// taken returns what the key of this session had to answer, once.
func taken(rq *web.Request, d *tenancy.Desk) (data webauthn.SessionData, err error) {
	b, ok, err := d.TakeChallenge(rq.Ctx, identity.HashOf(rq.SessionToken()))
	if err != nil {
		return data, err
	}
	if !ok {
		return data, errNoChallenge
	}
	return data, json.Unmarshal(b, &data)
}

var errNoChallenge = fault.New(fault.Invalid, "error.invalid", "no passkey was asked for")

func (h handlers) proveKey(c *fiber.Ctx, rq *web.Request) error {
	back := web.LocalPath(rq.Form("paluu"))
	who, d, err := h.holder(rq)
	if err != nil {
		return err
	}
	if len(who.keys) == 0 {
		return authz.Missing("key") // there is none to ask for
	}
	key, err := h.proven(rq, who, d)
	if err != nil {
		if note := d.Note(rq.Ctx, refusedKey(rq, who)); note != nil {
			return note
		}
		return h.showKey(rq, KeyPage{Back: back, Wrong: true}, fiber.StatusForbidden)
	}
	if err := d.UsePasskey(rq.Ctx, identity.HashOf(rq.SessionToken()), who.ID, key, rq.Now, line(rq, who.Operator, "key use", "")); err != nil {
		return err
	}
	return c.Redirect(back, fiber.StatusSeeOther)
}

func refusedKey(rq *web.Request, who keyHolder) tenancy.LogEntry {
	e := line(rq, who.Operator, "key use", "")
	e.Outcome = string(tenancy.Refused)
	return e
}

// proven checks the browser's answer and returns the key as it is to be kept. A key
// whose counter goes back may be a copy: it is refused.
func (h handlers) proven(rq *web.Request, who keyHolder, d *tenancy.Desk) (tenancy.Passkey, error) {
	data, err := taken(rq, d)
	if err != nil {
		return tenancy.Passkey{}, err
	}
	rp, err := h.relying(rq)
	if err != nil {
		return tenancy.Passkey{}, err
	}
	answer, err := protocol.ParseCredentialRequestResponseBody(strings.NewReader(rq.Form("vastaus")))
	if err != nil {
		return tenancy.Passkey{}, err
	}
	c, err := rp.ValidateLogin(who, data, answer)
	if err != nil {
		return tenancy.Passkey{}, err
	}
	if c.Authenticator.CloneWarning {
		return tenancy.Passkey{}, fault.New(fault.Forbidden, "error.invalid", "the counter of a passkey went back")
	}
	b, err := json.Marshal(c)
	return tenancy.Passkey{ID: c.ID, Credential: b}, err
}

// KeysPage is all that templates/keys.html may use.
type KeysPage struct {
	web.Page
	Keys    []ownKey
	Options string
}

type ownKey struct {
	tenancy.Passkey
	Field string // names it in a form
}

func (h handlers) keys(_ *fiber.Ctx, rq *web.Request) (View, error) {
	who, d, err := h.holder(rq)
	if err != nil {
		return View{}, err
	}
	rp, err := h.relying(rq)
	if err != nil {
		return View{}, err
	}
	options, data, err := rp.BeginRegistration(who, webauthn.WithExclusions(webauthn.Credentials(who.WebAuthnCredentials()).CredentialDescriptors()))
	if err != nil {
		return View{}, fmt.Errorf("begin a passkey: %w", err)
	}
	page := KeysPage{Page: rq.Page("operators.keys.title")}
	for _, k := range who.keys {
		page.Keys = append(page.Keys, ownKey{k, base64.RawURLEncoding.EncodeToString(k.ID)})
	}
	page.Options, err = keep(rq, d, options, data)
	return View{Template: pages["keys"], Page: page}, err
}

func (h handlers) addKey(c *fiber.Ctx, rq *web.Request) error {
	who, d, err := h.holder(rq)
	if err != nil {
		return err
	}
	name := strings.TrimSpace(rq.Form("nimi"))
	if n := utf8.RuneCountInString(name); n == 0 || n > longestName {
		return fault.New(fault.Invalid, "error.invalid", "name of a passkey: %d characters", n)
	}
	data, err := taken(rq, d)
	if err != nil {
		return err
	}
	rp, err := h.relying(rq)
	if err != nil {
		return err
	}
	answer, err := protocol.ParseCredentialCreationResponseBody(bytes.NewReader([]byte(rq.Form("vastaus"))))
	if err != nil {
		return fault.New(fault.Invalid, "error.invalid", "passkey: %w", err)
	}
	credential, err := rp.CreateCredential(who, data, answer)
	if err != nil {
		return fault.New(fault.Invalid, "error.invalid", "passkey: %w", err)
	}
	b, err := json.Marshal(credential)
	if err != nil {
		return err
	}
	if err := d.AddPasskey(rq.Ctx, who.ID, tenancy.Passkey{ID: credential.ID, Name: name, Credential: b, CreatedAt: rq.Now}, line(rq, who.Operator, "key add", "")); err != nil {
		return err
	}
	rq.Flash("flash.key.added")
	return c.Redirect(keysPath, fiber.StatusSeeOther)
}

func (h handlers) endKey(c *fiber.Ctx, rq *web.Request) error {
	id, err := base64.RawURLEncoding.DecodeString(rq.Form("avain"))
	if err != nil {
		return authz.Missing("key")
	}
	d, err := h.db.Desk()
	if err != nil {
		return err
	}
	ended, err := d.EndPasskey(rq.Ctx, rq.Actor.Person, id)
	if err != nil {
		return err
	}
	if !ended {
		return authz.Missing("key")
	}
	if err := d.Note(rq.Ctx, line(rq, From(rq), "key end", "")); err != nil {
		return err
	}
	rq.Flash("flash.key.ended")
	return c.Redirect(keysPath, fiber.StatusSeeOther)
}
