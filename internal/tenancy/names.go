package tenancy

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"sync"

	"github.com/jackc/pgx/v5"
)

var nameForm = regexp.MustCompile(`@([a-zA-Z_][a-zA-Z0-9_]*)`)

// named is a text with @names turned into $n, and the names in their order.
type named struct {
	text  string
	names []string
}

var rewritten sync.Map // text with @names -> named: pgx would scan it at every call

// positional turns named arguments into positional ones. With pgx.StrictNamedArgs
// a missing or a needless name is an error.
func positional(sql string, args []any) (string, []any, error) {
	if len(args) != 1 {
		return sql, args, nil
	}
	var given map[string]any
	strict := false
	switch a := args[0].(type) {
	case pgx.StrictNamedArgs:
		given, strict = a, true
	case pgx.NamedArgs:
		given = a
	default:
		return sql, args, nil
	}
	v, ok := rewritten.Load(sql)
	if !ok {
		text, order, err := namesOf(sql)
		if err != nil {
			return "", nil, err
		}
		v = named{text, order}
		rewritten.Store(sql, v)
	}
	n := v.(named)
	out := make([]any, len(n.names))
	for i, name := range n.names {
		value, ok := given[name]
		if !ok && strict {
			return "", nil, fmt.Errorf("statement wants argument @%s", name)
		}
		out[i] = value
	}
	if strict && len(given) > len(n.names) {
		for _, name := range slices.Sorted(maps.Keys(given)) {
			if !slices.Contains(n.names, name) {
				return "", nil, fmt.Errorf("statement has no argument @%s", name)
			}
		}
	}
	return n.text, out, nil
}

// namesOf lets pgx find the names: each is given itself as its value.
func namesOf(sql string) (string, []string, error) {
	self := pgx.NamedArgs{}
	for {
		text, args, err := self.RewriteQuery(context.Background(), nil, sql, nil)
		if err != nil {
			return "", nil, err
		}
		missing := false
		for _, a := range args {
			missing = missing || a == nil
		}
		if !missing {
			names := make([]string, len(args))
			for i, a := range args {
				names[i] = a.(string)
			}
			return text, names, nil
		}
		before := len(self)
		for _, m := range nameForm.FindAllStringSubmatch(sql, -1) {
			self[m[1]] = m[1]
		}
		if len(self) == before {
			return "", nil, errors.New("statement has an argument whose name cannot be read")
		}
	}
}
