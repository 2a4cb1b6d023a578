//go:build bench

package onboarding_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"digione/internal/app/onboarding"
	"digione/internal/tenancy"
	"digione/internal/tenancy/joining"
)

// TestBenchBoard measures the operators' board and the check of all with 300
// municipalities in mixed stages: p99 of the page asked by eight browsers at a time
// through a real listener, while something happens every 50 ms.
//
//	go test -tags bench -run TestBenchBoard -v ./internal/app/onboarding
func TestBenchBoard(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	const municipalities, asked, browsers = 300, 2000, 8
	var wg sync.WaitGroup
	work := make(chan int)
	for range 4 {
		wg.Go(func() {
			for i := range work {
				if _, err := w.env.Operator.Provision(ctx, tenancy.Spec{Slug: fmt.Sprintf("kunta-%03d", i), NameFi: fmt.Sprintf("Kunta %d", i), Kind: "private"}, nil); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for i := range municipalities - 2 { // the twins join as well
		work <- i
	}
	close(work)
	wg.Wait()
	list, err := w.env.Operator.Tenants(ctx)
	w.check(err)
	maija, paper := joining.Actor{Account: "olli", Side: joining.Municipality, Name: "Maija"}, &joining.Evidence{Name: "a.pdf", SHA256: "00"}
	for i, tn := range list {
		if tn.Slug == "alpha" || tn.Slug == "beta" {
			continue
		}
		w.process.Now = func() time.Time { return time.Now().AddDate(0, 0, -i%60) }
		_, err := w.process.Start(ctx, tn, paula, "", fmt.Sprintf("2027-%d", i%4))
		w.check(err)
		said := []string{"agreement", "data-processing", "rulebook", "impact-assessment", "contacts"}[:i%6]
		if len(said) > 0 {
			_, err = w.process.Attest(ctx, tn, maija, said, paper, "")
			w.check(err)
		}
		if i%2 == 0 {
			_, err = w.process.Approve(ctx, tn, paula, nil, "")
			w.check(err)
		}
	}
	w.process.Now = time.Now
	w.check(w.env.DB.Refresh(ctx))

	process, err := onboarding.Service(w.env.DB, w.env.Operator, "bench")
	w.check(err)
	list, err = w.env.Operator.Tenants(ctx)
	w.check(err)
	for _, name := range []string{"first", "second"} {
		began := time.Now()
		for _, tn := range list {
			_, err := process.Check(ctx, tn, "")
			w.check(err)
		}
		t.Logf("join check of %d municipalities, %s: %.1f s", len(list), name, time.Since(began).Seconds())
	}

	_, err = w.env.Operator.PutAccount(ctx, tenancy.OperatorAccount{Issuer: w.issuer, Subject: "paula", Name: "Paula", Email: "p@example.fi", Role: tenancy.RoleOperator, AddedBy: "bench"})
	w.check(err)
	b := w.signIn("operator", "paula")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	w.check(err)
	go func() { _ = w.app.Router.Serve(l) }()
	times := make(chan time.Duration, asked)
	stop := make(chan struct{})
	go func() { // something happens all the time
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			case <-time.After(50 * time.Millisecond):
				_, _ = w.process.Pause(ctx, list[i%len(list)], paula, "bench")
			}
		}
	}()
	var bytes int
	for range browsers {
		wg.Go(func() {
			for range asked / browsers {
				rq, _ := http.NewRequest(http.MethodGet, "http://"+l.Addr().String()+"/liittyjat", nil)
				rq.Host = b.host
				for k, v := range b.cookies {
					rq.AddCookie(&http.Cookie{Name: k, Value: v})
				}
				at := time.Now()
				res, err := http.DefaultClient.Do(rq)
				if err != nil {
					t.Error(err)
					return
				}
				body, _ := io.ReadAll(res.Body)
				_ = res.Body.Close()
				times <- time.Since(at)
				if res.StatusCode != http.StatusOK {
					t.Errorf("status %d", res.StatusCode)
				}
				bytes = len(body)
			}
		})
	}
	wg.Wait()
	close(stop)
	close(times)
	var all []time.Duration
	for d := range times {
		all = append(all, d)
	}
	slices.Sort(all)
	t.Logf("board of %d municipalities, %d requests by %d browsers: p50 %.1f ms, p99 %.1f ms, %d kB", len(list), len(all), browsers,
		all[len(all)/2].Seconds()*1e3, all[len(all)*99/100].Seconds()*1e3, bytes/1024)
}
