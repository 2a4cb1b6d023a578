package profile

// school is a unit that rows name, by code or by name.
type school struct {
	id, name, code, oid, language string
	meta                          map[string]string
	from                          place
}

// schoolRow takes a row of a list of schools.
func (c *converter) schoolRow(r *record) {
	if !r.require("school") || len(r.wrong) > 0 {
		return
	}
	s, ok := c.register(r)
	if !ok {
		return
	}
	s.oid, s.language = r.get("oid"), r.get("language")
	s.meta = map[string]string{}
	for name, v := range r.values {
		if metaName.MatchString(name) {
			s.meta[name] = v
		}
	}
}

// schoolOf finds the school of a learner or an employee. Without a list of
// schools the rows make them.
func (c *converter) schoolOf(r *record) (*school, bool) {
	if !r.require("school", "schoolCode") {
		return nil, false
	}
	code, name := r.get("schoolCode"), r.get("school")
	if s := c.byCode[code]; code != "" && s != nil {
		return s, true
	}
	if s := c.byName[foldWord(name)]; name != "" && s != nil && (code == "" || c.listed && s.code == "") {
		return s, true
	}
	if c.listed {
		field := "schoolCode"
		if code == "" {
			field = "school"
		}
		if c.schoolsUnsure {
			return nil, false
		}
		r.find("P303", field, "the list of schools does not have this one", "a school of the list")
		return nil, false
	}
	return c.register(r)
}

// register adds a school; its code is its identity, where it has one.
func (c *converter) register(r *record) (*school, bool) {
	s := &school{code: r.get("schoolCode"), name: r.get("school"), from: r.place()}
	if other := c.byName[foldWord(s.name)]; s.name != "" && other != nil {
		r.find("P307", "schoolCode", "a school of this name is there already with another code, or twice", "one row and one code for each school")
		return nil, false
	}
	if s.code != "" && c.byCode[s.code] != nil {
		r.find("P301", "schoolCode", "two schools have this code", "")
		return nil, false
	}
	s.id = c.openID("s", firstOf(s.code, s.name))
	if _, taken := c.ids[s.id]; taken {
		r.find("P306", "school", "the name of another school gives the same identifier", "a schoolCode for each school")
		return nil, false
	}
	c.ids[s.id] = s.id
	if s.name == "" {
		s.name = s.code
	}
	c.schools = append(c.schools, s)
	c.byName[foldWord(s.name)] = s
	if s.code != "" {
		c.byCode[s.code] = s
	}
	return s, true
}

func firstOf(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}
