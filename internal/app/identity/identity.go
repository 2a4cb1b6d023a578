// Package identity signs people in by OpenID Connect, links their accounts to
// persons and keeps their sessions; it also takes the roles of an import. It
// writes identity_provider, account, session, sign_in and role_grant, and knows
// nothing of what people do once they are in.
//
// The linking rule: an account that is known (a provider and its subject) is its
// person. Otherwise the provider's link claim is compared, letter by letter, with
// the one attribute that the provider names (username, sourced_id, oppijanumero or
// hetu), and exactly one person whom an active, enabled row of the roster names
// must fit; then the account is linked and says by which rule. None or several
// end in a page that says so, without session and account. A provider may name
// further rules for those without the first one's claim: learners come with a
// national learner number, staff with none. Nobody is linked by an e-mail address
// or a name: both change hands.
//
// username and sourced_id are safe only where the provider is the municipality's
// own directory, or where a claim must say so (RequireClaim); one that serves
// several of them links by oppijanumero or hetu.
//
// A provider is meant for some kinds of people, and a session has no other role than
// these: a teacher who comes in as a guardian sees their children and no group. A
// sign-in is weak or strong; what an action needs, package authz says.
//
// A session's token is random, only its hash is stored, and it lives in the
// schema of its tenant: another tenant's token finds nothing there. What a person
// may do is looked up anew for every request, and whoever has no role any more,
// whose provider is switched off or whose account has moved is signed out.
package identity

import (
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"digione/internal/app/authz"
	"digione/internal/app/fault"
)

// LinkTo names the attribute of a person that a link claim is compared with.
type LinkTo string

// The attributes.
const (
	ToUsername     LinkTo = "username"
	ToSourcedID    LinkTo = "sourced_id"
	ToOppijanumero LinkTo = "oppijanumero"
	ToHetu         LinkTo = "hetu"
)

// Provider is where people of one tenant sign in.
type Provider struct {
	ID        uuid.UUID // set by the store
	Name      string    // on the button, such as "Vantaan koulutunnus"
	Issuer    string    // exactly as the provider writes it
	ClientID  string
	Secret    string // sealed in the database
	Scopes    []string
	LinkClaim string
	LinkTo    LinkTo
	// Also are further rules, each tried when the claims of those before are absent.
	Also []Link
	// RequireClaim must hold RequireValue, or a text that begins with it and a
	// semicolon, such as MPASSid's "OID;Name" of the education provider. Empty is none.
	RequireClaim, RequireValue string
	// For says as whom people come in; empty is everybody.
	For []authz.Kind
	// Strong says that every sign-in there is strong; StrongACR are the values of the
	// claim acr by which one is.
	Strong    bool
	StrongACR []string
	Disabled  bool // nobody signs in by it, and its sessions end
}

// Link is a rule: the claim must equal the attribute.
type Link struct {
	Claim string `json:"claim" yaml:"claim"`
	To    LinkTo `json:"to" yaml:"to"`
}

// links are all rules in their order.
func (p Provider) links() []Link { return append([]Link{{p.LinkClaim, p.LinkTo}}, p.Also...) }

// kinds are those for whom the provider is meant.
func (p Provider) kinds() []authz.Kind {
	if len(p.For) == 0 {
		return authz.Kinds
	}
	return p.For
}

// StrongBy reports whether the sign-in that the claims tell of is strong.
func (p Provider) StrongBy(claims map[string]any) bool {
	acr, _ := claims["acr"].(string)
	return p.Strong || acr != "" && slices.Contains(p.StrongACR, acr)
}

// admits reports whether the required claim holds what it must.
func (p Provider) admits(claims map[string]any) bool {
	if p.RequireClaim == "" {
		return true
	}
	values, ok := claims[p.RequireClaim].([]any)
	if !ok {
		values = []any{claims[p.RequireClaim]}
	}
	return slices.ContainsFunc(values, func(v any) bool {
		s, _ := v.(string)
		return s == p.RequireValue || strings.HasPrefix(s, p.RequireValue+";")
	})
}

