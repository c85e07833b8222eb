package budgets

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/internal/sandbox"
	"github.com/orderbridge/orderbridge/internal/sandbox/whmcs"
	"github.com/orderbridge/orderbridge/internal/stage"
)

const (
	// aloneOrders are provisioned one after the other, at a pause that lets nothing be gathered.
	aloneOrders = 50
	alonePause  = time.Second
	// backlogOrders are approved at once.
	backlogOrders = 1000
	// whmcsLatency is how long WHMCS takes for a call under a backlog, and whmcsAtOnce how many calls it takes at once.
	whmcsLatency = 100 * time.Millisecond
	whmcsAtOnce  = 32
	// callsPerOrder is the budget of docs/decisions/0008.
	callsPerOrder = 5
)

// fast lets WHMCS be the bound.
func fast(pipeline *v1alpha1.ProvisioningPipeline) {
	pipeline.Spec.Whmcs.MaxConcurrentRequests = whmcsAtOnce
	pipeline.Spec.Whmcs.RequestsPerSecond = 10000
	pipeline.Spec.Salesforce.Sweep.Interval.Duration = time.Hour
}

// BenchmarkOrdersAlone provisions orders one after the other, and tells Orderbridge's own time from that of the far sides.
func BenchmarkOrdersAlone(b *testing.B) {
	for b.Loop() {
		s := onStage(b, fast)
		manage(b, s)
		provision(b, s, seed(b, s, 1)) // the first order learns what this WHMCS stores

		var own []time.Duration
		var all cost
		for _, order := range seed(b, s, aloneOrders) {
			<-time.After(alonePause)
			c := provision(b, s, []sandbox.SeededOrder{order})
			own = append(own, c.took-c.farSides)
			all.add(c)
		}
		slices.Sort(own)
		report(b, all, aloneOrders)
		say(b, "API writes of the order with the most", float64(all.mostVersions), "", "at most 4")
		say(b, "events of the order with the most", float64(events(b, s)), "", "at most 2")
		say(b, "calls to WHMCS for each order", all.per(all.whmcs, aloneOrders), "", "at most 5 (docs/decisions/0008)")
		say(b, "requests to Salesforce for each order", all.per(all.reads+all.writes, aloneOrders), "", "at most 2")
		say(b, "own time of each order, median", milliseconds(own[len(own)/2]), "ms", "")
		say(b, "own time of each order, p99", milliseconds(own[len(own)*99/100]), "ms", "at most 500 ms")
	}
}

// BenchmarkOrdersInABacklog approves many orders at once and compares the time they take with what WHMCS alone allows.
func BenchmarkOrdersInABacklog(b *testing.B) {
	for b.Loop() {
		s := onStage(b, fast)
		manager := manage(b, s)
		provision(b, s, seed(b, s, 1))
		if _, err := s.Control.SetWhmcsFault(b.Context(), whmcs.Fault{Kind: whmcs.Latency, Delay: whmcs.Duration(whmcsLatency)}); err != nil {
			b.Fatal(err)
		}

		before := processorTime(b, manager)
		c := provision(b, s, seed(b, s, backlogOrders))
		spent := processorTime(b, manager) - before
		bound := whmcsAtOnce / (callsPerOrder * whmcsLatency.Seconds())
		rate := backlogOrders / c.took.Seconds()
		report(b, c, backlogOrders)
		say(b, "orders a second", rate, "", "")
		say(b, "share of what WHMCS alone allows", 100*rate/bound, "%", "at least 90 % (on more cores: docs/decisions/0011)")
		say(b, "processor time of the manager for each order", milliseconds(spent)/backlogOrders, "ms", "")
		say(b, "API writes for each order", c.per(c.versions, backlogOrders), "", "at most 4")
		say(b, "calls to WHMCS for each order", c.per(c.whmcs, backlogOrders), "", "at most 5 (docs/decisions/0008)")
		say(b, "reads from Salesforce for each order", c.per(c.reads, backlogOrders), "", "at most 0.05")
		say(b, "writes to Salesforce for each order", c.per(c.writes, backlogOrders), "", "at most 0.05")
	}
}

// BenchmarkLeaderKilled kills the leading one of two managers, and takes the time until the other has an order moving.
func BenchmarkLeaderKilled(b *testing.B) {
	const lease = 15 * time.Second // the default
	for b.Loop() {
		s := onStage(b, fast)
		leader := manage(b, s, "--leader-elect", "--leader-election-namespace="+stage.Namespace)
		provision(b, s, seed(b, s, 1))
		manage(b, s, "--leader-elect", "--leader-election-namespace="+stage.Namespace)
		orders := seed(b, s, 1)
		if err := leader.Kill(); err != nil {
			b.Fatal(err)
		}
		c := provision(b, s, orders)
		moving := c.firstClaim.Seconds()
		b.ReportMetric(moving, "s-until-moving")
		say(b, "from the kill to the next order's claim", moving, "s", "at most 17 s (lease and 2 s)")
		if least := lease.Seconds() / 2; moving < least {
			b.Errorf("an order moved %.1f s after the kill: the killed manager cannot have led", moving)
		}
	}
}

func milliseconds(d time.Duration) float64 {
	return math.Round(d.Seconds()*1e4) / 10
}

// say prints a figure beside its budget.
func say(b *testing.B, what string, figure float64, unit, budget string) {
	b.Helper()
	if budget != "" {
		budget = "budget: " + budget
	}
	b.Logf("%-44s %8.2f %-3s %s", what, figure, unit, budget)
}

// report gives the figures that benchstat compares.
func report(b *testing.B, c cost, orders int) {
	b.Helper()
	b.ReportMetric(c.took.Seconds()*1000/float64(orders), "ms/order")
	b.ReportMetric(c.per(c.versions, orders), "api-writes/order")
	b.ReportMetric(c.per(c.whmcs, orders), "whmcs-calls/order")
	b.ReportMetric(c.per(c.reads+c.writes, orders), "salesforce-requests/order")
}
