package org

import (
	"time"

	"digione/internal/app/i18n"
	"digione/internal/app/web"
)

// Fresh says from when the lists of a page are, in words; the zero one says nothing.
type Fresh struct {
	Text string
	Old  string // "" while the list is as fresh as the schedule promises
}

// FreshOf says how fresh lists are that were last brought in at a moment, nil for
// never.
func FreshOf(rq *web.Request, at *time.Time) (f Fresh) {
	if at == nil {
		return f
	}
	f.Text = rq.Lang.T("org.fresh", "When", rq.Lang.DateTime(*at))
	if rq.Tenant.Settings.Roster.Late(*at, rq.Now.In(i18n.Zone)) {
		f.Old = rq.Lang.T("org.fresh.old")
	}
	return f
}
