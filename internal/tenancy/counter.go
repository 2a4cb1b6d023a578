package tenancy

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

// counter caps the connections of the whole process.
type counter struct {
	tokens chan struct{}
	hungry atomic.Int32 // cells that wait for a connection
}

// turn is how long a busy cell may keep a connection that others wait for.
const turn = 100 * time.Millisecond

func newCounter(n int) *counter {
	return &counter{tokens: make(chan struct{}, n)}
}

// take reserves a connection. While there is none it asks evict to close an idle
// one elsewhere and waits for the first that comes free.
func (k *counter) take(ctx context.Context, evict func() bool) error {
	select {
	case k.tokens <- struct{}{}:
		return nil
	default:
	}
	k.hungry.Add(1)
	defer k.hungry.Add(-1)
	for {
		select {
		case k.tokens <- struct{}{}:
			return nil
		default:
		}
		evict()
		select {
		case k.tokens <- struct{}{}:
			return nil
		case <-time.After(20 * time.Millisecond): // someone may have become idle
		case <-ctx.Done():
			return fmt.Errorf("all %d connections are in use: %w", cap(k.tokens), ctx.Err())
		}
	}
}

func (k *counter) give() { <-k.tokens }
