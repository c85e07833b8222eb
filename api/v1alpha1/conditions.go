package v1alpha1

// Conditions of both kinds. Ready, Reconciling and Stalled follow kstatus.
const (
	// ReadyCondition is True when the object has reached what its spec asks for. On an order it mirrors the first step
	// that is not True.
	ReadyCondition = "Ready"
	// ReconcilingCondition is True while work goes on or will go on by itself. It is absent otherwise.
	ReconcilingCondition = "Reconciling"
	// StalledCondition is True when nothing more happens without a person. It is absent otherwise.
	StalledCondition = "Stalled"
)

// Conditions of a ProvisioningOrder, one for each step, in the order of the steps.
const (
	// ValidatedCondition is True when the order was read from Salesforce, passed the gate and has a plan.
	ValidatedCondition = "Validated"
	// WhmcsOrderedCondition is True when exactly one WHMCS order is known to stand for this order.
	WhmcsOrderedCondition = "WhmcsOrdered"
	// AcceptedCondition is True when WHMCS accepted the order and every service of it is active.
	AcceptedCondition = "Accepted"
	// SalesforceSyncedCondition is True when Salesforce shows the result.
	SalesforceSyncedCondition = "SalesforceSynced"
)

// Reasons that every step may give.
const (
	// NotStartedReason: an earlier step is not done.
	NotStartedReason = "NotStarted"
	// ProgressingReason is the reason of Reconciling while a step waits for a fact, and of a step whose call is being made.
	ProgressingReason = "Progressing"
	// ProgressingWithRetryReason is the reason of Reconciling after an error that is retried.
	ProgressingWithRetryReason = "ProgressingWithRetry"
	// RetriesExhaustedReason: an error was retried as often as the budget allows. A requestedAt starts again.
	RetriesExhaustedReason = "RetriesExhausted"
	// PipelineNotReadyReason: the pipeline that the order names does not exist.
	PipelineNotReadyReason = "PipelineNotReady"
	// SuspendedReason: the pipeline is suspended. An open claim is still resolved.
	SuspendedReason = "Suspended"
)

// Reasons of Validated.
const (
	// PlannedReason: the order has a plan.
	PlannedReason = "Planned"
	// OrderNotFoundReason: Salesforce does not show the order. Up to five minutes after the event it may not be
	// committed yet; later the order is looked for slowly.
	OrderNotFoundReason = "OrderNotFound"
	// OrderDeletedReason: Salesforce says that the order was deleted.
	OrderDeletedReason = "OrderDeleted"
	// GateClosedReason: the order's fields do not allow provisioning.
	GateClosedReason = "GateClosed"
	// ScheduledReason: the order's activation time has not come.
	ScheduledReason = "Scheduled"
	// PaymentMethodMissingReason: the WHMCS client has no pay method.
	PaymentMethodMissingReason = "PaymentMethodMissing"
	// ProductUnmappedReason: a line has no WHMCS product by the mapping.
	ProductUnmappedReason = "ProductUnmapped"
	// AccountUnmappedReason: the account has no WHMCS client by the mapping.
	AccountUnmappedReason = "AccountUnmapped"
	// MappingInvalidReason: the mapping ConfigMap is missing, does not parse or fails on this order.
	MappingInvalidReason = "MappingInvalid"
	// MalformedEventReason: the event could not be decoded or names no valid order.
	MalformedEventReason = "MalformedEvent"
	// SalesforceUnavailableReason: Salesforce cannot be reached or refuses for now.
	SalesforceUnavailableReason = "SalesforceUnavailable"
	// ReadRejectedReason: Salesforce refuses the query for good: a field is missing or not visible to the user.
	ReadRejectedReason = "ReadRejected"
)

// Reasons of WhmcsOrdered and Accepted.
const (
	// OrderedReason: AddOrder answered with an order id.
	OrderedReason = "Ordered"
	// AdoptedReason: an order in WHMCS was recognised as the one of this object.
	AdoptedReason = "Adopted"
	// WhmcsUnavailableReason: WHMCS cannot be reached, refuses the credentials or the circuit breaker is open. Attempts
	// are not burnt.
	WhmcsUnavailableReason = "WhmcsUnavailable"
	// ClientBusyReason: another order of the same WHMCS client is between claim and answer.
	ClientBusyReason = "ClientBusy"
	// SettlingReason: a call's answer was lost; an empty look counts only after the settle time.
	SettlingReason = "Settling"
	// OrderRefusedReason: WHMCS refused AddOrder, nothing was made.
	OrderRefusedReason = "OrderRefused"
	// OutcomeUnknownReason: whether a call took effect cannot be decided from what WHMCS shows. The evidence is in the
	// message and in status.calls.
	OutcomeUnknownReason = "OutcomeUnknown"
	// AcceptedReason: the WHMCS order and its services are active.
	AcceptedReason = "Accepted"
	// ServicesPendingReason: WHMCS accepted the order, a service is not active yet.
	ServicesPendingReason = "ServicesPending"
	// ServicesMismatchReason: the services that WHMCS made are not the plan's.
	ServicesMismatchReason = "ServicesMismatch"
	// OrderCancelledReason: somebody cancelled the order in WHMCS.
	OrderCancelledReason = "OrderCancelled"
	// OrderFraudReason: WHMCS marked the order as fraud.
	OrderFraudReason = "OrderFraud"
	// ProvisioningFailedReason: the provisioning module failed; the message has WHMCS' text.
	ProvisioningFailedReason = "ProvisioningFailed"
)

