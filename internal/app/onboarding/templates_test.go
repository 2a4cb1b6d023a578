package onboarding

import (
	"archive/zip"
	"bytes"
	"strings"
	"testing"
	"time"

	"digione/internal/app/i18n"
	"digione/internal/app/web/htmlcheck"
	"digione/internal/app/web/webtest"
	"digione/internal/tenancy"
	"digione/internal/tenancy/joining"
)

// Every page is checked against all that its struct offers.
func TestTemplates(t *testing.T) {
	t.Parallel()
	data := map[string]any{"municipality": MunicipalityPage{}, "board": BoardPage{}, "joining": JoiningPage{}}
	htmlcheck.Templates(t, pages, data)
}

func TestEvidenceType(t *testing.T) {
	t.Parallel()
	packed := func(names ...string) []byte {
		var b bytes.Buffer
		z := zip.NewWriter(&b)
		for _, name := range names {
			f, err := z.Create(name)
			if err == nil && name == "mimetype" {
				_, err = f.Write([]byte("application/vnd.etsi.asic-e+zip"))
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	for name, c := range map[string]struct {
		b    []byte
		kind string
		ok   bool
	}{
		"a document":             {webtest.PDF("x"), "application/pdf", true},
		"packed objects":         {[]byte("%PDF-1.5\n1 0 obj<</Type /ObjStm>>\nstartxref\n0\n%%EOF\n"), "application/pdf", true},
		"no page":                {[]byte("%PDF-1.4\n%%EOF"), "application/pdf", false},
		"a document cut off":     {webtest.PDF("x")[:150], "application/pdf", false},
		"a signed container":     {packed("mimetype", "sopimus.pdf", "META-INF/signatures.xml"), "application/vnd.etsi.asic-e+zip", true},
		"without a signature":    {packed("mimetype", "sopimus.pdf"), "application/vnd.etsi.asic-e+zip", false},
		"any zip":                {packed("sopimus.pdf", "META-INF/signatures.xml"), "application/zip", false},
		"another entry is first": {packed("a", "mimetype", "META-INF/signatures.xml"), "application/zip", false},
		"a picture":              {[]byte("\x89PNG\x0D\x0A\x1A\x0A"), "image/png", true},
		"words":                  {[]byte("words"), "text/plain", false},
	} {
		if kind, ok := evidenceType(c.b); kind != c.kind || ok != c.ok {
			t.Errorf("%s: %s, %v", name, kind, ok)
		}
	}
}

// What was measured is said in the reader's way of writing days, in events of former
// versions too.
func TestSaid(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 30, 21, 8, 0, 0, time.UTC).Format(time.RFC3339)
	for _, c := range []struct {
		l    i18n.Lang
		m    joining.Measurement
		want string
	}{
		{i18n.Sv, found("roster", at, 0, 0), "Inläst 30.11.2026 kl. 23.08, fel 0, kvarhållna planer 0"},
		{i18n.Sv, found("roster", "2026-11-30 23:08", 0, 0), "Inläst 30.11.2026 kl. 23.08, fel 0, kvarhållna planer 0"},
		{i18n.Fi, found("drill", "2026-11-30", 5, 1), "Palautusharjoitus 30.11.2026: 5 riviä, 1 s"},
		{i18n.En, found("drill", "30.11.2026", 5, 1), "Restore drill 30 November 2026: 5 rows, 1 s"},
	} {
		if got := say(c.l, c.m); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

// Only a drill that was measured counts, while it is recent.
func TestDrilled(t *testing.T) {
	t.Parallel()
	today := time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		st   joining.Status
		want bool
	}{
		"measured":          {joining.Status{State: joining.Done, Last: &joining.Measurement{OK: true, Args: []string{"2026-09-01", "5", "1"}}}, true},
		"by a former form":  {joining.Status{State: joining.Done, Last: &joining.Measurement{OK: true, Args: []string{"1.9.2026", "5", "1.2"}}}, true},
		"too old":           {joining.Status{State: joining.Done, Last: &joining.Measurement{OK: true, Args: []string{"2026-08-31", "5", "1"}}}, false},
		"failed":            {joining.Status{State: joining.Red, Last: &joining.Measurement{Args: []string{"2026-11-01", "5", "1"}}}, false},
		"waived, never run": {joining.Status{State: joining.Skipped, Last: &joining.Measurement{Key: "nodrill"}}, false},
		"attested":          {joining.Status{State: joining.Done}, false},
	} {
		c.st.Check = "restore-drill"
		if got := drilled(&joining.State{Status: []joining.Status{c.st}}, today); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// An alarm of who is live is told as what it is, with the day on which it was found.
func TestAlarmMail(t *testing.T) {
	t.Parallel()
	found := time.Date(2027, 3, 1, 0, 0, 0, 0, time.UTC)
	r := joining.Reminder{Tenant: tenancy.Tenant{NameFi: "Inkoo", NameSv: "Ingå"}, Kind: joining.Alarm, Day: found,
		Status: joining.Status{Due: found.AddDate(0, -6, 0), Requirement: joining.Requirement{Names: joining.Names{Fi: "Eristystodistus", Sv: "Isoleringsintyg"}}}}
	_, body := TieraMail("operator.test", []joining.Reminder{r})
	for _, want := range []string{"Ei täyty enää:\n- Inkoo: Eristystodistus (havaittu 1.3.2027)", "Uppfylls inte längre:\n- Ingå: Isoleringsintyg (upptäckt 1.3.2027)"} {
		if !strings.Contains(body, want) {
			t.Errorf("the mail lacks %q:\n%s", want, body)
		}
	}
}
