package tenancy_test

import (
	"strings"
	"testing"
	"time"

	"digione/internal/tenancy"
)

func TestSchedule(t *testing.T) {
	t.Parallel()
	fi, err := time.LoadLocation("Europe/Helsinki")
	if err != nil {
		t.Fatal(err)
	}
	at := func(s string) time.Time {
		d, err := time.ParseInLocation("2006-01-02 15:04", s, fi)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	none := func(time.Time) bool { return false }
	night := tenancy.Schedule{From: "22:00", Until: "06:00", Days: []string{"mon", "tue", "wed", "thu", "sun"}}
	for moment, open := range map[string]bool{
		"2026-11-23 21:59": false, "2026-11-23 22:00": true, "2026-11-24 05:59": true, "2026-11-24 06:00": false,
		"2026-11-27 23:00": false, "2026-11-28 05:00": false, "2026-11-29 22:30": true, // Friday's night has no window, Sunday's has
	} {
		if got := night.Open(at(moment)); got != open {
			t.Errorf("at %s: open %t, want %t", moment, got, open)
		}
	}
	for moment, want := range map[string]string{
		"2026-11-24 05:59": "2026-11-22 22:00", // Monday's is not over
		"2026-11-24 06:00": "2026-11-23 22:00",
		"2026-11-28 12:00": "2026-11-26 22:00", // a Saturday: Thursday's was the last
	} {
		if got, ok := night.Promised(at(moment), none); !ok || !got.Equal(at(want)) {
			t.Errorf("at %s: promised since %s, want %s", moment, got, want)
		}
	}
	if got, ok := night.Promised(at("2026-11-24 07:00"), func(d time.Time) bool { return d.Day() == 23 }); !ok || !got.Equal(at("2026-11-22 22:00")) {
		t.Errorf("a free night counts: %s", got)
	}
	if _, ok := (tenancy.Schedule{}).Promised(at("2026-11-24 07:00"), none); ok || (tenancy.Schedule{}).Open(at("2026-11-24 07:00")) {
		t.Error("without a schedule something is promised")
	}
	summer := tenancy.Schedule{From: "03:30", Until: "04:30"} // the hour that the clocks leave out
	if !summer.Open(time.Date(2026, 3, 29, 1, 0, 0, 0, time.UTC).In(fi)) {
		t.Error("no window on the night when the clocks go forward")
	}
}

// Every fault names its own line.
func TestScheduleFaults(t *testing.T) {
	t.Parallel()
	_, err := tenancy.ReadManifest(strings.NewReader(`slug: inkoo
name_fi: Inkoo
kind: municipality
municipality_code: "149"
settings:
  roster:
    schedule:
      from: "25:00"
      until: "06:00"
      days: [ma]
    blackout:
      - {from: "07:30", to: 06-01}
`), "inkoo.yaml")
	if err == nil {
		t.Fatal("no faults")
	}
	for _, want := range []string{`inkoo.yaml:8: settings.roster.schedule.from "25:00"`, `inkoo.yaml:10: settings.roster.schedule.days "ma"`, `inkoo.yaml:12: settings.roster.blackout 07:30 to 06-01`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in:\n%s", want, err)
		}
	}
}