// Reasons of SalesforceSynced and Ready.
const (
	// SyncedReason: Salesforce shows the result.
	SyncedReason = "Synced"
	// ProvisionedReason is the reason of Ready=True on an order.
	ProvisionedReason = "Provisioned"
	// RowLockedReason: another writer holds the row in Salesforce.
	RowLockedReason = "RowLocked"
	// LimitExceededReason: the org's API requests are used up for now.
	LimitExceededReason = "LimitExceeded"
	// WriteRejectedReason: Salesforce refuses the write for good: a validation rule, a missing field or permission.
	WriteRejectedReason = "WriteRejected"
)

// Reasons of events that belong to no condition.
const (
	// RequestedReason: a person or a second event asked to try again.
	RequestedReason = "Requested"
	// ForcedReason: a person allowed a call to be sent again although its first outcome is not known.
	ForcedReason = "Forced"
	// AllowanceLowReason: an allowance of the Salesforce org is nearly used up.
	AllowanceLowReason = "AllowanceLow"
	// RequestRefusedReason: what was asked cannot be done; the message says why.
	RequestRefusedReason = "RequestRefused"
)

// Conditions of a ProvisioningPipeline.
const (
	// SalesforceConnectedCondition is True when login works and every trigger is streaming.
	SalesforceConnectedCondition = "SalesforceConnected"
	// WhmcsReachableCondition is True when WHMCS answers with these credentials and the breaker is closed.
	WhmcsReachableCondition = "WhmcsReachable"
	// MappingValidCondition is True when the mapping ConfigMap was parsed and compiled.
	MappingValidCondition = "MappingValid"
	// GapFreeCondition is False from the moment a replay position was rejected until the sweep has covered the window.
	GapFreeCondition = "GapFree"
)

// Reasons of a pipeline's conditions.
const (
	// ConnectedReason: login works and every trigger is streaming.
	ConnectedReason = "Connected"
	// ConnectingReason: a stream is being opened, or opened again after an end.
	ConnectingReason = "Connecting"
	// AuthenticationFailedReason: the far side refuses the credentials.
	AuthenticationFailedReason = "AuthenticationFailed"
	// SecretMissingReason: a Secret or a key in it does not exist.
	SecretMissingReason = "SecretMissing"
	// SecretInvalidReason: a key of a Secret cannot be used.
	SecretInvalidReason = "SecretInvalid"
	// CertificateUntrustedReason: the far side's certificate is not signed by a trusted CA; see caBundle.
	CertificateUntrustedReason = "CertificateUntrusted"
	// UnreachableReason: no connection to the far side.
	UnreachableReason = "Unreachable"
	// TopicUnavailableReason: a topic does not exist or the user may not subscribe.
	TopicUnavailableReason = "TopicUnavailable"
	// DeliveryLimitReason: the org's event deliveries for 24 hours are used up.
	DeliveryLimitReason = "DeliveryLimit"
	// StoringFailedReason: events arrive, but the API server does not take their orders.
	StoringFailedReason = "StoringFailed"
	// ReachableReason: WHMCS answers.
	ReachableReason = "Reachable"
	// BreakerOpenReason: WHMCS failed repeatedly; calls are held back and one probe at a time is sent.
	BreakerOpenReason = "BreakerOpen"
	// MappingCompiledReason: the mapping is in use.
	MappingCompiledReason = "Compiled"
	// MappingMissingReason: the ConfigMap or its key mapping.yaml does not exist.
	MappingMissingReason = "MappingMissing"
	// NoGapReason: no position was ever rejected, or every gap is closed.
	NoGapReason = "NoGap"
	// GapOpenReason: events may have been lost; the sweep is looking for their orders.
	GapOpenReason = "GapOpen"
	// OperationalReason is the reason of Ready=True on a pipeline.
	OperationalReason = "Operational"
)
