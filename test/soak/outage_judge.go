package main

import (
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/internal/sandbox"
	"github.com/orderbridge/orderbridge/internal/sandbox/whmcs"
)

// drained is what an outage has led to.
type drained struct {
	orders, provisioned, failed int
	// burnt are the attempts that were counted against orders, sentDown the orders that were sent to a WHMCS that was away.
	burnt, sentDown, callsDown int
	length                     time.Duration
	rate                       float64
	perSecond                  int
	order                      inversions
	// wrong is what must never be; missed are figures that depend on how busy the machine is.
	wrong, missed []string
}

func (d *drained) summary() string {
	return fmt.Sprintf("%d orders, WHMCS away for %s: %d failed, %d attempts burnt, drained at %.1f of %d calls per second, %.2f %% of pairs not oldest first",
		d.orders, d.length, d.failed, d.burnt, d.rate, d.perSecond, 100*d.order.share())
}

const (
	// probeEvery is the rest that the circuit breaker gives, and failuresToOpen what opens it.
	probeEvery     = 15 * time.Second
	failuresToOpen = 5
	// slowest is the least share of the configured rate: generous, for a busy machine is slower.
	slowest = 0.3
	// mostInversions bounds the share of pairs of orders that were made the younger one first.
	mostInversions = 0.05
)

// judge compares what was seen with what is promised, and prints the figures.
func (u *outage) judge(objects []v1alpha1.ProvisioningOrder, journal []whmcs.Entry, counters whmcs.Counters, audit sandbox.Audit, healed time.Time) drained {
	d := drained{orders: len(u.orders), length: u.length, perSecond: u.perSecond, burnt: int(u.watched.failures), sentDown: u.down["AddOrder"] + u.down["AcceptOrder"]}
	note := func(list *[]string) func(bool, string, ...any) {
		return func(bad bool, format string, args ...any) {
			if bad {
				*list = append(*list, fmt.Sprintf(format, args...))
			}
		}
	}
	wrong, missed := note(&d.wrong), note(&d.missed)
	for _, n := range u.down {
		d.callsDown += n
	}
	d.failed = len(u.watched.stalled)
	for name, why := range u.watched.stalled {
		wrong(true, "%s was stalled while WHMCS was away: %s", name, why)
	}
	again := 0
	for i := range objects {
		object := &objects[i]
		switch object.Status.State {
		case v1alpha1.ProvisionedState:
			d.provisioned++
		case v1alpha1.StalledState:
			d.failed++
		}
		wrong(object.Status.State != v1alpha1.ProvisionedState, "%s is %s", object.Name, object.Status.State)
		d.burnt += int(object.Status.Failures)
		for _, call := range object.Status.Calls {
			if call.Attempt > 1 {
				again++
			}
		}
	}
	fmt.Printf("while WHMCS was away: looked %d times; %d orders stalled, most failures counted %d, circuit breaker shown as a condition: %t\n",
		u.watched.looks, len(u.watched.stalled), u.watched.failures, u.watched.breaker)
	mostCalls := int(u.length/probeEvery)*3/2 + failuresToOpen + outageConcurrency + 2
	fmt.Printf("while WHMCS was away: %d calls (%s), at most %d for the probes; AddOrder or AcceptOrder: %d, those under way as it went\n",
		d.callsDown, inWords(u.down, nil), mostCalls, d.sentDown)
	fmt.Printf("calls that were claimed again afterwards: %d; the claims were settled as AddOrder %s, AcceptOrder %s\n", again,
		inWords(settled(objects, v1alpha1.AddOrderCall), nil), inWords(settled(objects, v1alpha1.AcceptOrderCall), nil))
	total, took := counters.Total(""), counters.LastAt.Sub(counters.FirstAt)
	d.rate = float64(total) / took.Seconds()
	fmt.Printf("after it came back: first call after %s, %d calls in %s: %.1f per second, configured %d; at most %d at once, configured %d\n",
		counters.FirstAt.Sub(healed).Round(100*time.Millisecond), total, took.Round(100*time.Millisecond), d.rate, u.perSecond, counters.MaxConcurrent, outageConcurrency)
	settling := stillSettling(objects, healed)
	d.order = inverted(objects, settling, journal, healed)
	fmt.Printf("oldest first: of %d pairs of orders that differ in age %d were made the younger one first (%.2f %%), without the orders of %d clients for whom an answer was missing as it came back: those wait for the settle time\n",
		d.order.pairs, d.order.inverted, 100*d.order.share(), len(settling))
	fmt.Println("audit:", audit.Summary())

	for _, finding := range audit.Findings {
		wrong(true, "%s", finding)
	}
	wrong(d.burnt > 0, "%d attempts were burnt", d.burnt)
	wrong(d.sentDown > failuresToOpen+outageConcurrency, "%d orders or accepts were sent to a WHMCS that was away", d.sentDown)
	wrong(d.callsDown > mostCalls, "%d calls were made to a WHMCS that was away, want at most %d", d.callsDown, mostCalls)
	wrong(!u.watched.breaker, "the circuit breaker was never shown as a condition")
	allowed := float64(u.perSecond)*took.Seconds() + outageConcurrency + 1
	wrong(float64(total) > allowed, "%d calls in %s, more than %d per second and a burst of %d", total, took, u.perSecond, outageConcurrency)
	missed(d.rate < slowest*float64(u.perSecond), "drained at %.1f calls per second, configured %d", d.rate, u.perSecond)
	wrong(counters.MaxConcurrent > outageConcurrency, "%d calls at once, configured %d", counters.MaxConcurrent, outageConcurrency)
	missed(d.order.share() > mostInversions, "%.1f %% of the pairs were made the younger one first", 100*d.order.share())
	return d
}

