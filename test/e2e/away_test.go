package e2e

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/internal/sandbox"
	"github.com/orderbridge/orderbridge/internal/sandbox/pubsub"
	"github.com/orderbridge/orderbridge/internal/stage"
)

// TestDownFor80Hours: the bus keeps events for 72 hours. Of 200 orders that are approved while no manager runs, 50 are
// therefore in Salesforce only, and the stored position means nothing any more.
func TestDownFor80Hours(t *testing.T) {
	s := ownStage(t)
	manager := manage(t, s)
	before := seeded(t, s, 3)
	allProvisioned(t, s, time.Minute, len(before))
	must(t, manager.Stop())

	lost := seeded(t, s, 50)
	must(t, s.Control.AdvanceClock(t.Context(), 80*time.Hour))
	seeded(t, s, 150)
	manager = manage(t, s)
	gapOf := func() (v1alpha1.Gap, error) {
		for _, gap := range portal(t, s).Status.Gaps {
			if gap.Topic == pubsub.ProvisionTopic {
				return gap, nil
			}
		}
		return v1alpha1.Gap{}, errors.New("there is no gap")
	}
	var reconnected time.Time
	eventually(t, time.Minute, "the gap is noticed", func() error {
		_, err := gapOf()
		reconnected = time.Now()
		return err
	})
	var gap v1alpha1.Gap
	eventually(t, time.Minute, "the gap is closed", func() error {
		var err error
		if gap, err = gapOf(); err == nil && gap.ClosedAt == nil {
			err = fmt.Errorf("it is open: %+v", gap)
		}
		return err
	})
	closed := time.Since(reconnected)
	allProvisioned(t, s, 4*time.Minute, 203)
	t.Logf("gap closed %s after it was noticed, with %d orders recovered; all 203 orders provisioned after %s",
		closed.Round(100*time.Millisecond), gap.OrdersRecovered, time.Since(reconnected).Round(100*time.Millisecond))
	slices.Sort(gap.Orders)
	slices.Sort(lost)
	if diff := cmp.Diff(lost, gap.Orders); diff != "" || gap.OrdersRecovered != 50 {
		t.Errorf("%d orders recovered (-want +got):\n%s", gap.OrdersRecovered, diff)
	}
	must(t, manager.Stop())
	audited(t, s)
}

// TestStreamsAreHandedOver: of two managers one reads. When it stops, the other goes on at the very position, so that no
// event is delivered twice.
func TestStreamsAreHandedOver(t *testing.T) {
	s := ownStage(t)
	flags := []string{"--leader-elect", "--leader-election-namespace=" + stage.Namespace, "--leader-election-lease-duration=" + leaseTime.String()}
	leader := manage(t, s, flags...)
	first := leaseHolder(t, s, "")
	manage(t, s, flags...)
	triggers := int64(len(portal(t, s).Spec.Salesforce.Triggers))
	const share = 100
	publishShare := func(from int) {
		for n := range share {
			must(t, publish(t, s, from+n))
		}
	}
	publishShare(0)
	received(t, s, share+share/50)
	must(t, leader.Stop())
	publishShare(share)
	leaseHolder(t, s, first)
	received(t, s, 2*(share+share/50))
	var bus pubsub.Counters
	eventually(t, time.Minute, fmt.Sprintf("a stream is open for each of %d triggers, and no other", triggers), func() error {
		counters, err := s.Control.Counters(t.Context())
		if bus = counters.PubSub; err == nil && int64(bus.LiveStreams) != triggers {
			err = fmt.Errorf("%d are", bus.LiveStreams)
		}
		return err
	})
	t.Logf("%d deliveries of %d events on %d streams, %d open", bus.Delivered, 2*(share+share/50), bus.Subscribes, bus.LiveStreams)
	if bus.Delivered != 2*(share+share/50) {
		t.Errorf("%d events were delivered, want each of the %d once", bus.Delivered, 2*(share+share/50))
	}
	compareStored(t, s, 2*share)
}

// received waits until the pipeline has counted so many events of the platform event's topic.
func received(t *testing.T, s *stage.Stage, events int64) {
	t.Helper()
	eventually(t, time.Minute, fmt.Sprintf("%d events have arrived", events), func() error {
		triggers := portal(t, s).Status.Triggers
		at := slices.IndexFunc(triggers, func(status v1alpha1.TriggerStatus) bool { return status.Topic == pubsub.ProvisionTopic })
		if at < 0 || triggers[at].Received < events {
			return fmt.Errorf("the triggers are %+v", triggers)
		}
		return nil
	})
}

