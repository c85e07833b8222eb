package sandbox

import (
	"time"

	"github.com/orderbridge/orderbridge/internal/sandbox/pubsub"
	"github.com/orderbridge/orderbridge/internal/sandbox/salesforce"
	"github.com/orderbridge/orderbridge/internal/sandbox/whmcs"
)

// The bodies of the control API, where they are not types of their own.

// Counters are what the three far sides have seen.
type Counters struct {
	Salesforce map[string]int64 `json:"salesforce"`
	PubSub     pubsub.Counters  `json:"pubsub"`
	Whmcs      whmcs.Counters   `json:"whmcs"`
}

// Faults are the faults that are on.
type Faults struct {
	Salesforce []salesforce.Fault `json:"salesforce"`
	PubSub     []pubsub.Fault     `json:"pubsub"`
	Whmcs      []whmcs.Fault      `json:"whmcs"`
}

// ClockState is what the clock shows.
type ClockState struct {
	Now   time.Time `json:"now"`
	Scale float64   `json:"scale"`
}

// ClockRequest moves the clock: by a duration, to a time, or to another speed.
type ClockRequest struct {
	Advance whmcs.Duration `json:"advance,omitempty"`
	Set     time.Time      `json:"set,omitzero"`
	Scale   float64        `json:"scale,omitempty"`
}

// ApproveRequest names the orders to approve.
type ApproveRequest struct {
	OrderIDs []string `json:"orderIDs"`
}

// PayMethodRequest gives a client a pay method, or takes all away with Remove.
type PayMethodRequest struct {
	ClientID int64           `json:"clientID"`
	Method   whmcs.PayMethod `json:"method,omitzero"`
	Remove   bool            `json:"remove,omitempty"`
}

// ProductRequest changes fields of a Salesforce product; null clears one.
type ProductRequest struct {
	SKU    string         `json:"sku"`
	Fields map[string]any `json:"fields"`
}

// RecordRequest changes fields of any Salesforce record; null clears one.
type RecordRequest struct {
	ID     string         `json:"id"`
	Fields map[string]any `json:"fields,omitempty"`
	Delete bool           `json:"delete,omitempty"`
}

// EventRequest puts an event on the bus: Fields in the topic's schema, or a raw Payload under a schema id, or once more the
// newest one.
type EventRequest struct {
	Topic     string         `json:"topic"`
	Fields    map[string]any `json:"fields,omitempty"`
	Payload   []byte         `json:"payload,omitempty"`
	SchemaID  string         `json:"schemaID,omitempty"`
	Duplicate bool           `json:"duplicate,omitempty"`
}

// EventResult is the UUID of a published event.
type EventResult struct {
	ID string `json:"id,omitempty"`
}

// BusRequest does something to the bus as a whole.
type BusRequest struct {
	// Cut ends the open subscriptions in the way of the fault.
	Cut *pubsub.Fault `json:"cut,omitempty"`
	// Reset forgets all events and positions, as the refresh of a Salesforce sandbox does.
	Reset bool `json:"reset,omitempty"`
	// DeliveryLimit sets how many events may be delivered in 24 hours; 0 is no limit.
	DeliveryLimit *int64 `json:"deliveryLimit,omitempty"`
	// ZeroCreditError ends a stream that is left without credit by an error instead of normally.
	ZeroCreditError *bool `json:"zeroCreditError,omitempty"`
	// Topic and Schema define a topic anew, as a changed event definition does.
	Topic  string `json:"topic,omitempty"`
	Schema string `json:"schema,omitempty"`
	// Remove removes Topic.
	Remove bool `json:"remove,omitempty"`
	// CanPublish and CanSubscribe set what the user may do with Topic; both or none.
	CanPublish   *bool `json:"canPublish,omitempty"`
	CanSubscribe *bool `json:"canSubscribe,omitempty"`
}

// BusResult is how many subscriptions were cut.
type BusResult struct {
	Cut int `json:"cut"`
}

// WhmcsOrderRequest sets the status of a WHMCS order, or makes one as if the customer had placed it in the client area.
type WhmcsOrderRequest struct {
	OrderID  int64  `json:"orderID,omitempty"`
	Status   string `json:"status,omitempty"`
	ClientID int64  `json:"clientID,omitempty"`
	PID      int64  `json:"pid,omitempty"`
	Notes    string `json:"notes,omitempty"`
}

// ClientStatusRequest sets the status of a WHMCS client, such as Closed.
type ClientStatusRequest struct {
	ClientID int64  `json:"clientID"`
	Status   string `json:"status"`
}

// NetworkRequest takes a side off the network or puts it back.
type NetworkRequest struct {
	System string `json:"system"` // salesforce, pubsub or whmcs
	Down   bool   `json:"down"`
}

// RevokeResult is how many sessions were ended.
type RevokeResult struct {
	Revoked int `json:"revoked"`
}

// KindInfo documents one kind of fault.
type KindInfo struct {
	Kind string `json:"kind"`
	Doc  string `json:"doc,omitempty"`
}
