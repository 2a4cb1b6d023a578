package profile

import "strings"

// guardianOf takes the guardian columns of a number: a person shared by every
// child who names the same one.
func (c *converter) guardianOf(child *person, r *record, prefix string, s *school) {
	p := &person{from: r.place(), guardian: true}
	p.setName(r, prefix)
	if p.family == "" && p.given == "" && r.get(prefix+"hetu") == "" && r.get(prefix+"id") == "" {
		return
	}
	if p.family != "" && p.given == "" && r.s.at[prefix+"familyName"] == 0 && r.get(prefix+"name") != "" {
		// One word alone: the family name is the child's.
		p.family, p.given = child.family, p.family
	}
	if !r.named(p, prefix) {
		return
	}
	p.id = c.guardianID(p, child, r, prefix)
	p.email, p.phone, p.username = r.get(prefix+"email"), r.get(prefix+"phone"), p.id
	p.birth, p.meta = r.birth(prefix), map[string]string{}
	for _, m := range []string{"hetu", "homeLanguage", "turvakielto"} {
		p.meta[metadata+m] = r.get(prefix + m)
	}
	if first := c.byID[p.id]; first != nil {
		first.complete(p, r, prefix)
		p = first
	} else {
		c.add(p)
	}
	p.addRole(role{"guardian", s, r.place()})
	for _, a := range child.agents {
		if a == p.id {
			return
		}
	}
	child.agents = append(child.agents, p.id)
}

// guardianID: an own id or the identity code names a person. An e-mail does so
// only together with the name, since parents share addresses; without any of
// them the guardian is that child's alone.
func (c *converter) guardianID(p, child *person, r *record, prefix string) string {
	switch {
	case r.get(prefix+"id") != "":
		return c.hiddenID("g", "id", r.get(prefix+"id"))
	case r.get(prefix+"hetu") != "":
		return c.hiddenID("g", "hetu", r.get(prefix+"hetu"))
	case r.get(prefix+"email") != "":
		return c.hiddenID("g", "email", foldWord(r.get(prefix+"email")), foldWord(p.family), foldWord(p.given))
	}
	return c.hiddenID("g", "child", child.id, foldWord(p.family), foldWord(p.given))
}

// complete takes from another row of the same guardian what this one lacks, and
// says where they differ.
func (p *person) complete(other *person, r *record, prefix string) {
	differ := func(name string, mine *string, theirs string) {
		switch {
		case *mine == "":
			*mine = theirs
		case theirs != "" && !strings.EqualFold(*mine, theirs):
			r.find("P304", prefix+name, "an earlier row says otherwise of this guardian", "")
		}
	}
	differ("familyName", &p.family, other.family)
	differ("givenNames", &p.given, other.given)
	differ("email", &p.email, other.email)
	differ("phone", &p.phone, other.phone)
	for _, m := range []string{"hetu", "homeLanguage"} {
		v := p.meta[metadata+m]
		differ(m, &v, other.meta[metadata+m])
		p.meta[metadata+m] = v
	}
	// Protection on one row protects the person.
	if other.meta[metadata+"turvakielto"] == "true" {
		p.meta[metadata+"turvakielto"] = "true"
	}
}
