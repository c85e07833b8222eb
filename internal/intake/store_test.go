package intake

import (
	"context"
	"errors"
	"math"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
)

func TestRetryToken(t *testing.T) {
	stalledAt := func(at time.Time) []metav1.Condition {
		return []metav1.Condition{{Type: v1alpha1.StalledCondition, Status: metav1.ConditionTrue, LastTransitionTime: metav1.NewTime(at)}}
	}
	later := &v1alpha1.Event{ID: "e2", PublishedAt: micro(noon.Add(time.Minute))}
	const laterToken = "2026-03-01T12:01:00Z/event/e2"
	for name, tc := range map[string]struct {
		order v1alpha1.ProvisioningOrder
		event *v1alpha1.Event
		want  string
	}{
		"stalled before":         {v1alpha1.ProvisioningOrder{Status: v1alpha1.ProvisioningOrderStatus{Conditions: stalledAt(noon)}}, later, laterToken},
		"stalled after":          {v1alpha1.ProvisioningOrder{Status: v1alpha1.ProvisioningOrderStatus{Conditions: stalledAt(noon.Add(2 * time.Minute))}}, later, ""},
		"under way":              {v1alpha1.ProvisioningOrder{}, later, ""},
		"provisioned":            {v1alpha1.ProvisioningOrder{Status: v1alpha1.ProvisioningOrderStatus{State: v1alpha1.ProvisionedState}}, later, ""},
		"the sweep":              {v1alpha1.ProvisioningOrder{Status: v1alpha1.ProvisioningOrderStatus{Conditions: stalledAt(noon)}}, nil, ""},
		"no time of publication": {v1alpha1.ProvisioningOrder{Status: v1alpha1.ProvisioningOrderStatus{Conditions: stalledAt(noon)}}, &v1alpha1.Event{ID: "e2"}, ""},
		"the event that made the object": {v1alpha1.ProvisioningOrder{
			Spec: v1alpha1.ProvisioningOrderSpec{Event: later.DeepCopy()}, Status: v1alpha1.ProvisioningOrderStatus{Conditions: stalledAt(noon)},
		}, later, ""},
		"another event with the same id made the object": {v1alpha1.ProvisioningOrder{
			Spec: v1alpha1.ProvisioningOrderSpec{Event: &v1alpha1.Event{ID: "e2", PublishedAt: micro(noon)}}, Status: v1alpha1.ProvisioningOrderStatus{Conditions: stalledAt(noon)},
		}, later, laterToken},
		"another event made the object": {v1alpha1.ProvisioningOrder{
			Spec: v1alpha1.ProvisioningOrderSpec{Event: &v1alpha1.Event{ID: "e1"}}, Status: v1alpha1.ProvisioningOrderStatus{Conditions: stalledAt(noon)},
		}, later, laterToken},
		"asked already": {v1alpha1.ProvisioningOrder{
			ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{v1alpha1.RequestedAtAnnotation: laterToken}}, Status: v1alpha1.ProvisioningOrderStatus{Conditions: stalledAt(noon)},
		}, later, ""},
		"a newer event asked": {v1alpha1.ProvisioningOrder{
			Status: v1alpha1.ProvisioningOrderStatus{Conditions: stalledAt(noon), LastHandledRequest: "2026-03-01T12:02:00Z/event/e3"},
		}, later, ""},
		"a person asked": {v1alpha1.ProvisioningOrder{
			ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{v1alpha1.RequestedAtAnnotation: "2026-03-01T12:02:00Z"}}, Status: v1alpha1.ProvisioningOrderStatus{Conditions: stalledAt(noon)},
		}, later, laterToken},
		"being deleted": {v1alpha1.ProvisioningOrder{
			ObjectMeta: metav1.ObjectMeta{DeletionTimestamp: new(metav1.NewTime(noon))}, Status: v1alpha1.ProvisioningOrderStatus{Conditions: stalledAt(noon)},
		}, later, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, ask := retryToken(&tc.order, tc.event)
			if got != tc.want || ask != (tc.want != "") {
				t.Errorf("retryToken = %q, %t, want %q", got, ask, tc.want)
			}
		})
	}
}

// stall makes the order stalled since a time, as the reconciler would.
func (r *rig) stall(n int, at time.Time) {
	r.t.Helper()
	order := r.order(n)
	base := order.DeepCopy()
	meta.SetStatusCondition(&order.Status.Conditions, metav1.Condition{
		Type: v1alpha1.StalledCondition, Status: metav1.ConditionTrue, Reason: v1alpha1.OrderRefusedReason, LastTransitionTime: metav1.NewTime(at),
	})
	order.Status.State = v1alpha1.StalledState
	if err := cluster.Status().Patch(r.t.Context(), &order, client.MergeFrom(base)); err != nil {
		r.t.Fatalf("stalling the order: %v", err)
	}
}

