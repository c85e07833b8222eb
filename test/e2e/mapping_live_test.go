package e2e

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/internal/sandbox"
	"github.com/orderbridge/orderbridge/internal/sandbox/whmcs"
	"github.com/orderbridge/orderbridge/internal/stage"
)

// namedMapping is wholeMapping with a name for every service, so that its plans can be told from others.
const namedMapping = wholeMapping + `line:
  domain: {template: "named-{order.OrderNumber}.example.net"}
`

// unreadableMapping asks for a field that this org does not have, which only Salesforce can tell.
const unreadableMapping = `version: 1
client: {field: account.Nowhere__c}
`

// settleLong leaves the time to change the mapping while an answer is missing.
func settleLong(pipeline *v1alpha1.ProvisioningPipeline) {
	quick(pipeline)
	pipeline.Spec.Whmcs.Timeouts.Settle.Duration = 30 * time.Second
}

// A broken mapping holds new orders and nobody else, and no edit changes a plan that was claimed.
func TestEditsOfTheMappingTouchNoPlanInUse(t *testing.T) {
	s := stageWith(t, settleLong)
	first := sumOf(writeMapping(t, s, portalMapping, wholeMapping))
	manage(t, s)
	done, accepting, lost, late := draft(t, s), draft(t, s), draft(t, s), draft(t, s)
	approve(t, s, done)
	provisioned(t, s, waitTime, done)
	wholePlan := get(t, s, done).Status.Plan
	if wholePlan.Mapping != first {
		t.Errorf("the plan records the mapping %+v, want %+v", wholePlan.Mapping, first)
	}
	faulty(t, s, accepting, whmcs.Fault{Kind: whmcs.Latency, Action: "AcceptOrder", Delay: whmcs.Duration(6 * time.Second), Count: 1})
	faulty(t, s, lost, whmcs.Fault{Kind: whmcs.DropBefore, Action: "AddOrder", Count: 1})
	approve(t, s, accepting, lost)
	underWay(t, s, accepting, v1alpha1.AcceptOrderCall)
	underWay(t, s, lost, v1alpha1.AddOrderCall)

	broken := time.Now()
	writeMapping(t, s, portalMapping, brokenMapping)
	brokenSince(t, s)
	approve(t, s, late)
	says(t, "Validated", heldFor(t, s, late, v1alpha1.MappingInvalidReason), "ConfigMap portal-mapping", "mapping.yaml: 4:3:", `unknown key "patern"`)
	provisioned(t, s, waitTime, accepting)
	t.Logf("an order that was being accepted was provisioned %s after the mapping broke", time.Since(broken).Round(time.Millisecond))
	eventually(t, waitTime, "staff read of the mistake in Salesforce", func() error {
		if told := book(t, s, late); told.ErrorCode != "MAPPING_INVALID" {
			return fmt.Errorf("they read %q, %q", told.ErrorCode, told.ErrorMessage)
		}
		return nil
	})

	underWay(t, s, lost, v1alpha1.AddOrderCall)
	second := sumOf(writeMapping(t, s, portalMapping, namedMapping))
	provisioned(t, s, waitTime, late, lost)
	for name, test := range map[string]struct {
		order   sandbox.SeededOrder
		mapping v1alpha1.MappingVersion
		named   bool
		calls   []v1alpha1.CallOutcome
	}{
		"accepted meanwhile":              {accepting, first, false, []v1alpha1.CallOutcome{v1alpha1.SucceededOutcome}},
		"ordered again after a lost call": {lost, first, false, []v1alpha1.CallOutcome{v1alpha1.NotFoundOutcome, v1alpha1.SucceededOutcome}},
		"planned afterwards":              {late, second, true, []v1alpha1.CallOutcome{v1alpha1.SucceededOutcome}},
	} {
		t.Run(name, func(t *testing.T) { comparePlan(t, s, test.order, test.mapping, test.named, test.calls) })
	}

	request(t, s, done, "again")
	eventually(t, waitTime, "the request is handled", func() error {
		if object := get(t, s, done); object.Status.LastHandledRequest != "again" || object.Status.State != v1alpha1.ProvisionedState {
			return fmt.Errorf("state %s, last handled request %q", object.Status.State, object.Status.LastHandledRequest)
		}
		return nil
	})
	if diff := cmp.Diff(wholePlan, get(t, s, done).Status.Plan); diff != "" {
		t.Errorf("a request on a provisioned order changed its plan (-before +after):\n%s", diff)
	}
	audited(t, s, done, accepting, lost, late)
}

