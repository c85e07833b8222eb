package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ProvisioningOrder is one Salesforce order on its way to being exactly one active WHMCS order. The subscriber creates
// it, the spec never changes, and its name (pipeline and lower-case order id) makes a second one impossible.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:shortName=pvo,categories=orderbridge
// +kubebuilder:subresource:status
// +kubebuilder:selectablefield:JSONPath=`.spec.pipelineRef.name`
// +kubebuilder:selectablefield:JSONPath=`.status.state`
// +kubebuilder:selectablefield:JSONPath=`.status.whmcs.orderID`
// +kubebuilder:printcolumn:name="Order",type=string,JSONPath=`.status.salesforce.orderNumber`,description="Order number in Salesforce"
// +kubebuilder:printcolumn:name="WHMCS",type=integer,JSONPath=`.status.whmcs.orderID`,description="Order id in WHMCS"
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Pipeline",type=string,JSONPath=`.spec.pipelineRef.name`,priority=1
// +kubebuilder:printcolumn:name="Client",type=integer,JSONPath=`.status.plan.clientID`,description="Client id in WHMCS",priority=1
// +kubebuilder:printcolumn:name="Attempts",type=integer,JSONPath=`.status.failures`,description="Failed attempts since the last request",priority=1
// +kubebuilder:printcolumn:name="Message",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].message`,priority=1
// +kubebuilder:validation:XValidation:rule="!has(self.spec.salesforceOrderId) || self.metadata.name == self.spec.pipelineRef.name + '-' + self.spec.salesforceOrderId.lowerAscii()",message="metadata.name must be <pipeline>-<salesforceOrderId in lower case>: the name is what makes each order exactly one object"
// +kubebuilder:validation:XValidation:rule="has(self.spec.salesforceOrderId) || self.metadata.name.startsWith(self.spec.pipelineRef.name + '-event-')",message="an object without salesforceOrderId must be named <pipeline>-event-<event id>"
type ProvisioningOrder struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is standard object metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitzero"`

	// spec names the Salesforce order and the pipeline it takes. It cannot be changed.
	// +required
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="spec cannot be changed; create another object instead"
	Spec ProvisioningOrderSpec `json:"spec"`
	// status says how far the order is. Only the manager writes it.
	// +optional
	Status ProvisioningOrderStatus `json:"status,omitzero"`
}

// ProvisioningOrderSpec names the Salesforce order and the pipeline it takes.
//
// +kubebuilder:validation:XValidation:rule="has(self.salesforceOrderId) || has(self.event)",message="either salesforceOrderId or event must be set"
type ProvisioningOrderSpec struct {
	// pipelineRef names the ProvisioningPipeline, in the same namespace.
	// +required
	PipelineRef PipelineReference `json:"pipelineRef"`
	// salesforceOrderId is the order's record id in its 18-character form, for example 8014x000000ABCDAA4. It is absent
	// only if an event arrived that names no valid order.
	// +optional
	// +kubebuilder:validation:MinLength=18
	// +kubebuilder:validation:MaxLength=18
	// +kubebuilder:validation:Pattern=`^[0-9A-Za-z]{15}[A-Z0-5]{3}$`
	// +kubebuilder:validation:XValidation:rule="[0, 1, 2].all(g, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ012345'.indexOf(self.substring(15 + g, 16 + g)) == ('ABCDEFGHIJKLMNOPQRSTUVWXYZ'.contains(self.substring(5 * g, 5 * g + 1)) ? 1 : 0) + ('ABCDEFGHIJKLMNOPQRSTUVWXYZ'.contains(self.substring(5 * g + 1, 5 * g + 2)) ? 2 : 0) + ('ABCDEFGHIJKLMNOPQRSTUVWXYZ'.contains(self.substring(5 * g + 2, 5 * g + 3)) ? 4 : 0) + ('ABCDEFGHIJKLMNOPQRSTUVWXYZ'.contains(self.substring(5 * g + 3, 5 * g + 4)) ? 8 : 0) + ('ABCDEFGHIJKLMNOPQRSTUVWXYZ'.contains(self.substring(5 * g + 4, 5 * g + 5)) ? 16 : 0))",message="the last three characters do not match the first fifteen: copy the 18-character id again, upper and lower case count"
	SalesforceOrderID string `json:"salesforceOrderId,omitempty"`
	// origin says how the order became known.
	// +required
	Origin Origin `json:"origin"`
	// event is the Salesforce event that announced the order, as far as there was one.
	// +optional
	Event *Event `json:"event,omitempty"`
}

