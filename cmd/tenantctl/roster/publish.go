package roster

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"digione/cmd/internal/installation"
	"digione/cmd/tenantctl/kit"
	"digione/internal/app/i18n"
	"digione/internal/app/roster"
	"digione/internal/tenancy"
)

func newRehearse(k *kit.Kit) *cobra.Command {
	var day string
	cmd := &cobra.Command{
		Use: "rehearse TENANT PLAN", Short: "Work out who goes where on a day to come, from a plan's package", Args: kit.Exactly("TENANT", "PLAN"),
		Long: `Work out which schools and groups there are on a day to come when the package of the
plan is the roster, and who would be without a group. The roster is not changed; the
result is kept with the plan, is shown on its page, and is asked for by roster publish.`,
		Example: "  tenantctl roster rehearse vantaa pln_9RTXA0B2 --day 2027-08-12",
		RunE: func(cmd *cobra.Command, args []string) error {
			on, err := time.Parse(time.DateOnly, day)
			if err != nil {
				return kit.Usage("--day %q is no day; write it as 2027-08-12", day)
			}
			return k.Change(cmd.Context(), cmd, args[0], func(in *installation.Installation) error {
				k.Note("plan %s for %s", args[1], day)
				return within(cmd.Context(), in, args[0], func(s *roster.Service, t tenancy.Tenant) error {
					b := newBar(k)
					r, err := s.Rehearse(cmd.Context(), t, args[1], on, k.Actor, b.progress)
					b.done()
					if err != nil {
						return err
					}
					rows := [][]string{}
					for _, o := range r.Schools {
						rows = append(rows, []string{o.Name, strconv.Itoa(o.Pupils), strconv.Itoa(o.PupilsNow), strconv.Itoa(o.Loose), strconv.Itoa(o.Untaught)})
					}
					return k.Print(map[string]any{"tenant": t.Slug, "plan": args[1], "day": day, "schools": r.Schools}, []string{"SCHOOL", "PUPILS", "NOW", "NO GROUP", "GROUPS UNTAUGHT"}, rows)
				})
			})
		},
	}
	cmd.Flags().StringVar(&day, "day", "", "the day, as 2027-08-12")
	return cmd
}

// publicationView is a publication: the documented JSON.
type publicationView struct {
	Tenant  string                  `json:"tenant"`
	Plan    string                  `json:"plan"`
	State   roster.PublicationState `json:"state"`
	At      time.Time               `json:"at"`
	AskedBy string                  `json:"asked_by"`
	Parts   []partView              `json:"parts"`
	DryRun  bool                    `json:"dry_run"`
}

type partView struct {
	Kind    string                   `json:"kind"`
	School  string                   `json:"school"`
	Name    string                   `json:"name"`
	State   roster.PartState         `json:"state"`
	Undone  bool                     `json:"undone"`
	Changes map[string]roster.Counts `json:"changes"`
	Holds   []roster.Hold            `json:"holds"`
	Leavers int                      `json:"leavers"`
	Import  string                   `json:"import"`
}

// publishing are the words of roster publish. One thing is done at a time.
type publishing struct {
	*kit.Kit
	at, reason                        string
	now, approve, retry, stop, dryRun bool
	schools                           []string
}

