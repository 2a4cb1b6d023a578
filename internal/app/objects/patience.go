package objects

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// Patience bounds how long a store that is slow or away is waited for. The deadline
// of whoever calls ends a call sooner; work in the background has no other bound.
type Patience struct {
	Dial  time.Duration // until a connection stands
	Still time.Duration // of an attempt without a byte in either direction
	Whole time.Duration // of a call with all its attempts, beside the time for its content
	Rate  int64         // bytes of content a second, at least
	Pause time.Duration // see pulse
}

// Usual is the patience of the product.
var Usual = Patience{Dial: 3 * time.Second, Still: 15 * time.Second, Whole: 45 * time.Second, Rate: 512 << 10, Pause: 5 * time.Second}

// maxConns bounds the connections of a process to the store: who finds none waits,
// within its deadline.
const maxConns = 64

// HTTP returns a client for the AWS SDK that gives up a connection on which nothing
// moves: the SDK's own waits for an answer as long as its caller does.
func (p Patience) HTTP() *awshttp.BuildableClient {
	dial := &net.Dialer{Timeout: p.Dial, KeepAlive: 30 * time.Second}
	return awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
		t.MaxConnsPerHost, t.TLSHandshakeTimeout = maxConns, p.Dial
		t.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := dial.DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return moving{c, p.Still}, nil
		}
	})
}

// moving is a connection that fails once nothing has moved for a while: what is
// written moves it as well, for the transport reads all the time.
type moving struct {
	net.Conn
	still time.Duration
}

func (c moving) Read(b []byte) (int, error) {
	if err := c.again(); err != nil {
		return 0, err
	}
	return c.Conn.Read(b)
}

// Write writes a little at a time, for a large piece that goes slowly does move.
func (c moving) Write(b []byte) (n int, err error) {
	for err == nil && (n < len(b) || len(b) == 0) {
		if err = c.again(); err != nil {
			break
		}
		var m int
		m, err = c.Conn.Write(b[n:min(len(b), n+16<<10)])
		if n += m; len(b) == 0 {
			break
		}
	}
	return n, err
}

func (c moving) again() error { return c.SetDeadline(time.Now().Add(c.still)) }

// S3 is the store of S3, with another patience.
func (p Patience) S3(client *s3.Client, bucket, kmsKey string) Store {
	return bucketStore{client, bucket, kmsKey, p, &pulse{pause: p.Pause}}
}

// errSlow is why a call ends that has taken longer than it may.
var errSlow = errors.New("it took too long")

// bounded gives a call its time; more adds what content of a size needs.
func (p Patience) bounded(ctx context.Context) (_ context.Context, more func(size int64), end func()) {
	began := time.Now()
	ctx, cancel := context.WithCancelCause(ctx)
	timer := time.AfterFunc(p.Whole, func() { cancel(errSlow) })
	more = func(size int64) {
		content := time.Duration(float64(max(0, size)) / float64(p.Rate) * float64(time.Second))
		if timer.Stop() { // else it is over already
			timer.Reset(p.Whole + content - time.Since(began))
		}
	}
	return ctx, more, func() { timer.Stop(); cancel(nil) }
}

// pulse keeps callers from standing in line for a store that does not answer: after
// some calls in a row without an answer one caller at a time goes to look whether it
// is back, and the others are told at once that it is away.
type pulse struct {
	pause time.Duration

	mu     sync.Mutex
	missed int // calls in a row that got no answer
	next   time.Time
}

// enough are so many calls in a row that the store counts as away.
const enough = 3

// ask tells whether a call may go.
func (p *pulse) ask(now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.missed < enough {
		return true
	}
	if now.Before(p.next) {
		return false
	}
	p.next = now.Add(p.pause)
	return true
}

// heard notes how a call ended.
func (p *pulse) heard(answered bool, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if answered {
		p.missed = 0
		return
	}
	if p.missed++; p.missed == enough {
		p.next = now.Add(p.pause)
	}
}
