package controllers

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
)

var (
	farSideRequests = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "orderbridge_far_side_requests_total",
		Help: "HTTP requests to Salesforce and WHMCS by action and result: ok, the HTTP status, or error when there was no answer.",
	}, []string{"system", "action", "result"})
	farSideSeconds = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "orderbridge_far_side_request_duration_seconds",
		Help:    "Duration of HTTP requests to Salesforce and WHMCS by action.",
		Buckets: []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 180},
	}, []string{"system", "action"})
	conditionSeconds = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "orderbridge_order_condition_seconds",
		Help:    "Time from the creation of a ProvisioningOrder to the condition.",
		Buckets: []float64{.1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 21600, 86400},
	}, []string{"condition"})
	callOutcomes = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "orderbridge_calls_total",
		Help: "Calls that must happen once, by step and outcome; Open is an answer that was lost.",
	}, []string{"step", "outcome"})
	ordersByState = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "orderbridge_orders",
		Help: "Unfinished ProvisioningOrders by pipeline, state and reason.",
	}, []string{"pipeline", "state", "reason"})
	openClaims = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "orderbridge_open_claims",
		Help: "Calls whose outcome is not known, by pipeline.",
	}, []string{"pipeline"})
	breakerOpen = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "orderbridge_whmcs_breaker_open",
		Help: "1 while the circuit breaker of a WHMCS holds calls back.",
	}, []string{"url"})
)

func init() {
	metrics.Registry.MustRegister(farSideRequests, farSideSeconds, conditionSeconds, callOutcomes, ordersByState, openClaims, breakerOpen)
}

// observe counts what a pass achieved.
func observe(order *v1alpha1.ProvisioningOrder, w *worker) {
	now := w.now()
	if order.Status.State == v1alpha1.ProvisionedState && w.stored.State == v1alpha1.ProvisionedState && w.called {
		conditionSeconds.WithLabelValues(v1alpha1.ReadyCondition).Observe(now.Sub(order.CreationTimestamp.Time).Seconds())
	}
}

// measured wraps a transport so that requests are counted and timed. The action is read from the request's context.
func measured(system string, next http.RoundTripper, action func(*http.Request) string) http.RoundTripper {
	return roundTripper(func(request *http.Request) (*http.Response, error) {
		name, start := action(request), time.Now()
		response, err := next.RoundTrip(request)
		result := "error"
		if err == nil {
			result = strconv.Itoa(response.StatusCode)
		}
		farSideRequests.WithLabelValues(system, name, result).Inc()
		farSideSeconds.WithLabelValues(system, name).Observe(time.Since(start).Seconds())
		return response, err
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

// RoundTrip makes the request.
func (f roundTripper) RoundTrip(request *http.Request) (*http.Response, error) {
	return f(request)
}