// PipelineReference names a ProvisioningPipeline in the same namespace.
type PipelineReference struct {
	// name of the ProvisioningPipeline.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name"`
}

// Origin says how an order became known.
//
// +kubebuilder:validation:Enum=Event;ChangeEvent;Sweep;Manual
type Origin string

// The origins.
const (
	// EventOrigin: a platform event.
	EventOrigin Origin = "Event"
	// ChangeEventOrigin: a change event of Order.
	ChangeEventOrigin Origin = "ChangeEvent"
	// SweepOrigin: the sweep found it; no event was seen.
	SweepOrigin Origin = "Sweep"
	// ManualOrigin: a person created the object.
	ManualOrigin Origin = "Manual"
)

// The bytes of Event have no format in the schema on purpose: the rule that spec cannot change would decode them, and the
// API server takes the characters + and / of base64 for an error there.

// Event is what the bus delivered.
type Event struct {
	// id is the event's UUID as Salesforce gave it.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	ID string `json:"id,omitempty"`
	// replayID is the position on the bus: opaque bytes in base64.
	// +optional
	// +kubebuilder:validation:Format=""
	// +kubebuilder:validation:MaxLength=1024
	ReplayID []byte `json:"replayID,omitempty"`
	// topic is the name of the channel, for example /event/OrderProvisionRequested__e.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	Topic string `json:"topic,omitempty"`
	// schemaID is the id of the Avro schema the payload was written with.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	SchemaID string `json:"schemaID,omitempty"`
	// publishedAt is CreatedDate of the event, or the commit time of a change event.
	// +optional
	PublishedAt *metav1.MicroTime `json:"publishedAt,omitempty"`
	// idempotencyKey is IdemKey__c of the event.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	IdempotencyKey string `json:"idempotencyKey,omitempty"`
	// correlationID is CorrelationId__c of the event.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	CorrelationID string `json:"correlationID,omitempty"`
	// requestedBy is RequestedBy__c of the event: who approved the order.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	RequestedBy string `json:"requestedBy,omitempty"`
	// payload is the event's Avro bytes in base64, kept only when the event could not be decoded or names no valid
	// order. Longer payloads are cut at 48 KiB.
	// +optional
	// +kubebuilder:validation:Format=""
	// +kubebuilder:validation:MaxLength=65536
	Payload []byte `json:"payload,omitempty"`
	// problem says why the event could not be used.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Problem string `json:"problem,omitempty"`
}

// OrderState sums the order's conditions up in one word.
//
// +kubebuilder:validation:Enum=Progressing;Waiting;Stalled;Provisioned
type OrderState string

// The states.
const (
	// ProgressingState: work goes on, or an error is being retried.
	ProgressingState OrderState = "Progressing"
	// WaitingState: the order waits for a fact and goes on by itself.
	WaitingState OrderState = "Waiting"
	// StalledState: a person is needed.
	StalledState OrderState = "Stalled"
	// ProvisionedState: all done.
	ProvisionedState OrderState = "Provisioned"
)

// ProvisioningOrderStatus holds what is known about the order. Conditions are derived from the facts in it and are
// never read back to decide.
type ProvisioningOrderStatus struct {
	// observedGeneration is the generation that the conditions describe.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// state is one word for the conditions, and a field selector: kubectl get pvo --field-selector status.state=Stalled.
	// +optional
	State OrderState `json:"state,omitempty"`
	// conditions are Validated, WhmcsOrdered, Accepted, SalesforceSynced, Ready, and while they hold Reconciling and Stalled.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// plan is what WHMCS is asked for. It is made afresh on each pass until a claim freezes it, and again after a call that was
	// refused or never sent.
	// +optional
	Plan *Plan `json:"plan,omitempty"`
	// calls are the claims of calls to WHMCS that must happen once, oldest first. A call without settledAt is open: its
	// outcome is not known yet.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Calls []Call `json:"calls,omitempty"`
	// whmcs is the order in WHMCS, once known.
	// +optional
	Whmcs *WhmcsOrder `json:"whmcs,omitempty"`
	// salesforce is what was read from and reported to Salesforce.
	// +optional
	Salesforce *SalesforceOrder `json:"salesforce,omitempty"`
	// failures counts failed attempts since the last progress or request. Waiting does not count.
	// +optional
	Failures int32 `json:"failures,omitempty"`
	// nextAttemptAt is when a failed attempt is repeated. It is absent if none has just failed.
	// +optional
	NextAttemptAt *metav1.MicroTime `json:"nextAttemptAt,omitempty"`
	// lastHandledRequest is the last value of orderbridge.dev/requestedAt that was acted on.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	LastHandledRequest string `json:"lastHandledRequest,omitempty"`
	// lastHandledForce is the last force that was taken or refused.
	// +optional
	LastHandledForce *Force `json:"lastHandledForce,omitempty"`
}

