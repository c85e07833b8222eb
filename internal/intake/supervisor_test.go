package intake

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
)

const (
	eventTopic  = "/event/OrderProvisionRequested__e"
	changeTopic = "/data/OrderChangeEvent"
)

// rig is a pipeline on the API server with a supervisor, a bus and an org.
type rig struct {
	t   testing.TB
	bus *fakeBus
	org *fakeOrg
	// far is the org that is applied: org, or one of the sandbox.
	far      Org
	gate     *Gate
	pipeline *v1alpha1.ProvisioningPipeline
	options  Options
	recorder *events.FakeRecorder

	supervisor *Supervisor
	stop       func()
}

func newRig(t testing.TB, topics ...string) *rig {
	t.Helper()
	r := &rig{t: t, bus: newFakeBus(), org: newFakeOrg(), gate: &Gate{Object: "Order", Where: "Open__c = true"}, recorder: events.NewFakeRecorder(1000)}
	r.far = r.org
	r.pipeline = newPipelineObject(namespace(t), "portal", topics...)
	if err := cluster.Create(t.Context(), r.pipeline); err != nil {
		t.Fatalf("creating the pipeline: %v", err)
	}
	r.options = Options{
		Client: cluster, Reader: cluster, Recorder: r.recorder, OpenBus: r.bus.open,
		CheckpointEvery: 20 * time.Millisecond, Patience: 100 * time.Millisecond, SweepGrace: time.Millisecond, ReplayQuiet: 50 * time.Millisecond, SweepPerSecond: 1000, SweepSoon: 10 * time.Millisecond,
	}
	return r
}

func newPipelineObject(ns, name string, topics ...string) *v1alpha1.ProvisioningPipeline {
	p := &v1alpha1.ProvisioningPipeline{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name}}
	p.Spec.Salesforce.CredentialsSecretRef.Name = "salesforce"
	p.Spec.Whmcs.CredentialsSecretRef.Name = "whmcs"
	p.Spec.Whmcs.URL = "https://billing.example.com/includes/api.php"
	p.Spec.MappingRef.Name = "mapping"
	for _, topic := range topics {
		trigger := v1alpha1.Trigger{Topic: topic}
		if !isDataTopic(topic) {
			trigger.OrderIDField = "OrderId__c"
		}
		p.Spec.Salesforce.Triggers = append(p.Spec.Salesforce.Triggers, trigger)
	}
	return p
}

// start runs a supervisor and applies the pipeline.
func (r *rig) start() {
	r.t.Helper()
	s, err := NewSupervisor(r.options)
	if err != nil {
		r.t.Fatalf("making a supervisor: %v", err)
	}
	ctx, cancel := context.WithCancel(r.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Start(ctx) }()
	r.supervisor = s
	r.stop = func() {
		cancel()
		if err := <-ended; err != nil {
			r.t.Errorf("Start returned %v", err)
		}
		r.stop = func() {}
	}
	r.t.Cleanup(func() { r.stop() })
	r.apply()
}

// apply reads the pipeline as the reconciler would and applies it.
func (r *rig) apply() {
	r.t.Helper()
	r.read()
	r.supervisor.Apply(Wanted{Pipeline: r.pipeline, Salesforce: r.far, Gate: r.gate})
}

func (r *rig) read() *v1alpha1.ProvisioningPipeline {
	r.t.Helper()
	if err := cluster.Get(r.t.Context(), client.ObjectKeyFromObject(r.pipeline), r.pipeline); err != nil {
		r.t.Fatalf("reading the pipeline: %v", err)
	}
	return r.pipeline
}

// edit changes the pipeline on the API server and applies it.
func (r *rig) edit(change func(*v1alpha1.ProvisioningPipeline)) {
	r.t.Helper()
	r.change(change)
	r.apply()
}

// change changes the pipeline on the API server.
func (r *rig) change(change func(*v1alpha1.ProvisioningPipeline)) {
	r.t.Helper()
	base := r.read().DeepCopy()
	change(r.pipeline)
	if err := cluster.Patch(r.t.Context(), r.pipeline, client.MergeFrom(base)); err != nil {
		r.t.Fatalf("changing the pipeline: %v", err)
	}
}

