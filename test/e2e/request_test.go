package e2e

import (
	"fmt"
	"slices"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/internal/sandbox"
	"github.com/orderbridge/orderbridge/internal/sandbox/whmcs"
	"github.com/orderbridge/orderbridge/internal/stage"
)

// A request on a provisioned order writes to Salesforce again what was lost there, and orders nothing.
func TestRequestOnAProvisionedOrderSyncsAgain(t *testing.T) {
	s := onStage(t)
	manage(t, s)
	order := draft(t, s)
	approve(t, s, order)
	provisioned(t, s, time.Minute, order)
	once(t, s, order)

	want := fmt.Sprint(get(t, s, order).Status.Whmcs.OrderID)
	must(t, s.Control.UpdateRecord(t.Context(), order.ID, map[string]any{"WHMCS_Order_ID__c": "wrong"}))
	if got := book(t, s, order).WhmcsOrderID; got != "wrong" {
		t.Fatalf("Salesforce shows %q, want it changed behind our back", got)
	}
	started := time.Now()
	request(t, s, order, "again-1")
	eventually(t, time.Minute, "Salesforce shows the WHMCS order again", func() error {
		if got := book(t, s, order).WhmcsOrderID; got != want {
			return fmt.Errorf("it shows %q, want %s", got, want)
		}
		return nil
	})
	t.Logf("Salesforce was mended %s after the request", time.Since(started).Round(time.Millisecond))
	eventually(t, time.Minute, "the order is Provisioned again", func() error {
		object := get(t, s, order)
		if object.Status.State != v1alpha1.ProvisionedState || object.Status.LastHandledRequest != "again-1" {
			return fmt.Errorf("state %s, last handled request %q", object.Status.State, object.Status.LastHandledRequest)
		}
		return nil
	})
	once(t, s, order)

	object := get(t, s, order)
	started = time.Now()
	must(t, s.Client.Delete(t.Context(), object))
	eventually(t, time.Minute, "the deleted order goes", func() error {
		err := s.Client.Get(t.Context(), keyOf(order), object)
		if apierrors.IsNotFound(err) {
			return nil
		}
		return fmt.Errorf("it is there, with the finalizers %v: %w", object.Finalizers, err)
	})
	t.Logf("the deleted order was gone after %s", time.Since(started).Round(time.Millisecond))
	once(t, s, order)
}

func TestOrderStatusIsUnderstoodByKstatus(t *testing.T) {
	s := onStage(t)
	manage(t, s)
	waiting, refused := draftFor(t, s, false), draft(t, s)
	fault := faulty(t, s, refused, whmcs.Fault{Kind: whmcs.Refuse, Action: "AddOrder", Text: "Unable to add order when client status is Closed"})
	approve(t, s, waiting, refused)

	shows(t, s, waiting, status.InProgressStatus, v1alpha1.PaymentMethodMissingReason)
	shows(t, s, refused, status.FailedStatus, v1alpha1.OrderRefusedReason)
	must(t, s.Control.ClearFault(t.Context(), "whmcs", fault.ID))
	must(t, s.Control.AddPayMethod(t.Context(), waiting.ClientID))
	request(t, s, waiting, "repaired")
	request(t, s, refused, "repaired")
	for _, order := range []sandbox.SeededOrder{waiting, refused} {
		shows(t, s, order, status.CurrentStatus, v1alpha1.ProvisionedReason)
	}
	audited(t, s, waiting, refused)
}

// shows waits until kstatus computes this for an order whose Ready has this reason.
func shows(t *testing.T, s *stage.Stage, order sandbox.SeededOrder, want status.Status, reason string) {
	t.Helper()
	eventually(t, time.Minute, fmt.Sprintf("kstatus of %s is %s with the reason %s", order.ID, want, reason), func() error {
		var object unstructured.Unstructured
		object.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("ProvisioningOrder"))
		if err := s.Client.Get(t.Context(), keyOf(order), &object); err != nil {
			return err
		}
		result, err := status.Compute(&object)
		if err != nil {
			return err
		}
		conditions, _, err := unstructured.NestedSlice(object.Object, "status", "conditions")
		if err != nil {
			return err
		}
		matches := slices.ContainsFunc(conditions, func(c any) bool {
			condition, ok := c.(map[string]any)
			return ok && condition["type"] == v1alpha1.ReadyCondition && condition["reason"] == reason
		})
		if result.Status != want || !matches {
			return fmt.Errorf("it is %s (%s), conditions %v", result.Status, result.Message, conditions)
		}
		t.Logf("%s: kstatus %s, %q", reason, result.Status, result.Message)
		return nil
	})
}

func request(t *testing.T, s *stage.Stage, order sandbox.SeededOrder, token string) {
	t.Helper()
	must(t, s.Annotate(t.Context(), keyOf(order).Name, map[string]string{v1alpha1.RequestedAtAnnotation: token}))
}

// book is what Salesforce shows of an order.
func book(t *testing.T, s *stage.Stage, order sandbox.SeededOrder) sandbox.SalesforceOrder {
	t.Helper()
	state, err := s.Control.State(t.Context())
	must(t, err)
	at := slices.IndexFunc(state.Orders, func(o sandbox.SalesforceOrder) bool { return o.ID == order.ID })
	if at < 0 {
		t.Fatalf("Salesforce has no order %s", order.ID)
	}
	return state.Orders[at]
}
