package identity_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"digione/internal/app/identity"
)

// TestProbe asks providers of all kinds for what a sign-in would need of them.
func TestProbe(t *testing.T) {
	t.Parallel()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	set := func(keys ...jose.JSONWebKey) any { return map[string]any{"keys": keys} }
	good := jose.JSONWebKey{Key: &key.PublicKey, KeyID: "1", Use: "sig", Algorithm: "ES256"}
	encrypts, other := good, good
	encrypts.Use, other.Algorithm = "enc", "ES384"
	for name, c := range map[string]struct {
		algo   string
		issuer string // written in the document, empty for the right one
		keys   any
		status int // of the keys
		want   string
	}{
		"well":                      {"ES256", "", set(encrypts, good), 200, ""},
		"without use and algorithm": {"ES256", "", set(jose.JSONWebKey{Key: &key.PublicKey}), 200, ""},
		"another issuer":            {"ES256", "https://other.example", set(good), 200, "other.example"},
		"no keys":                   {"ES256", "", set(), 200, "none of 0"},
		"keys are not there":        {"ES256", "", set(good), 404, "status 404"},
		"no set":                    {"ES256", "", "words", 200, "no set of keys"},
		"a key to encrypt":          {"ES256", "", set(encrypts), 200, "none of 1"},
		"a key of another rule":     {"ES256", "", set(other), 200, "none of 1"},
		"it signs otherwise":        {"RS256", "", set(good), 200, "none of 1"},
		"no algorithm of ours":      {"HS256", "", set(good), 200, "no algorithm"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mux := http.NewServeMux()
			srv := httptest.NewServer(mux)
			t.Cleanup(srv.Close)
			says := c.issuer
			if says == "" {
				says = srv.URL
			}
			answer := func(path string, status int, v any) {
				mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Content-Type", "application/json")
					w.WriteHeader(status)
					_ = json.NewEncoder(w).Encode(v)
				})
			}
			answer("/.well-known/openid-configuration", 200, map[string]any{"issuer": says, "authorization_endpoint": srv.URL + "/a", "token_endpoint": srv.URL + "/t",
				"jwks_uri": srv.URL + "/keys", "id_token_signing_alg_values_supported": []string{c.algo}})
			answer("/keys", c.status, c.keys)
			err := identity.Probe(t.Context(), nil, srv.URL)
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
	if err := identity.Probe(t.Context(), nil, "http://127.0.0.1:1"); err == nil {
		t.Error("a provider that does not answer is well")
	}
}
