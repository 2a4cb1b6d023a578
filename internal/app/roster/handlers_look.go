package roster

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/google/uuid"

	"digione/internal/app/audit"
	"digione/internal/app/authz"
	"digione/internal/app/people"
	"digione/internal/app/roster/oneroster"
	"digione/internal/app/roster/profile"
	"digione/internal/app/web"
	"digione/internal/tenancy"
)

// FindingsPage is all that templates/findings.html may use.
type FindingsPage struct {
	web.Page
	Back, Path        string
	Name              string
	Groups            []GroupView
	Rows              []FindingView
	Total             int
	Codes, Files      []Choice
	Severities        []Choice
	First, Last       int
	Previous, Further string // addresses of the neighbouring pages
	CSV               string
}

// Choice is something to filter by.
type Choice struct {
	Value, Label string
	Chosen       bool
}

// FindingView is a finding and its place.
type FindingView struct {
	Code, Meaning, Place, Field, Found, Expected, Message string
	Severity                                              Tag
	English                                               bool // the meaning
	Foreign                                               bool // what was expected
	Folded                                                int
}

// Parameters of the findings' address.
const (
	byCode     = "saanto"
	bySeverity = "vakavuus"
	byFile     = "tiedosto"
	byPage     = "sivu"
)

func filterOf(c *fiber.Ctx) filter {
	n, _ := strconv.Atoi(c.Query(byPage))
	return filter{code: c.Query(byCode), severity: c.Query(bySeverity), file: c.Query(byFile), page: max(1, min(n, 10000))}
}

func (f filter) query(page int) string {
	q := url.Values{}
	for k, v := range map[string]string{byCode: f.code, bySeverity: f.severity, byFile: f.file} {
		if v != "" {
			q.Set(k, v)
		}
	}
	if page > 1 {
		q.Set(byPage, strconv.Itoa(page))
	}
	if len(q) == 0 {
		return ""
	}
	return "?" + q.Encode()
}

func (h handlers) planFindings(c *fiber.Ctx, rq *web.Request) error {
	p, err := h.planOf(c, rq)
	if err != nil {
		return err
	}
	return h.findings(c, rq, p, own+"/"+p.ID, p.SourceName, p.Totals)
}

func (h handlers) uploadFindings(c *fiber.Ctx, rq *web.Request) error {
	u, err := h.uploadOf(rq)
	if err != nil {
		return err
	}
	return h.findings(c, rq, u, uploadPath(u), u.Name, u.Totals)
}

func (h handlers) findings(c *fiber.Ctx, rq *web.Request, subject any, back, name string, totals []oneroster.Total) error {
	f := filterOf(c)
	var list []oneroster.Finding
	var names []string
	page := FindingsPage{Page: rq.Page("roster.findings"), Back: back, Path: back + "/havainnot", Name: name}
	err := h.desk.DB.Read(rq.Ctx, rq.Tenant.ID, func(tx tenancy.Read) (err error) {
		if list, page.Total, err = findingsOf(rq.Ctx, tx, subject, f, perPage); err != nil {
			return err
		}
		names, err = filesOf(rq.Ctx, tx, subject)
		return err
	})
	if err != nil {
		return err
	}
	v := viewer{l: rq.Lang}
	page.Groups = v.groups(totals)
	for _, g := range page.Groups {
		page.Codes = append(page.Codes, Choice{g.Code, g.Code + " " + g.Meaning, g.Code == f.code})
	}
	for _, s := range []string{oneroster.SeverityError, oneroster.SeverityWarning, oneroster.SeverityInfo} {
		page.Severities = append(page.Severities, Choice{s, v.severity(s).Text, s == f.severity})
	}
	for _, n := range names {
		if n != "" {
			page.Files = append(page.Files, Choice{n, n, n == f.file})
		}
	}
	for _, x := range list {
		page.Rows = append(page.Rows, v.finding(x))
	}
	page.First, page.Last = min(page.Total, (f.page-1)*perPage+1), min(page.Total, (f.page-1)*perPage+len(list))
	if f.page > 1 {
		page.Previous = page.Path + f.query(f.page-1)
	}
	if page.Last < page.Total {
		page.Further = page.Path + f.query(f.page+1)
	}
	page.CSV = page.Path + ".csv" + f.query(1)
	return rq.Render(pages["findings"], page)
}

