package main

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/controllers"
	"github.com/orderbridge/orderbridge/internal/salesforce"
	"github.com/orderbridge/orderbridge/internal/whmcs"
)

// checkResult is how a check came out.
type checkResult string

// The results of a check.
const (
	okResult checkResult = "ok"
	// missResult: something is missing or in the way.
	missResult checkResult = "miss"
	// unknownResult: it could not be found out.
	unknownResult checkResult = "unknown"
)

// planCheck is one thing that must be so before an order is made.
type planCheck struct {
	Name   string      `json:"name"`
	Result checkResult `json:"result"`
	Detail string      `json:"detail"`
	// Do says what to do if it is not so.
	Do string `json:"do,omitempty"`
}

func ok(name, format string, args ...any) planCheck {
	return planCheck{Name: name, Result: okResult, Detail: fmt.Sprintf(format, args...)}
}

func miss(name, do, format string, args ...any) planCheck {
	return planCheck{Name: name, Result: missResult, Detail: fmt.Sprintf(format, args...), Do: do}
}

func unknown(name, do string, err error) planCheck {
	return planCheck{Name: name, Result: unknownResult, Detail: err.Error(), Do: do}
}

// checks looks at everything that must be so, in the order in which the operator comes to it.
func checks(pipeline *v1alpha1.ProvisioningPipeline, preview *controllers.Preview, facts planFacts, plan *orderPlan) []planCheck {
	list := []planCheck{pipelineCheck(pipeline), recordCheck(preview, plan)}
	if preview.Record == nil {
		return list
	}
	list = append(list, gateCheck(preview), namedCheck(preview, plan), headerCheck(preview), scheduleCheck(preview), clientCheck(preview, facts, plan))
	if plan.ClientID > 0 {
		list = append(list, payMethodCheck(pipeline, preview, plan), foundCheck(preview, plan))
	}
	for i, line := range plan.Lines {
		list = append(list, lineCheck(fmt.Sprintf("line %d", i+1), line, facts))
	}
	if len(plan.Lines) == 0 {
		list = append(list, miss("lines", "Add products to the order in Salesforce.", "the order has no lines"))
	}
	if preview.RequestErr != nil {
		list = append(list, unknown("request", "", preview.RequestErr))
	}
	return list
}

func pipelineCheck(pipeline *v1alpha1.ProvisioningPipeline) planCheck {
	if pipeline.Spec.Suspend {
		return miss("pipeline", "Resume it: spec.suspend: false.", "%s is suspended", pipeline.Name)
	}
	return ok("pipeline", "%s is not suspended", pipeline.Name)
}

func recordCheck(preview *controllers.Preview, plan *orderPlan) planCheck {
	const name = "order in Salesforce"
	switch {
	case preview.ReadErr == nil:
		return ok(name, "order %s", cmp.Or(plan.OrderNumber, plan.SalesforceOrderID))
	case errors.Is(preview.ReadErr, salesforce.ErrDeleted):
		return miss(name, "Restore it in Salesforce, or make another.", "the order was deleted in Salesforce")
	case errors.Is(preview.ReadErr, salesforce.ErrNotFound):
		return miss(name, "Check the id, and whether the integration user of the pipeline may read the order.", "Salesforce does not show order %s", plan.SalesforceOrderID)
	default:
		return unknown(name, "See what Salesforce says, then plan again.", preview.ReadErr)
	}
}

func gateCheck(preview *controllers.Preview) planCheck {
	if preview.Gate != nil {
		return miss("released", "Approve the order in Salesforce. The plan below is what would be ordered then.", "%v", preview.Gate)
	}
	return ok("released", "the gate of the mapping lets the order through")
}

func namedCheck(preview *controllers.Preview, plan *orderPlan) planCheck {
	const name = "not ordered yet"
	switch {
	case plan.Object != nil && plan.Object.WhmcsOrderID > 0:
		return miss(name, "Nothing: it is not ordered again.", "%s has WHMCS order %d", plan.Object.Name, plan.Object.WhmcsOrderID)
	case preview.Named > 0:
		return miss(name, "If that is right, nothing: it is taken over. If not, clear the field in Salesforce.", "Salesforce names WHMCS order %d", preview.Named)
	case preview.NamedErr != nil:
		return miss(name, "Correct the field, or clear it if WHMCS has no such order.", "%v", preview.NamedErr)
	default:
		return ok(name, "Salesforce names no WHMCS order")
	}
}

func headerCheck(preview *controllers.Preview) planCheck {
	if text := missText(preview.Examination.Header); text != "" {
		return miss("order options", "", "%s", text)
	}
	if preview.Plan == nil {
		return ok("order options", "payment method, promotion code and flags are mapped")
	}
	return ok("order options", "payment method %s%s", preview.Plan.PaymentMethod, flagWords(preview.Plan))
}

