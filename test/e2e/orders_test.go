package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/internal/sandbox"
	"github.com/orderbridge/orderbridge/internal/sandbox/whmcs"
	"github.com/orderbridge/orderbridge/internal/stage"
)

// draft makes an order of a customer of its own, not approved yet.
func draft(t *testing.T, s *stage.Stage) sandbox.SeededOrder {
	t.Helper()
	return draftFor(t, s, true)
}

func draftFor(t *testing.T, s *stage.Stage, payMethod bool) sandbox.SeededOrder {
	t.Helper()
	customer, err := s.Control.NewCustomer(t.Context(), payMethod)
	must(t, err)
	order, err := s.Control.NewOrder(t.Context(), sandbox.OrderRequest{
		AccountID: customer.AccountID, Lines: []sandbox.OrderLine{{SKU: "INT-HOME-10G"}, {SKU: "VPN-US"}},
	})
	must(t, err)
	order.ClientID = customer.ClientID
	return order
}

func approve(t *testing.T, s *stage.Stage, orders ...sandbox.SeededOrder) {
	t.Helper()
	var ids []string
	for _, order := range orders {
		ids = append(ids, order.ID)
	}
	must(t, s.Control.Approve(t.Context(), ids...))
}

// keyOf names the object of an order.
func keyOf(order sandbox.SeededOrder) client.ObjectKey {
	return client.ObjectKey{Namespace: stage.Namespace, Name: "portal-" + strings.ToLower(order.ID)}
}

func get(t *testing.T, s *stage.Stage, order sandbox.SeededOrder) *v1alpha1.ProvisioningOrder {
	t.Helper()
	var object v1alpha1.ProvisioningOrder
	must(t, s.Client.Get(t.Context(), keyOf(order), &object))
	return &object
}

// provisioned waits until the orders say that they are.
func provisioned(t *testing.T, s *stage.Stage, within time.Duration, orders ...sandbox.SeededOrder) {
	t.Helper()
	for _, order := range orders {
		eventually(t, within, keyOf(order).Name+" is Provisioned", func() error {
			var object v1alpha1.ProvisioningOrder
			if err := s.Client.Get(t.Context(), keyOf(order), &object); err != nil {
				return err
			}
			if object.Status.State != v1alpha1.ProvisionedState {
				return fmt.Errorf("state %s, conditions %+v, calls %+v", object.Status.State, object.Status.Conditions, object.Status.Calls)
			}
			return nil
		})
	}
}

// audited checks by the books of both sides that each of the orders was made once, accepted once, deployed once, and
// that nobody else came to harm.
func audited(t *testing.T, s *stage.Stage, orders ...sandbox.SeededOrder) {
	t.Helper()
	audit, err := s.Control.Audit(t.Context())
	must(t, err)
	t.Log("audit:", audit.Summary())
	for _, finding := range audit.Findings {
		t.Error(finding)
	}
	for _, order := range orders {
		at := slices.IndexFunc(audit.Orders, func(o sandbox.OrderAudit) bool { return o.ID == order.ID })
		if at < 0 {
			t.Errorf("the audit does not know order %s", order.ID)
			continue
		}
		if found := audit.Orders[at]; found.State != sandbox.StateProvisioned || len(found.WhmcsOrderIDs) != 1 {
			t.Errorf("order %s: %+v, want provisioned with one WHMCS order", order.ID, found)
		}
	}
}

// placed returns the WHMCS orders of a client.
func placed(t *testing.T, s *stage.Stage, clientID int64) []whmcs.Order {
	t.Helper()
	state, err := s.Control.State(t.Context())
	must(t, err)
	return slices.DeleteFunc(state.Whmcs.Orders, func(o whmcs.Order) bool { return o.ClientID != clientID })
}

// callsOf returns the calls of a step that the order remembers.
func callsOf(order *v1alpha1.ProvisioningOrder, step v1alpha1.CallStep) []v1alpha1.Call {
	return slices.DeleteFunc(slices.Clone(order.Status.Calls), func(c v1alpha1.Call) bool { return c.Step != step })
}

// onlyCall checks that a step was called once, with this outcome, and returns the call.
func onlyCall(t *testing.T, order *v1alpha1.ProvisioningOrder, step v1alpha1.CallStep, outcome v1alpha1.CallOutcome) v1alpha1.Call {
	t.Helper()
	calls := callsOf(order, step)
	if len(calls) != 1 || calls[0].Outcome != outcome {
		t.Fatalf("calls of %s: %+v, want one with the outcome %s", step, calls, outcome)
	}
	return calls[0]
}

// faulty switches a fault of WHMCS on for the client of an order.
func faulty(t *testing.T, s *stage.Stage, order sandbox.SeededOrder, fault whmcs.Fault) whmcs.Fault {
	t.Helper()
	fault.ClientID = order.ClientID
	set, err := s.Control.SetWhmcsFault(t.Context(), fault)
	must(t, err)
	return set
}
