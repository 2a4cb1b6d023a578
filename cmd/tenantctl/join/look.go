package join

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"digione/cmd/internal/installation"
	"digione/cmd/tenantctl/kit"
	"digione/internal/app/onboarding"
	"digione/internal/tenancy"
	"digione/internal/tenancy/joining"
)

type dueView struct {
	Requirement string `json:"requirement"`
	Owner       string `json:"owner"` // whose turn it is
	Due         string `json:"due"`
	Kind        string `json:"kind"`
	State       string `json:"state"` // open, second or red
	Stage       string `json:"stage"`
	Found       string `json:"found"` // what was measured
	Next        string `json:"next"`
	Overdue     bool   `json:"overdue"`
}

type statusView struct {
	Tenant   string          `json:"tenant"`
	Template string          `json:"template"`
	Stage    string          `json:"stage"`
	State    string          `json:"state"`
	Due      []dueView       `json:"due"`
	Wave     string          `json:"wave"`
	Open     []string        `json:"open_waves"`
	Opening  joining.Opening `json:"opening"`
}

func view(t tenancy.Tenant, s *joining.State, today string) statusView {
	v := statusView{Tenant: t.Slug, Template: s.Template.ID, Stage: s.Stage, State: s.State, Wave: s.Cohort, Due: []dueView{},
		Open: append([]string{}, s.OpenWaves...), Opening: s.Opening()}
	if v.Opening.Schools == nil {
		v.Opening.Schools = []string{}
	}
	for _, d := range s.Due() {
		row := dueView{Requirement: d.ID, Owner: d.Waits(), Due: d.Due.Format(time.DateOnly), Kind: d.Kind, State: d.State, Stage: d.Stage}
		row.Overdue = row.Due < today
		if d.Last != nil {
			row.Found, row.Next = d.Last.Value, d.Last.Next
		}
		if d.State == joining.Second {
			said := "attested by "
			if d.Waived() {
				said = "waiver asked by "
			}
			row.Found = said + d.Signed[0].Signer() + "; waits for a second person"
		}
		v.Due = append(v.Due, row)
	}
	return v
}

func today() string { return onboarding.Today(time.Now()).Format(time.DateOnly) }

// say prints a tenant's state: one line of it, then what is due by now.
func say(k *kit.Kit, t tenancy.Tenant, s *joining.State) error {
	if k.JSON() {
		return sayAll(k, t, s)
	}
	v := view(t, s, today())
	v.summary(k, s)
	now, all := s.Template.StageAt(s.Stage), len(v.Due)
	v.Due = slices.DeleteFunc(v.Due, func(d dueView) bool {
		return d.State == joining.Open && !d.Overdue && s.Template.StageAt(d.Stage) > now
	})
	if err := k.Print(v, dueHead, dueRows(v)); err != nil || len(v.Due) == all {
		return err
	}
	k.Say("%d more in later stages: tenantctl join status %s", all-len(v.Due), v.Tenant)
	return nil
}

// sayAll prints everything that is due.
func sayAll(k *kit.Kit, t tenancy.Tenant, s *joining.State) error {
	v := view(t, s, today())
	if !k.JSON() {
		v.summary(k, s)
	}
	return k.Print(v, dueHead, dueRows(v))
}

// summary is the one line that says where a tenant stands.
func (v statusView) summary(k *kit.Kit, s *joining.State) {
	k.Say("%s  %s, stage %s (%s), %d of %d done", v.Tenant, v.State, v.Stage, v.Template, len(s.Status)-len(v.Due), len(s.Status))
}

var dueHead = []string{"TENANT", "STAGE", "REQUIREMENT", "WAITS FOR", "DUE", "STATE", "FOUND"}

func dueRows(v statusView) (rows [][]string) {
	for _, d := range v.Due {
		due := d.Due
		if d.Overdue {
			due += " overdue"
		}
		found := d.Found
		if d.Next != "" {
			found += "; next: " + d.Next
		}
		rows = append(rows, []string{v.Tenant, d.Stage, d.Requirement, d.Owner, due, d.State, found})
	}
	return rows
}

// standings are where several municipalities stand.
type standings struct {
	views []statusView
	rows  [][]string
}

func (l *standings) add(t tenancy.Tenant, s *joining.State) {
	v := view(t, s, today())
	l.views = append(l.views, v)
	l.rows = append(l.rows, []string{t.Slug, s.Cohort, s.Stage, s.State, fmt.Sprint(len(v.Due))})
}

func (l *standings) print(k *kit.Kit) error {
	if l.views == nil {
		l.views = []statusView{}
	}
	return k.Print(l.views, []string{"TENANT", "WAVE", "STAGE", "STATE", "DUE"}, l.rows)
}