// trigger returns the stored status of a topic.
func (r *rig) trigger(topic string) v1alpha1.TriggerStatus {
	r.t.Helper()
	for _, t := range r.read().Status.Triggers {
		if t.Topic == topic {
			return t
		}
	}
	return v1alpha1.TriggerStatus{}
}

func (r *rig) orders() map[string]v1alpha1.ProvisioningOrder {
	r.t.Helper()
	list := &v1alpha1.ProvisioningOrderList{}
	if err := cluster.List(r.t.Context(), list, client.InNamespace(r.pipeline.Namespace)); err != nil {
		r.t.Fatalf("listing the orders: %v", err)
	}
	orders := map[string]v1alpha1.ProvisioningOrder{}
	for _, o := range list.Items {
		orders[o.Name] = o
	}
	return orders
}

func (r *rig) order(n int) v1alpha1.ProvisioningOrder {
	r.t.Helper()
	return r.orders()[orderName(r.pipeline.Name, orderID(n))]
}

// eventually waits until a condition holds.
func (r *rig) eventually(what string, holds func() bool) {
	r.t.Helper()
	r.within(2*time.Minute, 10*time.Millisecond, what, holds)
}

// within waits until a condition holds, for as long and as patiently as told.
func (r *rig) within(most, every time.Duration, what string, holds func() bool) {
	r.t.Helper()
	deadline := time.Now().Add(most)
	for !holds() {
		if time.Now().After(deadline) {
			r.t.Fatalf("waited in vain: %s\nstatus: %+v", what, r.read().Status)
		}
		<-time.After(every)
	}
}

func TestEventBecomesOrderAndPositionFollows(t *testing.T) {
	r := newRig(t, eventTopic)
	published := time.Date(2026, 3, 1, 12, 0, 0, 123_000_000, time.UTC)
	r.bus.publish(eventTopic, orderEvent(1, published))
	r.start()
	r.eventually("the position is stored", func() bool { return string(r.trigger(eventTopic).ReplayID) == "position 0" })

	got := r.order(1)
	want := v1alpha1.ProvisioningOrderSpec{
		PipelineRef:       v1alpha1.PipelineReference{Name: "portal"},
		SalesforceOrderID: string(orderID(1)),
		Origin:            v1alpha1.EventOrigin,
		Event: &v1alpha1.Event{
			ID: "00000000-0000-4000-8000-000000000001", ReplayID: []byte("position 0"), Topic: eventTopic, SchemaID: "schema",
			PublishedAt: new(metav1.NewMicroTime(published)), RequestedBy: "somebody",
		},
	}
	if diff := cmp.Diff(want, got.Spec); diff != "" {
		t.Errorf("spec of the order (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{v1alpha1.ClaimFinalizer}, got.Finalizers); diff != "" {
		t.Errorf("finalizers (-want +got):\n%s", diff)
	}
	status := r.trigger(eventTopic)
	if status.Received != 1 || status.OrgID != r.org.orgID || status.Phase != PhaseStreaming {
		t.Errorf("status of the trigger = %+v, want 1 received of org %s, streaming", status, r.org.orgID)
	}
}

func TestRestartGoesOnWhereThePositionIs(t *testing.T) {
	r := newRig(t, eventTopic)
	for n := range 250 {
		r.bus.publish(eventTopic, orderEvent(n, time.Now()))
	}
	r.start()
	r.eventually("250 events are stored", func() bool { return r.trigger(eventTopic).Received == 250 })
	r.stop()
	for n := range 10 {
		r.bus.publish(eventTopic, orderEvent(250+n, time.Now()))
	}
	r.start()
	r.eventually("10 more events are stored", func() bool { return r.trigger(eventTopic).Received == 260 })
	if got := len(r.orders()); got != 260 {
		t.Errorf("there are %d orders, want 260", got)
	}
	starts := r.bus.started(eventTopic)
	if got := fmt.Sprintf("%d %s", len(starts), starts[1].ReplayID); got != "2 position 249" {
		t.Errorf("streams and the second one's position = %s, want 2 position 249", got)
	}
	if d := r.trigger(eventTopic).Duplicates; d != 0 {
		t.Errorf("%d duplicates, want 0: nothing is read twice after a clean stop", d)
	}
}
