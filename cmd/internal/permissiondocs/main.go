// Command permissiondocs writes docs/permissions.md from the rules of authz and
// people, or with -check says that the written one is stale.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"

	"digione/internal/app/authz"
	"digione/internal/app/people"
)

func main() {
	check := flag.Bool("check", false, "compare, write nothing")
	flag.Parse()
	if err := run(flag.Arg(0), *check); err != nil {
		fmt.Fprintln(os.Stderr, "permissiondocs:", err)
		os.Exit(1)
	}
}

func run(file string, check bool) error {
	fresh := text()
	if !check {
		return os.WriteFile(file, fresh, 0o644)
	}
	written, err := os.ReadFile(file)
	if err != nil || !bytes.Equal(fresh, written) {
		return fmt.Errorf("%s is not what the code says; run: make docs", file)
	}
	return nil
}

const head = `# Permissions

Written from the code by ` + "`make docs`" + `; a test fails when it is stale. The rules are ` + "`rules` and `gives` in `internal/app/authz`" + `, and
` + "`sights` in `internal/app/people`" + `. What somebody may not see is answered as what does not exist (404).

A role counts on the days of its validity alone. A substitute without a last day is nothing. A guardian counts until the child is 18, and
nowhere where they are blocked. The data-protection officer reaches no person's page; with a written reason they see one, and the reason
stays in the audit. An action that is marked strong asks for a strong sign-in.

## Who may do what, and how far
`

func text() []byte {
	var b bytes.Buffer
	b.WriteString(head)
	matrix(&b)
	b.WriteString("\n## Who may give which right by hand\n\nNobody gives one to themself. A right at the provider reaches every school.\n\n")
	giving(&b)
	b.WriteString("\n## What is seen of a person\n\n")
	sights(&b, false)
	b.WriteString(protected)
	sights(&b, true)
	b.WriteString(places)
	return b.Bytes()
}

func matrix(b *bytes.Buffer) {
	fmt.Fprintf(b, "\n| action | role | how far |\n|---|---|---|\n")
	last := authz.Action("")
	for _, r := range authz.Matrix() {
		name := ""
		if r.Action != last {
			name, last = "`"+string(r.Action)+"`", r.Action
			if r.Action.Strong() {
				name += ", strong"
			}
		}
		fmt.Fprintf(b, "| %s | %s | %s |\n", name, r.Role, r.Scope)
	}
}

func giving(b *bytes.Buffer) {
	type key struct {
		by authz.Role
		at string
	}
	var keys []key
	roles := map[key][]string{}
	for _, g := range authz.Giving() {
		k := key{g.By, g.At}
		if !slices.Contains(keys, k) {
			keys = append(keys, k)
		}
		roles[k] = append(roles[k], string(g.Role))
	}
	fmt.Fprintf(b, "| who | at | rights |\n|---|---|---|\n")
	for _, k := range keys {
		fmt.Fprintf(b, "| %s | %s | %s |\n", k.by, k.at, strings.Join(roles[k], ", "))
	}
}

var names = map[people.Viewer]string{
	people.Family: "the person, a guardian", people.Teacher: "who teaches them", people.Office: "their school's office, an admin",
	people.Welfare: "welfare staff, by a disclosure", people.Officer: "the data-protection officer, for a reason", people.Support: "an operator on a support visit",
}

func sights(b *bytes.Buffer, veiled bool) {
	fmt.Fprintf(b, "| who looks | birth date, learner number | home municipality | contact details | school, class, groups | guardians | mark |\n|---|---|---|---|---|---|---|\n")
	yes := func(is bool) string {
		if is {
			return "yes"
		}
		return "–"
	}
	for _, v := range people.Viewers {
		s := people.SightOf(v, veiled)
		guardians := yes(s.Guardians)
		if v == people.Welfare {
			guardians = "if the disclosure says so"
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s | %s |\n", names[v], yes(s.Identity), yes(s.Home), yes(s.Contact), yes(s.Place), guardians, yes(s.Mark))
	}
}

const protected = `
## Turvakielto

The same, of a person whose identity is protected. The mark is itself sensitive: it says to be careful, and stands only where somebody who
must know looks at one person.

`

const places = `
| place | what happens |
|---|---|
| front page of the person and their guardians | no school, class, groups or teachers, and no word of why; so for the other guardian |
| class list of a group, to those who work with it | the name, without a mark: lists are printed and shown on walls |
| class list, on a support visit | the person is left out |
| the search | the name with a mark, no school and no class |
| guardians on a child's page | name; a protected guardian's contact details for nobody |
| names of teachers, to families | a protected teacher's name is left out |
| guardianship and disclosures, to the school's office | the mark |
| merging of records, to admins | the mark, no address and no municipality; the merged record is protected when either was |
| roster export | whole: it goes back to the source that sent it, by an operator's command |
| whole tenant's export | whole and encrypted where it was: it is the municipality's own data |
| logs, errors, metrics, addresses of pages | no personal data of anybody |
`
