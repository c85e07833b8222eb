package intake

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/internal/pubsub"
	"github.com/orderbridge/orderbridge/internal/salesforce"
)

// events returns what was recorded so far, without the notes.
func (r *rig) events() []string {
	var recorded []string
	for {
		select {
		case e := <-r.recorder.Events:
			kind, rest, _ := strings.Cut(e, " ")
			reason, _, _ := strings.Cut(rest, " ")
			recorded = append(recorded, kind+" "+reason)
		default:
			return recorded
		}
	}
}

func TestSweepAtStartFindsWhatNoEventAnnounced(t *testing.T) {
	r := newRig(t, eventTopic)
	r.bus.publish(eventTopic, orderEvent(1, noon))
	r.org.pass(time.Now().Add(-2*time.Hour), orderID(1), orderID(2))
	r.org.pass(time.Now(), orderID(3))
	r.start()
	r.eventually("the sweep is over", func() bool { return r.read().Status.Sweep != nil })
	got := map[string]v1alpha1.Origin{}
	for _, o := range r.orders() {
		got[o.Spec.SalesforceOrderID] = o.Spec.Origin
	}
	want := map[string]v1alpha1.Origin{
		string(orderID(1)): v1alpha1.EventOrigin, string(orderID(2)): v1alpha1.SweepOrigin, string(orderID(3)): v1alpha1.SweepOrigin,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("origins (-want +got):\n%s", diff)
	}
	if s := r.read().Status.Sweep; s.Seen != 3 || s.Created != 2 || s.CompletedAt == nil || s.Message != "" {
		t.Errorf("sweep = %+v, want 3 seen, 2 created", s)
	}
	query := r.org.asking()[0]
	since, found := strings.CutPrefix(query, "SELECT Id, LastModifiedDate FROM Order WHERE (Open__c = true) AND LastModifiedDate >= ")
	at, err := time.Parse(time.RFC3339, since)
	if !found || err != nil || time.Since(at).Round(time.Hour) != 96*time.Hour {
		t.Errorf("query = %s, want the last 96 hours", query)
	}
	if got := len(r.read().Status.Gaps); got != 0 {
		t.Errorf("%d gaps, want none", got)
	}
}

func TestSweepLeavesFreshOrdersToTheirEvents(t *testing.T) {
	r := newRig(t, eventTopic)
	r.options.SweepGrace = 2 * time.Second
	r.org.pass(time.Now(), orderID(1), orderID(2))
	r.start()
	r.eventually("the sweep has asked", func() bool { return len(r.org.asking()) > 0 })
	r.bus.publish(eventTopic, orderEvent(1, noon))
	r.eventually("the sweep is over", func() bool { return r.read().Status.Sweep != nil })
	if first, second := r.order(1).Spec.Origin, r.order(2).Spec.Origin; first != v1alpha1.EventOrigin || second != v1alpha1.SweepOrigin {
		t.Errorf("origins %s and %s, want Event and Sweep", first, second)
	}
}

