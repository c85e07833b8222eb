package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ProvisioningPipelineStatus is what the manager sees.
type ProvisioningPipelineStatus struct {
	// observedGeneration is the generation that the conditions describe.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// conditions are Ready, SalesforceConnected, WhmcsReachable, MappingValid, GapFree, and while they hold Reconciling and Stalled.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// orgID is the Salesforce org's 18-character id, as login told.
	// +optional
	OrgID string `json:"orgID,omitempty"`
	// whmcsVersion is the version that WHMCS says it has.
	// +optional
	WhmcsVersion string `json:"whmcsVersion,omitempty"`
	// mapping is the last mapping that was valid.
	// +optional
	Mapping *MappingVersion `json:"mapping,omitempty"`
	// triggers are the streams and their positions.
	// +optional
	// +listType=map
	// +listMapKey=topic
	Triggers []TriggerStatus `json:"triggers,omitempty"`
	// gaps are the windows in which events may have been lost, newest last, at most 20.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=20
	Gaps []Gap `json:"gaps,omitempty"`
	// sweep is the last sweep.
	// +optional
	Sweep *SweepStatus `json:"sweep,omitempty"`
	// markers say whether this WHMCS stores the order's key, learnt by reading orders back.
	// +optional
	// +listType=map
	// +listMapKey=name
	Markers []MarkerStatus `json:"markers,omitempty"`
	// markersURL is the spec.whmcs.url that markers were learnt at. They count for no other.
	// +optional
	MarkersURL string `json:"markersURL,omitempty"`
	// usage is how much of the org's allocations is used.
	// +optional
	Usage *Usage `json:"usage,omitempty"`
}

// TriggerStatus is a stream and its position.
type TriggerStatus struct {
	// topic of the trigger.
	// +required
	Topic string `json:"topic"`
	// orgID is the org that replayID belongs to. A position of another org is not used.
	// +optional
	OrgID string `json:"orgID,omitempty"`
	// replayID is the position: every event up to it is stored. Opaque bytes in base64.
	// +optional
	ReplayID []byte `json:"replayID,omitempty"`
	// committedAt is the time until which everything that was published is stored: when replayID was, or, while the
	// stream catches up, when the event of replayID was published.
	// +optional
	CommittedAt *metav1.MicroTime `json:"committedAt,omitempty"`
	// lastEventAt is when the last event arrived.
	// +optional
	LastEventAt *metav1.MicroTime `json:"lastEventAt,omitempty"`
	// received counts the events that arrived.
	// +optional
	Received int64 `json:"received,omitempty"`
	// rejected counts the events that could not be used; each is a stalled ProvisioningOrder.
	// +optional
	Rejected int64 `json:"rejected,omitempty"`
	// duplicates counts the events for orders that already had an object.
	// +optional
	Duplicates int64 `json:"duplicates,omitempty"`
	// phase says what the stream does: Connecting, Streaming, BackingOff, Blocked, LimitExceeded, Suspended or Stopped.
	// +optional
	Phase string `json:"phase,omitempty"`
	// message says it in words, with what an admin must do where that is needed.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`
}

// Gap is a window in which events may have been lost.
type Gap struct {
	// topic of the trigger.
	// +required
	Topic string `json:"topic"`
	// from is the last moment up to which every event is known to be stored.
	// +optional
	From *metav1.MicroTime `json:"from,omitempty"`
	// to is when the position was rejected.
	// +required
	To metav1.MicroTime `json:"to"`
	// cause says why the position could not be used.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	Cause string `json:"cause,omitempty"`
	// ordersRecovered counts the orders that the sweep found and no event announced.
	// +optional
	OrdersRecovered int32 `json:"ordersRecovered,omitempty"`
	// orders are the Salesforce ids of those orders, at most 100 of them.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=100
	Orders []string `json:"orders,omitempty"`
	// closedAt is when the sweep had covered the window.
	// +optional
	ClosedAt *metav1.MicroTime `json:"closedAt,omitempty"`
}

// SweepStatus is the last sweep.
type SweepStatus struct {
	// startedAt is when it began. The next sweep looks for orders that were changed since.
	// +optional
	StartedAt *metav1.MicroTime `json:"startedAt,omitempty"`
	// completedAt is when it ended.
	// +optional
	CompletedAt *metav1.MicroTime `json:"completedAt,omitempty"`
	// seen counts the orders that passed the gate.
	// +optional
	Seen int32 `json:"seen,omitempty"`
	// created counts the orders that had no object.
	// +optional
	Created int32 `json:"created,omitempty"`
	// lastHandledRequest is the last value of orderbridge.dev/sweepRequestedAt that was acted on.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	LastHandledRequest string `json:"lastHandledRequest,omitempty"`
	// message says why the last sweep failed, if it did.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`
}

// MarkerStored says whether WHMCS stores a marker.
//
// +kubebuilder:validation:Enum=Yes;No;Unknown
type MarkerStored string

// The values of MarkerStored.
const (
	// MarkerStoredYes: it was read back.
	MarkerStoredYes MarkerStored = "Yes"
	// MarkerStoredNo: it was sent and not there when read back.
	MarkerStoredNo MarkerStored = "No"
	// MarkerStoredUnknown: no order was read back yet.
	MarkerStoredUnknown MarkerStored = "Unknown"
)

// MarkerStatus says whether this WHMCS stores a marker.
type MarkerStatus struct {
	// name of the marker.
	// +required
	Name Marker `json:"name"`
	// stored says whether it was found when an order was read back.
	// +required
	Stored MarkerStored `json:"stored"`
}

// Usage is how much of the org's allocations is used.
type Usage struct {
	// apiRequests used in the last 24 hours, as the Sforce-Limit-Info header said.
	// +optional
	APIRequests int64 `json:"apiRequests,omitempty"`
	// apiRequestsMax is the org's limit of them.
	// +optional
	APIRequestsMax int64 `json:"apiRequestsMax,omitempty"`
	// eventsDelivered to all API subscribers in the last 24 hours.
	// +optional
	EventsDelivered int64 `json:"eventsDelivered,omitempty"`
	// eventsDeliveredMax is the org's limit of them.
	// +optional
	EventsDeliveredMax int64 `json:"eventsDeliveredMax,omitempty"`
	// observedAt is when this was read.
	// +optional
	ObservedAt *metav1.MicroTime `json:"observedAt,omitempty"`
}
