package devidp

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"sync"
	"time"

	jose "github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

const (
	requestTime = 10 * time.Minute
	tokenTime   = 5 * time.Minute
	mostHeld    = 10_000 // requests and tokens each
)

var (
	errUnknown     = errors.New("unknown or expired")
	errUnsupported = errors.New("not spoken here")
)

// store is the library's storage, in memory.
type store struct {
	cfg      Config
	keys     *keyring
	mu       sync.Mutex
	requests map[string]*authRequest
	tokens   map[string]token
}

type token struct {
	user User
	ends time.Time
}

var (
	_ op.Storage                   = (*store)(nil)
	_ op.CanSetUserinfoFromRequest = (*store)(nil)
)

func newStore(cfg Config, ring *keyring) *store {
	return &store{cfg: cfg, keys: ring, requests: map[string]*authRequest{}, tokens: map[string]token{}}
}

func random() string {
	var b [16]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// CreateAuthRequest begins a sign-in; without PKCE by S256 there is none.
func (s *store) CreateAuthRequest(_ context.Context, ask *oidc.AuthRequest, _ string) (op.AuthRequest, error) {
	if ask.CodeChallenge == "" || ask.CodeChallengeMethod != oidc.CodeChallengeMethodS256 {
		return nil, oidc.ErrInvalidRequest().WithDescription("PKCE with S256 is required")
	}
	if len(ask.Prompt) == 1 && ask.Prompt[0] == oidc.PromptNone {
		return nil, oidc.ErrLoginRequired()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sweep()
	if len(s.requests) >= mostHeld {
		return nil, oidc.ErrServerError().WithDescription("too many sign-ins under way")
	}
	a := &authRequest{id: random(), at: time.Now(), ask: *ask}
	s.requests[a.id] = a
	return a, nil
}

func (s *store) sweep() {
	now := time.Now()
	for id, a := range s.requests {
		if now.Sub(a.at) > requestTime {
			delete(s.requests, id)
		}
	}
	for id, t := range s.tokens {
		if now.After(t.ends) {
			delete(s.tokens, id)
		}
	}
}

func (s *store) request(id string) (*authRequest, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, ok := s.requests[id]
	if !ok || time.Since(a.at) > requestTime {
		return nil, errUnknown
	}
	copied := *a
	return &copied, nil
}

// pick says who it is.
func (s *store) pick(id string, u User) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a, ok := s.requests[id]; ok {
		a.user, a.when = &u, time.Now()
	}
}

func (s *store) AuthRequestByID(_ context.Context, id string) (op.AuthRequest, error) {
	return s.request(id)
}

func (s *store) SaveAuthCode(_ context.Context, id, code string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a, ok := s.requests[id]; ok {
		a.code = code
	}
	return nil
}

// AuthRequestByCode gives a code's request away: a code works once.
func (s *store) AuthRequestByCode(_ context.Context, code string) (op.AuthRequest, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, a := range s.requests {
		if a.code != "" && a.code == code && time.Since(a.at) <= requestTime {
			delete(s.requests, id)
			return a, nil
		}
	}
	return nil, errUnknown
}

func (s *store) DeleteAuthRequest(_ context.Context, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.requests, id)
	return nil
}

func (s *store) CreateAccessToken(_ context.Context, rq op.TokenRequest) (string, time.Time, error) {
	a, ok := rq.(*authRequest)
	if !ok || a.user == nil {
		return "", time.Time{}, errUnsupported
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sweep()
	if len(s.tokens) >= mostHeld {
		return "", time.Time{}, errors.New("too many tokens")
	}
	id, ends := random(), time.Now().Add(tokenTime)
	s.tokens[id] = token{*a.user, ends}
	return id, ends, nil
}

func (s *store) SigningKey(context.Context) (op.SigningKey, error) { return s.keys.current(), nil }
func (s *store) KeySet(context.Context) ([]op.Key, error)          { return s.keys.public(), nil }
func (s *store) Health(context.Context) error                      { return nil }

func (s *store) SignatureAlgorithms(context.Context) ([]jose.SignatureAlgorithm, error) {
	return []jose.SignatureAlgorithm{jose.ES256}, nil
}

func (s *store) GetClientByClientID(_ context.Context, id string) (op.Client, error) {
	c, ok := s.cfg.Client(id)
	if !ok || c.Secret == "" {
		return nil, errUnknown
	}
	return opClient{c}, nil
}

func (s *store) AuthorizeClientIDSecret(_ context.Context, id, secret string) error {
	c, ok := s.cfg.Client(id)
	if !ok || c.Secret == "" || subtle.ConstantTimeCompare([]byte(c.Secret), []byte(secret)) != 1 {
		return errUnknown
	}
	return nil
}

// SetUserinfoFromRequest fills the id token.
func (s *store) SetUserinfoFromRequest(_ context.Context, info *oidc.UserInfo, rq op.IDTokenRequest, _ []string) error {
	a, ok := rq.(*authRequest)
	if !ok || a.user == nil {
		return errUnsupported
	}
	describe(info, *a.user)
	return nil
}

// SetUserinfoFromToken fills the answer of the userinfo endpoint.
func (s *store) SetUserinfoFromToken(_ context.Context, info *oidc.UserInfo, tokenID, _, _ string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, ok := s.tokens[tokenID]
	if !ok || time.Now().After(t.ends) {
		return errUnknown
	}
	describe(info, t.user)
	return nil
}

func describe(info *oidc.UserInfo, u User) {
	info.Subject, info.Name, info.PreferredUsername = u.Subject, u.Name, u.Username
	for k, v := range u.Claims {
		info.AppendClaims(k, v)
	}
}
