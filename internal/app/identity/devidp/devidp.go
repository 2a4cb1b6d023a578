// Package devidp is the sign-in provider of development and tests: a real OpenID
// provider (zitadel/oidc) with a login page on which one picks who to be. It asks
// for no password, so it answers on the machine's own loopback only and refuses
// every other address. It speaks the authorization code flow with PKCE and S256,
// and nothing else. Its signing keys are in a file; codes and tokens are in memory.
// It writes no table and knows no other package of the house.
package devidp

import (
	"crypto/rand"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/zitadel/oidc/v3/pkg/op"
)

// Client is an application that may send its people here.
type Client struct {
	ID, Secret   string
	Name         string   // shown on the login page
	RedirectURIs []string // whole addresses, compared letter by letter
}

// User is somebody to sign in as.
type User struct {
	Subject  string
	Username string // what is typed or picked on the page; preferred_username
	Name     string
	Note     string         // shown beside the name, such as "Opettaja, Kilterin koulu"
	Claims   map[string]any // go into the id token as they are
}

// Config is what a provider needs. All must be given.
type Config struct {
	Issuer string // such as http://localhost:9080; must be this machine
	Dir    string // for the file with the signing keys

	Client func(clientID string) (Client, bool)
	// User returns one of the client's users by username, List those to pick from:
	// a client never meets the users of another.
	User func(clientID, username string) (User, bool)
	List func(clientID string) []User
}

// Provider is an http.Handler.
type Provider struct {
	cfg   Config
	host  string
	keys  *keyring
	store *store
	op    *op.Provider
	mux   *http.ServeMux
}

// New returns a provider; it makes the keys when Dir has none.
func New(cfg Config) (*Provider, error) {
	u, err := url.Parse(cfg.Issuer)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || !loopback(u.Hostname()) {
		return nil, fmt.Errorf("development sign-in: issuer %q: use http://localhost and a port", cfg.Issuer)
	}
	ring, err := openKeys(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("development sign-in: %w", err)
	}
	p := &Provider{cfg: cfg, host: u.Host, keys: ring, store: newStore(cfg, ring), mux: http.NewServeMux()}
	opCfg := &op.Config{CodeMethodS256: true, SupportedScopes: []string{"openid", "profile"}}
	rand.Read(opCfg.CryptoKey[:])
	p.op, err = op.NewProvider(opCfg, p.store, op.StaticIssuer(cfg.Issuer), op.WithAllowInsecure())
	if err != nil {
		return nil, fmt.Errorf("development sign-in: %w", err)
	}
	// The library also serves what we do not speak; only these pass.
	for _, path := range []string{"/.well-known/openid-configuration", "/authorize", "/authorize/callback", "/oauth/token", "/userinfo", "/keys"} {
		p.mux.Handle(path, p.op)
	}
	p.mux.HandleFunc("GET "+loginPath, p.loginPage)
	p.mux.HandleFunc("POST "+loginPath, p.login)
	p.mux.HandleFunc("GET /login.css", p.css)
	return p, nil
}

// Listen opens an address of this machine, such as localhost:9080, and refuses
// any other.
func Listen(addr string) (net.Listener, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil || !loopback(host) {
		return nil, fmt.Errorf("development sign-in: address %q: it listens on localhost alone", addr)
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("development sign-in: %w", err)
	}
	return l, nil
}

// ServeHTTP answers this machine, under the name of the issuer: a page elsewhere
// that lets its own name point here gets nothing.
func (p *Provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	from, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil || !loopback(from) || r.Host != p.host {
		http.Error(w, "this sign-in is for development on this machine alone", http.StatusForbidden)
		return
	}
	p.mux.ServeHTTP(w, r)
}

// RotateKeys signs with a new key from now on; what the last one signed can
// still be checked.
func (p *Provider) RotateKeys() error { return p.keys.rotate() }

func loopback(host string) bool {
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
