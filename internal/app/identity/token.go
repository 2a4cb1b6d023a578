package identity

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// skew is how far a provider's clock may be from ours.
const skew = 60 * time.Second

// Proof is what a provider vouches for.
type Proof struct {
	Subject string
	Claims  map[string]any
}

// redeem exchanges a code for tokens and returns what the id token proves, once
// everything about it has been checked.
func (s *issuers) redeem(ctx context.Context, p Provider, in Pending, redirect, code string, now time.Time) (Proof, error) {
	is, err := s.get(ctx, p.Issuer)
	if err != nil {
		return Proof{}, because(outage, err)
	}
	ctx = s.context(ctx)
	tokens, err := is.config(p, redirect).Exchange(ctx, code, oauth2.VerifierOption(in.Verifier))
	if err != nil {
		// The library's text may quote the provider's whole answer.
		if said, no := refusedBy(err); no {
			return Proof{}, because(untrusted, errors.New("exchange: the provider said "+said))
		}
		return Proof{}, because(outage, errors.New("exchange: no answer"))
	}
	raw, _ := tokens.Extra("id_token").(string)
	token, err := is.verify(ctx, raw, p.ClientID, in.Nonce, now)
	if err != nil {
		return Proof{}, err
	}
	return is.proven(ctx, p, token, tokens)
}

func (is *issuer) verify(ctx context.Context, raw, clientID, nonce string, now time.Time) (*oidc.IDToken, error) {
	// The library knows no skew, and five minutes of it for nbf.
	v := is.Verifier(&oidc.Config{
		ClientID: clientID, SupportedSigningAlgs: is.algos,
		Now: func() time.Time { return now.Add(-skew) },
	})
	token, err := v.Verify(ctx, raw)
	if err != nil {
		// The library hides this cause from errors.Is.
		if strings.Contains(err.Error(), "fetching keys") {
			return nil, because(outage, errors.New("the provider's keys cannot be had"))
		}
		return nil, because(untrusted, err)
	}
	var more struct {
		AuthorizedParty string  `json:"azp"`
		NotBefore       float64 `json:"nbf"`
	}
	if err := token.Claims(&more); err != nil {
		return nil, because(untrusted, errors.New("claims cannot be read"))
	}
	latest := now.Add(skew)
	switch {
	case nonce == "" || subtle.ConstantTimeCompare([]byte(token.Nonce), []byte(nonce)) != 1:
		err = errors.New("nonce is not ours")
	case token.IssuedAt.IsZero() || token.IssuedAt.After(latest):
		err = errors.New("issued in the time to come")
	case more.NotBefore > float64(latest.Unix()):
		err = errors.New("not valid yet")
	case more.AuthorizedParty != "" && more.AuthorizedParty != clientID, len(token.Audience) > 1 && more.AuthorizedParty == "":
		err = errors.New("meant for another party")
	case token.Subject == "" || len(token.Subject) > 255:
		err = errors.New("no usable subject")
	default:
		return token, nil
	}
	return nil, because(untrusted, err)
}

// enough reports whether claims hold the first one that links, and the required one.
func (p Provider) enough(claims map[string]any) bool {
	_, links := claims[p.LinkClaim]
	_, requires := claims[p.RequireClaim]
	return links && (requires || p.RequireClaim == "")
}

// proven collects the claims, from the userinfo endpoint where the id token is
// without those that link.
func (is *issuer) proven(ctx context.Context, p Provider, token *oidc.IDToken, tokens *oauth2.Token) (Proof, error) {
	out := Proof{Subject: token.Subject, Claims: map[string]any{}}
	if err := token.Claims(&out.Claims); err != nil {
		return Proof{}, because(untrusted, errors.New("claims cannot be read"))
	}
	if p.enough(out.Claims) || is.UserInfoEndpoint() == "" {
		return out, nil
	}
	info, err := is.UserInfo(ctx, oauth2.StaticTokenSource(tokens))
	if err != nil {
		return Proof{}, because(outage, errors.New("userinfo: no answer"))
	}
	more := map[string]any{}
	if err := info.Claims(&more); err != nil {
		return Proof{}, because(untrusted, errors.New("userinfo cannot be read"))
	}
	// Without this check an access token swapped on the way would link the
	// account to somebody else.
	if info.Subject != token.Subject {
		return Proof{}, because(untrusted, fmt.Errorf("userinfo is about another subject"))
	}
	maps.Copy(more, out.Claims)
	out.Claims = more
	return out, nil
}
