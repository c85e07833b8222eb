package e2e

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/internal/sandbox"
	"github.com/orderbridge/orderbridge/internal/sandbox/whmcs"
	"github.com/orderbridge/orderbridge/internal/stage"
)

// An answer that is on its way when the manager is told to stop is recorded: nobody needs to look for it.
func TestManagerStoppedDuringAddOrder(t *testing.T) {
	s := onStage(t)
	order := draft(t, s)
	faulty(t, s, order, whmcs.Fault{Kind: whmcs.LatencyAfter, Action: "AddOrder", Delay: whmcs.Duration(3 * time.Second), Count: 1})
	p := manage(t, s)
	approve(t, s, order)
	eventually(t, time.Minute, "WHMCS shows the order", func() error {
		if len(placed(t, s, order.ClientID)) == 0 {
			return errors.New("the client has no order")
		}
		return nil
	})
	if calls := callsOf(get(t, s, order), v1alpha1.AddOrderCall); len(calls) != 1 || calls[0].SettledAt != nil {
		t.Fatalf("the stop would come too late: calls of AddOrder are %+v, want one that is open", calls)
	}
	started := time.Now()
	must(t, p.Stop())
	t.Logf("the manager ended %s after SIGTERM", time.Since(started).Round(time.Millisecond))

	object := get(t, s, order)
	onlyCall(t, object, v1alpha1.AddOrderCall, v1alpha1.SucceededOutcome)
	if object.Status.Whmcs == nil || object.Status.Whmcs.OrderID == 0 {
		t.Errorf("status.whmcs is %+v, want the order's id", object.Status.Whmcs)
	}
	manage(t, s)
	provisioned(t, s, time.Minute, order)
	once(t, s, order)
}

// leaseTime is short, so that the test is.
const leaseTime = 8 * time.Second

func TestLeaderKilledInTheMiddleOfOrders(t *testing.T) {
	s := onStage(t)
	var orders []sandbox.SeededOrder
	for range 30 {
		orders = append(orders, draft(t, s))
	}
	for _, action := range []string{"AddOrder", "AcceptOrder"} {
		fault, err := s.Control.SetWhmcsFault(t.Context(), whmcs.Fault{Kind: whmcs.LatencyAfter, Action: action, Delay: whmcs.Duration(700 * time.Millisecond)})
		must(t, err)
		t.Cleanup(func() { must(t, s.Control.ClearFault(context.WithoutCancel(t.Context()), "whmcs", fault.ID)) })
	}
	flags := []string{"--leader-elect", "--leader-election-namespace=" + stage.Namespace, "--leader-election-lease-duration=" + leaseTime.String()}
	leader := manage(t, s, flags...)
	first := leaseHolder(t, s, "")
	manage(t, s, flags...)

	before := made(t, s)
	approve(t, s, orders...)
	eventually(t, time.Minute, "some orders are made", func() error {
		if n := made(t, s) - before; n < 10 {
			return fmt.Errorf("%d of %d are made", n, len(orders))
		}
		return nil
	})
	must(t, leader.Kill())
	killed := time.Now()
	atKill := made(t, s) - before
	unfinished := unprovisioned(t, s, orders)
	if unfinished == 0 {
		t.Fatal("the kill came too late: all orders are provisioned")
	}
	leaseHolder(t, s, first)
	t.Logf("killed the leader with %d orders made and %d not provisioned; another led %s later", atKill, unfinished, time.Since(killed).Round(time.Millisecond))
	eventually(t, time.Minute, "the next order moves", func() error {
		if unprovisioned(t, s, orders) == unfinished {
			return errors.New("as many as at the kill are not provisioned")
		}
		return nil
	})
	t.Logf("the next order was provisioned %s after the kill", time.Since(killed).Round(time.Millisecond))
	provisioned(t, s, time.Minute, orders...)
	t.Logf("all were provisioned %s after the kill", time.Since(killed).Round(time.Millisecond))
	found := 0
	for _, order := range orders {
		for _, call := range get(t, s, order).Status.Calls {
			if call.Outcome == v1alpha1.FoundOutcome {
				found++
			}
		}
	}
	t.Logf("%d effects were found whose answers died with the leader", found)
	audited(t, s, orders...)
}

// leaseHolder waits until somebody other than the one named holds the lease.
func leaseHolder(t *testing.T, s *stage.Stage, other string) string {
	t.Helper()
	var holder string
	eventually(t, time.Minute, "the lease has a new holder", func() error {
		var lease coordinationv1.Lease
		if err := s.Client.Get(t.Context(), client.ObjectKey{Namespace: stage.Namespace, Name: "manager.orderbridge.dev"}, &lease); err != nil {
			return err
		}
		if lease.Spec.HolderIdentity == nil || *lease.Spec.HolderIdentity == "" || *lease.Spec.HolderIdentity == other {
			return fmt.Errorf("held by %q", other)
		}
		holder = *lease.Spec.HolderIdentity
		return nil
	})
	return holder
}

// made counts the orders that came in over the WHMCS API.
func made(t *testing.T, s *stage.Stage) int {
	t.Helper()
	audit, err := s.Control.Audit(t.Context())
	must(t, err)
	return audit.WhmcsOrders
}

// unprovisioned counts those of the orders that do not say that they are provisioned.
func unprovisioned(t *testing.T, s *stage.Stage, orders []sandbox.SeededOrder) int {
	t.Helper()
	var list v1alpha1.ProvisioningOrderList
	must(t, s.Client.List(t.Context(), &list, client.InNamespace(stage.Namespace)))
	state := map[string]v1alpha1.OrderState{}
	for _, object := range list.Items {
		state[object.Name] = object.Status.State
	}
	count := 0
	for _, order := range orders {
		if state[keyOf(order).Name] != v1alpha1.ProvisionedState {
			count++
		}
	}
	return count
}
