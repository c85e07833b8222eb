package intake

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/internal/pubsub"
	"github.com/orderbridge/orderbridge/internal/salesforce"
)

// blindClient is a client whose cache shows no orders.
type blindClient struct{ client.Client }

func (b blindClient) Get(ctx context.Context, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
	if _, ok := obj.(*v1alpha1.ProvisioningOrder); ok {
		return apierrors.NewNotFound(schema.GroupResource{Resource: "provisioningorders"}, key.Name)
	}
	return b.Client.Get(ctx, key, obj, opts...)
}

func (r *rig) snapshot() Snapshot {
	return r.supervisor.Snapshot(client.ObjectKeyFromObject(r.pipeline))
}

// connected is the reason that SalesforceConnected would have.
func (r *rig) connected() string {
	state, _ := r.snapshot().Connected()
	return state.Reason
}

func TestSuspendAndResume(t *testing.T) {
	r := newRig(t, eventTopic)
	registry := prometheus.NewRegistry()
	r.options.Registerer = registry
	r.bus.publish(eventTopic, orderEvent(1, noon))
	r.start()
	r.eventually("the event is stored", func() bool { return r.trigger(eventTopic).Received == 1 })
	up := func() (float64, bool) {
		value, ok := gathered(t, registry, "stream_up")["stream_up"]
		return value, ok
	}
	r.eventually("the metric shows the stream", func() bool { value, ok := up(); return ok && value == 1 })
	r.edit(func(p *v1alpha1.ProvisioningPipeline) { p.Spec.Suspend = true })
	r.eventually("the suspension shows", func() bool { return r.trigger(eventTopic).Phase == PhaseSuspended })
	if value, ok := up(); ok {
		t.Errorf("the stream shows as %v in the metrics, want nothing that would page anybody", value)
	}
	if got := r.bus.running(); got != 0 {
		t.Errorf("%d streams run while suspended", got)
	}
	if got := r.connected(); got != v1alpha1.SuspendedReason {
		t.Errorf("the snapshot says %s, want %s", got, v1alpha1.SuspendedReason)
	}
	if s := r.trigger(eventTopic); string(s.ReplayID) != "position 0" {
		t.Errorf("the position is %q, want it kept", s.ReplayID)
	}
	r.bus.publish(eventTopic, orderEvent(2, noon))
	r.org.pass(noon, orderID(3))
	r.edit(func(p *v1alpha1.ProvisioningPipeline) { p.Spec.Suspend = false })
	r.eventually("it has caught up", func() bool { return len(r.orders()) == 3 && r.trigger(eventTopic).Received >= 2 })
	if s := r.trigger(eventTopic); s.Phase != PhaseStreaming || s.Received != 2 || s.Duplicates != 0 {
		t.Errorf("%s, %d received, %d duplicates, want Streaming, 2 and none", s.Phase, s.Received, s.Duplicates)
	}
}

func TestAnEditRestartsOnlyWhatChanged(t *testing.T) {
	r := newRig(t, eventTopic, changeTopic)
	r.start()
	r.eventually("both stream", func() bool { return r.bus.running() == 2 && r.connected() == v1alpha1.ConnectedReason })
	starts := func() string {
		return string(rune('0'+len(r.bus.started(eventTopic)))) + string(rune('0'+len(r.bus.started(changeTopic))))
	}
	for _, step := range []struct {
		what string
		edit func(*v1alpha1.ProvisioningPipeline)
		want string
	}{
		{"nothing", func(*v1alpha1.ProvisioningPipeline) {}, "11"},
		{"WHMCS", func(p *v1alpha1.ProvisioningPipeline) { p.Spec.Whmcs.PaymentMethod = "stripe" }, "11"},
		{"the sweep", func(p *v1alpha1.ProvisioningPipeline) { p.Spec.Salesforce.Sweep.Interval.Duration = time.Hour }, "11"},
		{"the first position", func(p *v1alpha1.ProvisioningPipeline) { p.Spec.Salesforce.Replay.Initial = v1alpha1.LatestReplay }, "11"},
		{"one trigger", func(p *v1alpha1.ProvisioningPipeline) { p.Spec.Salesforce.Triggers[0].OrderIDField = "Other__c" }, "21"},
		{"the endpoint", func(p *v1alpha1.ProvisioningPipeline) { p.Spec.Salesforce.PubSubEndpoint = "other.example.com:443" }, "32"},
	} {
		r.edit(step.edit)
		r.eventually("after a change of "+step.what+" starts are "+step.want+", not "+starts(), func() bool { return starts() == step.want && r.bus.running() == 2 })
	}
	r.edit(func(p *v1alpha1.ProvisioningPipeline) { p.Spec.Salesforce.Triggers = p.Spec.Salesforce.Triggers[:1] })
	r.eventually("the trigger that was taken out is stopped", func() bool { return r.bus.running() == 1 && r.trigger(changeTopic).Phase == PhaseStopped })
	if got := len(r.snapshot().Triggers); got != 1 {
		t.Errorf("the snapshot has %d triggers, want 1", got)
	}
}

