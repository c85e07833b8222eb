package pubsub_test

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"

	eventbusv1 "github.com/orderbridge/orderbridge/internal/pubsub/eventbus/v1"
	"github.com/orderbridge/orderbridge/internal/sandbox/pubsub"
)

func (w *wire) inject(text string) {
	w.t.Helper()
	var fault pubsub.Fault
	if err := json.Unmarshal([]byte(text), &fault); err != nil {
		w.t.Fatal(err)
	}
	if err := w.bus.Inject(fault); err != nil {
		w.t.Fatal(err)
	}
}

func TestFaultsOnSubscribe(t *testing.T) {
	tests := map[string]struct {
		fault  string
		events int // delivered before
		status codes.Code
		code   string
	}{
		"error with code":  {`{"kind":"error","errorCode":"service.unavailable","status":"INTERNAL"}`, 0, codes.Internal, "service.unavailable"},
		"full code":        {`{"kind":"error","errorCode":"sfdc.platform.eventbus.grpc.topic.not.found","status":"NOT_FOUND"}`, 0, codes.NotFound, "topic.not.found"},
		"in mid-stream":    {`{"kind":"error","errorCode":"subscription.internal.error","afterEvents":3}`, 3, codes.Internal, "subscription.internal.error"},
		"without a code":   {`{"kind":"error","status":"UNAVAILABLE"}`, 0, codes.Unavailable, ""},
		"normal end":       {`{"kind":"end","afterEvents":2}`, 2, codes.OK, ""},
		"broken":           {`{"kind":"reset","afterEvents":2}`, 2, codes.Unavailable, ""},
		"delivery limit":   {`{"kind":"limit"}`, 0, codes.ResourceExhausted, "subscription.limit.exceeded"},
		"revoked token":    {`{"kind":"token","afterEvents":1}`, 1, codes.Unauthenticated, "service.auth.error"},
		"another topic's":  {`{"kind":"error","topic":"/data/OrderChangeEvent"}`, 5, codes.OK, ""},
		"another call's":   {`{"kind":"error","rpc":"GetTopic"}`, 5, codes.OK, ""},
		"position, unused": {`{"kind":"replay"}`, 5, codes.OK, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				w := newWire(t, pubsub.Options{})
				want := w.publish(5)
				w.inject(test.fault)
				s := w.subscribe(&eventbusv1.FetchRequest{ReplayPreset: eventbusv1.ReplayPreset_EARLIEST, NumRequested: 5})
				var got []string
				for len(got) < test.events {
					got = append(got, ids(s.receive())...)
				}
				if diff := cmp.Diff(want[:test.events], got, cmp.Transformer("empty", func(list []string) []string { return append([]string{}, list...) })); diff != "" {
					t.Errorf("events before (-want +got):\n%s", diff)
				}
				if status, code := s.ends(); status != test.status || code != test.code {
					t.Errorf("%s %q, want %s %q", status, code, test.status, test.code)
				}
			})
		})
	}
}

func TestFaultIsUsedUp(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWire(t, pubsub.Options{})
		w.publish(1)
		w.inject(`{"kind":"end","times":2}`)
		for range 2 {
			if got, _ := w.subscribe(&eventbusv1.FetchRequest{NumRequested: 1}).ends(); got != codes.OK {
				t.Errorf("the stream ended in %s", got)
			}
		}
		if got := w.bus.Faults(); len(got) != 0 {
			t.Errorf("faults %v are left", got)
		}
		w.earliest(topic, 1)
		w.inject(`{"kind":"end","times":-1}`)
		for range 5 {
			w.subscribe(&eventbusv1.FetchRequest{NumRequested: 1}).ends()
		}
		w.bus.ClearFaults()
		w.earliest(topic, 1)
		if got := w.bus.Counters().FaultsFired; got["end"] != 7 {
			t.Errorf("counted %v", got)
		}
	})
}

func TestStallIsSilent(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWire(t, pubsub.Options{})
		w.publish(2)
		w.inject(`{"kind":"stall","afterEvents":1}`)
		s := w.subscribe(&eventbusv1.FetchRequest{ReplayPreset: eventbusv1.ReplayPreset_EARLIEST, NumRequested: 2})
		s.receive()
		spoken := make(chan error, 1)
		go func() {
			_, err := s.stream.Recv()
			spoken <- err
		}()
		pass(10 * time.Hour)
		select {
		case err := <-spoken:
			t.Errorf("the stream spoke: %v", err)
		default:
		}
		if got := w.bus.Counters().KeepAlives; got != 0 {
			t.Errorf("%d signs of life", got)
		}
		s.cancel()
		if err := <-spoken; err == nil {
			t.Error("the stream spoke at its end")
		}
	})
}