func (v viewer) finding(x oneroster.Finding) FindingView {
	out := FindingView{Code: x.Code, Severity: v.severity(x.Severity), Field: x.Field, Found: x.Excerpt, Message: x.Message, Folded: x.Folded}
	out.Meaning, out.English = v.meaning(x.Code)
	out.Expected, out.Foreign = v.expected(x.Expected)
	out.Place = x.File
	if x.Line > 0 {
		out.Place += ":" + strconv.Itoa(x.Line)
	}
	if x.Column > 0 {
		out.Place += ":" + strconv.Itoa(x.Column)
	}
	return out
}

// publishedMeaning is what the list of codes says, the code itself when it has none.
func publishedMeaning(code string) string {
	for _, c := range slices.Concat(oneroster.Codes(), profile.Codes(), Codes()) {
		if c.Code == code {
			return c.Meaning
		}
	}
	return code
}

func (h handlers) planCSV(c *fiber.Ctx, rq *web.Request) error {
	p, err := h.planOf(c, rq)
	if err != nil {
		return err
	}
	return h.findingsCSV(c, rq, p)
}

func (h handlers) uploadCSV(c *fiber.Ctx, rq *web.Request) error {
	u, err := h.uploadOf(rq)
	if err != nil {
		return err
	}
	return h.findingsCSV(c, rq, u)
}

// findingsCSV sends the findings as a file that opens right in a spreadsheet.
func (h handlers) findingsCSV(c *fiber.Ctx, rq *web.Request, subject any) error {
	f := filterOf(c)
	f.page = 1
	var list []oneroster.Finding
	err := h.desk.DB.Read(rq.Ctx, rq.Tenant.ID, func(tx tenancy.Read) (err error) {
		list, _, err = findingsOf(rq.Ctx, tx, subject, f, mostFindings)
		return err
	})
	if err != nil {
		return err
	}
	v := viewer{l: rq.Lang}
	var head []string
	for _, key := range []string{"roster.rule", "roster.severity", "roster.file", "roster.row", "roster.column", "roster.field", "roster.meaning", "roster.found", "roster.expected", "roster.message"} {
		head = append(head, rq.Lang.T(key))
	}
	rows := [][]string{head}
	for _, x := range list {
		meaning, _ := v.meaning(x.Code)
		expected, _ := v.expected(x.Expected)
		rows = append(rows, []string{x.Code, v.severity(x.Severity).Text, x.File, number(x.Line), number(x.Column), x.Field, meaning, x.Excerpt, expected, x.Message})
	}
	c.Attachment(rq.Lang.T("roster.findings.file") + ".csv")
	c.Set(fiber.HeaderContentType, "text/csv; charset=utf-8")
	return c.Send(spreadsheet(rows))
}

