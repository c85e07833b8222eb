package pubsub_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"

	eventbusv1 "github.com/orderbridge/orderbridge/internal/pubsub/eventbus/v1"
	"github.com/orderbridge/orderbridge/internal/sandbox/pubsub"
)

func (w *wire) earliest(topicName string, credit int32) *eventbusv1.FetchResponse {
	w.t.Helper()
	s := w.subscribe(&eventbusv1.FetchRequest{TopicName: topicName, ReplayPreset: eventbusv1.ReplayPreset_EARLIEST, NumRequested: credit})
	defer s.cancel()
	return s.receive()
}

func TestPublishWritesPlainAvro(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWire(t, pubsub.Options{CreatedByID: "0055e000001aaaaAAA"})
		id, err := w.bus.Publish(topic, map[string]any{"OrderId__c": "8014x000000ABCDIAZ", "Version__c": json.Number("2"), "RequestedBy__c": ""})
		if err != nil {
			t.Fatal(err)
		}
		got := w.earliest(topic, 1).GetEvents()[0]
		schema, _, _ := w.bus.Schema(topic)
		if got.GetEvent().GetId() != id || len(id) != 36 || got.GetEvent().GetSchemaId() != schema || len(schema) != 22 {
			t.Errorf("event %v", got)
		}
		want := map[string]any{
			"CreatedDate": time.Now().UnixMilli(), "CreatedById": "0055e000001aaaaAAA", "OrderId__c": "8014x000000ABCDIAZ", "IdemKey__c": nil,
			"CorrelationId__c": nil, "RequestedBy__c": "", "Version__c": 2.0,
		}
		if diff := cmp.Diff(want, w.decode(got)); diff != "" {
			t.Errorf("fields (-want +got):\n%s", diff)
		}
	})
}

func TestPublishRefusesWhatDoesNotFit(t *testing.T) {
	bus := pubsub.New(pubsub.Options{})
	tests := map[string]struct {
		topic  string
		fields map[string]any
		want   string
	}{
		"unknown topic": {"/event/Nothing__e", nil, "no topic"},
		"unknown field": {topic, map[string]any{"Order__c": "x"}, "no field Order__c"},
		"wrong type":    {topic, map[string]any{"OrderId__c": 12}, "OrderId__c: int is no string"},
		"text number":   {topic, map[string]any{"Version__c": "2"}, "Version__c: string is no number"},
		"unknown change": {pubsub.OrderChangeTopic, map[string]any{
			"ChangeEventHeader": map[string]any{"changeType": "ALTERED"},
		}, "ALTERED is none of"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if _, err := bus.Publish(test.topic, test.fields); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Publish = %v, want an error with %q", err, test.want)
			}
		})
	}
}

func TestChangeEventsHaveBitmaps(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWire(t, pubsub.Options{})
		header := map[string]any{
			"entityName": "Order", "recordIds": []any{"8014x000000ABCDIAZ"}, "changeType": "UPDATE",
			"changedFields": []any{"Status", "OwnerId", "BillingAddress.City"}, "nulledFields": []string{"0x04"},
		}
		if _, err := w.bus.Publish(pubsub.OrderChangeTopic, map[string]any{"ChangeEventHeader": header, "Status": "Approved", "Unknown__c": true}); err != nil {
			t.Fatal(err)
		}
		fields := w.decode(w.earliest(pubsub.OrderChangeTopic, 1).GetEvents()[0])
		got, ok := fields["ChangeEventHeader"].(map[string]any)
		if !ok {
			t.Fatalf("fields %v", fields)
		}
		if diff := cmp.Diff([]any{"0x0202", "14-0x02"}, got["changedFields"]); diff != "" {
			t.Errorf("changedFields (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]any{"0x04"}, got["nulledFields"]); diff != "" {
			t.Errorf("nulledFields (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]any{"Status", "OwnerId", "BillingAddress.City"}, header["changedFields"]); diff != "" {
			t.Errorf("the caller's own header (-before +after):\n%s", diff)
		}
	})
}

func TestPublishRPC(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWire(t, pubsub.Options{})
		schema, _, _ := w.bus.Schema(topic)
		response, err := w.client.Publish(headers(t.Context()), &eventbusv1.PublishRequest{TopicName: topic, Events: []*eventbusv1.ProducerEvent{
			{Id: "mine", SchemaId: schema, Payload: []byte{0xff}}, // nobody looks into it
			{SchemaId: schema},
			{Id: "big", SchemaId: schema, Payload: make([]byte, 1<<20+1)},
			{Id: "odd", SchemaId: "KxC1P8xW4-iTJxZQ6PlZpw"},
		}})
		if err != nil {
			t.Fatal(err)
		}
		results := response.GetResults()
		if len(results) != 4 || results[0].GetCorrelationKey() != "mine" || results[0].GetError() != nil || len(results[1].GetCorrelationKey()) != 36 ||
			results[2].GetError().GetCode() != eventbusv1.ErrorCode_PUBLISH || results[3].GetError() == nil || results[3].GetReplayId() != nil {
			t.Errorf("results %v", results)
		}
		got := w.earliest(topic, 5)
		if diff := cmp.Diff([]string{"mine", results[1].GetCorrelationKey()}, ids(got)); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
		if !bytes.Equal(got.GetEvents()[0].GetReplayId(), results[0].GetReplayId()) {
			t.Error("the result names another position than the event has")
		}
	})
}

