package pubsub

import (
	"context"
	"fmt"
	"time"

	eventbusv1 "github.com/orderbridge/orderbridge/internal/pubsub/eventbus/v1"
)

// Event is one event of the bus.
type Event struct {
	// ID is the event's identity, by default a UUID; the same event delivered twice has the same one.
	ID string
	// ReplayID is the event's position, opaque, and no identity.
	ReplayID []byte
	// SchemaID is the version of the schema that the payload was written with.
	SchemaID string
	// Payload is the event as it came, one Avro record.
	Payload []byte
	// Fields is the decoded payload: int64, float64, string, bool, []byte, []any, map[string]any and nil.
	Fields map[string]any
	// DecodeErr tells why Fields is nil. Such an event has to be stored like any other: it does not come again.
	DecodeErr error
	// ChangeHeader is set for change events.
	ChangeHeader *ChangeEventHeader
	// CreatedDate is when the event was published, or the change committed; zero if the payload does not say.
	CreatedDate time.Time
}

// PublishedAt is when an event that arrived at a time was published, as far as its date can be believed: a publisher may
// write any. What the bus would no longer have, and what is yet to come, is not.
func (e *Event) PublishedAt(arrived time.Time) time.Time {
	switch oldest := arrived.Add(-retention); {
	case e.CreatedDate.IsZero() || e.CreatedDate.After(arrived):
		return arrived
	case e.CreatedDate.Before(oldest):
		return oldest
	default:
		return e.CreatedDate
	}
}

// Batch is what the bus has sent since the last one: some events, or none as a sign of life.
type Batch struct {
	Events []Event
	// LatestReplayID is the position of the end of the batch.
	LatestReplayID []byte
}

// Empty tells whether the batch is only a sign of life, whose position may be stored so that it does not age out.
func (b Batch) Empty() bool { return len(b.Events) == 0 }

// ReplayID is the position to store once the batch is handled; nil if it carries none.
func (b Batch) ReplayID() []byte {
	if b.Empty() {
		return b.LatestReplayID
	}
	return b.Events[len(b.Events)-1].ReplayID
}

// batch decodes a message. It fails only if a schema cannot be had at present.
func (c *Client) batch(ctx context.Context, message *eventbusv1.FetchResponse) (Batch, error) {
	result := Batch{LatestReplayID: message.GetLatestReplayId()}
	for _, received := range message.GetEvents() {
		event := Event{
			ID: received.GetEvent().GetId(), ReplayID: received.GetReplayId(),
			SchemaID: received.GetEvent().GetSchemaId(), Payload: received.GetEvent().GetPayload(),
		}
		if err := c.decode(ctx, &event); err != nil {
			return Batch{}, err
		}
		result.Events = append(result.Events, event)
	}
	return result, nil
}

func (c *Client) decode(ctx context.Context, event *Event) error {
	schema, err := c.schemas.get(ctx, event.SchemaID)
	if err != nil && (ctx.Err() != nil || actionOf(err) != Undecodable) {
		return err
	}
	if err == nil {
		event.Fields, err = decodeRecord(schema, event.Payload)
	}
	if err != nil {
		event.DecodeErr = fmt.Errorf("event %.80q with schema %.40q cannot be decoded: %w", event.ID, event.SchemaID, err)
		return nil
	}
	event.ChangeHeader = changeHeader(schema, event.Fields)
	switch {
	case event.ChangeHeader != nil:
		event.CreatedDate = event.ChangeHeader.CommitTime
	case number(event.Fields["CreatedDate"]) != 0:
		event.CreatedDate = time.UnixMilli(number(event.Fields["CreatedDate"])).UTC()
	}
	return nil
}