// inversions counts pairs of orders of which the younger one was made first.
type inversions struct{ pairs, inverted int }

func (i inversions) share() float64 {
	if i.pairs == 0 {
		return 0
	}
	return float64(i.inverted) / float64(i.pairs)
}

// stillSettling are the WHMCS clients with an AddOrder at a time of which nobody knows what became of it. The order, and
// with it the client's others, must wait until it can no longer take effect, whatever their age.
func stillSettling(objects []v1alpha1.ProvisioningOrder, at time.Time) map[int64]bool {
	clients := map[int64]bool{}
	for i := range objects {
		status := &objects[i].Status
		for _, call := range status.Calls {
			if call.Step == v1alpha1.AddOrderCall && call.ClaimedAt.Time.Before(at) && (call.SettledAt == nil || call.SettledAt.After(at)) {
				clients[status.Plan.ClientID] = true
			}
		}
	}
	return clients
}

// inverted compares the order in which WHMCS made the orders since a time with their age, but for those of some clients.
func inverted(objects []v1alpha1.ProvisioningOrder, without map[int64]bool, journal []whmcs.Entry, since time.Time) inversions {
	ages := map[int64]time.Time{}
	for i := range objects {
		if known := objects[i].Status.Whmcs; known != nil && !without[objects[i].Status.Plan.ClientID] {
			ages[known.OrderID] = objects[i].CreationTimestamp.Time
		}
	}
	var made []time.Time
	for _, entry := range journal {
		if age, ok := ages[entry.OrderID]; ok && entry.Action == string(v1alpha1.AddOrderCall) && entry.Result == "success" && !entry.At.Before(since) {
			made = append(made, age)
		}
	}
	var all inversions
	for i, first := range made {
		for _, later := range made[i+1:] {
			if !first.Equal(later) {
				all.pairs++
			}
			if first.After(later) {
				all.inverted++
			}
		}
	}
	return all
}

func condition(conditions []metav1.Condition, name string) metav1.Condition {
	if found := meta.FindStatusCondition(conditions, name); found != nil {
		return *found
	}
	return metav1.Condition{}
}