// A field that Salesforce does not know stalls orders, which go on when the mapping is mended.
func TestOrdersGoOnWhenAFieldOfTheMappingIsMended(t *testing.T) {
	s := stageWith(t, quick)
	writeMapping(t, s, portalMapping, unreadableMapping)
	manage(t, s)
	order := draft(t, s)
	approve(t, s, order)
	says(t, "Validated", heldFor(t, s, order, v1alpha1.ReadRejectedReason), "Nowhere__c")
	mended := time.Now()
	writeMapping(t, s, portalMapping, wholeMapping)
	provisioned(t, s, waitTime, order)
	t.Logf("provisioned %s after the mapping was mended, and nobody asked for it", time.Since(mended).Round(time.Millisecond))
	audited(t, s, order)
}

// underWay waits until a call of the order is claimed and not answered.
func underWay(t *testing.T, s *stage.Stage, order sandbox.SeededOrder, step v1alpha1.CallStep) {
	t.Helper()
	eventually(t, waitTime, fmt.Sprintf("%s of %s is under way", step, order.ID), func() error {
		var object v1alpha1.ProvisioningOrder
		if err := s.Client.Get(t.Context(), keyOf(order), &object); err != nil {
			return err
		}
		if !slices.ContainsFunc(callsOf(&object, step), func(c v1alpha1.Call) bool { return c.SettledAt == nil }) {
			return fmt.Errorf("its calls are %+v", object.Status.Calls)
		}
		return nil
	})
}

// heldFor waits until Validated of an order is False for a reason, and returns the message.
func heldFor(t *testing.T, s *stage.Stage, order sandbox.SeededOrder, reason string) (said string) {
	t.Helper()
	eventually(t, waitTime, keyOf(order).Name+" waits for "+reason, func() error {
		var object v1alpha1.ProvisioningOrder
		if err := s.Client.Get(t.Context(), keyOf(order), &object); err != nil {
			return err
		}
		status, got, message := validated(&object)
		if status != "False" || got != reason {
			return fmt.Errorf("Validated is %q, %s: %s", status, got, message)
		}
		said = message
		return nil
	})
	return said
}

// comparePlan checks with which mapping an order was planned, and that WHMCS has what the plan says.
func comparePlan(t *testing.T, s *stage.Stage, order sandbox.SeededOrder, mapping v1alpha1.MappingVersion, named bool, calls []v1alpha1.CallOutcome) {
	t.Helper()
	object := get(t, s, order)
	if object.Status.Plan.Mapping != mapping {
		t.Errorf("the plan records the mapping %+v, want %+v", object.Status.Plan.Mapping, mapping)
	}
	var outcomes []v1alpha1.CallOutcome
	for _, call := range callsOf(object, v1alpha1.AddOrderCall) {
		outcomes = append(outcomes, call.Outcome)
	}
	if diff := cmp.Diff(calls, outcomes); diff != "" {
		t.Errorf("calls of AddOrder (-want +got):\n%s", diff)
	}
	want := ""
	if named {
		want = "named-" + object.Status.Salesforce.OrderNumber + ".example.net"
	}
	for _, line := range object.Status.Plan.Lines {
		if line.Domain != want {
			t.Errorf("line %s is planned with the domain %q, want %q", line.SKU, line.Domain, want)
		}
	}
	state, err := s.Control.State(t.Context())
	must(t, err)
	for _, service := range state.Whmcs.Services {
		if service.ClientID == order.ClientID && service.Domain != want {
			t.Errorf("WHMCS has service %d with the domain %q, want %q", service.ID, service.Domain, want)
		}
	}
}
