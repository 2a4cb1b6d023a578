package devidp

import (
	"net/url"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// opClient is a Client as the library wants it: confidential, code flow only,
// all claims in the id token.
type opClient struct{ Client }

var _ op.Client = opClient{}

func (c opClient) GetID() string                       { return c.ID }
func (c opClient) RedirectURIs() []string              { return c.Client.RedirectURIs }
func (c opClient) PostLogoutRedirectURIs() []string    { return nil }
func (c opClient) ApplicationType() op.ApplicationType { return op.ApplicationTypeWeb }
func (c opClient) AuthMethod() oidc.AuthMethod         { return oidc.AuthMethodBasic }
func (c opClient) ResponseTypes() []oidc.ResponseType {
	return []oidc.ResponseType{oidc.ResponseTypeCode}
}
func (c opClient) GrantTypes() []oidc.GrantType         { return []oidc.GrantType{oidc.GrantTypeCode} }
func (c opClient) AccessTokenType() op.AccessTokenType  { return op.AccessTokenTypeBearer }
func (c opClient) IDTokenLifetime() time.Duration       { return 10 * time.Minute }
func (c opClient) DevMode() bool                        { return false }
func (c opClient) IsScopeAllowed(string) bool           { return false }
func (c opClient) IDTokenUserinfoClaimsAssertion() bool { return true }
func (c opClient) ClockSkew() time.Duration             { return 0 }

func (c opClient) LoginURL(id string) string { return loginPath + "?id=" + url.QueryEscape(id) }

func (c opClient) RestrictAdditionalIdTokenScopes() func([]string) []string {
	return func(s []string) []string { return s }
}

func (c opClient) RestrictAdditionalAccessTokenScopes() func([]string) []string {
	return func(s []string) []string { return s }
}

// authRequest is a sign-in under way; user is nil until somebody was picked.
type authRequest struct {
	id   string
	at   time.Time
	ask  oidc.AuthRequest
	code string
	user *User
	when time.Time // of the pick
}

var _ op.AuthRequest = (*authRequest)(nil)

func (a *authRequest) GetID() string                      { return a.id }
func (a *authRequest) GetACR() string                     { return "" }
func (a *authRequest) GetAMR() []string                   { return nil }
func (a *authRequest) GetAudience() []string              { return []string{a.ask.ClientID} }
func (a *authRequest) GetAuthTime() time.Time             { return a.when }
func (a *authRequest) GetClientID() string                { return a.ask.ClientID }
func (a *authRequest) GetNonce() string                   { return a.ask.Nonce }
func (a *authRequest) GetRedirectURI() string             { return a.ask.RedirectURI }
func (a *authRequest) GetResponseType() oidc.ResponseType { return a.ask.ResponseType }
func (a *authRequest) GetResponseMode() oidc.ResponseMode { return a.ask.ResponseMode }
func (a *authRequest) GetScopes() []string                { return a.ask.Scopes }
func (a *authRequest) GetState() string                   { return a.ask.State }
func (a *authRequest) Done() bool                         { return a.user != nil }

func (a *authRequest) GetCodeChallenge() *oidc.CodeChallenge {
	return &oidc.CodeChallenge{Challenge: a.ask.CodeChallenge, Method: a.ask.CodeChallengeMethod}
}

func (a *authRequest) GetSubject() string {
	if a.user == nil {
		return ""
	}
	return a.user.Subject
}