// Force is a person's permission to repeat a call whose first outcome is not known.
type Force struct {
	// at is the token of the request.
	// +required
	// +kubebuilder:validation:MaxLength=256
	At string `json:"at"`
	// reason is what the person gave as the reason.
	// +required
	// +kubebuilder:validation:MaxLength=1024
	Reason string `json:"reason"`
	// refused says why the force was not taken. It is absent if it was.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Refused string `json:"refused,omitempty"`
}

// Plan is what WHMCS is asked for, resolved from the Salesforce order by the mapping.
type Plan struct {
	// clientID is the client in WHMCS.
	// +required
	ClientID int64 `json:"clientID"`
	// paymentMethod is the gateway's system name sent with AddOrder.
	// +required
	PaymentMethod string `json:"paymentMethod"`
	// promoCode is sent with AddOrder if set.
	// +optional
	PromoCode string `json:"promoCode,omitempty"`
	// noInvoice suppresses the invoice.
	// +optional
	NoInvoice bool `json:"noInvoice,omitempty"`
	// noInvoiceEmail suppresses the invoice's mail.
	// +optional
	NoInvoiceEmail bool `json:"noInvoiceEmail,omitempty"`
	// noEmail suppresses the order confirmation.
	// +optional
	NoEmail bool `json:"noEmail,omitempty"`
	// lines are the order's lines, in the order in which they are sent.
	// +required
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=150
	Lines []PlanLine `json:"lines"`
	// mapping is the ConfigMap that made this plan.
	// +required
	Mapping MappingVersion `json:"mapping"`
	// scheduledFor is the time before which nothing is ordered.
	// +optional
	ScheduledFor *metav1.Time `json:"scheduledFor,omitempty"`
	// inputs are the fields of the Salesforce order that the mapping read for this plan, and no others, as a JSON object.
	// Another mapping can be tried on them: kubectl orderbridge mapping what-if. It is absent if they are longer than 32 KiB.
	// +optional
	// +kubebuilder:validation:MaxLength=32768
	Inputs string `json:"inputs,omitempty"`
}

// PlanLine is one line of AddOrder.
type PlanLine struct {
	// orderItemID is the Salesforce order product that asked for this line.
	// +required
	OrderItemID string `json:"orderItemID"`
	// sku is the product's code in Salesforce, for people.
	// +optional
	SKU string `json:"sku,omitempty"`
	// pid is the product in WHMCS.
	// +required
	PID int64 `json:"pid"`
	// billingCycle is WHMCS' word: free, onetime, monthly, quarterly, semiannually, annually, biennially or triennially.
	// +required
	BillingCycle string `json:"billingCycle"`
	// quantity is sent as qty.
	// +required
	// +kubebuilder:validation:Minimum=1
	Quantity int64 `json:"quantity"`
	// configOptions are the values of configurable options by option id.
	// +optional
	ConfigOptions map[string]int64 `json:"configOptions,omitempty"`
	// customFields are the values of product custom fields by field id.
	// +optional
	CustomFields map[string]string `json:"customFields,omitempty"`
	// domain is the line's domain, if any.
	// +optional
	Domain string `json:"domain,omitempty"`
}

// MappingVersion names the exact mapping that was used.
type MappingVersion struct {
	// name of the ConfigMap.
	// +required
	Name string `json:"name"`
	// resourceVersion of the ConfigMap.
	// +required
	ResourceVersion string `json:"resourceVersion"`
	// sha256 of mapping.yaml in hex.
	// +required
	SHA256 string `json:"sha256"`
}

// CallStep is the name of a call that must happen once.
//
// +kubebuilder:validation:Enum=AddOrder;AcceptOrder
type CallStep string

// The calls that must happen once.
const (
	// AddOrderCall makes the order in WHMCS.
	AddOrderCall CallStep = "AddOrder"
	// AcceptOrderCall accepts it and runs the provisioning modules.
	AcceptOrderCall CallStep = "AcceptOrder"
)

// CallOutcome says what became of a call.
//
// +kubebuilder:validation:Enum=Succeeded;Found;Refused;NotSent;NotFound;Failed
type CallOutcome string