func TestOtherCredentials(t *testing.T) {
	r := newRig(t, eventTopic)
	r.start()
	r.eventually("it streams", func() bool { return r.connected() == v1alpha1.ConnectedReason })
	r.supervisor.Apply(Wanted{Pipeline: r.pipeline})
	r.eventually("it is stopped without credentials", func() bool { return r.bus.running() == 0 && r.trigger(eventTopic).Phase == PhaseStopped })
	other := newFakeOrg()
	r.far = other
	r.apply()
	r.eventually("it streams again", func() bool { return r.bus.running() == 1 && len(other.asking()) > 0 })
}

func TestALoginThatFailsShowsAndHeals(t *testing.T) {
	r := newRig(t, eventTopic)
	r.org.fail = &salesforce.Error{Op: "login", Class: salesforce.Auth, Code: "invalid_grant", Message: "user hasn't approved this consumer", Advice: "approve the app"}
	r.bus.publish(eventTopic, orderEvent(1, noon))
	r.start()
	r.eventually("it shows", func() bool { return r.connected() == v1alpha1.AuthenticationFailedReason })
	state, _ := r.snapshot().Connected()
	if want := r.org.fail.Error(); state.Message != want {
		t.Errorf("message = %q, want %q", state.Message, want)
	}
	r.eventually("the status shows it", func() bool { return r.trigger(eventTopic).Message == state.Message })
	r.org.with(func() { r.org.fail = nil })
	r.eventually("it heals", func() bool { return r.trigger(eventTopic).Received == 1 })
}

func TestPipelinesAreApart(t *testing.T) {
	r := newRig(t, eventTopic)
	second := newPipelineObject(r.pipeline.Namespace, "shop", eventTopic)
	if err := cluster.Create(t.Context(), second); err != nil {
		t.Fatalf("creating the second pipeline: %v", err)
	}
	r.bus.publish(eventTopic, orderEvent(1, noon))
	r.start()
	r.supervisor.Apply(Wanted{Pipeline: second, Salesforce: newFakeOrg(), Gate: &Gate{Object: "Order", Where: "Open__c = true"}})
	r.eventually("both have an order", func() bool { return len(r.orders()) == 2 })
	r.eventually("both stream", func() bool { return r.bus.running() == 2 })

	if err := cluster.Delete(t.Context(), second); err != nil {
		t.Fatalf("deleting the second pipeline: %v", err)
	}
	r.supervisor.Remove(client.ObjectKeyFromObject(second))
	r.eventually("the stream of the deleted one has ended", func() bool { return r.bus.running() == 1 })
	if got := len(r.orders()); got != 2 {
		t.Errorf("%d orders are left, want both", got)
	}
	if got := r.supervisor.Snapshot(client.ObjectKeyFromObject(second)); got.Loaded {
		t.Errorf("the snapshot of a deleted pipeline is %+v", got)
	}
	again := newPipelineObject(r.pipeline.Namespace, "shop", eventTopic)
	if err := cluster.Create(t.Context(), again); err != nil {
		t.Fatalf("creating it again: %v", err)
	}
	r.supervisor.Apply(Wanted{Pipeline: again, Salesforce: newFakeOrg(), Gate: &Gate{Object: "Order", Where: "Open__c = true"}})
	r.eventually("it streams from the beginning", func() bool {
		starts := r.bus.started(eventTopic)
		return len(starts) == 3 && starts[2].Preset == pubsub.Earliest
	})
}

