// Package metrics counts requests for Prometheus: by route pattern, verb and
// status, never by tenant or person. It writes no table and knows no feature.
package metrics

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"digione/internal/app/web"
)

// Metrics holds the process's own registry.
type Metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	jobs     *prometheus.HistogramVec
}

// New returns metrics of the process, of Go and of requests.
func New() *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "digione_http_requests_total", Help: "Answered requests.",
		}, []string{"method", "route", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "digione_http_request_seconds", Help: "Time from a request to its answer.",
			Buckets: []float64{.002, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"method", "route"}),
	}
	m.jobs = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "digione_job_seconds", Help: "Time that a tenant's task took.",
		Buckets: []float64{.01, .05, .1, .5, 1, 5, 10, 60, 600},
	}, []string{"task", "outcome"})
	m.registry.MustRegister(m.requests, m.seconds, m.jobs, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Register adds another package's collectors.
func (m *Metrics) Register(cs ...prometheus.Collector) { m.registry.MustRegister(cs...) }

// Observe counts one answer; it is a web.Config's Observe.
func (m *Metrics) Observe(o web.Observation) {
	m.requests.WithLabelValues(o.Method, o.Route, strconv.Itoa(o.Status)).Inc()
	m.seconds.WithLabelValues(o.Method, o.Route).Observe(o.Took.Seconds())
}

// ObserveJob counts one run of a task; it is a jobs.Runner's Observe.
func (m *Metrics) ObserveJob(task, outcome string, took time.Duration) {
	m.jobs.WithLabelValues(task, outcome).Observe(took.Seconds())
}

// Handler serves the figures; mount it where only operators reach.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.registry})
}
