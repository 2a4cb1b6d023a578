package hetu_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"digione/internal/app/people/hetu"
)

func TestParse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, code, born string
		err              error
	}{
		{"1900s", "131052-308T", "1952-10-13", nil},
		{"1900s, letter", "010594Y9032", "1994-05-01", nil},
		{"2000s", "131052A308T", "2052-10-13", nil},
		{"1800s", "131052+308T", "1852-10-13", nil},
		{"letter digit", "010101-123N", "1901-01-01", nil},
		{"real", "220109-784L", "1909-01-22", nil},
		{"leap day", "290200A902D", "2000-02-29", nil},
		{"separator of 2023", "131052B308T", "2052-10-13", nil},
		{"separator of 2023, 1900s", "131052U308T", "1952-10-13", nil},
		{"wrong check", "080842-720D", "", hetu.ErrCheck},
		{"no such day", "300201A900A", "", hetu.ErrDate},
		{"no leap day in 1900", "290200-902D", "", hetu.ErrDate},
		{"month 13", "011301A900A", "", hetu.ErrDate},
		{"number 001", "131052-001T", "", hetu.ErrForm},
		{"separator", "131052G308T", "", hetu.ErrForm},
		{"lower case", "131052-308t", "", hetu.ErrForm},
		{"letter G", "131052-308G", "", hetu.ErrForm},
		{"blank behind", "131052-308T ", "", hetu.ErrForm},
		{"empty", "", "", hetu.ErrForm},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h, err := hetu.Parse(c.code)
			if !errors.Is(err, c.err) {
				t.Fatalf("got error %v, want %v", err, c.err)
			}
			if c.err == nil && (h.BirthDate().Format("2006-01-02") != c.born || h.Reveal() != c.code) {
				t.Fatalf("born %s, want %s", h.BirthDate(), c.born)
			}
		})
	}
}

func TestMasked(t *testing.T) {
	t.Parallel()
	h, err := hetu.Parse("131052-308T")
	if err != nil {
		t.Fatal(err)
	}
	const want = "******-***T"
	asJSON, err := json.Marshal(map[string]any{"h": h})
	if err != nil {
		t.Fatal(err)
	}
	for verb, got := range map[string]string{
		"Masked": h.Masked(),
		"%v":     fmt.Sprint(h),
		"%+v":    fmt.Sprintf("%+v", struct{ H hetu.Hetu }{h}),
		"%#v":    fmt.Sprintf("%#v", h),
		"%q":     fmt.Sprintf("%q", h),
		"hidden": fmt.Sprintf("%+v", struct{ h hetu.Hetu }{h}),
		"log":    h.LogValue().String(),
		"json":   string(asJSON),
	} {
		switch verb {
		case "%+v":
			if got != "{H:"+want+"}" {
				t.Errorf("%s: %s", verb, got)
			}
		case "hidden":
			if strings.Contains(got, "1310") || strings.Contains(got, "308") {
				t.Errorf("%s: %s", verb, got)
			}
		case "json":
			if got != `{"h":"`+want+`"}` {
				t.Errorf("%s: %s", verb, got)
			}
		default:
			if got != want {
				t.Errorf("%s: %s", verb, got)
			}
		}
	}
	if !(hetu.Hetu{}).IsZero() || (hetu.Hetu{}).Masked() != "" || !(hetu.Hetu{}).BirthDate().IsZero() {
		t.Error("the zero Hetu is not none")
	}
}
