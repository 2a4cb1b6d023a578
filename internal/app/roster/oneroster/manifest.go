package oneroster

import (
	"fmt"
	"slices"
	"strings"
)

const manifestFile = "manifest.csv"

// Manifest is what manifest.csv says.
type Manifest struct {
	ManifestVersion  string        `json:"manifestVersion"`
	OneRosterVersion string        `json:"oneRosterVersion"`
	SystemName       string        `json:"systemName,omitempty"`
	SystemCode       string        `json:"systemCode,omitempty"`
	Files            map[Type]Mode `json:"files"`
}

var manifestHeader = []string{"propertyName", "value"}

// property is a row of the manifest.
type property struct {
	name, value string
	line        int
}

// readManifest takes the rows first and judges after: their order is free, and
// which are allowed depends on the version.
func (p *Package) readManifest() error {
	e := p.entries[manifestFile]
	if e == nil {
		p.refuse(Finding{Code: "E102", Message: "there is no manifest.csv in the package; OneRoster 1.0, which has none, is not read",
			Expected: "a package of OneRoster 1.1 or 1.2"})
		return nil
	}
	rows, err := p.manifestRows(e)
	if err != nil || p.fatal {
		return err
	}
	props := p.uniqueProperties(rows)
	if p.readVersion(props); p.fatal {
		return nil
	}
	p.readProperties(props)
	return nil
}

func (p *Package) manifestRows(e *entry) ([]property, error) {
	var rows []property
	sc, closer, err := e.scan()
	if err != nil {
		return nil, p.readFault(e, err)
	}
	defer closer.Close()
	for first := true; sc.next(); first = false {
		if sc.fault.code != "" {
			p.find(formFinding(manifestFile, &sc.fault))
			if first {
				p.fatal = true
				return nil, nil
			}
			continue
		}
		if f, other := notHeader(manifestHeader, sc.fields); first && other && f.Code == "E218" {
			f.File, f.Line, f.Column = manifestFile, 1, 1
			p.refuse(f)
			return nil, nil
		}
		fields := p.trimManifest(sc.fields, sc.line)
		switch {
		case first && !slices.Equal(fields, manifestHeader):
			p.find(Finding{Code: "E121", File: manifestFile, Line: sc.line, Column: 1,
				Message: "the header is " + shorten(strings.Join(fields, ",")), Expected: "propertyName,value"})
		case first:
		case len(fields) != 2:
			p.find(Finding{Code: "E204", File: manifestFile, Line: sc.line, Column: 1,
				Message: fmt.Sprintf("the row has %d fields", len(fields)), Expected: "2"})
		default:
			rows = append(rows, property{fields[0], fields[1], sc.line})
		}
	}
	if sc.err != nil {
		return nil, p.readFault(e, sc.err)
	}
	return rows, nil
}

// trimManifest leaves out empty fields behind the second.
func (p *Package) trimManifest(fields []string, line int) []string {
	n := len(fields)
	for n > 2 && fields[n-1] == "" {
		n--
	}
	if n == len(fields) {
		return fields
	}
	if i := slices.IndexFunc(p.found, func(f Finding) bool { return f.Code == "E214" && f.File == manifestFile }); i >= 0 {
		p.found[i].Folded++
		return fields[:n]
	}
	p.mend(repairTrailing, Finding{Code: "E214", File: manifestFile, Line: line, Column: n + 1,
		Message: "there are empty fields to the right of the value"})
	return fields[:n]
}

// mend counts a repair, or in strict mode reports what it would repair.
func (p *Package) mend(repair string, f Finding) {
	if p.opts.Lenient {
		p.mended = append(p.mended, repair)
		return
	}
	f.Repair = repair
	p.find(f)
}

func (p *Package) uniqueProperties(rows []property) map[string]property {
	props := map[string]property{}
	for _, r := range rows {
		if name, ok := strings.CutSuffix(r.name, "*"); ok && strings.HasPrefix(name, "file.") {
			p.mend(repairAsterisk, Finding{Code: "E124", File: manifestFile, Line: r.line, Column: 1, Field: shorten(r.name),
				Message: "the asterisk is a footnote of the specification, not of the name", Expected: name})
			r.name = name
		}
		if first, twice := props[r.name]; twice {
			p.find(Finding{Code: "E123", File: manifestFile, Line: r.line, Column: 1, Field: shorten(r.name),
				Message: fmt.Sprintf("the property is on line %d already", first.line)})
			continue
		}
		props[r.name] = r
	}
	return props
}

func (p *Package) readVersion(props map[string]property) {
	v, ok := props["oneroster.version"]
	f := Finding{File: manifestFile, Line: v.line, Column: min(v.line, 2), Field: "oneroster.version", Expected: "1.1 or 1.2", Excerpt: shorten(v.value)}
	p.manifest.OneRosterVersion = v.value
	switch {
	case !ok:
		f.Code, f.Message = "E122", "the manifest does not say which version of OneRoster this is"
	case v.value == "1.1":
		p.variant = V11
		return
	case v.value == "1.2":
		return
	case v.value == "1.0":
		f.Code, f.Message = "E126", "OneRoster 1.0 is not read"
	default:
		f.Code, f.Message = "E126", "this version of OneRoster is not known"
	}
	p.refuse(f)
}