// each calls f with everyone who is joining and has not left for good, by slug.
func (p *process) each(ctx context.Context, f func(tenancy.Tenant, *joining.State)) error {
	all, _, err := p.All(ctx)
	if err != nil {
		return err
	}
	list, err := p.in.Operator.Tenants(ctx)
	if err != nil {
		return err
	}
	for _, t := range list {
		if s := all[string(t.ID)]; s != nil && !t.State.Gone() {
			f(t, s)
		}
	}
	return nil
}

func newStatus(k *kit.Kit) *cobra.Command {
	var wave, owner string
	cmd := &cobra.Command{
		Use:     "status [TENANT]",
		Short:   "Show where municipalities stand, and what is due from whom",
		Example: "  tenantctl join status\n  tenantctl join status vantaa -o json",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			return k.With(ctx, func(in *installation.Installation) error {
				if len(args) == 1 {
					return within(ctx, k, in, args[0], func(ctx context.Context, p *process, t tenancy.Tenant) error {
						s, err := p.State(ctx, t)
						if err != nil {
							return err
						}
						return sayAll(k, t, s)
					})
				}
				p, err := open(ctx, k, in)
				if err != nil {
					return err
				}
				views, rows := []statusView{}, [][]string{}
				err = p.each(ctx, func(t tenancy.Tenant, s *joining.State) {
					if wave != "" && s.Cohort != wave {
						return
					}
					v := view(t, s, today())
					if owner != "" {
						v.Due = slices.DeleteFunc(v.Due, func(d dueView) bool { return d.Owner != owner })
					}
					views = append(views, v)
					next := "-"
					overdue := 0
					if len(v.Due) > 0 {
						next = v.Due[0].Requirement + " from " + v.Due[0].Owner + " by " + v.Due[0].Due
					}
					for _, d := range v.Due {
						if d.Overdue {
							overdue++
						}
					}
					rows = append(rows, []string{t.Slug, s.Cohort, s.Stage, s.State, fmt.Sprint(len(v.Due)), fmt.Sprint(overdue), next})
				})
				if err != nil {
					return err
				}
				return k.Print(views, []string{"TENANT", "WAVE", "STAGE", "STATE", "DUE", "OVERDUE", "NEXT"}, rows)
			})
		},
	}
	cmd.Flags().StringVar(&wave, "wave", "", "only this wave of municipalities")
	kit.OneOf(cmd.Flags(), &owner, "owner", "only what waits for municipality, tiera or system", joining.Municipality, joining.Tiera, joining.System)
	return cmd
}

func newCheck(k *kit.Kit) *cobra.Command {
	all := false
	cmd := &cobra.Command{
		Use:     "check [TENANT] [STAGE]",
		Short:   "Measure what the stages ask for, and note what changed",
		Example: "  tenantctl join check vantaa rostered\n  tenantctl join check --all",
		Args:    cobra.MaximumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			if all == (len(args) > 0) {
				return kit.Usage("name a tenant, or say --all; usage: %s", cmd.UseLine())
			}
			if all {
				return k.Change(ctx, cmd, "", func(in *installation.Installation) error { return checkAll(ctx, k, in) })
			}
			stage := ""
			if len(args) == 2 {
				stage = args[1]
			}
			return change(k, cmd, args[0], false, func(ctx context.Context, p *process, t tenancy.Tenant) error {
				if stage != "" {
					k.Note("stage %s", stage)
				}
				s, err := p.Check(ctx, t, stage)
				if err != nil {
					return err
				}
				return say(k, t, s)
			})
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "every municipality that is joining")
	return cmd
}

func checkAll(ctx context.Context, k *kit.Kit, in *installation.Installation) error {
	p, err := open(ctx, k, in)
	if err != nil {
		return err
	}
	began, failed := time.Now(), 0
	var list standings
	err = p.each(ctx, func(t tenancy.Tenant, _ *joining.State) {
		s, err := p.Check(ctx, t, "")
		if err != nil {
			failed++
			k.Say("%s: %v", t.Slug, err)
			return
		}
		list.add(t, s)
	})
	if err != nil {
		return err
	}
	if err := list.print(k); err != nil {
		return err
	}
	n := len(list.views) + failed
	k.Note("%d checked, %d failed", len(list.views), failed)
	k.Say("%d municipalities checked in %.1f s", n, time.Since(began).Seconds())
	if failed > 0 {
		return &kit.Exit{Code: kit.ExitSomeFailed, Err: fmt.Errorf("%d of %d could not be checked", failed, n)}
	}
	return nil
}
