package metrics_test

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"digione/internal/app/web"
	"digione/internal/app/web/metrics"
)

func TestFigures(t *testing.T) {
	t.Parallel()
	m := metrics.New()
	m.Observe(web.Observation{Method: "GET", Route: "/koulut/:school", Status: 200, Took: 3 * time.Millisecond})
	m.Observe(web.Observation{Method: "GET", Route: "/koulut/:school", Status: 404, Took: time.Millisecond})
	rec := httptest.NewRecorder()
	m.Handler().ServeHTTP(rec, httptest.NewRequest("GET", "/metrics", nil))
	for _, want := range []string{
		`digione_http_requests_total{method="GET",route="/koulut/:school",status="200"} 1`,
		`digione_http_request_seconds_count{method="GET",route="/koulut/:school"} 2`,
		`go_goroutines`,
	} {
		if !strings.Contains(rec.Body.String(), want) {
			t.Errorf("no %s", want)
		}
	}
}
