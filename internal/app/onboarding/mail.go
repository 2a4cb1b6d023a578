package onboarding

import (
	"strings"

	"digione/internal/app/i18n"
	"digione/internal/tenancy"
	"digione/internal/tenancy/joining"
)

// mailLangs are the languages of a reminder, all in one mail.
var mailLangs = []i18n.Lang{i18n.Fi, i18n.Sv}

// MunicipalityMail writes to a municipality about what waits for it.
func MunicipalityMail(t tenancy.Tenant, list []joining.Reminder) (subject, body string) {
	link := ""
	if len(t.Hosts) > 0 {
		link = "https://" + t.Hosts[0] + "/liittyminen"
	}
	return mailText(list, func(l i18n.Lang) mailWords {
		name := tenantName(t, l)
		w := mailWords{subject: l.T("onboarding.mail.subject", "Name", name), lead: l.T("onboarding.mail.lead", "Name", name)}
		if link != "" {
			w.where = l.T("onboarding.mail.where", "Link", link)
		}
		w.item = func(r joining.Reminder) string { return requirementName(r, l) }
		return w
	})
}

// TieraMail writes to Tiera about what waits for it, in all municipalities.
func TieraMail(operatorHost string, list []joining.Reminder) (subject, body string) {
	return mailText(list, func(l i18n.Lang) mailWords {
		return mailWords{subject: l.T("onboarding.mail.tiera.subject"), lead: l.T("onboarding.mail.tiera.lead"),
			where: l.T("onboarding.mail.tiera.where", "Link", "https://"+operatorHost+"/liittyjat"),
			item:  func(r joining.Reminder) string { return tenantName(r.Tenant, l) + ": " + requirementName(r, l) }}
	})
}

type mailWords struct {
	subject, lead, where string
	item                 func(joining.Reminder) string
}

func mailText(list []joining.Reminder, words func(i18n.Lang) mailWords) (subject, body string) {
	var subjects, bodies []string
	for _, l := range mailLangs {
		w := words(l)
		var b strings.Builder
		b.WriteString(w.lead + "\n")
		for _, kind := range []struct{ of, title, item string }{{joining.Alarm, l.T("onboarding.mail.red"), "onboarding.mail.alarm"},
			{joining.Overdue, l.T("onboarding.mail.overdue"), "onboarding.mail.item"}, {joining.Soon, l.T("onboarding.mail.soon"), "onboarding.mail.item"}} {
			title := "\n" + kind.title + "\n"
			for _, r := range list {
				if r.Kind == kind.of {
					b.WriteString(title + "- " + l.T(kind.item, "What", w.item(r), "Date", l.Date(r.Day)) + "\n")
					title = ""
				}
			}
		}
		if w.where != "" {
			b.WriteString("\n" + w.where + "\n")
		}
		b.WriteString("\n" + l.T("onboarding.mail.once") + "\n")
		subjects, bodies = append(subjects, w.subject), append(bodies, b.String())
	}
	return strings.Join(subjects, " / "), strings.Join(bodies, "\n----------\n\n")
}

// tenantName is the name in a language, or the one that there is.
func tenantName(t tenancy.Tenant, l i18n.Lang) string {
	if name := t.Name(string(l)); name != "" {
		return name
	}
	return t.NameSv
}

func requirementName(r joining.Reminder, l i18n.Lang) string {
	if name := r.Names.In(string(l)); name != "" {
		return name
	}
	return r.Names.Sv
}