// portal reads the pipeline, also when the test is over.
func portal(t *testing.T, s *stage.Stage) *v1alpha1.ProvisioningPipeline {
	t.Helper()
	pipeline := &v1alpha1.ProvisioningPipeline{}
	must(t, s.Client.Get(context.WithoutCancel(t.Context()), client.ObjectKey{Namespace: stage.Namespace, Name: "portal"}, pipeline))
	return pipeline
}

// seeded makes approved orders and returns their ids.
func seeded(t *testing.T, s *stage.Stage, count int) []string {
	t.Helper()
	result, err := s.Control.Seed(t.Context(), sandbox.SeedRequest{Orders: count, Approve: true})
	must(t, err)
	var ids []string
	for _, order := range result.Orders {
		ids = append(ids, order.ID)
	}
	return ids
}

// allProvisioned waits until so many objects exist and all are provisioned.
func allProvisioned(t *testing.T, s *stage.Stage, within time.Duration, count int) {
	t.Helper()
	eventually(t, within, fmt.Sprintf("%d orders are provisioned", count), func() error {
		var list v1alpha1.ProvisioningOrderList
		if err := s.Client.List(context.WithoutCancel(t.Context()), &list, client.InNamespace(stage.Namespace)); err != nil {
			return err
		}
		states := map[v1alpha1.OrderState]int{}
		for _, order := range list.Items {
			states[order.Status.State]++
		}
		if len(list.Items) != count || states[v1alpha1.ProvisionedState] != count {
			return fmt.Errorf("the states are %v", states)
		}
		return nil
	})
}

// TestSuspendedPipelineTakesNothingInAndStartsNothing: neither an event nor an order made by hand leads to anything, and both
// are provisioned after resumption.
func TestSuspendedPipelineTakesNothingInAndStartsNothing(t *testing.T) {
	s := onStage(t)
	manager := manage(t, s)
	first, announced, byHand := draft(t, s), draft(t, s), draft(t, s)
	approve(t, s, first)
	provisioned(t, s, time.Minute, first)
	suspend(t, s, true)
	t.Cleanup(func() {
		pipeline := portal(t, s)
		if before := pipeline.DeepCopy(); pipeline.Spec.Suspend {
			pipeline.Spec.Suspend = false
			must(t, s.Client.Patch(context.WithoutCancel(t.Context()), pipeline, client.MergeFrom(before)))
		}
	})
	kubectlShows(t, s, "Suspended", "Phase: Suspended")
	position := portal(t, s).Status.Triggers
	approve(t, s, announced, byHand)
	object := &v1alpha1.ProvisioningOrder{Spec: v1alpha1.ProvisioningOrderSpec{
		PipelineRef: v1alpha1.PipelineReference{Name: "portal"}, SalesforceOrderID: byHand.ID, Origin: v1alpha1.ManualOrigin,
	}}
	object.Namespace, object.Name = keyOf(byHand).Namespace, keyOf(byHand).Name
	must(t, s.Client.Create(t.Context(), object))
	eventually(t, time.Minute, "the order says that the pipeline is suspended", func() error {
		ready := meta.FindStatusCondition(get(t, s, byHand).Status.Conditions, v1alpha1.ReadyCondition)
		if ready == nil || ready.Reason != v1alpha1.SuspendedReason {
			return fmt.Errorf("Ready is %+v", ready)
		}
		return nil
	})
	for name, order := range map[string]sandbox.SeededOrder{"announced": announced, "made by hand": byHand} {
		if orders := placed(t, s, order.ClientID); len(orders) > 0 {
			t.Errorf("the order %s was made in WHMCS: %+v", name, orders)
		}
	}
	if err := s.Client.Get(t.Context(), keyOf(announced), &v1alpha1.ProvisioningOrder{}); !apierrors.IsNotFound(err) {
		t.Errorf("the event was taken in: %v", err)
	}
	if diff := cmp.Diff(position, portal(t, s).Status.Triggers); diff != "" {
		t.Errorf("the positions moved (-before +after):\n%s", diff)
	}
	suspend(t, s, false)
	provisioned(t, s, time.Minute, announced, byHand)
	if origin := get(t, s, announced).Spec.Origin; origin == v1alpha1.SweepOrigin {
		t.Error("a sweep found the order, want that its event was delivered")
	}
	must(t, manager.Stop())
	audited(t, s, first, announced, byHand)
}
