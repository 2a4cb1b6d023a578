package app_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// raw sends bytes as they are to the listener: Go's own client would put them right.
func (s *siege) raw(request string) response {
	s.Helper()
	conn, err := net.Dial("tcp", s.addr)
	ok(s.T, err)
	defer func() { _ = conn.Close() }()
	ok(s.T, conn.SetDeadline(time.Now().Add(20*time.Second)))
	_, err = conn.Write([]byte(request))
	ok(s.T, err)
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return response{} // hung up on
	}
	defer func() { _ = res.Body.Close() }()
	b, _ := io.ReadAll(res.Body)
	return response{res.StatusCode, res.Header.Get("Location"), string(b), fmt.Sprint(res.Header)}
}

// naming is a way to name a host, and the one that is meant by the rules of
// docs/architecture.md; nobody's is empty.
type naming struct{ name, target, head, host string }

// namings are ways to write a host h in a request, some of them beside another one.
func namings(h, other string) (out []naming) {
	add := func(host, name, head string) { out = append(out, naming{name, "", head, host}) }
	up := strings.ToUpper(h)
	for name, said := range map[string]string{"plain": h, "upper case": up, "mixed case": up[:2] + h[2:], "port": h + ":8080", "port 443": h + ":443", "dot": h + ".", "dot and port": h + ".:80", "blanks": "  " + h + " "} {
		add(h, name, "Host: "+said)
	}
	for name, said := range map[string]string{"tab": "\t" + h, "two dots": h + "..", "dot before": "." + h, "empty port": h + ":", "port of words": h + ":x", "long port": h + ":123456", "port and more": h + ":80:80", "minus port": h + ":-1",
		"user": "a@" + h, "user and password": "a:b@" + h, "other as user": other + "@" + h, "as user": h + "@" + other, "path": h + "/", "path to": h + "/../" + other, "backslash": h + `\` + other, "question": h + "?" + other, "hash": h + "#" + other,
		"comma": h + "," + other, "comma and blank": h + ", " + other, "semicolon": h + ";" + other, "blank between": h + " " + other, "scheme": "http://" + h, "below": "x." + h, "below of other": h + "." + other, "above": "test", "longer": h + "ing", "joined": h + other, "underscore": strings.Replace(h, ".", "_", 1),
		"percent": strings.Replace(h, ".", "%2e", 1), "percent letter": "%61" + h[1:], "encoded null": h + "%00", "null": h + "\x00", "quotes": `"` + h + `"`, "brackets": "[" + h + "]", "look-alike": "аlpha.test", "full width": "ａlpha.test", "ideographic stop": strings.Replace(h, ".", "。", 1), "dotless i": "alpha.tеst",
		"punycode": "xn--lpha-5cd.test", "punycode of itself": "xn--" + h, "soft hyphen": h[:2] + "\u00ad" + h[2:], "zero width": h[:2] + "\u200b" + h[2:], "right to left": "\u202e" + h, "long s": strings.Replace(h, "s", "\u017f", 1), "empty": "", "star": "*", "local": "localhost", "number": "127.0.0.1", "IPv6": "[::1]", "decimal": "2130706433", "long": strings.Repeat("a.", 200) + h} {
		add("", name, "Host: "+said)
	}
	add("", "none", "X-Nothing: 1")
	add("", "twice", "Host: "+h+"\r\nHost: "+other)
	add("", "twice the same", "Host: "+h+"\r\nhost: "+h)
	add("", "twice, one empty", "Host: "+h+"\r\nHost:")
	for _, header := range []string{"X-Forwarded-Host: ", "X-Host: ", "X-Original-Host: ", "X-HTTP-Host-Override: ", "Forwarded: host=", "X-Forwarded-Server: ", "X-Real-Host: ", "Via: ", "X-Original-URL: http://", "X-Rewrite-URL: http://", "Referer: http://", "X-Tenant: "} {
		add(h, header, "Host: "+h+"\r\n"+header+other)
		add("", "only "+header, "Host: inner.example\r\n"+header+h)
	}
	for name, c := range map[string]struct{ target, host string }{"absolute": {"http://" + h, h}, "absolute in capitals": {"HTTP://" + up, h}, "absolute of other": {"http://" + other, ""}, "absolute with user": {"http://" + other + "@" + h, ""},
		"absolute as user": {"http://" + h + "@" + other, ""}, "absolute with port": {"http://" + h + ":1", ""}, "absolute with a long s": {"http://" + strings.Replace(h, "s", "\u017f", 1), ""}, "absolute of nothing": {"http://", ""}, "no scheme": {"//" + other, ""}, "other scheme": {"ftp://" + other, ""}} {
		out = append(out, naming{name, c.target, "Host: " + h, c.host})
	}
	return out
}

// jars are sets of cookies, and the sides whose sessions are among them.
func jars(s *siege) map[string][]string {
	a, b := tokenOf("alpha"+"principal here"), tokenOf("beta"+"principal here")
	op, fam := tokenOf("operator"), tokenOf("family alpha")
	return map[string][]string{
		"Cookie: digione=" + a: {"alpha"}, "Cookie: digione=" + b: {"beta"}, "X-Nothing: 1": {},
		"Cookie: digione=" + a + "; digione=" + b: {"alpha", "beta"}, "Cookie: digione=" + b + "; digione=" + a: {"alpha", "beta"}, "Cookie: digione=" + a + "\r\nCookie: digione=" + b: {"alpha", "beta"},
		"Cookie: digione=" + op: {}, "Cookie: digione-operator=" + a + "; digione-koti=" + b: {}, "Cookie: digione-operator=" + op + "; digione=" + b: {"beta", deskHost},
		"Cookie: digione=" + fam + "; digione-koti=" + fam: {familyHost}, "Cookie: __Host-digione=" + a + "; __Secure-digione=" + b: {}, "Cookie: Digione=" + a + "; DIGIONE=" + b: {},
		"Cookie: digione=tuki." + tokenOf("visit alpha"): {"alpha"}, "Cookie: digione=perhe." + tokenOf("into beta"): {"beta"}, "Cookie: digione=tuki." + a + "; $Path=/; digione=perhe." + b: {},
	}
}

// TestHostConfusion names hosts in all ways over a bare connection, with sessions of
// one's own, of others and of several at once. A page is that of the one host that is
// named without doubt, and of a session of that very host.
func TestHostConfusion(t *testing.T) {
	t.Parallel()
	s := newSiege(t, false)
	type try struct {
		naming
		cookies string
		owners  []string
	}
	var tries []try
	all := jars(s)
	for _, x := range []*side{s.alpha, s.beta} {
		for _, n := range namings(x.host, x.twin.host) {
			for cookies, owners := range all {
				// All ways with four of the jars, and the plain ones with all.
				if n.name == "plain" || n.name == "absolute" || strings.HasPrefix(cookies, "Cookie: digione="+tokenOf("alphaprincipal here")) || strings.HasPrefix(cookies, "Cookie: digione="+tokenOf("betaprincipal here")) {
					tries = append(tries, try{n, cookies, owners})
				}
			}
		}
	}
	for _, h := range []string{deskHost, familyHost} {
		for cookies, owners := range all {
			tries = append(tries, try{naming{"site", "", "Host: " + h, h}, cookies, owners}, try{naming{"site in capitals", "", "Host: " + strings.ToUpper(h) + ".:80", h}, cookies, owners},
				try{naming{"site, forwarded", "", "Host: " + h + "\r\nX-Forwarded-Host: alpha.test", h}, cookies, owners})
		}
	}
	// The Kelvin sign is a k in small letters, and no k in a host.
	for cookies, owners := range all {
		tries = append(tries, try{naming{"Kelvin", "", "Host: \u212aoti.test", ""}, cookies, owners}, try{naming{"Kelvin, absolute", "http://\u212aoti.test", "Host: koti.test", ""}, cookies, owners})
	}
	in := map[string]int{}
	for _, c := range tries {
		a := s.raw("GET " + c.target + "/ HTTP/1.1\r\n" + c.head + "\r\n" + c.cookies + "\r\nConnection: close\r\n\r\n")
		what := fmt.Sprintf("%s %q %q with %q", c.name, c.target, c.head, c.cookies)
		mayBe := c.host != "" && (slices.Contains(c.owners, c.host) || slices.Contains(c.owners, strings.TrimSuffix(c.host, ".test")))
		for _, x := range []*side{s.alpha, s.beta} {
			if strings.Contains(a.body+a.header, x.canary) && !(mayBe && (c.host == x.host || c.host == familyHost && x == s.alpha)) {
				t.Errorf("%s: shows %s", what, x.Slug)
			}
		}
		switch signedIn := a.status == 200; {
		case a.status >= 500:
			t.Errorf("%s: %d", what, a.status)
		case signedIn && !mayBe:
			t.Errorf("%s: lets somebody in", what)
		case signedIn:
			in[c.host]++
		case c.host != "" && a.status != 303:
			t.Errorf("%s: %d at a host that is named rightly", what, a.status)
		case c.host != "" && len(c.owners) == 1 && mayBe:
			t.Errorf("%s: %d %s for whoever is at home there", what, a.status, a.location)
		case c.host == "" && a.status != 404 && a.status != 400 && a.status != 0:
			t.Errorf("%s: %d for nobody's host", what, a.status)
		}
	}
	t.Logf("%d combinations, let in: %v", len(tries), in)
	if len(tries) < 400 || len(in) != 4 {
		t.Errorf("%d combinations, let in at %v", len(tries), in)
	}
}