func TestFaultsOnOtherCalls(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWire(t, pubsub.Options{})
		schema, _, _ := w.bus.Schema(topic)
		calls := map[string]func(...grpc.CallOption) error{
			"GetTopic": func(options ...grpc.CallOption) error {
				_, err := w.client.GetTopic(headers(t.Context()), &eventbusv1.TopicRequest{TopicName: topic}, options...)
				return err
			},
			"GetSchema": func(options ...grpc.CallOption) error {
				_, err := w.client.GetSchema(headers(t.Context()), &eventbusv1.SchemaRequest{SchemaId: schema}, options...)
				return err
			},
			"Publish": func(options ...grpc.CallOption) error {
				_, err := w.client.Publish(headers(t.Context()), &eventbusv1.PublishRequest{TopicName: topic, Events: []*eventbusv1.ProducerEvent{{SchemaId: schema}}}, options...)
				return err
			},
		}
		for name, call := range calls {
			w.inject(`{"kind":"error","rpc":"` + name + `","errorCode":"service.unavailable","status":"UNAVAILABLE"}`)
			w.inject(`{"kind":"slow","rpc":"` + name + `","delay":1200000000}`)
			var trailer metadata.MD
			err := call(grpc.Trailer(&trailer))
			if status, code := outcome(t, err, trailer); status != codes.Unavailable || code != "service.unavailable" {
				t.Errorf("%s: %s %q", name, status, code)
			}
			start := time.Now()
			if err := call(); err != nil || time.Since(start) != 1200*time.Millisecond {
				t.Errorf("%s: %v after %s, want a slow answer", name, err, time.Since(start))
			}
		}
	})
}

func TestFaultsOfEvents(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWire(t, pubsub.Options{})
		w.inject(`{"kind":"duplicate"}`)
		w.inject(`{"kind":"garbled"}`)
		first := w.publish(1)
		if err := w.bus.Duplicate(topic); err != nil {
			t.Fatal(err)
		}
		second := w.publish(1)
		got := w.earliest(topic, 9)
		if diff := cmp.Diff([]string{first[0], first[0], first[0], second[0]}, ids(got)); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
		if bytes.Equal(got.GetEvents()[0].GetEvent().GetPayload(), got.GetEvents()[3].GetEvent().GetPayload()) {
			t.Error("the payload was not garbled")
		}
	})
}

func TestReplayFault(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWire(t, pubsub.Options{})
		w.publish(2)
		position := w.earliest(topic, 1).GetEvents()[0].GetReplayId()
		w.inject(`{"kind":"replay"}`)
		request := &eventbusv1.FetchRequest{ReplayPreset: eventbusv1.ReplayPreset_CUSTOM, ReplayId: position, NumRequested: 1}
		if status, code := w.subscribe(request).ends(); status != codes.InvalidArgument || code != "subscription.fetch.replayid.corrupted" {
			t.Errorf("%s %q", status, code)
		}
		w.subscribe(request).receive()
	})
}

func TestDeliveryLimit(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		start := time.Now()
		moved := time.Duration(0)
		w := newWire(t, pubsub.Options{Now: func() time.Time { return start.Add(moved) }})
		w.bus.SetDeliveryLimit(5)
		want := w.publish(8)
		s := w.subscribe(&eventbusv1.FetchRequest{ReplayPreset: eventbusv1.ReplayPreset_EARLIEST, NumRequested: 8})
		got := s.receive()
		if diff := cmp.Diff(want[:5], ids(got)); diff != "" {
			t.Errorf("within the limit (-want +got):\n%s", diff)
		}
		if status, code := s.ends(); status != codes.ResourceExhausted || code != "subscription.limit.exceeded" {
			t.Errorf("%s %q", status, code)
		}
		resume := &eventbusv1.FetchRequest{ReplayPreset: eventbusv1.ReplayPreset_CUSTOM, ReplayId: got.GetLatestReplayId(), NumRequested: 8}
		if _, code := w.subscribe(resume).ends(); code != "subscription.limit.exceeded" {
			t.Errorf("a new stream ended in %q", code)
		}
		moved = 25 * time.Hour
		if diff := cmp.Diff(want[5:], ids(w.subscribe(resume).receive())); diff != "" {
			t.Errorf("a day later (-want +got):\n%s", diff)
		}
		if got := w.bus.Counters(); got.DeliveredIn24h != 3 || got.Delivered != 8 {
			t.Errorf("counters %+v", got)
		}
	})
}

func TestCutEndsOpenStreams(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWire(t, pubsub.Options{})
		w.publish(1)
		streams := []*subscription{}
		for range 3 {
			s := w.subscribe(&eventbusv1.FetchRequest{ReplayPreset: eventbusv1.ReplayPreset_EARLIEST, NumRequested: 5})
			s.receive()
			streams = append(streams, s)
		}
		if got := w.bus.Cut(pubsub.Fault{Kind: pubsub.FaultEnd, Topic: pubsub.OrderChangeTopic}); got != 0 {
			t.Errorf("%d streams of another topic were cut", got)
		}
		if got := w.bus.Cut(pubsub.Fault{Kind: pubsub.FaultEnd}); got != 3 {
			t.Errorf("%d streams were cut", got)
		}
		for _, s := range streams {
			if status, _ := s.ends(); status != codes.OK {
				t.Errorf("a stream ended in %s", status)
			}
		}
		pass(time.Second)
		if got := w.bus.Counters().LiveStreams; got != 0 {
			t.Errorf("%d streams are open", got)
		}
	})
}

func TestInjectRefusesWhatItDoesNotKnow(t *testing.T) {
	bus := pubsub.New(pubsub.Options{})
	for name, fault := range map[string]pubsub.Fault{
		"kind":   {Kind: "earthquake"},
		"status": {Kind: pubsub.FaultError, Status: "TEAPOT"},
		"OK":     {Kind: pubsub.FaultError, Status: "OK"},
	} {
		t.Run(name, func(t *testing.T) {
			if err := bus.Inject(fault); err == nil {
				t.Error("the fault was accepted")
			}
		})
	}
}
