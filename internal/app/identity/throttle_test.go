package identity

import (
	"testing"
	"time"
)

// A school begins its sign-ins within a minute; somebody who goes on is slowed down,
// and nobody else with them.
func TestThrottle(t *testing.T) {
	t.Parallel()
	var th throttle
	now := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	take := func(key string) time.Duration { return th.take(key, addressBurst, addressRate, now) }
	for i := range addressBurst {
		if wait := take("school"); wait > 0 {
			t.Fatalf("pupil %d waits %s", i, wait)
		}
	}
	if wait := take("school"); wait < time.Second || wait > 5*time.Second {
		t.Errorf("after the burst: %s", wait)
	}
	if take("home") > 0 {
		t.Error("another address waits")
	}
	now = now.Add(time.Second)
	for range addressRate {
		if take("school") > 0 {
			t.Error("it does not recover")
		}
	}
	if take("school") == 0 {
		t.Error("it recovers too fast")
	}
	now = now.Add(time.Hour)
	take("home")
	if len(th.seen) != 1 {
		t.Errorf("%d buckets are kept", len(th.seen))
	}
}
