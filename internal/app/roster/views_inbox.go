package roster

import (
	"slices"
	"strings"
	"time"

	"digione/internal/app/i18n"
	"digione/internal/tenancy"
)

// inboxShown is how many deliveries a page lists.
const inboxShown = 10

// InboxView is what a municipality's system has delivered, and when it is brought in.
type InboxView struct {
	Schedule string // "" where nothing is brought in by itself
	Open     []DeliveryAlert
	Rows     []DeliveryLine
}

// DeliveryAlert is a delivery that somebody has to look at, and what to do.
type DeliveryAlert struct {
	Title, Help, Name, Path, Link, Color string
	At                                   time.Time
}

// DeliveryLine is a delivered file.
type DeliveryLine struct {
	Name, Path, Size string
	State            Tag
	At               time.Time
}

var deliveryColors = map[DeliveryState]string{Arriving: "info", Taken: "info", Done: "success", HeldDelivery: "warning", FailedDelivery: "danger"}

func (v viewer) inbox(t tenancy.Tenant, list []*Delivery) (view InboxView) {
	view.Schedule = v.schedule(t.Settings.Roster.Schedule)
	for _, d := range list {
		l := DeliveryLine{Name: d.Name, Size: v.size(d.Size), State: Tag{v.l.T("roster.delivery." + string(d.State)), deliveryColors[d.State]}, At: d.SeenAt}
		if d.EndedAt != nil {
			l.At = *d.EndedAt
		}
		if d.Plan != "" || d.Upload != nil {
			l.Path = d.path()
		}
		if d.open {
			a := "roster.attention." + string(d.State)
			view.Open = append(view.Open, DeliveryAlert{v.l.T(a), v.l.T(a + ".help"), d.Name, l.Path, v.l.T(a + ".link"), deliveryColors[d.State], l.At})
		}
		if len(view.Rows) < inboxShown {
			view.Rows = append(view.Rows, l)
		}
	}
	view.Open = slices.Clip(view.Open[:min(3, len(view.Open))]) // more of them say nothing more
	return view
}

// schedule says when deliveries are brought in.
func (v viewer) schedule(s tenancy.Schedule) string {
	if !s.Set() {
		return ""
	}
	from, until := v.clock(s.From), v.clock(s.Until)
	if len(s.Days) == 0 || len(s.Days) == 7 {
		return v.l.T("roster.inbox.daily", "From", from, "Until", until)
	}
	var days []string
	for _, d := range s.Days {
		days = append(days, v.l.T("roster.day."+d))
	}
	return v.l.T("roster.inbox.days", "From", from, "Until", until, "Days", strings.Join(days, ", "))
}

// clock writes a time of day as people do.
func (v viewer) clock(hm string) string {
	t, err := time.ParseInLocation("15:04", hm, i18n.Zone)
	if err != nil {
		return hm
	}
	return v.l.Clock(t)
}
