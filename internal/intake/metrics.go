package intake

import (
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/types"
)

// meters are the metrics of all pipelines of a supervisor. No label names an order.
type meters struct {
	received, rejected, duplicates, requested *prometheus.CounterVec
	gaps, writes, swept, sweepFailures        *prometheus.CounterVec
	stored                                    *prometheus.HistogramVec
}

var (
	byPipeline = []string{"namespace", "pipeline"}
	byTopic    = []string{"namespace", "pipeline", "topic"}
)

func newMeters() *meters {
	counter := func(name, help string, labels []string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "orderbridge_" + name, Help: help}, labels)
	}
	return &meters{
		received:      counter("events_received_total", "Events that arrived.", byTopic),
		rejected:      counter("events_rejected_total", "Events that could not be used and are kept as stalled orders.", byTopic),
		duplicates:    counter("events_duplicate_total", "Events for orders that already had an object.", byTopic),
		requested:     counter("events_retry_total", "Events that made a stalled order try again.", byTopic),
		gaps:          counter("gaps_total", "Windows in which events may have been lost.", byTopic),
		writes:        counter("position_writes_total", "Writes of positions and counters to the status of the pipeline.", byPipeline),
		swept:         counter("sweep_orders_found_total", "Orders that a sweep found and no event had announced.", byPipeline),
		sweepFailures: counter("sweep_failures_total", "Sweeps that failed.", byPipeline),
		stored: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "orderbridge_event_to_object_seconds",
			Help:    "Time from the arrival of an event to the existence of its object.",
			Buckets: []float64{.002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10, 30, 60},
		}, byPipeline),
	}
}

func (m *meters) vectors() []interface {
	prometheus.Collector
	DeletePartialMatch(prometheus.Labels) int
} {
	return []interface {
		prometheus.Collector
		DeletePartialMatch(prometheus.Labels) int
	}{m.received, m.rejected, m.duplicates, m.requested, m.gaps, m.writes, m.swept, m.sweepFailures, m.stored}
}

// forget drops the series of a pipeline that is gone.
func (m *meters) forget(key types.NamespacedName) {
	for _, v := range m.vectors() {
		v.DeletePartialMatch(prometheus.Labels{"namespace": key.Namespace, "pipeline": key.Name})
	}
}

// gauges are computed when they are asked for, from what the supervisor knows then.
var (
	streamUp   = prometheus.NewDesc("orderbridge_stream_up", "1 while the stream of the topic delivers. A suspended pipeline has none.", byTopic, nil)
	replayAge  = prometheus.NewDesc("orderbridge_replay_age_seconds", "Age of the stored replay position, of its event while the stream catches up. The bus keeps events for 72 hours.", byTopic, nil)
	gapsOpen   = prometheus.NewDesc("orderbridge_gaps_open", "Gaps that no sweep has covered yet.", byPipeline, nil)
	apiUsed    = prometheus.NewDesc("orderbridge_salesforce_api_requests", "API requests that the org has used in the last 24 hours.", byPipeline, nil)
	apiMax     = prometheus.NewDesc("orderbridge_salesforce_api_requests_max", "API requests that the org may use in 24 hours.", byPipeline, nil)
	eventsUsed = prometheus.NewDesc("orderbridge_salesforce_events_delivered", "Events delivered to all subscribers of the org in the last 24 hours.", byPipeline, nil)
	eventsMax  = prometheus.NewDesc("orderbridge_salesforce_events_delivered_max", "Events that may be delivered to subscribers of the org in 24 hours.", byPipeline, nil)
)

// Describe implements prometheus.Collector.
func (s *Supervisor) Describe(ch chan<- *prometheus.Desc) {
	for _, v := range s.meters.vectors() {
		v.Describe(ch)
	}
	for _, d := range []*prometheus.Desc{streamUp, replayAge, gapsOpen, apiUsed, apiMax, eventsUsed, eventsMax} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (s *Supervisor) Collect(ch chan<- prometheus.Metric) {
	for _, v := range s.meters.vectors() {
		v.Collect(ch)
	}
	for _, p := range s.all() {
		p.collect(ch)
	}
}

func (p *pipeline) collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, append([]string{p.key.Namespace, p.key.Name}, labels...)...)
	}
	now := p.Clock.Now()
	r := p.book.read()
	for _, wanted := range p.spec().Triggers {
		t := r.trigger(wanted.Topic)
		switch t.Phase {
		case PhaseSuspended: // as somebody wants it
		case PhaseStreaming:
			gauge(streamUp, 1, t.Topic)
		default:
			gauge(streamUp, 0, t.Topic)
		}
		if t.CommittedAt != nil {
			gauge(replayAge, max(0, now.Sub(t.CommittedAt.Time).Seconds()), t.Topic)
		}
	}
	gauge(gapsOpen, float64(len(r.openGaps())))
	if u := r.Usage; u != nil {
		gauge(apiUsed, float64(u.APIRequests))
		gauge(apiMax, float64(u.APIRequestsMax))
		gauge(eventsUsed, float64(u.EventsDelivered))
		gauge(eventsMax, float64(u.EventsDeliveredMax))
	}
}
