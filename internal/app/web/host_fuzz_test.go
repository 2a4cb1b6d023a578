package web_test

import (
	"regexp"
	"strings"
	"testing"

	"digione/internal/app/web"
	"digione/internal/tenancy"
)

// written is how a host may be written, said once more in other words than the code's.
var written = regexp.MustCompile(`^([a-zA-Z0-9.-]{1,254}?)\.?(:[0-9]{1,5})?$`)

// FuzzHost: whatever a request says, it is nobody's host or the one that is written
// there, and reading it twice changes nothing.
func FuzzHost(f *testing.F) {
	for _, s := range []string{"alpha.test", "ALPHA.test.:443", "alpha.test@beta.test", "alpha.test:80:80", "аlpha.test", "alpha.test\x00.beta.test", "xn--lpha-5cd.test", "[::1]:80", "alpha.test, beta.test", "\u212aoti.test", ".", ":80", "..", "a.:"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, said string) {
		host, ok := web.NormalHost(said)
		if !ok {
			if host != "" {
				t.Errorf("%q is refused as %q", said, host)
			}
			return
		}
		m := written.FindStringSubmatch(said)
		if m == nil || strings.TrimSuffix(strings.ToLower(m[1]), ".") != strings.TrimSuffix(host, ".") && strings.ToLower(m[1]) != host {
			t.Errorf("%q is taken for %q", said, host)
		}
		if _, is := tenants[host]; is && !strings.EqualFold(strings.TrimSuffix(strings.SplitN(said, ":", 2)[0], "."), host) {
			t.Errorf("%q reaches %s", said, host)
		}
		// What is a host of a tenant at all is read as itself.
		if tenancy.CheckHost(host) == nil {
			if again, ok := web.NormalHost(host); !ok || again != host {
				t.Errorf("%q, read again, is %q", host, again)
			}
		}
	})
}