func newPublish(k *kit.Kit) *cobra.Command {
	o := &publishing{Kit: k}
	cmd := &cobra.Command{
		Use: "publish TENANT PLAN", Short: "Publish a rehearsed school year, school by school", Args: kit.Exactly("TENANT", "PLAN"),
		Long: `Publish the package of a rehearsed plan from a moment on: what all schools need, then
school by school, then what nobody needs any more, each in a transaction of its own.
A school beyond the thresholds waits until somebody approves it; the others go.

Without further words it shows where the publication stands. The serving programs
begin it when its moment has come; --now does so here. Exit 8 while a school waits for
somebody. A school is taken back by roster rollback with the import that is shown.`,
		Example: `  tenantctl roster publish vantaa pln_9RTXA0B2 --at "2027-08-01 03:00"
  tenantctl roster publish vantaa pln_9RTXA0B2
  tenantctl roster publish vantaa pln_9RTXA0B2 --approve --school 00123 --reason "new school"
  tenantctl roster publish vantaa pln_9RTXA0B2 --now`,
		RunE: func(cmd *cobra.Command, args []string) error {
			act, err := o.act()
			if err != nil {
				return err
			}
			run := func(in *installation.Installation) error {
				o.said(cmd, args[1])
				return within(cmd.Context(), in, args[0], func(s *roster.Service, t tenancy.Tenant) error {
					if act != nil && !o.dryRun {
						if err := act(cmd.Context(), s, t, args[1]); err != nil {
							return err
						}
					}
					return o.show(cmd.Context(), s, t, args[1])
				})
			}
			if act == nil || o.dryRun {
				return k.With(cmd.Context(), run)
			}
			return k.Change(cmd.Context(), cmd, args[0], run)
		},
	}
	cmd.Flags().StringVar(&o.at, "at", "", `from this moment on, in Finland: "2027-08-01 03:00"`)
	cmd.Flags().BoolVar(&o.now, "now", false, "begin at once, and go through all schools that may go")
	cmd.Flags().BoolVar(&o.approve, "approve", false, "let what is held go; with --school these alone")
	cmd.Flags().BoolVar(&o.retry, "retry", false, "give the schools of --school another turn, which failed or were taken back")
	cmd.Flags().BoolVar(&o.stop, "stop", false, "stop: what has not gone stays on the old year")
	cmd.Flags().StringArrayVar(&o.schools, "school", nil, "a school, by its sourcedId; may be repeated")
	cmd.Flags().StringVar(&o.reason, "reason", "", "why, for --approve")
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "change nothing; show where the publication stands")
	return cmd
}

// said notes what was asked for. An approval's reason is kept with it, here as well.
func (o *publishing) said(cmd *cobra.Command, plan string) {
	o.Note("plan %s", plan)
	if o.at != "" {
		o.Note("--at %s", o.at)
	}
	o.Flags(cmd, "now", "approve", "retry", "stop")
	for _, id := range o.schools {
		o.Note("school %s", id)
	}
	if o.reason != "" {
		o.Note("reason: %s", o.reason)
	}
}

type publishStep func(ctx context.Context, s *roster.Service, t tenancy.Tenant, plan string) error

// act is what the words ask for, nil when they only look.
func (o *publishing) act() (publishStep, error) {
	var chosen []publishStep
	for _, c := range []struct {
		asked bool
		step  publishStep
	}{{o.at != "", o.schedule}, {o.now, o.begin}, {o.approve, o.letGo}, {o.retry, o.again}, {o.stop, o.end}} {
		if c.asked {
			chosen = append(chosen, c.step)
		}
	}
	switch {
	case len(chosen) > 1:
		return nil, kit.Usage("one at a time: --at, --now, --approve, --retry or --stop")
	case len(o.schools) > 0 && !o.approve && !o.retry:
		return nil, kit.Usage("--school goes with --approve or --retry")
	case o.retry && len(o.schools) == 0:
		return nil, kit.Usage("--retry asks which: --school SOURCEDID")
	case o.approve && strings.TrimSpace(o.reason) == "":
		return nil, kit.Usage("--approve asks why: --reason \"…\"")
	case len(chosen) == 0:
		return nil, nil //nolint:nilnil // it only looks
	}
	return chosen[0], nil
}

func (o *publishing) schedule(ctx context.Context, s *roster.Service, t tenancy.Tenant, plan string) error {
	at, err := time.ParseInLocation(time.DateOnly+" 15:04", o.at, i18n.Zone)
	if err != nil {
		return kit.Usage("--at %q is no moment; write it as \"2027-08-01 03:00\"", o.at)
	}
	b := newBar(o.Kit)
	defer b.done()
	_, err = s.SchedulePublication(ctx, t, plan, at, o.Actor, b.progress)
	return err
}

func (o *publishing) begin(ctx context.Context, s *roster.Service, t tenancy.Tenant, plan string) error {
	pub, err := found(ctx, s, t, plan)
	if err != nil {
		return err
	}
	if err := s.PublishNow(ctx, t, pub); err != nil {
		return err
	}
	return o.goOn(ctx, s, t)
}

// goOn publishes what is due, if anything is.
func (o *publishing) goOn(ctx context.Context, s *roster.Service, t tenancy.Tenant) error {
	b := newBar(o.Kit)
	defer b.done()
	_, err := s.Publish(ctx, t, b.progress)
	return err
}

