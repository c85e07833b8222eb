package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ProvisioningPipeline joins one Salesforce org to one WHMCS with one mapping.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:shortName=pvp,categories=orderbridge
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Salesforce",type=string,JSONPath=`.status.conditions[?(@.type=="SalesforceConnected")].reason`
// +kubebuilder:printcolumn:name="WHMCS",type=string,JSONPath=`.status.conditions[?(@.type=="WhmcsReachable")].reason`
// +kubebuilder:printcolumn:name="Mapping",type=string,JSONPath=`.status.conditions[?(@.type=="MappingValid")].reason`
// +kubebuilder:printcolumn:name="Gaps",type=string,JSONPath=`.status.conditions[?(@.type=="GapFree")].reason`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Suspended",type=boolean,JSONPath=`.spec.suspend`,priority=1
// +kubebuilder:printcolumn:name="Message",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].message`,priority=1
// +kubebuilder:validation:XValidation:rule="self.metadata.name.size() <= 63 && self.metadata.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",message="metadata.name must be a DNS label of at most 63 characters: it is the first part of every order's name"
type ProvisioningPipeline struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is standard object metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitzero"`

	// spec says where orders come from, where they go, and by which mapping.
	// +required
	Spec ProvisioningPipelineSpec `json:"spec"`
	// status says what the manager sees. Only the manager writes it.
	// +optional
	Status ProvisioningPipelineStatus `json:"status,omitzero"`
}

// ProvisioningPipelineSpec says where orders come from, where they go, and by which mapping.
type ProvisioningPipelineSpec struct {
	// suspend stops the streams and all new work. Positions are kept, open claims are still resolved, and resumption
	// catches up.
	// +optional
	Suspend bool `json:"suspend,omitempty"`
	// salesforce is the org that orders come from and results go back to.
	// +required
	Salesforce SalesforceSpec `json:"salesforce"`
	// whmcs is the installation that orders are made in.
	// +required
	Whmcs WhmcsSpec `json:"whmcs"`
	// mappingRef names the ConfigMap, in the same namespace, whose key mapping.yaml says how an order becomes a WHMCS order.
	// +required
	MappingRef ObjectReference `json:"mappingRef"`
	// retention says how long finished orders are kept.
	// +optional
	// +kubebuilder:default={}
	Retention RetentionSpec `json:"retention,omitzero"`
}

// ObjectReference names an object in the same namespace.
type ObjectReference struct {
	// name of the object.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
}

