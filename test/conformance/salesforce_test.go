package conformance

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/orderbridge/orderbridge/internal/sandbox"
	"github.com/orderbridge/orderbridge/internal/sandbox/pubsub"
	"github.com/orderbridge/orderbridge/internal/sandbox/salesforce"
)

func TestJSForce(t *testing.T) {
	dir := nodeProject(t)
	s, far := startSandbox(t, 1)
	runScript(t, dir, "jsforce.test.mjs", s.Info.CAFile, far, salesforceDirections(s))
}

// TestPubSub runs in hasty time, to see signs of life, which the bus gives every few minutes.
func TestPubSub(t *testing.T) {
	dir := nodeProject(t)
	s, far := startSandbox(t, 100)
	runScript(t, dir, "pubsub.test.mjs", s.Info.CAFile, far, salesforceDirections(s))
}

type aboutTopic struct {
	Topic  string         `json:"topic"`
	Count  int            `json:"count"`
	Fields map[string]any `json:"fields"`
}

func salesforceDirections(s *sandbox.Sandbox) directions {
	org, bus := s.Salesforce, s.PubSub
	return directions{
		"revokeTokens": direction(func(struct{}) (any, error) { return org.RevokeTokens(), nil }),
		"salesforceFault": direction(func(f salesforce.Fault) (any, error) {
			return org.SetFault(f)
		}),
		"events": direction(func(a aboutTopic) (any, error) {
			return map[string]int{"events": bus.Retained(a.Topic)}, nil
		}),
		"subscriptions": direction(func(struct{}) (any, error) {
			// Streams that have ended do not count down: a script waits for one more than there ever were.
			return map[string]int64{"subscriptions": bus.Counters().Subscribes}, nil
		}),
		"publish": direction(func(a aboutTopic) (any, error) {
			var ids []string
			for range a.Count {
				id, err := bus.Publish(a.Topic, a.Fields)
				if err != nil {
					return nil, err
				}
				ids = append(ids, id)
			}
			return map[string]any{"ids": ids}, nil
		}),
		"duplicate": direction(func(a aboutTopic) (any, error) { return nil, bus.Duplicate(a.Topic) }),
		"advanceClock": direction(func(a struct {
			Hours int `json:"hours"`
		}) (any, error) {
			return nil, s.Clock.Advance(time.Duration(a.Hours) * time.Hour)
		}),
		"evolveSchema": direction(func(a aboutTopic) (any, error) { return nil, addField(bus, a.Topic) }),
		"publishGarbage": direction(func(a aboutTopic) (any, error) {
			schemaID, _, _ := bus.Schema(a.Topic)
			return bus.PublishRaw(a.Topic, schemaID, []byte{0xff, 0xff, 0xff})
		}),
	}
}

// addField gives a topic a new version of its schema, as an admin does by adding a field.
func addField(bus *pubsub.Server, topic string) error {
	_, text, ok := bus.Schema(topic)
	if !ok {
		return errors.New("there is no topic " + topic)
	}
	var schema map[string]any
	if err := json.Unmarshal([]byte(text), &schema); err != nil {
		return err
	}
	fields, ok := schema["fields"].([]any)
	if !ok {
		return errors.New("the schema of " + topic + " has no fields")
	}
	schema["fields"] = append(fields, map[string]any{"name": "Added__c", "type": []string{"null", "string"}, "default": nil, "doc": "Data:Text:00NQy000000ADDED"})
	evolved, err := json.Marshal(schema)
	if err != nil {
		return err
	}
	return bus.DefineTopic(topic, string(evolved))
}