func number(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

// spreadsheet writes rows as Excel in Finland opens them: with a mark that says
// UTF-8, semicolons, and no cell that could be taken for a formula.
func spreadsheet(rows [][]string) []byte {
	var b bytes.Buffer
	b.WriteString("\ufeff")
	w := csv.NewWriter(&b)
	w.Comma, w.UseCRLF = ';', true
	for _, row := range rows {
		safe := make([]string, len(row))
		for i, cell := range row {
			safe[i] = Inert(cell)
		}
		_ = w.Write(safe) // into memory: it cannot fail
	}
	w.Flush()
	return b.Bytes()
}

// SamplesPage is all that templates/samples.html may use.
type SamplesPage struct {
	web.Page
	Plan, Name, What, Kind, School string
	Of                             int
	Samples                        []SampleView
}

func (h handlers) samples(c *fiber.Ctx, rq *web.Request) error {
	p, err := h.planOf(c, rq)
	if err != nil {
		return err
	}
	t, k, school := oneroster.Type(c.Params("type")), c.Params("kind"), c.Query("koulu")
	i := slices.IndexFunc(shownKinds, func(s struct {
		k   kind
		of  func(Counts) int
		key string
	}) bool {
		return string(s.k) == k
	})
	if oneroster.TableOf(t) == nil || i < 0 {
		return authz.Missing("sample")
	}
	v := viewer{l: rq.Lang}
	page := SamplesPage{Page: rq.Page("roster.samples"), Plan: p.ID, Name: p.SourceName, What: v.typeName(t), Kind: rq.Lang.T(shownKinds[i].key), Of: shownKinds[i].of(p.Changes[t])}
	err = h.desk.DB.Write(rq.Ctx, rq.Tenant.ID, func(tx tenancy.Write) error {
		if school != "" {
			list, err := h.desk.Schools(rq.Ctx, tx.Read, p)
			if err != nil {
				return err
			}
			for _, s := range list {
				if s.ID == school {
					page.School, page.Of = s.Name, shownKinds[i].of(s.Changes[t])
				}
			}
		}
		list, err := readSamples(rq.Ctx, tx.Read, p.ID, t, k, school)
		if err != nil {
			return err
		}
		page.Samples = nil
		var seen []uuid.UUID
		for _, s := range list {
			page.Samples = append(page.Samples, v.sample(s))
			if s.Person != nil {
				seen = append(seen, *s.Person)
			}
		}
		return audit.Viewed(rq.Ctx, tx, rq.Seen(audit.Person, seen...))
	}, tenancy.Trace())
	if err != nil {
		return err
	}
	return rq.Render(pages["samples"], page)
}

// PersonPage is all that templates/person.html may use.
type PersonPage struct {
	web.Page
	Person  PersonName
	Changes []ImportView
}

// ImportView is what one import changed for a person.
type ImportView struct {
	Plan, Import, Name, By string
	At                     time.Time
	Rows                   []SampleView
}

func (h handlers) person(_ *fiber.Ctx, rq *web.Request) error {
	id, err := rq.ParamID("person")
	if err != nil {
		return err
	}
	page := PersonPage{Page: rq.Page("roster.person")}
	err = h.desk.DB.Write(rq.Ctx, rq.Tenant.ID, func(tx tenancy.Write) error {
		// Whether there is such a person the reader may see, people says.
		who, err := people.Get(rq.Ctx, tx.Read, rq.Actor, rq.Action, id, rq.Today())
		if err != nil {
			return err
		}
		page.Person = PersonName{id, who.Name()}
		if page.Changes, err = personImports(rq, tx.Read, id); err != nil {
			return err
		}
		return audit.Viewed(rq.Ctx, tx, rq.Seen(audit.Person, id))
	}, tenancy.Trace())
	if err != nil {
		return err
	}
	return rq.Render(pages["person"], page)
}

// personImports puts together what each import changed: what came after a change is
// what stood before the next one, or stands now.
func personImports(rq *web.Request, tx tenancy.Read, person uuid.UUID) ([]ImportView, error) {
	list, err := personChanges(rq.Ctx, tx, person)
	if err != nil {
		return nil, err
	}
	protected, err := personProtected(rq.Ctx, tx, person)
	if err != nil {
		return nil, err
	}
	ids := map[oneroster.Type][]string{}
	accounts := []string{}
	for _, c := range list {
		ids[c.typ], accounts = append(ids[c.typ], c.sourcedID), append(accounts, c.by)
	}
	names, err := namesOfAccounts(rq.Ctx, tx, accounts)
	if err != nil {
		return nil, err
	}
	later := map[string]map[string]string{}
	for t, of := range ids {
		docs, err := currentDocs(rq.Ctx, tx, t, of)
		if err != nil {
			return nil, err
		}
		for id, doc := range docs {
			later[string(t)+" "+id] = doc
		}
	}
	slices.SortStableFunc(list, func(a, b personChange) int { return cmp.Compare(b.seq, a.seq) })
	rows := make([]Sample, len(list))
	for i, c := range list {
		k := string(c.typ) + " " + c.sourcedID
		rows[i] = Sample{Type: c.typ, Kind: c.kind, SourcedID: c.sourcedID, Doc: c.doc(later[k], protected)}
		if c.before != nil {
			later[k] = c.before
		}
	}
	err = nameReferences(rows, func(t oneroster.Type, names map[string]string) error { return storedNames(rq.Ctx, tx, t, names) })
	if err != nil {
		return nil, err
	}
	v := viewer{rq.Lang, names}
	var out []ImportView
	for i, c := range list {
		if len(out) == 0 || out[len(out)-1].Plan != c.plan {
			out = append(out, ImportView{Plan: c.plan, Import: importName(c.seq), Name: v.source(c.source), By: v.who(c.by), At: c.at})
		}
		row := v.sample(rows[i])
		row.Kind = v.typeName(c.typ) + ": " + v.l.T("roster.did."+c.kind)
		out[len(out)-1].Rows = append(out[len(out)-1].Rows, row)
	}
	return out, nil
}

// doc is what happened to one row, without what is sealed or protected.
func (c personChange) doc(after map[string]string, protected bool) SampleDoc {
	d := SampleDoc{Before: readable(c.before), After: readable(after)}
	switch kind(c.kind) {
	case insert:
		d.Before = nil
	case remove:
		d.After = nil
	}
	d.veil(protected)
	return d
}