// The outcomes of a call.
const (
	// SucceededOutcome: WHMCS answered with success.
	SucceededOutcome CallOutcome = "Succeeded"
	// FoundOutcome: the answer was lost, its effect was found in WHMCS.
	FoundOutcome CallOutcome = "Found"
	// RefusedOutcome: WHMCS refused; nothing was made.
	RefusedOutcome CallOutcome = "Refused"
	// NotSentOutcome: the request provably never reached WHMCS.
	NotSentOutcome CallOutcome = "NotSent"
	// NotFoundOutcome: the answer was lost, and after the settle time there is no effect in WHMCS.
	NotFoundOutcome CallOutcome = "NotFound"
	// FailedOutcome: WHMCS answered that the call failed, and may have done part of it.
	FailedOutcome CallOutcome = "Failed"
)

// Call is the claim of one call to WHMCS: written before the call, settled after it.
type Call struct {
	// step is the action of the WHMCS API.
	// +required
	Step CallStep `json:"step"`
	// attempt counts the claims of this step from 1.
	// +required
	Attempt int32 `json:"attempt"`
	// claimedAt is when the claim was written.
	// +required
	ClaimedAt metav1.MicroTime `json:"claimedAt"`
	// notAfter is the instant after which the request must not leave the manager, and at which it is given up.
	// +required
	NotAfter metav1.MicroTime `json:"notAfter"`
	// settledAt is when the outcome became known.
	// +optional
	SettledAt *metav1.MicroTime `json:"settledAt,omitempty"`
	// outcome says what became of the call.
	// +optional
	Outcome CallOutcome `json:"outcome,omitempty"`
	// baseline is the highest order id of the client that was seen before the call; an order made by the call is above it.
	// +optional
	Baseline int64 `json:"baseline,omitempty"`
	// evidence says in words what the outcome rests on, or what is known of a call that is still open.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Evidence string `json:"evidence,omitempty"`
	// request is the requestedAt that was the last handled when the claim was written. A later one allows another claim
	// after a refusal.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	Request string `json:"request,omitempty"`
	// forced is true if a person allowed this call although an earlier outcome is not known.
	// +optional
	Forced bool `json:"forced,omitempty"`
}

// WhmcsOrder is the order in WHMCS.
type WhmcsOrder struct {
	// orderID is the order's id.
	// +required
	OrderID int64 `json:"orderID"`
	// invoiceID is the invoice's id, if one was made.
	// +optional
	InvoiceID int64 `json:"invoiceID,omitempty"`
	// status is the order's status when it was last read: Pending, Active, Cancelled, Fraud or a status of this installation.
	// +optional
	Status string `json:"status,omitempty"`
	// acceptedAt is when AcceptOrder was known to have succeeded; services that stay pending are waited for from here.
	// +optional
	AcceptedAt *metav1.MicroTime `json:"acceptedAt,omitempty"`
	// services are the services of the order, joined to the lines by product, cycle and marker, never by position. They are
	// absent while they are not those of the plan.
	// +optional
	// +listType=atomic
	Services []WhmcsService `json:"services,omitempty"`
}

// WhmcsService is a service (a client's product) in WHMCS.
type WhmcsService struct {
	// orderItemID is the Salesforce order product that this service stands for.
	// +optional
	OrderItemID string `json:"orderItemID,omitempty"`
	// serviceID is the service's id.
	// +required
	ServiceID int64 `json:"serviceID"`
	// status is the service's status when it was last read.
	// +optional
	Status string `json:"status,omitempty"`
}

// SalesforceOrder is what was read from and reported to Salesforce.
type SalesforceOrder struct {
	// orderNumber is OrderNumber of the order.
	// +optional
	OrderNumber string `json:"orderNumber,omitempty"`
	// accountID is AccountId of the order.
	// +optional
	AccountID string `json:"accountID,omitempty"`
	// reportedState is the activation status that was written last.
	// +optional
	ReportedState string `json:"reportedState,omitempty"`
	// reportedCode is the activation error code that was written last.
	// +optional
	ReportedCode string `json:"reportedCode,omitempty"`
	// reportedReason is the reason of Ready that the last report was for. A request empties it: what it comes to is reported
	// even if it is the same.
	// +optional
	ReportedReason string `json:"reportedReason,omitempty"`
	// syncedAt is when Salesforce took the result.
	// +optional
	SyncedAt *metav1.MicroTime `json:"syncedAt,omitempty"`
}

// ProvisioningOrderList is a list of ProvisioningOrder.
//
// +kubebuilder:object:root=true
type ProvisioningOrderList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	// items are the orders.
	Items []ProvisioningOrder `json:"items"`
}