func (p *Package) readProperties(props map[string]property) {
	for _, r := range sortedProperties(props) {
		p.readProperty(r)
	}
	if _, ok := props["manifest.version"]; !ok {
		p.find(missingProperty("manifest.version"))
	}
	for _, t := range Tables() {
		if _, ok := props["file."+string(t.Type)]; !ok && t.In(p.variant) {
			p.find(missingProperty("file." + string(t.Type)))
		}
	}
}

func missingProperty(name string) Finding {
	return Finding{Code: "E122", File: manifestFile, Field: name, Message: "the manifest lacks " + name}
}

func sortedProperties(props map[string]property) []property {
	var list []property
	for _, r := range props {
		list = append(list, r)
	}
	slices.SortFunc(list, func(a, b property) int { return a.line - b.line })
	return list
}

func (p *Package) readProperty(r property) {
	bad := Finding{Code: "E125", File: manifestFile, Line: r.line, Column: 2, Field: shorten(r.name), Excerpt: shorten(r.value)}
	switch name, isFile := strings.CutPrefix(r.name, "file."); {
	case isFile:
		p.readMode(Type(name), r, bad)
	case r.name == "manifest.version":
		p.readManifestVersion(r, bad)
	case r.name == "source.systemName":
		p.manifest.SystemName = r.value
	case r.name == "source.systemCode":
		p.manifest.SystemCode = r.value
	case r.name != "oneroster.version":
		p.find(unknownProperty(r, p.variant))
	}
}

func unknownProperty(r property, v Variant) Finding {
	return Finding{Code: "E124", File: manifestFile, Line: r.line, Column: 1, Field: shorten(r.name),
		Message: "OneRoster " + declaredOf(v) + " has no such property"}
}

func (p *Package) readManifestVersion(r property, bad Finding) {
	p.manifest.ManifestVersion = r.value
	bad.Message, bad.Expected = "this is not a version of the manifest", "1.0"
	switch r.value {
	case "1.0":
	case "1": // spreadsheets take it for a number
		p.mend(repairVersion, bad)
		p.manifest.ManifestVersion = "1.0"
	default:
		p.find(bad)
	}
}

func (p *Package) readMode(t Type, r property, bad Finding) {
	tab, mode := TableOf(t), Mode(r.value)
	switch {
	case tab == nil || !tab.In(p.variant):
		p.find(unknownProperty(r, p.variant))
	case mode == Absent || mode == Bulk || mode == Delta:
		p.manifest.Files[t] = mode
	default:
		bad.Message, bad.Expected = "this is not a mode", "absent, bulk or delta"
		p.find(bad)
	}
}

func declaredOf(v Variant) string {
	if v == V11 {
		return "1.1"
	}
	return "1.2"
}

// pickVariant tells the two texts of 1.2 apart by the header of users.csv.
func (p *Package) pickVariant() error {
	e := p.entries[Users.FileName()]
	if e == nil || p.variant == V11 {
		return nil
	}
	sc, closer, err := e.scan()
	if err != nil {
		return p.readFault(e, err)
	}
	defer closer.Close()
	if sc.next() && slices.Contains(sc.fields, "resourceSourcedIds") {
		p.variant = V12Final
	}
	return nil
}

// compareFiles holds the files against the manifest, in both directions.
func (p *Package) compareFiles() {
	for _, t := range Tables() {
		name := t.Type.FileName()
		mode, said := p.manifest.Files[t.Type]
		switch e := p.entries[name]; {
		case e == nil && mode != Absent && said:
			p.find(Finding{Code: "E112", File: name, Message: "the manifest says " + string(mode) + ", and the file is not in the package"})
		case e != nil && t.In(p.variant) && (!said || mode == Absent):
			p.find(Finding{Code: "E113", File: name, Message: "the file is in the package, and the manifest does not announce it"})
		}
	}
	for _, name := range sortedNames(p.entries) {
		if t := TableOf(typeOfFile(name)); name != manifestFile && (t == nil || !t.In(p.variant) || t.Type.FileName() != name) {
			p.find(Finding{Code: "E111", File: shorten(name), Message: shorten(name) + " is not a file of OneRoster " + declaredOf(p.variant),
				Expected: rightCase(name)})
			delete(p.entries, name)
		}
	}
}

// rightCase gives the name that a file in the wrong case should have.
func rightCase(name string) string {
	for _, t := range Tables() {
		if strings.EqualFold(t.Type.FileName(), name) {
			return t.Type.FileName()
		}
	}
	return ""
}

func sortedNames(m map[string]*entry) []string {
	var names []string
	for n := range m {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}