func TestSecondEventOfAnOrder(t *testing.T) {
	r := newRig(t, eventTopic)
	first := orderEvent(1, noon)
	r.bus.publish(eventTopic, first, first)
	r.start()
	r.eventually("the event and its copy have arrived", func() bool { return r.trigger(eventTopic).Received == 2 })
	if s := r.trigger(eventTopic); s.Duplicates != 1 {
		t.Errorf("%d duplicates, want 1", s.Duplicates)
	}

	second := orderEvent(1, noon.Add(time.Minute))
	second.ID = "00000000-0000-4000-8000-00000000000a"
	r.bus.publish(eventTopic, second)
	r.eventually("the second event has arrived", func() bool { return r.trigger(eventTopic).Received == 3 })
	if got := r.order(1).Annotations; len(got) != 0 {
		t.Errorf("an order under way was asked to try again: %v", got)
	}

	r.stall(1, noon.Add(2*time.Minute))
	third := orderEvent(1, noon.Add(3*time.Minute))
	third.ID = "00000000-0000-4000-8000-00000000000b"
	r.bus.publish(eventTopic, second, third)
	r.eventually("two more events have arrived", func() bool { return r.trigger(eventTopic).Received == 5 })
	want := map[string]string{v1alpha1.RequestedAtAnnotation: "2026-03-01T12:03:00Z/event/00000000-0000-4000-8000-00000000000b"}
	if diff := cmp.Diff(want, r.order(1).Annotations); diff != "" {
		t.Errorf("annotations after an event that followed the stall (-want +got):\n%s", diff)
	}
	if s := r.trigger(eventTopic); s.Duplicates != 4 {
		t.Errorf("%d duplicates, want 4", s.Duplicates)
	}
}

func TestMalformedEventsAreKeptAndStepOver(t *testing.T) {
	r := newRig(t, eventTopic)
	bad := orderEvent(1, noon)
	bad.DecodeErr, bad.Fields = errors.New("not Avro"), nil
	twin := bad
	twin.Payload = []byte("another event with the same id")
	r.bus.publish(eventTopic, bad, bad, twin, twin, orderEvent(2, noon))
	r.start()
	r.eventually("all have arrived", func() bool { return r.trigger(eventTopic).Received == 5 })

	name := "portal-event-00000000-0000-4000-8000-000000000001"
	got := map[string]string{}
	for _, o := range r.orders() {
		got[o.Name] = string(o.Spec.Event.Payload)
	}
	want := map[string]string{
		name: "payload 1", name + "-" + fingerprint(twin.Payload): "another event with the same id",
		orderName("portal", orderID(2)): "",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("objects and payloads (-want +got):\n%s", diff)
	}
	if s := r.trigger(eventTopic); s.Rejected != 2 || s.Duplicates != 2 {
		t.Errorf("%d rejected and %d duplicates, want 2 and 2", s.Rejected, s.Duplicates)
	}
}

// The publisher writes the date of an event, and may be wrong about its unit.
func TestDatesThatCannotBeKeptCostNoOrder(t *testing.T) {
	r := newRig(t, eventTopic)
	dates := []int64{math.MaxInt64, math.MinInt64, noon.UnixMicro(), 253402300799999, 253402300800000, -1}
	for n, millis := range dates {
		r.bus.publish(eventTopic, orderEvent(n, time.UnixMilli(millis).UTC()))
	}
	r.start()
	r.eventually("all have arrived", func() bool { return r.trigger(eventTopic).Received == int64(len(dates)) })
	for n := range dates {
		if problem := r.order(n).Spec.Event.Problem; problem != "" {
			t.Errorf("order %d: %s", n, problem)
		}
	}
	if s := r.trigger(eventTopic); s.Rejected != 0 {
		t.Errorf("%d events were rejected", s.Rejected)
	}
}

// faulty is a client that fails creations as told.
func faulty(create func(*v1alpha1.ProvisioningOrder) error) client.Client {
	return interceptor.NewClient(cluster, interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.CreateOption) error {
			if order, ok := obj.(*v1alpha1.ProvisioningOrder); ok {
				if err := create(order); err != nil {
					return err
				}
			}
			return c.Create(ctx, obj, opts...)
		},
	})
}

