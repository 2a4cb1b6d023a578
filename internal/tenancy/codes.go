package tenancy

import (
	"bytes"
	"encoding/csv"
	"strings"
	"sync"

	"digione/schemas"
)

// codeList is the statement that brings a tenant's code lists up to date; it
// changes only what differs.
var codeList = sync.OnceValue(func() string {
	rows, err := csv.NewReader(bytes.NewReader(schemas.Codes)).ReadAll()
	if err != nil {
		panic("embedded code lists: " + err.Error()) // a fault of the build, not of a run
	}
	quote := func(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
	var b strings.Builder
	b.WriteString(" insert into code (list, value, name_fi, name_sv, name_en) values ")
	for i, r := range rows[1:] {
		if i > 0 {
			b.WriteByte(',')
		}
		for k, v := range r {
			b.WriteByte("(,,,,"[k])
			b.WriteString(quote(v))
		}
		b.WriteByte(')')
	}
	b.WriteString(` on conflict (list, value) do update
 set name_fi = excluded.name_fi, name_sv = excluded.name_sv, name_en = excluded.name_en
 where (code.name_fi, code.name_sv, code.name_en) is distinct from (excluded.name_fi, excluded.name_sv, excluded.name_en);`)
	return b.String()
})
