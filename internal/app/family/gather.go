package family

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/google/uuid"

	"digione/internal/app/audit"
	"digione/internal/app/authz"
	"digione/internal/app/i18n"
	"digione/internal/app/people"
	"digione/internal/app/web"
	"digione/internal/tenancy"
)

// atOnce is how many municipalities one page asks side by side. Each of them, its cell
// and the process hold to their own caps as for any request.
const atOnce = 4

var errNotServed = errors.New("not served now")

// looked is what a municipality has answered.
type looked struct {
	at    int
	cards []people.Card
	err   error
}

// gather reads the children of all links, each in its own tenant, and waits for none
// longer than its patience: what has not come then is an error in its place.
func (s *Site) gather(ctx context.Context, links []tenancy.FamilyLink) []looked {
	out, came, turn := make([]looked, len(links)), make(chan looked, len(links)), make(chan struct{}, atOnce)
	rounds := (len(links) + atOnce - 1) / atOnce
	all, cancel := context.WithTimeout(ctx, s.cfg.Patience*time.Duration(max(1, rounds)))
	defer cancel()
	for i, l := range links {
		out[i] = looked{at: i, err: context.DeadlineExceeded}
		go func() {
			select {
			case turn <- struct{}{}:
				defer func() { <-turn }()
			case <-all.Done():
				return
			}
			cards, err := s.look(all, l)
			came <- looked{i, cards, err}
		}()
	}
	for range links {
		select {
		case got := <-came:
			out[got.at] = got
		case <-all.Done(): // some may be there all the same
			for {
				select {
				case got := <-came:
					out[got.at] = got
					continue
				default:
				}
				return out
			}
		}
	}
	return out
}

// look reads the children of one link as the guardian there, and notes it there as
// any view by them is noted. The number of the request is this look's own: by a
// common one two municipalities could tell that somebody is in both.
func (s *Site) look(ctx context.Context, l tenancy.FamilyLink) (cards []people.Card, err error) {
	request := web.RequestID()
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %T\n%s", p, debug.Stack())
		}
		if err != nil {
			s.cfg.Log.Warn("municipality not shown", "tenant", string(l.Tenant), "request", request, "error", err.Error())
		}
	}()
	t, ok := s.cfg.hosted(l.Tenant)
	if !ok {
		return nil, errNotServed
	}
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Patience)
	defer cancel()
	now := s.cfg.Now()
	err = s.cfg.DB.Write(ctx, t.ID, func(tx tenancy.Write) error {
		a, err := guardianOf(ctx, tx.Read, l.Person, now)
		if err != nil || len(a.Children) == 0 {
			return err
		}
		if cards, err = people.Learners(ctx, tx.Read, people.Family, a.Children, i18n.Day(now)); err != nil {
			return err
		}
		return audit.Viewed(ctx, tx, audit.Entry{At: now, Actor: a.Person, Role: a.Acting(), Children: a.Children, Action: string(authz.HomeRead),
			Kind: audit.Person, Targets: idsOf(cards), Request: request})
	}, tenancy.Trace())
	if err != nil {
		return nil, err
	}
	return cards, nil
}

func idsOf(cards []people.Card) []uuid.UUID {
	out := make([]uuid.UUID, len(cards))
	for i, c := range cards {
		out[i] = c.Person.ID
	}
	return out
}
