package dbtest

import (
	"context"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"digione/internal/tenancy"
)

var written = regexp.MustCompile(`(?is)\b(?:insert\s+into|update|delete\s+from)\s+(?:only\s+)?([a-z_]+)\b`)

// Identifiers of the source are indexed in the order of bytes: compared in the
// database's own order they are found by reading the whole table.
var (
	byBytes  = regexp.MustCompile(`(?i)\b(?:from|join)\s+(?:course|enrolment|role_grant|roster_record|roster_user|teaching_group|term|unit)\b`)
	compared = []*regexp.Regexp{
		regexp.MustCompile(`(?i)\b(?:sourced_id|username)\s*=\s*(?:any\s*\(\s*)?@[a-z_]+\s*\)?(\s*collate "C")?`),
		regexp.MustCompile(`(?i)\bjoin\s+(?:course|enrolment|role_grant|roster_record|roster_user|teaching_group|term|unit)\s+\w+\s+on\s+\w+\.(?:sourced_id|username)\s*=\s*[\w.]+(?:\s*\([\w.]+\))?(\s*collate "C")?`),
	}
)

// CheckSQL prepares every constant of the package in dir whose name begins with
// sql, inside a tenant: a wrong table, column or type fails here, not in use.
// Outside of tests a package may change only tables whose comment names it as
// their owner. A sourcedId or username is compared with collate "C", as it is indexed.
func CheckSQL(t *testing.T, dir string) {
	t.Helper()
	db := Open(t)
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	ok(t, err)
	abs, err := filepath.Abs(dir)
	ok(t, err)
	n := 0
	for _, file := range files {
		for name, q := range statements(t, file) {
			n++
			t.Run(name, func(t *testing.T) { checkOne(t, db, q, abs, strings.HasSuffix(file, "_test.go")) })
		}
	}
	if n == 0 {
		t.Fatalf("no sql constants in %s", dir)
	}
}

func statements(t *testing.T, file string) map[string]string {
	t.Helper()
	src, err := os.ReadFile(file)
	ok(t, err)
	f, err := parser.ParseFile(token.NewFileSet(), file, src, 0)
	ok(t, err)
	out := map[string]string{}
	texts := map[string]string{}
	ast.Inspect(f, func(node ast.Node) bool {
		vs, isSpec := node.(*ast.ValueSpec)
		if !isSpec || len(vs.Values) != 1 {
			return true
		}
		if q, isText := text(vs.Values[0], texts); isText {
			texts[vs.Names[0].Name] = q
			if strings.HasPrefix(vs.Names[0].Name, "sql") {
				out[vs.Names[0].Name] = q
			}
		}
		return true
	})
	return out
}

// text evaluates literals, names of earlier constants of the file, and their sums.
func text(e ast.Expr, known map[string]string) (string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		s, err := strconv.Unquote(e.Value)
		return s, err == nil && e.Kind == token.STRING
	case *ast.Ident:
		s, is := known[e.Name]
		return s, is
	case *ast.BinaryExpr:
		a, isA := text(e.X, known)
		b, isB := text(e.Y, known)
		return a + b, isA && isB
	}
	return "", false
}

func checkOne(t *testing.T, db *tenancy.DB, q, dir string, isTest bool) {
	if !isTest && byBytes.MatchString(q) {
		for _, how := range compared {
			for _, m := range how.FindAllStringSubmatch(q, -1) {
				if m[1] == "" {
					t.Errorf(`compares without collate "C", which no index serves: %s`, m[0])
				}
			}
		}
	}
	ctx := context.Background()
	err := db.Read(ctx, Alpha, func(tx tenancy.Read) error {
		rq, _, err := pgx.NamedArgs{}.RewriteQuery(ctx, nil, q, nil)
		if err != nil {
			return err
		}
		if _, err = tx.Prepare(ctx, rq); err != nil || isTest {
			return err
		}
		for _, m := range written.FindAllStringSubmatch(q, -1) {
			if m[1] == "set" || m[1] == "of" || m[1] == "skip" {
				continue
			}
			var comment string
			if err := tx.QueryRow(ctx, "select coalesce(obj_description(to_regclass($1), 'pg_class'), '')", m[1]).Scan(&comment); err != nil {
				return err
			}
			_, owner, _ := strings.Cut(comment, "Owned by ")
			if owner = strings.TrimSuffix(owner, "."); !strings.HasSuffix(dir, owner) || owner == "" {
				t.Errorf("table %s is owned by %q and changed here", m[1], owner)
			}
		}
		return nil
	})
	ok(t, err)
}
