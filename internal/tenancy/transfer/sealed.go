package transfer

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"digione/internal/tenancy/keys"
	"digione/schemas"
)

// openPrefix marks a value inside JSON that the tenant keeps sealed and the file
// holds open.
const openPrefix = "unsealed:"

// sealing returns what opens, or seals anew, the columns of a table by their place.
func sealing(table string, columns []Column, k *keys.Keyset, seal bool) (map[int]change, error) {
	out := map[int]change{}
	for i, c := range columns {
		var f change
		for _, s := range schemas.Sealed {
			if s.Table != table || s.Column != c.Name {
				continue
			}
			if one := valueOf(s, k, seal); f == nil {
				f = one
			} else {
				first := f
				f = func(text string) (string, error) {
					text, err := first(text)
					if err != nil {
						return "", err
					}
					return one(text)
				}
			}
		}
		if f == nil && strings.HasSuffix(c.Name, "cipher") {
			return nil, fmt.Errorf("column %s.%s looks encrypted and is not in schemas.Sealed; add it there", table, c.Name)
		}
		if f != nil {
			out[i] = f
		}
	}
	return out, nil
}

func valueOf(s schemas.SealedColumn, k *keys.Keyset, seal bool) change {
	switch {
	case s.Path != nil:
		return func(text string) (string, error) { return member(text, s, k, seal) }
	case seal:
		return func(plain string) (string, error) {
			b, err := k.Seal([]byte(plain), s.Context)
			return `\x` + hex.EncodeToString(b), err
		}
	default:
		return func(text string) (string, error) {
			b, err := hex.DecodeString(strings.TrimPrefix(text, `\x`))
			if err == nil {
				b, err = k.Open(b, s.Context)
			}
			if err != nil {
				return "", errors.New("a sealed value does not open by the tenant's key")
			}
			return string(b), nil
		}
	}
}

// member changes one member of a JSON object. An object without it stays byte for
// byte as it is.
func member(text string, s schemas.SealedColumn, k *keys.Keyset, seal bool) (string, error) {
	last := s.Path[len(s.Path)-1]
	if !strings.Contains(text, `"`+last+`"`) {
		return text, nil
	}
	changed := false
	var walk func(raw json.RawMessage, path []string) (json.RawMessage, error)
	walk = func(raw json.RawMessage, path []string) (json.RawMessage, error) {
		if len(path) == 0 {
			var v string
			if string(raw) == "null" || json.Unmarshal(raw, &v) != nil {
				return raw, nil
			}
			v, ok, err := turned(v, s, k, seal)
			if err != nil || !ok {
				return raw, err
			}
			changed = true
			return json.Marshal(v)
		}
		var o map[string]json.RawMessage
		if json.Unmarshal(raw, &o) != nil || o[path[0]] == nil {
			return raw, nil
		}
		inner, err := walk(o[path[0]], path[1:])
		if err != nil {
			return nil, err
		}
		o[path[0]] = inner
		return json.Marshal(o)
	}
	out, err := walk(json.RawMessage(text), s.Path)
	if err != nil || !changed {
		return text, err
	}
	return string(out), nil
}

// turned opens or seals a text of JSON; ok is false when it is not a sealed one.
func turned(v string, s schemas.SealedColumn, k *keys.Keyset, seal bool) (string, bool, error) {
	from, to := s.Prefix, openPrefix
	if seal {
		from, to = to, from
	}
	v, ok := strings.CutPrefix(v, from)
	if !ok {
		return "", false, nil
	}
	if seal {
		b, err := k.Seal([]byte(v), s.Context)
		return to + base64.StdEncoding.EncodeToString(b), true, err
	}
	b, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(v, "\n", "")) // PostgreSQL breaks the lines
	if err == nil {
		b, err = k.Open(b, s.Context)
	}
	if err != nil {
		return "", false, errors.New("a sealed value does not open by the tenant's key")
	}
	return to + string(b), true, nil
}
