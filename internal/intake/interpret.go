package intake

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/internal/pubsub"
	"github.com/orderbridge/orderbridge/internal/salesforce"
)

// The fields of the platform event that are kept if they are there.
const (
	idempotencyField = "IdemKey__c"
	correlationField = "CorrelationId__c"
	requestedByField = "RequestedBy__c"
)

// The API's bounds on what is kept of an event.
const (
	longestText    = 256
	longestSchema  = 128
	longestProblem = 1024
	longestPayload = 48 << 10
	longestReplay  = 768 // 1024 in base64
)

var uuidShape = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// announcer turns what one trigger of a pipeline delivers into objects. It is pure.
type announcer struct {
	pipeline types.NamespacedName
	trigger  v1alpha1.Trigger
}

// platformEvent makes the object that stands for a platform event: of the order that it names, or of the event itself
// if it names none. object is what holds the orders; while no mapping has said that, every record may be an order.
func (a announcer) platformEvent(e pubsub.Event, object string) *v1alpha1.ProvisioningOrder {
	if e.DecodeErr != nil {
		return a.malformed(e, "the event could not be decoded: "+e.DecodeErr.Error())
	}
	value, ok := e.Fields[a.trigger.OrderIDField]
	if !ok {
		return a.malformed(e, fmt.Sprintf("the event has no field %s: check orderIdField of the trigger, and the event's definition", a.trigger.OrderIDField))
	}
	text, ok := value.(string)
	if !ok && value != nil {
		return a.malformed(e, fmt.Sprintf("the field %s holds no text: it must hold the id of an order", a.trigger.OrderIDField))
	}
	if text = strings.TrimSpace(text); text == "" {
		return a.malformed(e, fmt.Sprintf("the field %s is empty: the Flow that publishes the event must set it to the id of the order", a.trigger.OrderIDField))
	}
	id, err := salesforce.ParseOrderID(text, object)
	if err != nil {
		return a.malformed(e, fmt.Sprintf("the field %s: %v", a.trigger.OrderIDField, err))
	}
	return a.order(id, v1alpha1.EventOrigin, a.event(e))
}

// changeEvent makes the object for one order of a change event.
func (a announcer) changeEvent(e pubsub.Event, id salesforce.ID) *v1alpha1.ProvisioningOrder {
	return a.order(id, v1alpha1.ChangeEventOrigin, a.event(e))
}

// swept makes the object for an order that the sweep found.
func (a announcer) swept(id salesforce.ID) *v1alpha1.ProvisioningOrder {
	return a.order(id, v1alpha1.SweepOrigin, nil)
}

// malformed makes the object that keeps an event which cannot be used.
func (a announcer) malformed(e pubsub.Event, problem string) *v1alpha1.ProvisioningOrder {
	event := a.event(e)
	event.Problem = cut(problem, longestProblem)
	event.Payload = e.Payload[:min(len(e.Payload), longestPayload)]
	order := a.object(v1alpha1.EventOrigin, event)
	if e.ChangeHeader != nil || strings.HasPrefix(a.trigger.Topic, "/data/") {
		order.Spec.Origin = v1alpha1.ChangeEventOrigin
	}
	order.Name = malformedName(a.pipeline.Name, e)
	return order
}

func (a announcer) order(id salesforce.ID, origin v1alpha1.Origin, event *v1alpha1.Event) *v1alpha1.ProvisioningOrder {
	order := a.object(origin, event)
	order.Name = orderName(a.pipeline.Name, id)
	order.Spec.SalesforceOrderID = id.String()
	return order
}

func (a announcer) object(origin v1alpha1.Origin, event *v1alpha1.Event) *v1alpha1.ProvisioningOrder {
	return &v1alpha1.ProvisioningOrder{
		// No owner reference: deleting a pipeline must not delete the memory of what was ordered.
		ObjectMeta: metav1.ObjectMeta{Namespace: a.pipeline.Namespace, Finalizers: []string{v1alpha1.ClaimFinalizer}},
		Spec: v1alpha1.ProvisioningOrderSpec{
			PipelineRef: v1alpha1.PipelineReference{Name: a.pipeline.Name},
			Origin:      origin,
			Event:       event,
		},
	}
}

func (a announcer) event(e pubsub.Event) *v1alpha1.Event {
	event := &v1alpha1.Event{
		ID:             cut(e.ID, longestText),
		Topic:          a.trigger.Topic,
		SchemaID:       cut(e.SchemaID, longestSchema),
		IdempotencyKey: textField(e, idempotencyField),
		CorrelationID:  textField(e, correlationField),
		RequestedBy:    textField(e, requestedByField),
	}
	// It is kept for people only: a position that is too long to keep must not cost the order.
	if len(e.ReplayID) <= longestReplay {
		event.ReplayID = e.ReplayID
	}
	// Whoever publishes through the Pub/Sub API writes the date. One that cannot be kept, for instance because it was
	// written in microseconds, must not cost the order either.
	if year := e.CreatedDate.UTC().Year(); !e.CreatedDate.IsZero() && 0 < year && year < 10000 {
		event.PublishedAt = new(metav1.NewMicroTime(e.CreatedDate))
	}
	return event
}

// orderName is the one name that an order can have. Record ids stay distinct in lower case, see salesforce.ID.
func orderName(pipeline string, id salesforce.ID) string {
	return pipeline + "-" + id.Lower()
}

// malformedName is the name of the object of an event that cannot be used. A publisher may overwrite the event's id,
// so only what looks like one that Salesforce gave is taken to identify the event.
func malformedName(pipeline string, e pubsub.Event) string {
	id := strings.ToLower(e.ID)
	if !uuidShape.MatchString(id) {
		id = fingerprint([]byte(e.ID), e.Payload)
	}
	return pipeline + "-event-" + id
}

// fingerprint is a name for bytes.
func fingerprint(parts ...[]byte) string {
	hash := sha256.New()
	for _, part := range parts {
		fmt.Fprintf(hash, "%d:", len(part))
		hash.Write(part)
	}
	return hex.EncodeToString(hash.Sum(nil)[:16])
}

func textField(e pubsub.Event, name string) string {
	text, _ := e.Fields[name].(string)
	return cut(text, longestText)
}

// cut shortens text from outside to a number of characters, and makes it storable.
func cut(text string, longest int) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	if utf8.RuneCountInString(text) <= longest {
		return text
	}
	return string([]rune(text)[:longest-1]) + "…"
}