func TestPublishRPCRefusals(t *testing.T) {
	tests := map[string]struct {
		request *eventbusv1.PublishRequest
		status  codes.Code
		code    string
	}{
		"no topic":       {&eventbusv1.PublishRequest{}, codes.InvalidArgument, "publish.topic.validation.empty"},
		"unknown topic":  {&eventbusv1.PublishRequest{TopicName: "/event/Nothing__e"}, codes.NotFound, "topic.not.found"},
		"no event":       {&eventbusv1.PublishRequest{TopicName: topic}, codes.InvalidArgument, "publish.event.count.invalid"},
		"a change event": {&eventbusv1.PublishRequest{TopicName: pubsub.OrderChangeTopic, Events: []*eventbusv1.ProducerEvent{{}}}, codes.PermissionDenied, "topic.meta.permission"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				w := newWire(t, pubsub.Options{})
				var trailer metadata.MD
				_, err := w.client.Publish(headers(t.Context()), test.request, grpc.Trailer(&trailer))
				if got, code := outcome(t, err, trailer); got != test.status || code != test.code {
					t.Errorf("%s %q, want %s %q", got, code, test.status, test.code)
				}
			})
		})
	}
}

func TestPublishStream(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWire(t, pubsub.Options{})
		schema, _, _ := w.bus.Schema(topic)
		stream, err := w.client.PublishStream(headers(t.Context()))
		if err != nil {
			t.Fatal(err)
		}
		for i, name := range []string{topic, "", topic} {
			if err := stream.Send(&eventbusv1.PublishRequest{TopicName: name, Events: []*eventbusv1.ProducerEvent{{SchemaId: schema}}}); err != nil {
				t.Fatal(err)
			}
			response, err := stream.Recv()
			if err != nil || len(response.GetResults()) != 1 || response.GetResults()[0].GetError() != nil {
				t.Fatalf("response %d: %v, %v", i, response, err)
			}
			pass(time.Minute)
		}
		start := time.Now()
		_, err = stream.Recv()
		if got, code := outcome(t, err, stream.Trailer()); code != "publish.stream.sweeper.timeout" || time.Since(start) != 10*time.Second {
			t.Errorf("an idle stream ended in %s %q after %s", got, code, time.Since(start))
		}
		again, err := w.client.PublishStream(headers(t.Context()))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{topic, pubsub.OrderChangeTopic} {
			if err := again.Send(&eventbusv1.PublishRequest{TopicName: name, Events: []*eventbusv1.ProducerEvent{{SchemaId: schema}}}); err != nil {
				t.Fatal(err)
			}
		}
		for err = nil; err == nil; {
			_, err = again.Recv()
		}
		if got, code := outcome(t, err, again.Trailer()); got != codes.InvalidArgument || code != "publish.topic.mismatch" {
			t.Errorf("another topic ended in %s %q", got, code)
		}
		if got := w.bus.Retained(topic); got != 4 {
			t.Errorf("%d events were stored, want 4", got)
		}
	})
}

func TestSchemaVersionsStayFetchable(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWire(t, pubsub.Options{})
		first, text, _ := w.bus.Schema(topic)
		if err := w.bus.DefineTopic(topic, `{"type":"record","name":"OrderProvisionRequested__e","fields":[{"name":"OrderId__c","type":"string"}]}`); err != nil {
			t.Fatal(err)
		}
		second, _, _ := w.bus.Schema(topic)
		if first == second {
			t.Error("another schema has the same id")
		}
		info, err := w.client.GetSchema(headers(t.Context()), &eventbusv1.SchemaRequest{SchemaId: first})
		if err != nil || info.GetSchemaJson() != text || info.GetSchemaId() != first {
			t.Errorf("old schema %v, %v", info, err)
		}
		current, err := w.client.GetTopic(headers(t.Context()), &eventbusv1.TopicRequest{TopicName: topic})
		if err != nil || current.GetSchemaId() != second {
			t.Errorf("topic %v, %v", current, err)
		}
		var trailer metadata.MD
		_, err = w.client.GetSchema(headers(t.Context()), &eventbusv1.SchemaRequest{SchemaId: "unknown"}, grpc.Trailer(&trailer))
		if got, code := outcome(t, err, trailer); got != codes.InvalidArgument || code != "schema.validation.failed" {
			t.Errorf("an unknown schema ended in %s %q", got, code)
		}
		if err := w.bus.DefineTopic("Order__e", text); err == nil {
			t.Error("a topic without a channel was accepted")
		}
		if err := w.bus.DefineTopic(topic, `"string"`); err == nil {
			t.Error("a schema that is no record was accepted")
		}
	})
}