func TestWhatTheAPIServerRefusesIsKeptInAnotherForm(t *testing.T) {
	r := newRig(t, eventTopic)
	kind := v1alpha1.GroupVersion.WithKind("ProvisioningOrder").GroupKind()
	r.options.Client = faulty(func(o *v1alpha1.ProvisioningOrder) error {
		switch {
		case o.Spec.SalesforceOrderID == string(orderID(1)), o.Spec.SalesforceOrderID == string(orderID(2)):
			return apierrors.NewInvalid(kind, o.Name, field.ErrorList{field.Invalid(field.NewPath("spec", "event"), nil, "a policy says no")})
		case o.Spec.SalesforceOrderID == "" && len(o.Spec.Event.Payload) > len("payload 1"):
			return apierrors.NewRequestEntityTooLargeError("too large")
		}
		return nil
	})
	large := orderEvent(2, noon)
	large.Payload = make([]byte, 1000)
	r.bus.publish(eventTopic, orderEvent(1, noon), large, orderEvent(3, noon))
	r.start()
	r.eventually("all have arrived", func() bool { return r.trigger(eventTopic).Received == 3 })

	got := map[string]string{}
	for _, o := range r.orders() {
		got[o.Name] = o.Spec.Event.Problem + "|" + string(o.Spec.Event.Payload)
	}
	want := map[string]string{
		"portal-event-00000000-0000-4000-8000-000000000001": "the API server refuses the object: spec.event Invalid value: null: a policy says no|payload 1",
		"portal-event-00000000-0000-4000-8000-000000000002": "the API server refuses the object: Request entity too large: too large|",
		orderName("portal", orderID(3)):                     "|",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("objects, problems and payloads (-want +got):\n%s", diff)
	}
	if s := r.trigger(eventTopic); s.Rejected != 2 || string(s.ReplayID) != "position 2" {
		t.Errorf("%d rejected at %s, want 2 at position 2", s.Rejected, s.ReplayID)
	}
}

// A policy of the cluster that takes nothing of ours says nothing about the events.
func TestEventsWaitWhileTheAPIServerRefusesEverything(t *testing.T) {
	r := newRig(t, eventTopic)
	kind := v1alpha1.GroupVersion.WithKind("ProvisioningOrder").GroupKind()
	var strict atomic.Bool
	strict.Store(true)
	r.options.Client = faulty(func(o *v1alpha1.ProvisioningOrder) error {
		if strict.Load() {
			return apierrors.NewInvalid(kind, o.Name, field.ErrorList{field.Required(field.NewPath("metadata", "labels"), "a policy wants a label")})
		}
		return nil
	})
	bad := orderEvent(2, noon)
	bad.DecodeErr, bad.Fields = errors.New("not Avro"), nil
	r.bus.publish(eventTopic, orderEvent(1, noon), bad)
	r.org.pass(noon, orderID(3))
	r.start()
	r.eventually("the trouble shows", func() bool { return r.connected() == v1alpha1.StoringFailedReason })
	r.eventually("the sweep says why it failed", func() bool {
		sweep := r.read().Status.Sweep
		return sweep != nil && sweep.CompletedAt == nil && strings.Contains(sweep.Message, "a policy wants a label")
	})
	if s := r.trigger(eventTopic); len(s.ReplayID) != 0 || s.Received != 0 {
		t.Errorf("the position is %q after %d events, although nothing is stored", s.ReplayID, s.Received)
	}
	strict.Store(false)
	r.eventually("all are stored", func() bool { return r.trigger(eventTopic).Received == 2 })
	r.eventually("all is well", func() bool { return r.connected() == v1alpha1.ConnectedReason })
	if s := r.trigger(eventTopic); s.Rejected != 1 || r.order(1).Spec.Origin != v1alpha1.EventOrigin {
		t.Errorf("%d rejected, want only the one that is malformed", s.Rejected)
	}
}

func TestPositionWaitsForTheAPIServer(t *testing.T) {
	r := newRig(t, eventTopic)
	var down atomic.Bool
	var attempts atomic.Int64
	down.Store(true)
	r.options.Parallel = 1
	r.options.Client = faulty(func(o *v1alpha1.ProvisioningOrder) error {
		if o.Name == orderName("portal", orderID(5)) && down.Load() {
			attempts.Add(1)
			return apierrors.NewServiceUnavailable("etcd is away")
		}
		return nil
	})
	for n := range 10 {
		r.bus.publish(eventTopic, orderEvent(n, noon))
	}
	r.start()
	r.eventually("the sixth order was tried several times", func() bool { return attempts.Load() >= 3 })
	r.eventually("the trouble shows", func() bool { return r.connected() == v1alpha1.StoringFailedReason })
	r.eventually("the status shows it", func() bool { return strings.Contains(r.trigger(eventTopic).Message, "etcd is away") })
	if s := r.trigger(eventTopic); len(s.ReplayID) != 0 {
		t.Errorf("the position is %s while an order is not stored", s.ReplayID)
	}
	r.stop()
	if s := r.trigger(eventTopic); string(s.ReplayID) != "position 4" || s.Received != 5 {
		t.Errorf("the position is %q after %d events, want the end of the stored prefix: position 4 after 5", s.ReplayID, s.Received)
	}
	r.start()
	r.eventually("the trouble shows again", func() bool { return r.connected() == v1alpha1.StoringFailedReason })
	down.Store(false)
	r.eventually("all are stored", func() bool { return r.trigger(eventTopic).Received == 10 })
	r.eventually("all is well", func() bool { return r.connected() == v1alpha1.ConnectedReason })
	if got := len(r.orders()); got != 10 {
		t.Errorf("there are %d orders, want 10", got)
	}
}
