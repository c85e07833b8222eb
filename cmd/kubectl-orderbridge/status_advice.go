package main

import (
	"strings"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
)

// advice is what a person should know of a reason: what goes on by itself, and what there is to do. The runbook has the
// long form under the same reason.
type advice struct {
	// next says what happens if nobody does anything.
	next string
	// do says what a person can do about it.
	do string
	// retry says what another try does, as the end of the sentence "A retry ...".
	retry string
}

// The sentences that many reasons share.
const (
	goesOn       = "It goes on by itself."
	staysAs      = "Nothing, until somebody acts."
	doNothing    = "Nothing."
	looksAgain   = "looks again now instead of at the next look"
	plansAfresh  = "reads and plans the order afresh, and orders it if nothing is in the way"
	readsWhmcs   = "reads the WHMCS order again and goes on from what it shows; it never accepts twice"
	writesAgain  = "writes the result to Salesforce again; nothing is ordered again"
	lookedSlowly = "It is looked at again by itself, after seconds at first and at least every ten minutes."
)

// advices has every reason that Ready can show.
var advices = map[string]advice{
	v1alpha1.ProvisionedReason: {"Nothing, it is done. The object is deleted after the retention time of the pipeline.", doNothing,
		"checks the WHMCS order and writes the result to Salesforce once more; nothing is ordered again"},
	v1alpha1.ProgressingReason: {"A call to WHMCS is being made. " + goesOn, doNothing, looksAgain},

	// Validated.
	v1alpha1.OrderNotFoundReason: {"Salesforce is asked every few seconds for five minutes, then every ten minutes.",
		"Look whether the order exists in Salesforce and whether the integration user may read it. If it was rolled back, delete the object.", looksAgain},
	v1alpha1.OrderDeletedReason: {staysAs,
		"If there is no WHMCS order, delete the object. If there is one, tell those who look after the customer first.", plansAfresh},
	v1alpha1.GateClosedReason: {"It is looked at again within ten minutes, and at once when the mapping changes.",
		"Approve the order in Salesforce if it should go on. Delete the object if it is off.", looksAgain},
	v1alpha1.ScheduledReason: {"It goes on at its time.", "Nothing. To do it earlier, change the order in Salesforce, then retry.", "reads the order again; it still waits for its time"},
	v1alpha1.PaymentMethodMissingReason: {lookedSlowly,
		"Ask the customer to add a payment method in WHMCS. Retry once it is there, if it should not wait.", looksAgain},
	v1alpha1.ProductUnmappedReason: {"It is looked at again within ten minutes, and at once when the mapping changes.",
		"Fill in the product in Salesforce, or add it to the mapping.", looksAgain},
	v1alpha1.AccountUnmappedReason: {"It is looked at again within ten minutes, and at once when the mapping changes.",
		"Link the account to its WHMCS client in Salesforce, or add it to the mapping.", looksAgain},
	v1alpha1.MappingInvalidReason: {"It goes on at once when the mapping is mended.", "Mend the mapping; the pipeline's condition MappingValid says where it is wrong.", looksAgain},
	v1alpha1.MalformedEventReason: {staysAs,
		"Mend the publisher, have it publish again, then delete this object. An approved order is found by the sweep anyway.", "cannot help: the event names no order"},
	v1alpha1.SalesforceUnavailableReason: {"Salesforce is asked again, at least every minute. " + goesOn, "Look at the pipeline's condition SalesforceConnected.", looksAgain},
	v1alpha1.ReadRejectedReason:          {staysAs, "Correct the field that the message names, or the permission of the integration user, then retry.", plansAfresh},

	// WhmcsOrdered and Accepted.
	v1alpha1.WhmcsUnavailableReason: {"WHMCS is asked again, at least every minute. It goes on by itself, oldest order first; no attempts are used up.",
		"Look at the pipeline's condition WhmcsReachable, and at WHMCS.", looksAgain},
	v1alpha1.ClientBusyReason: {"It goes on as soon as the other order of this customer is through.", "Nothing. If it lasts, look for an order of this customer that is Settling.", looksAgain},
	v1alpha1.SettlingReason: {"WHMCS is searched for the effect of the call whose answer was lost. Found, the order goes on at once; not found counts only when WHMCS can no longer be busy with it.",
		"Nothing. Above all, do not enter the order in WHMCS by hand.", "looks in WHMCS now; it never sends a call whose outcome is unknown"},
	v1alpha1.OrderRefusedReason: {staysAs, "WHMCS refused the order and nothing was made. Mend what the message says, then retry; approving it again in Salesforce does the same.", plansAfresh},
	v1alpha1.OutcomeUnknownReason: {"Nothing is sent until a person decides.",
		"Look in WHMCS whether the order is there; the message says what to look for. Do not enter it by hand.",
		"looks in WHMCS again; it never sends a call whose outcome is unknown"},
	v1alpha1.ServicesPendingReason: {"The services are read again, at least every minute, until they are active or the services timeout is over.",
		"Nothing, unless a product is set up by hand in WHMCS.", looksAgain},
	v1alpha1.ServicesMismatchReason: {staysAs, "Compare the services in WHMCS with the plan, correct them there, then retry.", readsWhmcs},
	v1alpha1.OrderCancelledReason:   {staysAs, "Set the order to Pending in WHMCS and retry if it should go on. If not, close it in Salesforce and delete the object.", readsWhmcs},
	v1alpha1.OrderFraudReason:       {staysAs, "Review the order in WHMCS. Set it to Pending there and retry if it should go on. If not, close it in Salesforce and delete the object.", readsWhmcs},
	v1alpha1.ProvisioningFailedReason: {staysAs,
		"Finish it in WHMCS: run the module queue, or set order and services to Active by hand. Then retry.", readsWhmcs},

	// SalesforceSynced.
	v1alpha1.RowLockedReason:     {"It is written again, at least every minute. " + goesOn, "Nothing. If it lasts, a long job is running in Salesforce.", writesAgain},
	v1alpha1.LimitExceededReason: {"It goes on when the Salesforce org has API requests left.", "Find what uses the org's API requests; status.usage of the pipeline shows how many are left.", writesAgain},
	v1alpha1.WriteRejectedReason: {staysAs, "The order is provisioned. Mend what Salesforce objects to, then retry; nothing is ordered again.", writesAgain},

	// All steps.
	v1alpha1.PipelineNotReadyReason: {"It goes on at once when the pipeline exists.", "Make the pipeline, or delete the order if it was deleted on purpose.", looksAgain},
	v1alpha1.SuspendedReason:        {"It goes on when the pipeline is resumed.", "Resume the pipeline: spec.suspend.", "has no effect while the pipeline is suspended"},
	v1alpha1.RetriesExhaustedReason: {staysAs, "Mend the error that the message names, then retry.", "starts again, with all attempts"},
}

// noReason is the advice for an order that nobody has looked at yet.
var noReason = advice{"The manager takes it up within seconds.", "Nothing. If it stays so, look whether a manager is running.", "is not needed: nothing was tried yet"}

// anchors are the sections of the runbook that several reasons share.
var anchors = map[string]string{
	v1alpha1.ProgressingReason:    "progressing-progressingwithretry",
	v1alpha1.OrderCancelledReason: "ordercancelled-orderfraud",
	v1alpha1.OrderFraudReason:     "ordercancelled-orderfraud",
}

// runbookOf is the section of the runbook for a reason.
func runbookOf(reason string) string {
	if anchor, ok := anchors[reason]; ok {
		return "docs/runbook.md#" + anchor
	}
	return "docs/runbook.md#" + strings.ToLower(reason)
}

// adviceOf is the advice for a reason of Ready.
func adviceOf(reason string) advice {
	if a, ok := advices[reason]; ok {
		return a
	}
	return noReason
}
