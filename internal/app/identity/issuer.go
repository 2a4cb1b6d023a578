package identity

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	neturl "net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
	"golang.org/x/oauth2"
	"golang.org/x/sync/singleflight"
)

const (
	callTimeout  = 4 * time.Second // of one call to a provider; a sign-in makes up to four
	knownFor     = time.Hour       // how long a discovery document counts as fresh
	staleFor     = time.Minute     // until the next try, when a fresh one cannot be had
	maxAnswer    = 1 << 20
	allowedAlgos = "RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA"
)

// issuer is what discovery told of a provider, with its keys: they are fetched
// anew whenever a token names one that is not known.
type issuer struct {
	*oidc.Provider
	style   oauth2.AuthStyle
	algos   []string
	says    bool // the provider names itself in its answers (RFC 9207)
	freshTo time.Time
}

// issuers keeps the discovery documents of all tenants' providers.
type issuers struct {
	client *http.Client
	tls    bool // plain http is for where the service itself is plain
	flight singleflight.Group
	mu     sync.Mutex
	known  map[string]*issuer
}

func newIssuers(tls bool, t http.RoundTripper) *issuers {
	if t == nil {
		t = http.DefaultTransport
	}
	return &issuers{tls: tls, known: map[string]*issuer{}, client: &http.Client{
		Timeout: callTimeout, Transport: bounded{t},
		// What was configured answers itself, or not at all.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// get returns a provider by its issuer. A document that cannot be refreshed
// serves on.
func (s *issuers) get(ctx context.Context, url string) (*issuer, error) {
	if s.tls && !strings.HasPrefix(url, "https://") {
		return nil, fmt.Errorf("issuer %s: plain http is for development", url)
	}
	s.mu.Lock()
	is := s.known[url]
	s.mu.Unlock()
	if is != nil && time.Now().Before(is.freshTo) {
		return is, nil
	}
	// The call is shared, so it must not end with the request that began it.
	ch := s.flight.DoChan(url, func() (any, error) { return s.refresh(context.WithoutCancel(ctx), url) })
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case got := <-ch:
		if got.Err != nil {
			return nil, got.Err
		}
		return got.Val.(*issuer), nil
	}
}

func (s *issuers) refresh(ctx context.Context, url string) (*issuer, error) {
	is, err := s.discover(ctx, url)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		old := s.known[url]
		if old == nil {
			return nil, err
		}
		kept := *old
		is, kept.freshTo = &kept, time.Now().Add(staleFor)
	}
	s.known[url] = is
	return is, nil
}

func (s *issuers) discover(ctx context.Context, url string) (*issuer, error) {
	p, err := oidc.NewProvider(s.context(ctx), url)
	if err != nil {
		return nil, fmt.Errorf("discover %s: %w", url, brief(err))
	}
	var doc struct {
		JWKS     string   `json:"jwks_uri"`
		Userinfo string   `json:"userinfo_endpoint"`
		Algos    []string `json:"id_token_signing_alg_values_supported"`
		Methods  []string `json:"token_endpoint_auth_methods_supported"`
		Says     bool     `json:"authorization_response_iss_parameter_supported"`
	}
	if err := p.Claims(&doc); err != nil {
		return nil, fmt.Errorf("discover %s: %w", url, err)
	}
	if strings.HasPrefix(url, "https://") {
		for _, place := range []string{p.Endpoint().AuthURL, p.Endpoint().TokenURL, doc.JWKS, doc.Userinfo} {
			if place != "" && !strings.HasPrefix(place, "https://") {
				return nil, fmt.Errorf("discover %s: it names the plain address %s", url, place)
			}
		}
	}
	is := &issuer{Provider: p, says: doc.Says, style: oauth2.AuthStyleInHeader, freshTo: time.Now().Add(knownFor)}
	if len(doc.Methods) > 0 && !slices.Contains(doc.Methods, "client_secret_basic") {
		is.style = oauth2.AuthStyleInParams
	}
	for _, a := range doc.Algos {
		if slices.Contains(strings.Fields(allowedAlgos), a) {
			is.algos = append(is.algos, a)
		}
	}
	if len(is.algos) == 0 {
		return nil, fmt.Errorf("discover %s: it signs by no algorithm that we take", url)
	}
	return is, nil
}

// Probe asks a provider for what a sign-in needs of it, by the code that signs people
// in: the discovery document, that it is the issuer's own, and keys of which one can
// verify what it signs.
func Probe(ctx context.Context, t http.RoundTripper, url string) error {
	s := newIssuers(false, t)
	is, err := s.discover(ctx, url)
	if err != nil {
		return err
	}
	var doc struct {
		JWKS string `json:"jwks_uri"`
	}
	if err := is.Claims(&doc); err != nil {
		return fmt.Errorf("discover %s: %w", url, err)
	}
	rq, err := http.NewRequestWithContext(ctx, http.MethodGet, doc.JWKS, nil)
	if err != nil {
		return fmt.Errorf("keys of %s: %w", url, err)
	}
	res, err := s.client.Do(rq)
	if err != nil {
		return fmt.Errorf("keys of %s: %w", url, err)
	}
	defer func() { _ = res.Body.Close() }()
	var keys struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.NewDecoder(res.Body).Decode(&keys); err != nil || res.StatusCode != http.StatusOK {
		return fmt.Errorf("keys of %s: status %d, no set of keys", url, res.StatusCode)
	}
	if !slices.ContainsFunc(keys.Keys, is.usable) {
		return fmt.Errorf("keys of %s: none of %d verifies what it signs by %v", url, len(keys.Keys), is.algos)
	}
	return nil
}

// usable tells whether a key verifies what the provider signs. Keys that are not
// understood are left aside, as at a sign-in.
func (is *issuer) usable(raw json.RawMessage) bool {
	var k jose.JSONWebKey
	if k.UnmarshalJSON(raw) != nil || !k.Valid() || !k.IsPublic() || k.Use != "" && k.Use != "sig" {
		return false
	}
	return slices.ContainsFunc(is.algos, func(a string) bool {
		if k.Algorithm != "" && k.Algorithm != a {
			return false
		}
		switch key := k.Key.(type) {
		case *rsa.PublicKey:
			return strings.HasPrefix(a, "RS") || strings.HasPrefix(a, "PS")
		case *ecdsa.PublicKey:
			return map[string]int{"ES256": 256, "ES384": 384, "ES512": 521}[a] == key.Curve.Params().BitSize
		case ed25519.PublicKey:
			return a == "EdDSA"
		}
		return false
	})
}

// brief leaves out what a provider wrote: the library quotes its whole answer.
func brief(err error) error {
	if mismatch := (*oidc.IssuerMismatchError)(nil); errors.As(err, &mismatch) {
		return mismatch
	}
	if call := (*neturl.Error)(nil); errors.As(err, &call) {
		return call
	}
	return errors.New("no discovery document in the answer")
}

// context carries our client to the libraries.
func (s *issuers) context(ctx context.Context) context.Context {
	return oidc.ClientContext(ctx, s.client)
}

func (is *issuer) config(p Provider, redirect string) *oauth2.Config {
	end := is.Endpoint()
	end.AuthStyle = is.style
	return &oauth2.Config{
		ClientID: p.ClientID, ClientSecret: p.Secret, Endpoint: end,
		RedirectURL: redirect, Scopes: p.scopes(),
	}
}

// bounded cuts answers off: a provider is not trusted with our memory.
type bounded struct{ next http.RoundTripper }

func (b bounded) RoundTrip(rq *http.Request) (*http.Response, error) {
	res, err := b.next.RoundTrip(rq)
	if err != nil {
		return nil, err
	}
	res.Body = &cut{io.LimitReader(res.Body, maxAnswer), res.Body}
	return res, nil
}

type cut struct {
	io.Reader
	io.Closer
}

// refusedBy reports whether a provider answered the exchange of a code with a
// no; any other error means that it did not answer at all.
func refusedBy(err error) (code string, yes bool) {
	re := (*oauth2.RetrieveError)(nil)
	if !errors.As(err, &re) || re.Response == nil || re.Response.StatusCode >= 500 || re.Response.StatusCode == http.StatusTooManyRequests {
		return "", false
	}
	return plainCode(re.ErrorCode), true
}

// plainCode lets an error code of the protocol into the log, and nothing else.
func plainCode(s string) string {
	if len(s) > 40 || strings.Trim(s, "abcdefghijklmnopqrstuvwxyz_") != "" {
		return "other"
	}
	return s
}
