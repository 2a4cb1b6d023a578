package join

import (
	"context"
	"errors"
	"fmt"
	netmail "net/mail"
	"time"

	"github.com/spf13/cobra"

	"digione/cmd/internal/installation"
	"digione/cmd/internal/settings"
	"digione/cmd/tenantctl/kit"
	"digione/internal/app/mail"
	"digione/internal/app/onboarding"
	"digione/internal/tenancy"
	"digione/internal/tenancy/joining"
)

type remindOptions struct {
	*kit.Kit
	dryRun bool
}

func newRemind(k *kit.Kit) *cobra.Command {
	o := &remindOptions{Kit: k}
	cmd := &cobra.Command{
		Use:   "remind",
		Short: "Write to municipalities and to Tiera about what is due",
		Long: `Write to the contacts of each municipality that joins about what waits for it and
is due within seven days, or overdue: one mail each, in Finnish and Swedish. What
waits for Tiera goes in one mail to --tiera-mail. Each matter is written about
once when it is due soon and once when it is overdue; run it every day. Of whoever
is live, what was measured and is not met any more is written about when it turns
red. Whoever leaves gets no mail. A mail that the server does not take is tried
again by the next run.

The connection is encrypted where the server offers STARTTLS.`,
		Example: `  tenantctl join remind --dry-run --tiera-mail liittyminen@tiera.example
  tenantctl join remind --smtp mail.example:25 --mail-from ei-vastausta@digione.example --tiera-mail liittyminen@tiera.example`,
		Args: kit.Exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error { return remindRun(cmd, o) },
	}
	settings.MailFlags(cmd.Flags())
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "say what would be written about, send nothing")
	return cmd
}

// reminded is a matter that somebody is written about.
type reminded struct {
	Tenant      string `json:"tenant"`
	To          string `json:"to"` // municipality or tiera
	Requirement string `json:"requirement"`
	Due         string `json:"due"`
	Kind        string `json:"kind"` // soon, overdue or red
	Sent        bool   `json:"sent"`
	Error       string `json:"error"`
}

func remindRun(cmd *cobra.Command, o *remindOptions) error {
	ctx := cmd.Context()
	if o.dryRun {
		return o.With(ctx, func(in *installation.Installation) error { return o.run(ctx, in) })
	}
	s, err := o.Settings()
	if err != nil {
		return &kit.Exit{Code: kit.ExitUsage, Err: err}
	}
	for _, f := range [][2]string{{s.SMTP, "--smtp"}, {s.MailFrom, "--mail-from"}} {
		if f[0] == "" {
			return kit.Usage("%s is missing; an example: tenantctl join remind --smtp mail.example:25 --mail-from ei-vastausta@digione.example", f[1])
		}
	}
	return o.Change(ctx, cmd, "", func(in *installation.Installation) error { return o.run(ctx, in) })
}

// letter is one mail that may have to be written.
type letter struct {
	side, slug string
	list       []joining.Reminder
	to         []netmail.Address
	write      func([]joining.Reminder) (subject, body string)
}

func (o *remindOptions) run(ctx context.Context, in *installation.Installation) error {
	letters, err := o.letters(ctx, in)
	if err != nil {
		return err
	}
	rows, failed, tried := []reminded{}, 0, 0
	for _, l := range letters {
		done, err := o.deliver(ctx, in, l)
		if len(done) == 0 && err == nil {
			continue
		}
		tried++
		if err != nil {
			failed++
			o.Say("%s: %v", l.slug, err)
		}
		for _, r := range done {
			row := reminded{Tenant: r.Tenant.Slug, To: l.side, Requirement: r.ID, Due: r.Day.Format(time.DateOnly), Kind: r.Kind, Sent: err == nil && !o.dryRun}
			if err != nil {
				row.Error = err.Error()
			}
			rows = append(rows, row)
		}
		if errors.Is(err, mail.ErrUnreachable) {
			break // nor is it for the others
		}
	}
	o.Note("%d mails, %d not sent", tried, failed)
	if err := o.show(rows); err != nil {
		return err
	}
	switch {
	case failed == 0:
		return nil
	case failed < tried:
		return &kit.Exit{Code: kit.ExitSomeFailed, Err: fmt.Errorf("%d of %d mails were not sent; mend the causes and run it again", failed, tried)}
	}
	return errors.New("no mail was sent; mend the cause and run it again")
}