// TestTwoLeadersAtOnce: the old leader does not know yet that it is none any more.
func TestTwoLeadersAtOnce(t *testing.T) {
	r := newRig(t, eventTopic)
	second := *r
	r.start()
	second.start()
	r.eventually("both stream", func() bool { return r.bus.running() == 2 })
	for n := range 300 {
		r.bus.publish(eventTopic, orderEvent(n, noon))
	}
	r.eventually("all orders exist", func() bool { return len(r.orders()) == 300 })
	r.stop()
	r.bus.publish(eventTopic, orderEvent(300, noon))
	second.eventually("the other goes on", func() bool { return string(second.trigger(eventTopic).ReplayID) == "position 300" })
	second.stop()
	if got := len(r.orders()); got != 301 {
		t.Errorf("there are %d orders, want 301", got)
	}
}

func TestPositionsThatCannotBeReadAreWaitedFor(t *testing.T) {
	r := newRig(t, eventTopic)
	r.bus.publish(eventTopic, orderEvent(1, noon), orderEvent(2, noon))
	r.start()
	r.eventually("both are stored", func() bool { return r.trigger(eventTopic).Received == 2 })
	r.stop()
	var failures atomic.Int64
	r.options.Reader = interceptor.NewClient(cluster, interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
			if failures.Add(1) <= 3 {
				return apierrors.NewServiceUnavailable("etcd is away")
			}
			return c.Get(ctx, key, obj, opts...)
		},
	})
	r.start()
	if r.snapshot().Loaded && failures.Load() < 3 {
		t.Error("the snapshot claims to know what could not be read")
	}
	r.eventually("it streams", func() bool { return r.bus.running() == 1 })
	if p := r.bus.started(eventTopic)[1]; string(p.ReplayID) != "position 1" {
		t.Errorf("the stream began at %+v, want position 1: without it everything is read again", p)
	}
}

func TestCreatedAgainUnderTheSameName(t *testing.T) {
	r := newRig(t, eventTopic)
	r.bus.publish(eventTopic, orderEvent(1, noon))
	r.start()
	r.eventually("the event is stored", func() bool { return r.trigger(eventTopic).Received == 1 })
	if err := cluster.Delete(t.Context(), r.pipeline); err != nil {
		t.Fatalf("deleting: %v", err)
	}
	r.pipeline = newPipelineObject(r.pipeline.Namespace, "portal", eventTopic)
	if err := cluster.Create(t.Context(), r.pipeline); err != nil {
		t.Fatalf("creating again: %v", err)
	}
	r.apply()
	r.eventually("the new one has read the event itself", func() bool { s := r.trigger(eventTopic); return s.Received == 1 && s.Duplicates == 1 })
	if got := r.bus.running(); got != 1 {
		t.Errorf("%d streams run, want 1", got)
	}
}

func TestApplyBeforeStartAndWritesAreFew(t *testing.T) {
	r := newRig(t, eventTopic)
	var mu sync.Mutex
	patches := 0
	r.options.CheckpointEvery = 200 * time.Millisecond
	r.options.Client = interceptor.NewClient(cluster, interceptor.Funcs{
		SubResourcePatch: func(ctx context.Context, c client.Client, sub string, obj client.Object, patch client.Patch, opts ...client.SubResourcePatchOption) error {
			mu.Lock()
			patches++
			mu.Unlock()
			return c.SubResource(sub).Patch(ctx, obj, patch, opts...)
		},
	})
	registry := prometheus.NewRegistry()
	r.options.Registerer = registry
	for n := range 1000 {
		r.bus.publish(eventTopic, orderEvent(n, noon))
	}
	began := time.Now()
	r.start()
	r.eventually("all are stored", func() bool { return r.trigger(eventTopic).Received == 1000 })
	r.stop()
	mu.Lock()
	defer mu.Unlock()
	if most := int(time.Since(began)/r.options.CheckpointEvery) + 3; patches > most {
		t.Errorf("%d status writes in %s, want at most %d", patches, time.Since(began), most)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatalf("gathering metrics: %v", err)
	}
	if problems, err := promlint.NewWithMetricFamilies(families).Lint(); err != nil || len(problems) > 0 {
		t.Errorf("metrics: %v, %v", problems, err)
	}
	series := map[string]int{}
	for _, f := range families {
		series[f.GetName()] = len(f.GetMetric())
	}
	for _, name := range []string{"event_to_object_seconds", "stream_up", "replay_age_seconds", "gaps_open", "events_received_total", "position_writes_total"} {
		if series["orderbridge_"+name] != 1 {
			t.Errorf("metric orderbridge_%s has %d series, want 1", name, series["orderbridge_"+name])
		}
	}
}

