package controllers

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
)

var (
	farSideRequests = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "orderbridge_far_side_requests_total",
		Help: "HTTP requests to Salesforce and WHMCS by action and result: the HTTP status, or error when there was no answer.",
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
		Help: "Calls that must happen once, by step and outcome; Lost is an answer that did not arrive, and is followed by what became of the call.",
	}, []string{"step", "outcome"})
	ordersWoken = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "orderbridge_orders_woken_total",
		Help: "Waiting orders that were looked at out of turn because what they waited for may have come, by pipeline and reason.",
	}, []string{"namespace", "pipeline", "reason"})
	breakerOpen = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "orderbridge_whmcs_breaker_open",
		Help: "1 while the circuit breaker of a WHMCS holds calls back.",
	}, []string{"url"})
)

func init() {
	metrics.Registry.MustRegister(farSideRequests, farSideSeconds, conditionSeconds, callOutcomes, ordersWoken, breakerOpen)
}

// observe counts the conditions that a pass made true.
func observe(order *v1alpha1.ProvisioningOrder, w *worker) {
	age := w.now().Sub(order.CreationTimestamp.Time).Seconds()
	for _, condition := range order.Status.Conditions {
		if condition.Status == metav1.ConditionTrue && !meta.IsStatusConditionTrue(w.began.Conditions, condition.Type) {
			conditionSeconds.WithLabelValues(condition.Type).Observe(age)
		}
	}
}

var (
	ordersDesc = prometheus.NewDesc("orderbridge_orders", "Unfinished ProvisioningOrders by pipeline, state and reason of Ready.",
		[]string{"namespace", "pipeline", "state", "reason"}, nil)
	openClaimsDesc = prometheus.NewDesc("orderbridge_open_claims", "Calls to WHMCS whose outcome is not known, by pipeline.",
		[]string{"namespace", "pipeline"}, nil)
)

// orderCollector counts the orders of the cache when it is asked.
type orderCollector struct {
	cache client.Reader
}

// Describe names the metrics.
func (c orderCollector) Describe(descriptions chan<- *prometheus.Desc) {
	descriptions <- ordersDesc
	descriptions <- openClaimsDesc
}

// Collect counts. Without a cache that answers there is nothing to tell.
func (c orderCollector) Collect(collected chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	var list v1alpha1.ProvisioningOrderList
	if err := c.cache.List(ctx, &list, client.UnsafeDisableDeepCopy); err != nil {
		return
	}
	orders, claims := map[[4]string]int{}, map[[2]string]int{}
	for i := range list.Items {
		order := &list.Items[i]
		reason := "New"
		if ready := meta.FindStatusCondition(order.Status.Conditions, v1alpha1.ReadyCondition); ready != nil {
			reason = ready.Reason
		}
		orders[[4]string{order.Namespace, order.Spec.PipelineRef.Name, string(order.Status.State), reason}]++
		for _, call := range order.Status.Calls {
			if isOpen(&call) {
				claims[[2]string{order.Namespace, order.Spec.PipelineRef.Name}]++
			}
		}
	}
	for labels, count := range orders {
		collected <- prometheus.MustNewConstMetric(ordersDesc, prometheus.GaugeValue, float64(count), labels[:]...)
	}
	for labels, count := range claims {
		collected <- prometheus.MustNewConstMetric(openClaimsDesc, prometheus.GaugeValue, float64(count), labels[:]...)
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