func TestSplit(t *testing.T) {
	at := func(n int, changed string) salesforce.Record {
		return salesforce.Record{"Id": string(orderID(n)), "LastModifiedDate": changed}
	}
	old, fresh := (&sweeper{}).split([]salesforce.Record{
		at(1, "2026-03-01T10:59:59.000+0000"), at(2, "2026-03-01T11:30:00.000+0000"), at(3, "2026-03-01T12:00:00.000+0100"),
		at(4, "2026-03-01T10:00:00Z"), at(5, ""), at(6, "2026-03-09T12:00:00.000+0000"),
	}, noon)
	if diff := cmp.Diff([]salesforce.ID{orderID(1), orderID(4)}, old); diff != "" {
		t.Errorf("old (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]salesforce.ID{orderID(2), orderID(3), orderID(5), orderID(6)}, fresh); diff != "" {
		t.Errorf("fresh (-want +got):\n%s", diff)
	}
}

func TestSweepsForChangeEventsAreApart(t *testing.T) {
	r := newRig(t, changeTopic)
	r.options.SweepSoon = time.Hour
	r.start()
	r.eventually("the first sweep is over", func() bool { return r.read().Status.Sweep != nil })
	asked := len(r.org.asking())
	r.bus.publish(changeTopic, changeEventOf(1, noon, "801*"), changeEventOf(2, noon, "801*"))
	r.eventually("the events have arrived", func() bool { return r.trigger(changeTopic).Received == 2 })
	r.edit(func(p *v1alpha1.ProvisioningPipeline) {
		p.Annotations = map[string]string{v1alpha1.SweepRequestedAtAnnotation: "now"}
	})
	r.eventually("a request is handled at once all the same", func() bool { return r.read().Status.Sweep.LastHandledRequest == "now" })
	if got := len(r.org.asking()) - asked; got != 1 {
		t.Errorf("%d sweeps, want the one that was requested", got)
	}
}

func TestSweepOnDemand(t *testing.T) {
	r := newRig(t, eventTopic)
	r.start()
	r.eventually("the first sweep is over", func() bool { return r.read().Status.Sweep != nil })
	r.org.pass(noon, orderID(1))
	r.edit(func(p *v1alpha1.ProvisioningPipeline) {
		p.Annotations = map[string]string{v1alpha1.SweepRequestedAtAnnotation: "now"}
	})
	r.eventually("the request is handled", func() bool { return r.read().Status.Sweep.LastHandledRequest == "now" })
	if got := r.order(1).Spec.Origin; got != v1alpha1.SweepOrigin {
		t.Errorf("the order has origin %q, want Sweep", got)
	}
}

func TestSweepOnItsInterval(t *testing.T) {
	r := newRig(t, eventTopic)
	r.start()
	r.eventually("the first sweep is over", func() bool { return r.read().Status.Sweep != nil })
	r.edit(func(p *v1alpha1.ProvisioningPipeline) { p.Spec.Salesforce.Sweep.Interval.Duration = time.Second })
	r.org.pass(noon, orderID(1))
	r.eventually("the next sweep has found the order", func() bool { return r.order(1).Name != "" })
}

func TestSweepThatFailsSaysWhy(t *testing.T) {
	r := newRig(t, eventTopic)
	r.start()
	r.eventually("the first sweep is over", func() bool { return r.read().Status.Sweep != nil })
	done := r.read().Status.Sweep.CompletedAt
	r.org.with(func() {
		r.org.fail = &salesforce.Error{Op: "query", Class: salesforce.Schema, Code: "INVALID_FIELD", Message: "No such column"}
	})
	r.supervisor.pipelines[client.ObjectKeyFromObject(r.pipeline)].sweeper.request(sweepDemand)
	r.eventually("the sweep says why it failed", func() bool { return r.read().Status.Sweep.Message == "salesforce query: INVALID_FIELD: No such column" })
	if got := r.read().Status.Sweep.CompletedAt; !got.Equal(done) {
		t.Errorf("completedAt = %s, want the last success %s", got, done)
	}
	r.org.with(func() { r.org.fail = nil })
	r.eventually("the sweep has recovered", func() bool { return r.read().Status.Sweep.Message == "" })
}

func TestSweepWaitsForAValidMapping(t *testing.T) {
	r := newRig(t, eventTopic)
	r.org.pass(noon, orderID(1))
	gate := r.gate
	r.gate = nil
	r.start()
	r.eventually("the sweep says what it lacks", func() bool {
		s := r.read().Status.Sweep
		return s != nil && s.Message == errNoGate.Error()
	})
	r.gate = gate
	r.apply()
	r.eventually("the order is found", func() bool { return r.order(1).Name != "" })
}

func TestSweepOfManyKnownOrdersListsThem(t *testing.T) {
	r := newRig(t, eventTopic)
	for n := range 120 {
		r.org.pass(noon, orderID(n))
		if n < 100 {
			r.bus.publish(eventTopic, orderEvent(n, noon))
		}
	}
	tries := 0
	// The cache shows nothing, as it does of finished orders.
	blind := blindClient{Client: faulty(func(o *v1alpha1.ProvisioningOrder) error {
		if o.Spec.Origin == v1alpha1.SweepOrigin {
			tries++
		}
		return nil
	})}
	r.options.Client = blind
	r.start()
	r.eventually("the sweep is over", func() bool { return r.read().Status.Sweep != nil })
	if s := r.read().Status.Sweep; s.Seen != 120 || s.Created != 20 || tries != 20 {
		t.Errorf("%d seen, %d created with %d tries, want 120, 20 and 20", s.Seen, s.Created, tries)
	}
}

func TestGapIsReportedReadAgainSweptAndClosed(t *testing.T) {
	r := newRig(t, eventTopic)
	for n := range 10 {
		r.bus.publish(eventTopic, orderEvent(n, noon))
	}
	r.start()
	r.eventually("the events are stored", func() bool { return r.trigger(eventTopic).Received == 10 })
	from := r.trigger(eventTopic).CommittedAt
	r.stop()

	// While nobody reads, 200 orders are approved, and the bus forgets the events of 50.
	for n := 100; n < 300; n++ {
		r.bus.publish(eventTopic, orderEvent(n, noon))
		r.org.pass(time.Now(), orderID(n))
	}
	r.bus.expire(eventTopic, 60)
	r.events()
	registry := prometheus.NewRegistry()
	r.options.Registerer = registry
	r.start()
	r.eventually("the gap is closed", func() bool { g := r.read().Status.Gaps; return len(g) == 1 && g[0].ClosedAt != nil })

	if got := len(r.orders()); got != 210 {
		t.Errorf("there are %d orders, want 210", got)
	}
	g := r.read().Status.Gaps[0]
	var missed []string
	for n := 100; n < 150; n++ {
		missed = append(missed, string(orderID(n)))
	}
	want := v1alpha1.Gap{Topic: eventTopic, From: from, To: g.To, Cause: "the position is too old", OrdersRecovered: 50, Orders: missed, ClosedAt: g.ClosedAt}
	slices.Sort(g.Orders)
	slices.Sort(want.Orders)
	if diff := cmp.Diff(want, g); diff != "" {
		t.Errorf("gap (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{corev1.EventTypeWarning + " GapOpen", corev1.EventTypeNormal + " NoGap"}, r.events()); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	metrics := map[string]float64{"gaps_total": 1, "gaps_open": 0, "sweep_orders_found_total": 50}
	if diff := cmp.Diff(metrics, gathered(t, registry, slices.Collect(maps.Keys(metrics))...)); diff != "" {
		t.Errorf("metrics (-want +got):\n%s", diff)
	}
	if got := r.supervisor.Snapshot(client.ObjectKeyFromObject(r.pipeline)).OpenGaps; len(got) != 0 {
		t.Errorf("the snapshot still shows gaps: %+v", got)
	}
}

func TestGapStaysOpenUntilASweepSucceeds(t *testing.T) {
	r := newRig(t, eventTopic)
	r.bus.publish(eventTopic, orderEvent(1, noon))
	r.start()
	r.eventually("the event is stored", func() bool { return r.trigger(eventTopic).Received == 1 })
	r.stop()
	r.bus.publish(eventTopic, orderEvent(2, noon))
	r.bus.expire(eventTopic, 2)
	r.org.pass(noon, orderID(2))
	r.gate = nil
	r.start()
	r.eventually("the sweep says what it lacks", func() bool {
		status := r.read().Status
		return len(status.Gaps) == 1 && status.Sweep != nil && status.Sweep.Message == errNoGate.Error()
	})
	r.stop()
	if g := r.read().Status.Gaps[0]; g.ClosedAt != nil {
		t.Errorf("the gap was closed by a sweep that failed: %+v", g)
	}
	r.gate = &Gate{Object: salesforce.OrderObject, Where: "Open__c = true"}
	r.start()
	r.eventually("the gap is closed after a restart", func() bool { return r.read().Status.Gaps[0].ClosedAt != nil })
	if g := r.read().Status.Gaps; len(g) != 1 || g[0].OrdersRecovered != 1 {
		t.Errorf("gaps = %+v, want one with one order", g)
	}
}

func TestAnotherOrgIsAGap(t *testing.T) {
	r := newRig(t, eventTopic)
	r.bus.publish(eventTopic, orderEvent(1, noon), orderEvent(2, noon))
	r.start()
	r.eventually("the events are stored", func() bool { return r.trigger(eventTopic).Received == 2 })
	r.stop()
	r.org.with(func() { r.org.orgID = "00D000000000002EAA" })
	r.start()
	r.eventually("everything is read again", func() bool { return r.trigger(eventTopic).Received == 4 })
	if got := r.bus.started(eventTopic)[1].Preset; got != pubsub.Earliest {
		t.Errorf("the stream of another org began with preset %d, want Earliest", got)
	}
	if s := r.trigger(eventTopic); s.OrgID != "00D000000000002EAA" || s.Duplicates != 2 {
		t.Errorf("the position belongs to %s with %d duplicates, want the other org and 2", s.OrgID, s.Duplicates)
	}
	if g := r.read().Status.Gaps; len(g) != 1 || !strings.Contains(g[0].Cause, "00D000000000001EAA") {
		t.Errorf("gaps = %+v, want one that names the old org", g)
	}
}

func TestAnotherOrgWhileStreaming(t *testing.T) {
	r := newRig(t, eventTopic)
	r.bus.publish(eventTopic, orderEvent(1, noon))
	r.start()
	r.eventually("the event is stored", func() bool { return string(r.trigger(eventTopic).ReplayID) == "position 0" })
	r.org.with(func() { r.org.orgID = "00D000000000002EAA" })
	if _, err := r.bus.session(t.Context()); err == nil {
		t.Error("the bus got a session of another org for a running subscription")
	}
	r.eventually("the stream has begun again", func() bool { return len(r.bus.started(eventTopic)) == 2 })
	r.eventually("the gap is stored", func() bool { return len(r.read().Status.Gaps) == 1 })
}

func TestLeavesTheRestOfTheStatusAlone(t *testing.T) {
	r := newRig(t, eventTopic)
	theirs := []metav1.Condition{{Type: v1alpha1.ReadyCondition, Status: metav1.ConditionTrue, Reason: "Operational", LastTransitionTime: metav1.NewTime(noon)}}
	base := r.pipeline.DeepCopy()
	r.pipeline.Status.Conditions = theirs
	r.pipeline.Status.OrgID = "00D000000000001EAA"
	r.pipeline.Status.Markers = []v1alpha1.MarkerStatus{{Name: v1alpha1.NotesMarker, Stored: v1alpha1.MarkerStoredYes}}
	if err := cluster.Status().Patch(t.Context(), r.pipeline, client.MergeFrom(base)); err != nil {
		t.Fatalf("writing the reconciler's part: %v", err)
	}
	r.bus.publish(eventTopic, orderEvent(1, noon))
	r.start()
	r.eventually("the sweep is over", func() bool { return r.read().Status.Sweep != nil })
	r.stop()
	got := r.read().Status
	for i := range got.Conditions {
		got.Conditions[i].LastTransitionTime = metav1.NewTime(got.Conditions[i].LastTransitionTime.UTC())
	}
	if diff := cmp.Diff(theirs, got.Conditions); diff != "" || got.OrgID == "" || len(got.Markers) != 1 {
		t.Errorf("the reconciler's part of the status changed: %+v (-want +got):\n%s", got, diff)
	}
}

func TestAllowances(t *testing.T) {
	for name, tc := range map[string]struct {
		used       int64
		limits     salesforce.Limits
		want       v1alpha1.Usage
		wantAsked  int
		wantEvents []string
	}{
		"plenty": {
			used: 10, limits: salesforce.Limits{"DailyApiRequests": {Max: 1000, Remaining: 980}, "DailyDeliveredPlatformEvents": {Max: 500, Remaining: 400}},
			want: v1alpha1.Usage{APIRequests: 20, APIRequestsMax: 1000, EventsDelivered: 100, EventsDeliveredMax: 500}, wantAsked: 1,
		},
		"few API requests are left, so none is spent on asking": {
			used: 900, limits: salesforce.Limits{"DailyApiRequests": {Max: 1000, Remaining: 0}},
			want: v1alpha1.Usage{APIRequests: 900, APIRequestsMax: 1000}, wantEvents: []string{"Warning AllowanceLow"},
		},
		"few deliveries are left": {
			limits: salesforce.Limits{"DailyApiRequests": {Max: 1000, Remaining: 999}, "DailyDeliveredPlatformEvents": {Max: 500, Remaining: 5}},
			want:   v1alpha1.Usage{APIRequests: 1, APIRequestsMax: 1000, EventsDelivered: 495, EventsDeliveredMax: 500}, wantAsked: 1,
			wantEvents: []string{"Warning AllowanceLow"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, eventTopic)
			registry := prometheus.NewRegistry()
			r.options.Registerer = registry
			r.options.UsageEvery = 20 * time.Millisecond
			r.org.used, r.org.limits = tc.used, tc.limits
			r.start()
			r.eventually("the usage is stored", func() bool { return r.read().Status.Usage != nil })
			first := r.read().Status.Usage.ObservedAt
			r.eventually("it is observed again", func() bool { return !r.read().Status.Usage.ObservedAt.Equal(first) })
			got := *r.read().Status.Usage
			got.ObservedAt = nil
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("usage (-want +got):\n%s", diff)
			}
			metrics := map[string]float64{
				"salesforce_api_requests": float64(tc.want.APIRequests), "salesforce_api_requests_max": float64(tc.want.APIRequestsMax),
				"salesforce_events_delivered": float64(tc.want.EventsDelivered), "salesforce_events_delivered_max": float64(tc.want.EventsDeliveredMax),
			}
			if diff := cmp.Diff(metrics, gathered(t, registry, slices.Collect(maps.Keys(metrics))...)); diff != "" {
				t.Errorf("metrics (-want +got):\n%s", diff)
			}
			r.org.with(func() {
				if (r.org.asked > 0) != (tc.wantAsked > 0) {
					t.Errorf("asked %d times, want %d at first", r.org.asked, tc.wantAsked)
				}
			})
			if diff := cmp.Diff(tc.wantEvents, r.events()); diff != "" {
				t.Errorf("events: warned once (-want +got):\n%s", diff)
			}
			p := r.supervisor.pipelines[client.ObjectKeyFromObject(r.pipeline)]
			if interval, slow := p.sweeper.interval(), tc.used >= 900; (interval == 20*time.Minute) != slow {
				t.Errorf("the sweep's interval is %s", interval)
			}
		})
	}
}

func TestSweepCreatesAtABoundedRate(t *testing.T) {
	r := newRig(t, eventTopic)
	r.options.SweepPerSecond = 20
	for n := range 50 {
		r.org.pass(noon, orderID(n))
	}
	began := time.Now()
	r.start()
	r.eventually("the sweep is over", func() bool { return r.read().Status.Sweep != nil })
	// The first twenty go at once.
	if took, least := time.Since(began), 1500*time.Millisecond; took < least || len(r.orders()) != 50 {
		t.Errorf("%d orders were created in %s, want 50 in no less than %s", len(r.orders()), took, least)
	}
}

// gathered returns the values of metrics that have one series.
func gathered(t *testing.T, registry *prometheus.Registry, names ...string) map[string]float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatalf("gathering metrics: %v", err)
	}
	values := map[string]float64{}
	for _, f := range families {
		if name := strings.TrimPrefix(f.GetName(), "orderbridge_"); slices.Contains(names, name) && len(f.GetMetric()) == 1 {
			m := f.GetMetric()[0]
			values[name] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	return values
}
