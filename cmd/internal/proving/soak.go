package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"
)

// slowest remembers when answers took over a second or were wrong.
type slowest struct {
	longest time.Duration
	at      []string // seconds of the day, each once
}

func (s *slowest) see(r *vegeta.Result) {
	s.longest = max(s.longest, r.Latency)
	if r.Latency < time.Second && r.Code != 0 && r.Code < http.StatusBadRequest {
		return
	}
	if at := r.Timestamp.UTC().Format(time.TimeOnly); !slices.Contains(s.at, at) && len(s.at) < 40 {
		s.at = append(s.at, at)
	}
}

func (s *slowest) String() string {
	if len(s.at) == 0 {
		return "none over a second"
	}
	return "over a second or wrong at " + strings.Join(s.at, ", ")
}

// longestPause looks at the clock a hundred times a second until ctx ends. What it
// returns tells the longest time for which it did not come to it, and when.
func longestPause(ctx context.Context) func() (time.Duration, time.Time) {
	var longest time.Duration
	var when time.Time
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for ctx.Err() == nil {
			began := time.Now()
			time.Sleep(10 * time.Millisecond)
			if d := time.Since(began) - 10*time.Millisecond; d > longest {
				longest, when = d, began
			}
		}
	}()
	return func() (time.Duration, time.Time) {
		<-ended
		return longest, when
	}
}

// soak is load with killed backends and a fleet migration under it.
func (l *load) soak(ctx context.Context) error {
	done, stop := context.WithCancel(ctx)
	defer stop()
	var kills atomic.Int64
	go func() {
		for done.Err() == nil {
			time.Sleep(2 * time.Second)
			var n int64
			if l.conn.QueryRow(done, `select count(pg_terminate_backend(pid))::int from (select pid from pg_stat_activity where usename like 'c\_%' order by random() limit 1) x`).Scan(&n) == nil {
				kills.Add(n)
			}
		}
	}()
	third := make(chan usage, 2)
	migrated := make(chan error, 1)
	go func() {
		time.Sleep(l.span / 3)
		third <- usageOf([]int{l.app.cmd.Process.Pid})
		third <- usageOf(postgres(l.server))
		began := time.Now()
		note, err := l.migrateBy(ctx, 1)
		say("soak: migration under load", time.Since(began).Seconds(), "s", "", note)
		migrated <- err
	}()
	before, pg := usageOf([]int{l.app.cmd.Process.Pid}), usageOf(postgres(l.server))
	slow := slowest{}
	still := longestPause(done)
	m := attack(ctx, l.town.target(l.town.pick), l.rate, l.span, slow.see)
	stop()
	pause, at := still()
	l.tell("soak", m, before, pg, l.span)
	say("soak: longest answer", slow.longest.Seconds()*1e3, "ms", "", slow.String())
	say("soak: longest pause of this very program", pause.Seconds()*1e3, "ms", "", "at "+at.UTC().Format(time.TimeOnly)+"; the machine stood still or had no processor free")
	say("soak: backends killed", float64(kills.Load()), "", "", "")
	after, server := usageOf([]int{l.app.cmd.Process.Pid}), usageOf(postgres(l.server))
	early, earlier := <-third, <-third
	say("soak: memory of the application at its end, of a third in", float64(after.rss)/float64(max(1, early.rss)), "ratio", "<= 1.1", fmt.Sprintf("%.0f MB, %.0f MB", float64(early.rss)/1e6, float64(after.rss)/1e6))
	say("soak: private memory of PostgreSQL at its end, of a third in", float64(server.private)/float64(max(1, earlier.private)), "ratio", "", fmt.Sprintf("%.0f MB, %.0f MB", float64(earlier.private)/1e6, float64(server.private)/1e6))
	return <-migrated
}