// neverLinks are claims that change hands or are anybody's to choose.
var neverLinks = []string{"email", "name", "given_name", "family_name", "middle_name", "nickname", "phone_number", "birthdate"}

// Check reports the first thing that is wrong with a provider's settings.
func (p Provider) Check() error {
	if faults := p.Faults(); len(faults) > 0 {
		return fault.New(fault.Invalid, "error.invalid", "sign-in provider: %w", faults[0])
	}
	return nil
}

// Faults returns everything that is wrong with a provider's settings.
func (p Provider) Faults() (faults []error) {
	wrong := func(is bool, format string, args ...any) {
		if is {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	wrong(strings.TrimSpace(p.Name) == "" || len(p.Name) > 100, "give it a name of at most 100 characters, such as Vantaan koulutunnus")
	wrong(p.ClientID == "" || p.Secret == "", "the client's id and its secret are both needed")
	for _, l := range p.links() {
		wrong(l.Claim == "", "name the claim that links, such as preferred_username")
		wrong(slices.Contains(neverLinks, l.Claim), "accounts are never linked by %s", l.Claim)
		wrong(!slices.Contains([]LinkTo{ToUsername, ToSourcedID, ToOppijanumero, ToHetu}, l.To), "link to %q: use username, sourced_id, oppijanumero or hetu", l.To)
	}
	wrong((p.RequireClaim == "") != (p.RequireValue == ""), "a required claim and its value belong together")
	for _, k := range p.For {
		wrong(!slices.Contains(authz.Kinds, k), "meant for %q: use learner, guardian or staff", k)
	}
	if err := checkIssuer(p.Issuer); err != nil {
		faults = append(faults, err)
	}
	return faults
}

// checkIssuer accepts https, and plain http on this machine alone.
func checkIssuer(s string) error {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return fmt.Errorf("issuer: use an address such as https://login.example.fi")
	}
	if u.Scheme == "https" || u.Scheme == "http" && onThisMachine(u.Hostname()) {
		return nil
	}
	return fmt.Errorf("issuer %s: use https", s)
}

func onThisMachine(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || ip != nil && ip.IsLoopback()
}

// scopes are the provider's, with openid, without which there is no identity.
func (p Provider) scopes() []string {
	if len(p.Scopes) == 0 {
		return []string{"openid", "profile"}
	}
	if slices.Contains(p.Scopes, "openid") {
		return p.Scopes
	}
	return append([]string{"openid"}, p.Scopes...)
}

// link returns the first rule whose claim is there, with its text; what is absent,
// empty, not one text, or too long to be an identifier, links nobody.
func (p Provider) link(claims map[string]any) (l Link, value string, ok bool) {
	for _, l := range p.links() {
		v := claims[l.Claim]
		if list, ok := v.([]any); ok && len(list) == 1 {
			v = list[0]
		}
		if s, ok := v.(string); ok && s != "" && len(s) <= 256 {
			return l, s, true
		}
	}
	return Link{}, "", false
}

// Limits bound a session.
type Limits struct {
	Idle     time.Duration // without a request; 0 is 60 min
	Staff    time.Duration // the same for staff, whose screens stand open in classrooms; 0 is 30 min
	Absolute time.Duration // from sign-in; 0 is 12 h
}

func (l Limits) withDefaults() Limits {
	if l.Idle == 0 {
		l.Idle = time.Hour
	}
	if l.Staff == 0 {
		l.Staff = 30 * time.Minute
	}
	l.Staff = min(l.Staff, l.Idle)
	if l.Absolute == 0 {
		l.Absolute = 12 * time.Hour
	}
	return l
}

// Actions in audit events; their reasons are the codes of refusals.
const (
	SignedIn  = "session.start"
	SignedOut = "session.end"
	turnedOut = "session.refused"

	endedElsewhere = "session.ended" // from another device; the reason is the session's id
)
