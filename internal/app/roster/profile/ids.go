package profile

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"digione/internal/app/people/hetu"
)

const longestSlug = 60

// openID makes an identifier of something that is no secret, readably.
func (c *converter) openID(kind string, parts ...string) string {
	var slugs []string
	for _, p := range parts {
		s := slugOf(p)
		if len(s) > longestSlug || s == "" {
			sum := sha256.Sum256([]byte(p))
			s = strings.Trim(s[:min(len(s), longestSlug-12)]+"-"+hex.EncodeToString(sum[:5]), "-")
		}
		slugs = append(slugs, s)
	}
	return c.p.Tenant + "-" + kind + "-" + strings.Join(slugs, "-")
}

// hiddenID makes one of personal values: without the key nobody can try out
// which identity code gives it.
func (c *converter) hiddenID(kind string, parts ...string) string {
	m := hmac.New(sha256.New, c.key)
	for _, p := range append([]string{c.p.Tenant, kind}, parts...) {
		m.Write([]byte(p))
		m.Write([]byte{0})
	}
	return c.p.Tenant + "-" + kind + "-" + hex.EncodeToString(m.Sum(nil)[:16])
}

// keyOf makes the identifier of a row by the key that its input declares; empty
// when a part is missing or unfit, which is then reported.
func (c *converter) keyOf(r *record, kind string) string {
	in := r.s.in
	var parts []string
	for _, k := range in.Key {
		v := r.get(k)
		if v == "" {
			r.require(k)
			return ""
		}
		if f, _ := fieldOf(in.Kind, k); !f.private && hetu.Looks(strings.ToUpper(v)) {
			r.find("P209", k, "the column of the key holds identity codes", "key: hetu")
			return ""
		}
		parts = append(parts, v)
	}
	if in.privateKey() {
		return c.hiddenID(kind, parts...)
	}
	id := c.openID(kind, parts...)
	// "A/1" and "A-1" look alike in an identifier; two people must not.
	if raw := strings.Join(parts, "\x00"); c.ids[id] == "" {
		c.ids[id] = raw
	} else if c.ids[id] != raw {
		r.find("P306", in.Key[0], "another row's key gives the same identifier", "keys that differ in letters or digits")
		return ""
	}
	return id
}