func (o *publishing) letGo(ctx context.Context, s *roster.Service, t tenancy.Tenant, plan string) error {
	pub, err := found(ctx, s, t, plan)
	if err != nil {
		return err
	}
	var seen []roster.Seen
	err = o.each(pub, func(p *roster.Part) {
		if p.State == roster.PartHeld {
			seen = append(seen, roster.Seen{N: p.N, Change: p.Digest()})
		}
	})
	if err != nil {
		return err
	}
	if err := s.ApproveParts(ctx, t, pub, seen, roster.Approval{Who: o.Actor, Approve: true, Reason: o.reason}); err != nil {
		return err
	}
	return o.goOn(ctx, s, t)
}

func (o *publishing) again(ctx context.Context, s *roster.Service, t tenancy.Tenant, plan string) error {
	pub, err := found(ctx, s, t, plan)
	if err != nil {
		return err
	}
	var list []int
	if err := o.each(pub, func(p *roster.Part) { list = append(list, p.N) }); err != nil {
		return err
	}
	for _, n := range list {
		if err := s.RetryPart(ctx, t, pub, n); err != nil {
			return err
		}
	}
	return o.goOn(ctx, s, t)
}

func (o *publishing) end(ctx context.Context, s *roster.Service, t tenancy.Tenant, plan string) error {
	pub, err := found(ctx, s, t, plan)
	if err != nil {
		return err
	}
	return s.StopPublication(ctx, t, pub, o.Actor)
}

// each calls f with the parts of the named schools, or with all.
func (o *publishing) each(pub *roster.Publication, f func(*roster.Part)) error {
	for _, id := range o.schools {
		if !slices.ContainsFunc(pub.Parts, func(p *roster.Part) bool { return p.School == id && id != "" }) {
			return kit.Usage("--school %s is no school of this publication", id)
		}
	}
	for _, p := range pub.Parts {
		if len(o.schools) == 0 || slices.Contains(o.schools, p.School) {
			f(p)
		}
	}
	return nil
}

// found is the publication of a plan.
func found(ctx context.Context, s *roster.Service, t tenancy.Tenant, plan string) (*roster.Publication, error) {
	pub, ok, err := s.PublicationOf(ctx, t, plan)
	if err == nil && !ok {
		err = fmt.Errorf("plan %s is not being published; begin with: tenantctl roster publish %s %s --at \"…\"", plan, t.Slug, plan)
	}
	return pub, err
}

func (o *publishing) show(ctx context.Context, s *roster.Service, t tenancy.Tenant, plan string) error {
	pub, err := found(ctx, s, t, plan)
	if err != nil {
		return err
	}
	v := publicationView{Tenant: t.Slug, Plan: pub.Plan, State: pub.State, At: pub.At, AskedBy: pub.AskedBy, Parts: []partView{}, DryRun: o.dryRun}
	rows, waits := [][]string{}, 0
	for _, p := range pub.Parts {
		changes, n := map[string]roster.Counts{}, 0
		for ty, c := range p.Changes {
			changes[string(ty)] = c
			n += c.Insert + c.Update + c.Remove + c.Reactivate
		}
		if pub.Open() && (p.State == roster.PartHeld || p.State == roster.PartFailed) {
			waits++
		}
		name := p.Name
		if name == "" {
			name = p.Kind
		}
		v.Parts = append(v.Parts, partView{p.Kind, p.School, p.Name, p.State, p.Undone, changes, p.Holds, p.Leavers, p.Import})
		rows = append(rows, []string{p.School, name, string(p.State), strconv.Itoa(n), strconv.Itoa(p.Leavers), p.Import})
	}
	o.Say("%s of %s: %s, from %s", pub.Plan, t.Slug, pub.State, pub.At.In(i18n.Zone).Format("2006-01-02 15:04"))
	if err := o.Print(v, []string{"SCHOOL", "NAME", "STATE", "CHANGES", "NO ROLE LEFT", "IMPORT"}, rows); err != nil || waits == 0 {
		return err
	}
	return &kit.Exit{Code: kit.ExitHeld, Err: fmt.Errorf("%d wait for somebody; if they are right: tenantctl roster publish %s %s --approve --reason \"…\"", waits, t.Slug, pub.Plan)}
}
