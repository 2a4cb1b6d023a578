// Package i18n holds every sentence that a person reads, in Finnish, Swedish and
// English, and writes numbers and dates as each language does. A catalogue file
// belongs to the feature that its name and its keys begin with. It writes no
// table and knows no feature.
package i18n

import (
	"embed"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/nicksnyder/go-i18n/v2/i18n"
	"github.com/pelletier/go-toml/v2"
	"golang.org/x/text/collate"
	"golang.org/x/text/language"
)

// Lang is a language of the service.
type Lang string

// The languages, in the order in which they are offered.
const (
	Fi Lang = "fi"
	Sv Lang = "sv"
	En Lang = "en"
)

// Langs lists all languages.
var Langs = []Lang{Fi, Sv, En}

//go:embed messages/*.toml
var files embed.FS

var (
	bundle     = load()
	localizers = map[Lang]*i18n.Localizer{
		Fi: i18n.NewLocalizer(bundle, "fi"),
		Sv: i18n.NewLocalizer(bundle, "sv"),
		En: i18n.NewLocalizer(bundle, "en"),
	}
	matcher = language.NewMatcher([]language.Tag{language.Finnish, language.Swedish, language.English})
)

// load panics on a broken catalogue: the files are part of the program.
func load() *i18n.Bundle {
	b := i18n.NewBundle(language.Finnish)
	b.RegisterUnmarshalFunc("toml", toml.Unmarshal)
	names, err := fs.Glob(files, "messages/*.toml")
	if err != nil {
		panic(err)
	}
	for _, name := range names {
		if _, err := b.LoadMessageFileFS(files, name); err != nil {
			panic(fmt.Errorf("load %s: %w", name, err))
		}
	}
	return b
}

// Parse returns the language named s; ok is false for what is not offered.
func Parse(s string) (l Lang, ok bool) {
	l = Lang(s)
	return l, slices.Contains(Langs, l)
}

// Match picks the language for an Accept-Language header, Finnish when it names
// none of ours.
func Match(accept string) Lang {
	tags, _, err := language.ParseAcceptLanguage(accept)
	if err != nil || len(tags) == 0 {
		return Fi
	}
	_, i, confidence := matcher.Match(tags...)
	if confidence == language.No {
		return Fi
	}
	return Langs[i]
}

// Collator orders words as the language does. It is for one goroutine.
func (l Lang) Collator() *collate.Collator { return collate.New(language.Make(string(l.orFi()))) }

// Name is the language's own name.
func (l Lang) Name() string {
	return map[Lang]string{Fi: "Suomi", Sv: "Svenska", En: "English"}[l]
}

// T returns the sentence of a key. args are pairs of placeholder and value; an
// integer named Count also picks the plural form, and integers are written as
// the language writes numbers. An unknown key comes back as itself.
func (l Lang) T(key string, args ...any) string {
	cfg := &i18n.LocalizeConfig{MessageID: key}
	if len(args) > 0 {
		data := make(map[string]any, len(args)/2)
		for i := 0; i+1 < len(args); i += 2 {
			name := fmt.Sprint(args[i])
			n, isInt := args[i+1].(int)
			if isInt && name == "Count" {
				cfg.PluralCount = n
			}
			if data[name] = args[i+1]; isInt {
				data[name] = l.Number(n)
			}
		}
		cfg.TemplateData = data
	}
	s, err := localizers[l.orFi()].Localize(cfg)
	if err != nil {
		return key
	}
	return s
}

// Has reports whether a key exists; what comes from outside is checked with it.
func Has(key string) bool {
	_, err := localizers[Fi].Localize(&i18n.LocalizeConfig{MessageID: key})
	return err == nil || !strings.Contains(err.Error(), "not found")
}

func (l Lang) orFi() Lang {
	if _, ok := localizers[l]; !ok {
		return Fi
	}
	return l
}
