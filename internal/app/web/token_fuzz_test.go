package web_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"digione/internal/app/web"
)

// FuzzCSRF: a token is known by its mask and by nothing else.
func FuzzCSRF(f *testing.F) {
	for _, s := range []string{csrf, "", web.Masked(csrf), web.Masked(csrf) + "=", "a", "AAAA", strings.Repeat("A", 86), "\x00", "ä"} {
		f.Add(s, csrf)
	}
	f.Fuzz(func(t *testing.T, sent, token string) {
		if web.SameToken(web.Masked(token), token) != (token != "") {
			t.Errorf("%q is not known by its own mask", token)
		}
		if web.SameToken(web.Masked(sent), token) != (sent == token && token != "") {
			t.Errorf("%q is taken for %q", sent, token)
		}
		if !web.SameToken(sent, token) {
			return
		}
		b, err := base64.RawURLEncoding.DecodeString(sent)
		if err != nil || len(b) != 2*len(token) {
			t.Fatalf("%q is taken for %q", sent, token)
		}
		for i := range token {
			if b[i]^b[len(token)+i] != token[i] {
				t.Fatalf("%q is taken for %q", sent, token)
			}
		}
	})
}

// FuzzCookie: whatever a browser sends for its cookies, it is answered, and nobody
// is signed in who did not send the token under its name.
func FuzzCookie(f *testing.F) {
	for _, s := range []string{"digione=" + token, "digione=" + token + "x", "DIGIONE=" + token, "digione = " + token, `digione="` + token + `"`,
		"__Host-digione=" + token, "digione=; digione=" + token, ";;=;digione", "digione=%61-token-of-alpha", "lang=xx; digione=" + strings.Repeat("a", 5000), "digione=\u202e"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, sent string) {
		if strings.ContainsAny(sent, "\r\n\x00") || len(sent) > 3000 {
			return // the end of the header; the server itself answers
		}
		g := newRig(t)
		res := g.send(t, request("GET", "/sivu/1", "Cookie", sent))
		switch {
		case res.StatusCode == 200 && strings.Contains(sent, token) && strings.Contains(sent, "digione"):
		case res.StatusCode == 303 && g.did == 0, res.StatusCode == 400 && g.did == 0:
		default:
			t.Errorf("%q: status %d, the handler ran %d times", sent, res.StatusCode, g.did)
		}
	})
}
