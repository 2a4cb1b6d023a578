package main

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"gopkg.in/yaml.v3"
)

// mutant is one breakage of a control, and the test that must notice it.
type mutant struct {
	Name    string `yaml:"name"`
	Control string `yaml:"control"` // what is broken, in a sentence
	File    string `yaml:"file"`
	Find    string `yaml:"find"` // stands in the file once, or so often as Times says
	Replace string `yaml:"replace"`
	Times   int    `yaml:"times"`
	Package string `yaml:"package"`
	Test    string `yaml:"test"`
}

func parse(b []byte) ([]mutant, error) {
	var all []mutant
	d := yaml.NewDecoder(bytes.NewReader(b))
	d.KnownFields(true)
	if err := d.Decode(&all); err != nil {
		return nil, fmt.Errorf("mutants.yaml: %w", err)
	}
	seen := map[string]bool{}
	var faults []error
	for _, m := range all {
		if m.Name == "" || m.Control == "" || m.File == "" || m.Find == "" || m.Package == "" || m.Test == "" || seen[m.Name] {
			faults = append(faults, fmt.Errorf("mutants.yaml: %q: a member is missing, or there are two of the name", m.Name))
		}
		seen[m.Name] = true
	}
	return all, errors.Join(faults...)
}

// apply returns the broken file.
func (m mutant) apply(file string) (string, error) {
	want := max(m.Times, 1)
	if n := strings.Count(file, m.Find); n != want {
		return "", fmt.Errorf("does not apply: its text stands %d times in %s, want %d", n, m.File, want)
	}
	return strings.ReplaceAll(file, m.Find, m.Replace), nil
}