func flagWords(plan *v1alpha1.Plan) string {
	var words strings.Builder
	for _, flag := range []struct {
		set  bool
		word string
	}{
		{plan.PromoCode != "", "promotion code " + plan.PromoCode}, {plan.NoInvoice, "no invoice"},
		{plan.NoInvoiceEmail, "no invoice mail"}, {plan.NoEmail, "no order mail"},
	} {
		if flag.set {
			words.WriteString(", " + flag.word)
		}
	}
	return words.String()
}

func scheduleCheck(preview *controllers.Preview) planCheck {
	const name = "time"
	switch {
	case preview.Examination.Schedule != nil:
		return miss(name, "", "%s", preview.Examination.Schedule.Message)
	case preview.Next.Reason == v1alpha1.ScheduledReason:
		return miss(name, "Nothing: it goes on at its time.", "%s", preview.Next.Message)
	case preview.Plan != nil && preview.Plan.ScheduledFor != nil:
		return ok(name, "was scheduled for %s", stamp(preview.Plan.ScheduledFor.Time))
	default:
		return ok(name, "at once")
	}
}

func clientCheck(preview *controllers.Preview, facts planFacts, plan *orderPlan) planCheck {
	const name = "client"
	switch {
	case plan.ClientID == 0:
		return miss(name, "", "%s", missText(preview.Examination.Client))
	case whmcs.CodeOf(facts.clientErr) == whmcs.ClientNotFound || whmcs.CodeOf(preview.PayMethodsErr) == whmcs.ClientNotFound:
		return miss(name, "Correct the account in Salesforce, or the mapping.", "WHMCS has no client %d", plan.ClientID)
	case facts.clientErr != nil:
		return unknown(name, "Let the API role of the pipeline use GetClientsDetails, if it is a matter of permission.", facts.clientErr)
	case strings.EqualFold(facts.client.Status, "Closed"):
		return miss(name, "WHMCS takes no order for a closed client: reopen it, or correct the account.", "WHMCS client %d is Closed", plan.ClientID)
	default:
		return ok(name, "WHMCS client %d (%s, %s)", plan.ClientID, facts.client.Status, cmp.Or(facts.client.CurrencyCode, "currency not shown"))
	}
}

func payMethodCheck(pipeline *v1alpha1.ProvisioningPipeline, preview *controllers.Preview, plan *orderPlan) planCheck {
	const name = "pay method"
	required := pipeline.Spec.Whmcs.RequirePayMethod == nil || *pipeline.Spec.Whmcs.RequirePayMethod
	switch {
	case !required:
		return ok(name, "not required by the pipeline")
	case preview.Plan == nil:
		return planCheck{Name: name, Result: unknownResult, Detail: "not asked for, since there is no plan yet"}
	case preview.PayMethodsErr != nil:
		return unknown(name, "See what WHMCS says, then plan again.", preview.PayMethodsErr)
	case preview.PayMethods == 0:
		return miss(name, "Ask the customer to add one. The order then goes on by itself.", "WHMCS client %d has no pay method", plan.ClientID)
	default:
		return ok(name, "WHMCS client %d has %d", plan.ClientID, preview.PayMethods)
	}
}

func foundCheck(preview *controllers.Preview, plan *orderPlan) planCheck {
	const name = "not in WHMCS yet"
	switch {
	case preview.Plan == nil:
		return planCheck{Name: name, Result: unknownResult, Detail: "not looked for, since there is no plan yet"}
	case preview.FoundErr != nil:
		return unknown(name, "See what WHMCS says, then plan again.", preview.FoundErr)
	case len(preview.Found) == 1:
		return miss(name, "Nothing: it is taken over, and AddOrder is not sent.", "WHMCS has order %s", preview.Found[0])
	case len(preview.Found) > 1:
		return miss(name, "Cancel all but one in WHMCS.", "WHMCS has several orders with the key of this one: %s", strings.Join(preview.Found, ", "))
	default:
		return ok(name, "no order of client %d carries the key sfOrderId=%s", plan.ClientID, plan.SalesforceOrderID)
	}
}

func lineCheck(name string, line planLine, facts planFacts) planCheck {
	if line.SKU != "" {
		name += " " + line.SKU
	}
	product := facts.products[line.PID]
	switch {
	case line.LeftOut:
		return ok(name, "left out by the mapping")
	case line.Problem != "":
		return miss(name, "", "%s", line.Problem)
	case facts.productsErr != nil:
		return unknown(name, "Let the API role of the pipeline use GetProducts, if it is a matter of permission.", facts.productsErr)
	case product == nil:
		return miss(name, "Correct the id on the product in Salesforce or in the mapping, or create the product in WHMCS.", "WHMCS has no product %d", line.PID)
	}
	offered, cycles := offers(product, line.BillingCycle)
	if !offered {
		return miss(name, "Choose a cycle that is offered, or set a price in WHMCS.", "WHMCS product %d (%s) has no price for %s; it is offered for: %s",
			line.PID, product.Name, line.BillingCycle, cmp.Or(strings.Join(cycles, ", "), "nothing"))
	}
	return ok(name, "WHMCS product %d (%s), %s", line.PID, product.Name, line.BillingCycle)
}