func (o *remindOptions) show(rows []reminded) error {
	table := [][]string{}
	for _, r := range rows {
		sent := "no"
		if r.Sent {
			sent = "yes"
		}
		table = append(table, []string{r.Tenant, r.To, r.Requirement, r.Due, r.Kind, sent, r.Error})
	}
	return o.Print(rows, []string{"TENANT", "TO", "REQUIREMENT", "DUE", "KIND", "SENT", "ERROR"}, table)
}

// letters are those to each municipality, and last the one to Tiera.
func (o *remindOptions) letters(ctx context.Context, in *installation.Installation) ([]letter, error) {
	p, err := open(ctx, o.Kit, in)
	if err != nil {
		return nil, err
	}
	states, _, err := p.All(ctx)
	if err != nil {
		return nil, err
	}
	tenants, err := in.Operator.Tenants(ctx)
	if err != nil {
		return nil, err
	}
	today := onboarding.Today(p.Now())
	ours := letter{side: joining.Tiera, slug: joining.Tiera, write: func(list []joining.Reminder) (string, string) {
		return onboarding.TieraMail(in.Settings.OperatorHost, list)
	}}
	var out []letter
	for _, t := range tenants {
		s := states[string(t.ID)]
		if s == nil || t.State.Gone() || t.State == tenancy.Leaving {
			continue
		}
		ours.list = append(ours.list, s.Reminders(t, joining.Tiera, today)...)
		l := letter{side: joining.Municipality, slug: t.Slug, list: s.Reminders(t, joining.Municipality, today),
			write: func(list []joining.Reminder) (string, string) { return onboarding.MunicipalityMail(t, list) }}
		for _, c := range t.Settings.Joining.Contacts {
			l.to = append(l.to, netmail.Address{Name: c.Name, Address: c.Email})
		}
		out = append(out, l)
	}
	if a, err := netmail.ParseAddress(in.Settings.TieraMail); err == nil {
		ours.to = append(ours.to, *a)
		return append(out, ours), nil
	}
	if len(ours.list) > 0 {
		o.Say("--tiera-mail is not given: %d matters wait for Tiera, who is not written to", len(ours.list))
	}
	return out, nil
}

// deliver sends one letter, about what was not written about before.
func (o *remindOptions) deliver(ctx context.Context, in *installation.Installation, l letter) ([]joining.Reminder, error) {
	var send func(context.Context, []joining.Reminder) error
	if !o.dryRun {
		send = func(ctx context.Context, list []joining.Reminder) error { return o.send(ctx, in.Settings, l, list) }
	}
	done, err := joining.Remind(ctx, in.Operator.Control(), l.list, time.Now(), send)
	if err == nil && o.dryRun && len(done) > 0 && len(l.to) == 0 {
		err = errNoContacts
	}
	return done, err
}

var errNoContacts = errors.New("nobody to write to; name the contacts in the manifest: settings.joining.contacts")

func (o *remindOptions) send(ctx context.Context, s settings.Settings, l letter, list []joining.Reminder) error {
	if len(l.to) == 0 {
		return errNoContacts
	}
	from, err := netmail.ParseAddress(s.MailFrom)
	if err != nil {
		return errors.New("--mail-from is no address")
	}
	subject, body := l.write(list)
	refused, err := mail.Server{Addr: s.SMTP, From: *from}.Send(ctx, mail.Message{To: l.to, Subject: subject, Body: body})
	if err == nil && refused > 0 {
		o.Say("%s: the mail server refused %d of the %d contacts; the others got the mail", l.slug, refused, len(l.to))
	}
	return err
}
