package generate

import (
	_ "embed"
	"strconv"
	"strings"
)

//go:embed data/subjects.txt
var subjectsText string

var subjects = readSubjects(subjectsText)

// subject is a line of data/subjects.txt.
type subject struct {
	lo, hi   int
	how      string // home, fixed, choice<n> or second
	medium   string // fi, sv or *
	key      string // MA, ENA1: what classes are called after
	code     string // of the national list
	language string
	credits  string
	fi, sv   string
}

func readSubjects(text string) []subject {
	var all []subject
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		f := strings.Split(strings.TrimSpace(line), ";")
		from, to, ranged := strings.Cut(f[0], "-")
		if !ranged {
			to = from
		}
		lo, _ := strconv.Atoi(from)
		hi, _ := strconv.Atoi(to)
		all = append(all, subject{lo, hi, f[1], f[2], f[3], f[4], f[5], f[6], f[7], f[8]})
	}
	return all
}

// taught returns the subjects of a band that are taught in a way, grouped by the
// words after the prefix: all of "fixed", or the choices one by one.
func taught(how, medium string, lo, hi int) [][]int {
	var groups [][]int
	at := map[string]int{}
	for i, s := range subjects {
		if !strings.HasPrefix(s.how, how) || (s.medium != "*" && s.medium != medium) || s.lo > lo || s.hi < hi {
			continue
		}
		g, ok := at[s.how]
		if !ok {
			g = len(groups)
			at[s.how] = g
			groups = append(groups, nil)
		}
		groups[g] = append(groups[g], i)
	}
	return groups
}

// title is the subject's name in the language of the school.
func (s *subject) title(medium string) string {
	if medium == "sv" {
		return s.sv
	}
	return s.fi
}

// courseName gives title, code and grades of a course. A module of the lukio is
// known by its code; the rest by subject and year, the lukio's counted from 1.
func (s *subject) courseName(c course) (title, code, grades string) {
	title = s.title(c.medium)
	if c.grade == 0 {
		return s.key + " " + title, s.key, gradeWords(s.lo, s.hi)
	}
	year := strconv.Itoa(c.grade)
	if c.grade >= 10 {
		year = strconv.Itoa(c.grade - 9)
	}
	return title + " " + year, s.key + year, gradeWord(c.grade)
}

// nationalSubjects are the names, Finnish and Swedish, of the national codes in
// use here.
var nationalSubjects = map[string]map[bool]string{
	"A": {false: "A-kieli", true: "A-språk"}, "A1": {false: "A1-kieli", true: "A1-språk"},
	"A2": {false: "A2-kieli", true: "A2-språk"}, "B1": {false: "B1-kieli", true: "B1-språk"},
	"AI": {false: "Äidinkieli ja kirjallisuus", true: "Modersmålet och litteratur"},
	"MA": {false: "Matematiikka", true: "Matematik"}, "KS": {false: "Käsityö", true: "Slöjd"},
	"KO": {false: "Kotitalous", true: "Huslig ekonomi"}, "KU": {false: "Kuvataide", true: "Bildkonst"},
	"LI": {false: "Liikunta", true: "Gymnastik"}, "MU": {false: "Musiikki", true: "Musik"},
	"HI": {false: "Historia", true: "Historia"}, "BI": {false: "Biologia", true: "Biologi"},
	"GE": {false: "Maantieto", true: "Geografi"}, "PS": {false: "Psykologia", true: "Psykologi"},
	"FY": {false: "Fysiikka", true: "Fysik"}, "KE": {false: "Kemia", true: "Kemi"},
	"YH": {false: "Yhteiskuntaoppi", true: "Samhällslära"}, "FI": {false: "Filosofia", true: "Filosofi"},
	"KT": {false: "Uskonto", true: "Religion"}, "ET": {false: "Elämänkatsomustieto", true: "Livsåskådningskunskap"},
	"OP": {false: "Opinto-ohjaus", true: "Elevhandledning"},
}