// SalesforceSpec is a Salesforce org and how to log in to it.
type SalesforceSpec struct {
	// loginURL is the host for login by the OAuth 2.0 JWT bearer flow: https://login.salesforce.com,
	// https://test.salesforce.com or a My Domain.
	// +optional
	// +kubebuilder:default="https://login.salesforce.com"
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:XValidation:rule="isURL(self) && url(self).getScheme() == 'https' && url(self).getHost() != ''",message="must be an https URL"
	LoginURL string `json:"loginURL,omitempty"`
	// audience is the aud claim of the login. The default is loginURL.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	Audience string `json:"audience,omitempty"`
	// pubSubEndpoint is host and port of the Pub/Sub API. It is always TLS.
	// +optional
	// +kubebuilder:default="api.pubsub.salesforce.com:7443"
	// +kubebuilder:validation:MaxLength=256
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9.\-]+:[0-9]{1,5}$`
	PubSubEndpoint string `json:"pubSubEndpoint,omitempty"`
	// apiVersion of the REST API.
	// +optional
	// +kubebuilder:default="v66.0"
	// +kubebuilder:validation:Pattern=`^v[1-9][0-9]\.0$`
	APIVersion string `json:"apiVersion,omitempty"`
	// credentialsSecretRef names a Secret with the keys clientId (consumer key of the app), username and privateKey (RSA, PEM).
	// +required
	CredentialsSecretRef ObjectReference `json:"credentialsSecretRef"`
	// caBundle is PEM certificates to trust for this org instead of the system's.
	// +optional
	// +kubebuilder:validation:MaxLength=262144
	CABundle string `json:"caBundle,omitempty"`
	// triggers are the topics that announce orders.
	// +optional
	// +kubebuilder:default={{topic: "/event/OrderProvisionRequested__e", orderIdField: "OrderId__c"}}
	// +listType=map
	// +listMapKey=topic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=8
	Triggers []Trigger `json:"triggers,omitempty"`
	// replay says where a stream starts that has no stored position.
	// +optional
	// +kubebuilder:default={}
	Replay ReplaySpec `json:"replay,omitzero"`
	// sweep is the periodic query for orders that no event announced.
	// +optional
	// +kubebuilder:default={}
	Sweep SweepSpec `json:"sweep,omitzero"`
	// idleTimeout is the silence after which a stream is taken for dead. The server speaks at least every 270 seconds.
	// +optional
	// +kubebuilder:default="300s"
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1s') && duration(self) <= duration('1h')",message="must be between 1s and 1h"
	IdleTimeout metav1.Duration `json:"idleTimeout,omitzero"`
}

// Trigger is a topic whose events announce orders.
//
// +kubebuilder:validation:XValidation:rule="self.topic.startsWith('/data/') || (has(self.orderIdField) && size(self.orderIdField) > 0)",message="orderIdField is required for platform events: the name of the field with the order's id"
type Trigger struct {
	// topic is /event/Name__e, /event/Channel__chn, /data/OrderChangeEvent (of a custom object Name__c:
	// /data/Name__ChangeEvent) or /data/Channel__chn. It is case-sensitive.
	// +required
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:Pattern=`^/(event|data)/[A-Za-z][A-Za-z0-9_]*$`
	Topic string `json:"topic"`
	// orderIdField is the event's field with the order's id. Change events need none: their header has the record ids.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	OrderIDField string `json:"orderIdField,omitempty"`
}

// InitialReplay is where a stream starts that has no stored position.
//
// +kubebuilder:validation:Enum=Earliest;Latest
type InitialReplay string

// The initial positions.
const (
	// EarliestReplay: everything the bus still holds, up to 72 hours.
	EarliestReplay InitialReplay = "Earliest"
	// LatestReplay: only what is published from now on; the sweep finds the rest.
	LatestReplay InitialReplay = "Latest"
)

// ReplaySpec says where a stream starts that has no stored position.
type ReplaySpec struct {
	// initial is used for the very first start of a trigger only; a rejected position always falls back to Earliest.
	// +optional
	// +kubebuilder:default=Earliest
	Initial InitialReplay `json:"initial,omitempty"`
}

// SweepSpec is the periodic query for orders that no event announced.
type SweepSpec struct {
	// interval between two sweeps.
	// +optional
	// +kubebuilder:default="5m"
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1s')",message="must be at least 1s"
	Interval metav1.Duration `json:"interval,omitzero"`
	// lookback limits the sweep to orders changed within it. It should cover the bus's 72 hours with a margin.
	// +optional
	// +kubebuilder:default="96h"
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1h')",message="must be at least 1h"
	Lookback metav1.Duration `json:"lookback,omitzero"`
}

// Marker is a place in WHMCS where the key of an order is stored.
//
// +kubebuilder:validation:Enum=Notes;LineDomain;CustomField
type Marker string

// The markers.
const (
	// NotesMarker: the order's notes. Always sent; whether WHMCS stores them depends on its version.
	NotesMarker Marker = "Notes"
	// LineDomainMarker: each line's domain. Documented and filterable, but customers see it.
	LineDomainMarker Marker = "LineDomain"
	// CustomFieldMarker: a custom field of each product.
	CustomFieldMarker Marker = "CustomField"
)

// WhmcsSpec is a WHMCS installation and how to call it.
//
// +kubebuilder:validation:XValidation:rule="!has(self.markers) || !self.markers.exists(m, m == 'CustomField') || (has(self.markerCustomFieldName) && size(self.markerCustomFieldName) > 0)",message="markerCustomFieldName is required with the marker CustomField"
type WhmcsSpec struct {
	// url of the API, ending in /includes/api.php.
	// +required
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule="isURL(self) && url(self).getScheme() == 'https' && url(self).getHost() != ''",message="must be an https URL, for example https://billing.example.com/includes/api.php"
	URL string `json:"url"`
	// credentialsSecretRef names a Secret with the keys identifier and secret (an API credential) and optionally accessKey.
	// +required
	CredentialsSecretRef ObjectReference `json:"credentialsSecretRef"`
	// caBundle is PEM certificates to trust for this WHMCS instead of the system's.
	// +optional
	// +kubebuilder:validation:MaxLength=262144
	CABundle string `json:"caBundle,omitempty"`
	// paymentMethod is the gateway's system name that AddOrder requires, unless the mapping gives another.
	// +optional
	// +kubebuilder:default=mailin
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	PaymentMethod string `json:"paymentMethod,omitempty"`
	// requirePayMethod holds an order until its client has a pay method stored in WHMCS.
	// +optional
	// +kubebuilder:default=true
	RequirePayMethod *bool `json:"requirePayMethod,omitempty"`
	// markers are the places where the order's key is stored, so that an order whose answer was lost is found again.
	// +optional
	// +kubebuilder:default={Notes}
	// +listType=set
	// +kubebuilder:validation:MaxItems=3
	Markers []Marker `json:"markers,omitempty"`
	// markerCustomFieldName is the name of the product custom field that the marker CustomField uses.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	MarkerCustomFieldName string `json:"markerCustomFieldName,omitempty"`
	// autoSetup asks AcceptOrder to run the products' provisioning modules.
	// +optional
	// +kubebuilder:default=true
	AutoSetup *bool `json:"autoSetup,omitempty"`
	// sendEmail asks AcceptOrder to send the products' welcome mails.
	// +optional
	SendEmail bool `json:"sendEmail,omitempty"`
	// maxConcurrentRequests limits the calls in flight, over all pipelines with the same url (the smallest value counts).
	// +optional
	// +kubebuilder:default=4
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=256
	MaxConcurrentRequests int32 `json:"maxConcurrentRequests,omitempty"`
	// requestsPerSecond limits the rate of calls likewise.
	// +optional
	// +kubebuilder:default=10
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=10000
	RequestsPerSecond int32 `json:"requestsPerSecond,omitempty"`
	// timeouts are how long to wait for WHMCS.
	// +optional
	// +kubebuilder:default={}
	Timeouts WhmcsTimeouts `json:"timeouts,omitzero"`
}

// WhmcsTimeouts are how long to wait for WHMCS.
type WhmcsTimeouts struct {
	// read is for actions that change nothing.
	// +optional
	// +kubebuilder:default="30s"
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1s') && duration(self) <= duration('10m')",message="must be between 1s and 10m"
	Read metav1.Duration `json:"read,omitzero"`
	// addOrder is for AddOrder.
	// +optional
	// +kubebuilder:default="60s"
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1s') && duration(self) <= duration('10m')",message="must be between 1s and 10m"
	AddOrder metav1.Duration `json:"addOrder,omitzero"`
	// acceptOrder is for AcceptOrder, which runs provisioning modules.
	// +optional
	// +kubebuilder:default="180s"
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1s') && duration(self) <= duration('30m')",message="must be between 1s and 30m"
	AcceptOrder metav1.Duration `json:"acceptOrder,omitzero"`
	// settle is how long after a lost answer's deadline WHMCS may still commit: longer than PHP's and the web server's
	// limits together. Only after it does "no such order" count.
	// +optional
	// +kubebuilder:default="5m"
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1s') && duration(self) <= duration('24h')",message="must be between 1s and 24h"
	Settle metav1.Duration `json:"settle,omitzero"`
	// services is how long services may stay pending after AcceptOrder before the order is taken for failed.
	// +optional
	// +kubebuilder:default="30m"
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1s') && duration(self) <= duration('168h')",message="must be between 1s and 168h"
	Services metav1.Duration `json:"services,omitzero"`
}

// RetentionSpec says how long finished orders are kept.
type RetentionSpec struct {
	// provisioned is how long a provisioned order is kept. It is never shorter than the bus's 72 hours, since a replay
	// would find the order unknown.
	// +optional
	// +kubebuilder:default="168h"
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('72h')",message="must be at least 72h, the retention of the event bus"
	Provisioned metav1.Duration `json:"provisioned,omitzero"`
}

// ProvisioningPipelineList is a list of ProvisioningPipeline.
//
// +kubebuilder:object:root=true
type ProvisioningPipelineList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	// items are the pipelines.
	Items []ProvisioningPipeline `json:"items"`
}