func TestKeepAliveMovesThePosition(t *testing.T) {
	r := newRig(t, eventTopic)
	r.start()
	r.eventually("it streams", func() bool { return r.trigger(eventTopic).Phase == PhaseStreaming })
	r.bus.edit(eventTopic, func(k *fakeTopic) { k.alive = []byte("idle") })
	r.eventually("the position is stored", func() bool { return string(r.trigger(eventTopic).ReplayID) == "idle" })
	if s := r.trigger(eventTopic); s.LastEventAt != nil || s.Received != 0 {
		t.Errorf("a sign of life was taken for an event: %+v", s)
	}
}

func TestChangesTellWhatConditionsShow(t *testing.T) {
	r := newRig(t, eventTopic)
	r.start()
	told := func(what string, holds func() bool) {
		t.Helper()
		deadline := time.After(30 * time.Second)
		for {
			select {
			case e := <-r.supervisor.Changes():
				if key := client.ObjectKeyFromObject(e.Object); key != (types.NamespacedName{Namespace: r.pipeline.Namespace, Name: "portal"}) {
					t.Errorf("told of %s", key)
				}
				if holds() {
					return
				}
			case <-deadline:
				t.Fatalf("was never told that %s", what)
			}
		}
	}
	told("it is connected", func() bool { return r.connected() == v1alpha1.ConnectedReason })
	p := r.supervisor.pipelines[client.ObjectKeyFromObject(r.pipeline)]
	hiccup := TriggerState{Topic: eventTopic, Phase: string(pubsub.BackingOff), Reason: v1alpha1.ConnectingReason, Message: "The stream ended."}
	well := p.snapshot().Triggers[0]
	p.show(hiccup)
	if got := r.connected(); got != v1alpha1.ConnectedReason {
		t.Errorf("a hiccup shows at once: %s", got)
	}
	r.eventually("the status shows the hiccup", func() bool { return r.trigger(eventTopic).Phase == string(pubsub.BackingOff) })
	p.show(well)
	p.show(hiccup)
	told("the trouble lasts", func() bool { return r.connected() == v1alpha1.ConnectingReason })
	p.show(well)
	told("it is well again", func() bool { return r.connected() == v1alpha1.ConnectedReason })
	blocked := TriggerState{Topic: eventTopic, Phase: string(pubsub.Blocked), Reason: v1alpha1.TopicUnavailableReason, Message: "No such topic."}
	p.show(blocked)
	if diff := cmp.Diff(blocked, p.snapshot().Triggers[0]); diff != "" {
		t.Errorf("what needs a person does not show at once (-want +got):\n%s", diff)
	}
}

// What the old pipeline has not written yet when it is replaced must not become the position of the new one.
func TestReplacedPipelineLeavesNoPosition(t *testing.T) {
	r := newRig(t, eventTopic)
	r.options.CheckpointEvery = time.Hour
	r.bus.publish(eventTopic, orderEvent(1, noon))
	r.start()
	r.eventually("the stream is open", func() bool { return r.connected() == v1alpha1.ConnectedReason })
	r.bus.publish(eventTopic, orderEvent(2, noon))
	r.eventually("the orders exist", func() bool { return len(r.orders()) == 2 })
	if err := cluster.Delete(t.Context(), r.pipeline); err != nil {
		t.Fatal(err)
	}
	r.pipeline = newPipelineObject(r.pipeline.Namespace, r.pipeline.Name, eventTopic)
	if err := cluster.Create(t.Context(), r.pipeline); err != nil {
		t.Fatal(err)
	}
	r.apply()
	r.eventually("the new stream is open", func() bool { return len(r.bus.started(eventTopic)) == 2 })
	if got := r.bus.started(eventTopic)[1]; got.Preset != pubsub.Earliest {
		t.Errorf("the new pipeline began at %s, the position of the old one", got.ReplayID)
	}
}
