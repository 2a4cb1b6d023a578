// Package statement is the accessibility statement that Finnish law 306/2019 asks
// for. What it says about conformance comes from results.json, which `make
// accessibility` writes after a browser has been through every page. It writes no
// table, reads none and knows no feature.
package statement

import (
	_ "embed"
	"encoding/json"
	"maps"
	"slices"
	"time"
)

//go:embed results.json
var results []byte

// Results is what the accessibility run found.
type Results struct {
	Made      string         `json:"made"`      // the day, in ISO form
	Axe       string         `json:"axe"`       // version of axe-core
	Look      string         `json:"look"`      // mark of layout and styles, see web.Look
	Languages []string       `json:"languages"` //
	Widths    []int64        `json:"widths"`    // in CSS pixels
	Schemes   []string       `json:"schemes"`   // light and dark
	Views     int            `json:"views"`     // pages times languages, widths and schemes, with states of forms
	Pages     []string       `json:"pages"`     // routes
	Findings  map[string]int `json:"findings"`  // by rule
}

// Load returns the results that the program was built with.
func Load() (Results, error) {
	var r Results
	return r, json.Unmarshal(results, &r)
}

// Rules are those that found something, in order.
func (r Results) Rules() []string { return slices.Sorted(maps.Keys(r.Findings)) }

// Day is when the run was made.
func (r Results) Day() time.Time {
	t, _ := time.Parse(time.DateOnly, r.Made) // TestStatement holds the form
	return t
}
