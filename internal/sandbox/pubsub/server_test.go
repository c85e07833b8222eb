package pubsub_test

import (
	"context"
	"encoding/binary"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	eventbusv1 "github.com/orderbridge/orderbridge/internal/pubsub/eventbus/v1"
	"github.com/orderbridge/orderbridge/internal/sandbox/pubsub"
)

func TestHeaders(t *testing.T) {
	tests := map[string]struct {
		header []string
		want   string
	}{
		"18 characters":           {nil, ""},
		"15 characters":           {[]string{"tenantid", orgID[:15]}, ""},
		"core form":               {[]string{"tenantid", "core/example/" + orgID}, ""},
		"core form, 15":           {[]string{"tenantid", "core/example/" + orgID[:15]}, ""},
		"another org":             {[]string{"tenantid", "00D000000000001"}, "service.auth.headers.invalid"},
		"no org":                  {[]string{"tenantid", ""}, "service.auth.headers.invalid"},
		"14 characters":           {[]string{"tenantid", orgID[:14]}, "service.auth.headers.invalid"},
		"not an org":              {[]string{"tenantid", "8014x000000ABCD"}, "service.auth.headers.invalid"},
		"http":                    {[]string{"instanceurl", "http://example.my.salesforce.com"}, "service.auth.headers.invalid"},
		"with a path":             {[]string{"instanceurl", "https://example.my.salesforce.com/services"}, "service.auth.headers.invalid"},
		"no instance":             {[]string{"instanceurl", ""}, "service.auth.headers.invalid"},
		"no token":                {[]string{"accesstoken", ""}, "service.auth.headers.invalid"},
		"a token that is no good": {[]string{"accesstoken", "00D5e000000arpq!old"}, "service.auth.error"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				w := newWire(t, pubsub.Options{})
				calls := map[string]func(context.Context, ...grpc.CallOption) error{
					"GetTopic": func(ctx context.Context, options ...grpc.CallOption) error {
						_, err := w.client.GetTopic(ctx, &eventbusv1.TopicRequest{TopicName: topic}, options...)
						return err
					},
					"Publish": func(ctx context.Context, options ...grpc.CallOption) error {
						_, err := w.client.Publish(ctx, &eventbusv1.PublishRequest{TopicName: topic, Events: []*eventbusv1.ProducerEvent{{}}}, options...)
						return err
					},
					"Subscribe": func(ctx context.Context, _ ...grpc.CallOption) error {
						ctx, cancel := context.WithCancel(ctx)
						defer cancel()
						stream, err := w.client.Subscribe(ctx)
						if err != nil {
							return err
						}
						if test.want == "" {
							return nil
						}
						_, err = stream.Recv()
						return err
					},
				}
				for call, do := range calls {
					var trailer metadata.MD
					err := do(headers(t.Context(), test.header...), grpc.Trailer(&trailer))
					wantCode := codes.OK
					if test.want != "" {
						wantCode = codes.Unauthenticated
					}
					if status.Code(err) != wantCode {
						t.Errorf("%s: %v, want %s", call, err, wantCode)
					}
					if _, code := outcome(t, err, trailer); call != "Subscribe" && code != test.want {
						t.Errorf("%s: code %q, want %q", call, code, test.want)
					}
				}
			})
		})
	}
}

func TestCredit(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWire(t, pubsub.Options{})
		want := w.publish(160)
		s := w.subscribe(&eventbusv1.FetchRequest{ReplayPreset: eventbusv1.ReplayPreset_EARLIEST, NumRequested: 3})
		got := s.receive()
		if diff := cmp.Diff(want[:3], ids(got)); diff != "" || got.GetPendingNumRequested() != 0 {
			t.Errorf("pending %d, events (-want +got):\n%s", got.GetPendingNumRequested(), diff)
		}
		// Anything above 100 is cut off without a word.
		s.send(&eventbusv1.FetchRequest{NumRequested: 1_000_000})
		got = s.receive()
		if diff := cmp.Diff(want[3:103], ids(got)); diff != "" || got.GetPendingNumRequested() != 0 {
			t.Errorf("pending %d, events (-want +got):\n%s", got.GetPendingNumRequested(), diff)
		}
		// Credit adds up; a later replay option is not heard.
		s.send(&eventbusv1.FetchRequest{TopicName: topic, NumRequested: 60, ReplayPreset: eventbusv1.ReplayPreset_EARLIEST})
		got = s.receive()
		if diff := cmp.Diff(want[103:], ids(got)); diff != "" || got.GetPendingNumRequested() != 3 {
			t.Errorf("pending %d, events (-want +got):\n%s", got.GetPendingNumRequested(), diff)
		}
		if got := w.bus.Counters().MaxOutstanding; got != 1_000_000 {
			t.Errorf("largest request counted is %d", got)
		}
	})
}

func TestStreamWithoutCreditEnds(t *testing.T) {
	for name, want := range map[string]struct {
		withError, switched bool
		status              codes.Code
		code                string
	}{
		"normally":                {false, false, codes.OK, ""},
		"by an error":             {true, false, codes.Unavailable, "service.unavailable"},
		"by an error, switched":   {false, true, codes.Unavailable, "service.unavailable"},
		"normally, switched back": {true, true, codes.OK, ""},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				w := newWire(t, pubsub.Options{ZeroCreditError: want.withError})
				w.publish(1)
				s := w.subscribe(&eventbusv1.FetchRequest{ReplayPreset: eventbusv1.ReplayPreset_EARLIEST, NumRequested: 1})
				s.receive()
				pass(59 * time.Second)
				s.send(&eventbusv1.FetchRequest{NumRequested: 1})
				w.publish(1)
				s.receive()
				if want.switched {
					w.bus.SetZeroCreditError(!want.withError)
				}
				start := time.Now()
				if got, code := s.ends(); got != want.status || code != want.code || time.Since(start) != time.Minute {
					t.Errorf("%s %q after %s", got, code, time.Since(start))
				}
			})
		})
	}
}

func TestSignOfLife(t *testing.T) {
	for name, scale := range map[string]float64{"in real time": 1, "ten times faster": 10} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				w := newWire(t, pubsub.Options{Scale: scale})
				s := w.subscribe(&eventbusv1.FetchRequest{NumRequested: 5})
				start := time.Now()
				for range 3 {
					got := s.receive()
					if len(got.GetEvents()) != 0 || got.GetPendingNumRequested() != 5 || len(got.GetLatestReplayId()) != 10 {
						t.Errorf("sign of life %v", got)
					}
				}
				if took := time.Since(start); took > time.Duration(3*270/scale)*time.Second || took < time.Duration(3*200/scale)*time.Second {
					t.Errorf("three signs of life took %s", took)
				}
			})
		})
	}
}

func TestRequestsThatAreRefused(t *testing.T) {
	known := func(w *wire) []byte {
		w.publish(2)
		s := w.subscribe(&eventbusv1.FetchRequest{ReplayPreset: eventbusv1.ReplayPreset_EARLIEST, NumRequested: 1})
		defer s.cancel()
		return s.receive().GetEvents()[0].GetReplayId()
	}
	custom := func(id []byte) *eventbusv1.FetchRequest {
		return &eventbusv1.FetchRequest{ReplayPreset: eventbusv1.ReplayPreset_CUSTOM, ReplayId: id, NumRequested: 1}
	}
	tests := map[string]struct {
		first  func(id []byte) *eventbusv1.FetchRequest
		second *eventbusv1.FetchRequest
		status codes.Code
		code   string
	}{
		"unknown topic": {func([]byte) *eventbusv1.FetchRequest {
			return &eventbusv1.FetchRequest{TopicName: "/event/orderprovisionrequested__e", NumRequested: 1}
		}, nil, codes.NotFound, "topic.not.found"},
		"nothing requested":     {func([]byte) *eventbusv1.FetchRequest { return &eventbusv1.FetchRequest{} }, nil, codes.InvalidArgument, "subscription.fetch.requested.events.invalid"},
		"less than nothing":     {func([]byte) *eventbusv1.FetchRequest { return &eventbusv1.FetchRequest{NumRequested: -1} }, nil, codes.InvalidArgument, "subscription.fetch.requested.events.invalid"},
		"later nothing":         {custom, &eventbusv1.FetchRequest{}, codes.InvalidArgument, "subscription.fetch.requested.events.invalid"},
		"later another topic":   {custom, &eventbusv1.FetchRequest{TopicName: pubsub.OrderChangeTopic, NumRequested: 1}, codes.InvalidArgument, "subscription.fetch.topic.mismatch"},
		"custom without id":     {func([]byte) *eventbusv1.FetchRequest { return custom(nil) }, nil, codes.InvalidArgument, "subscription.fetch.replayid.validation.failed"},
		"id of another length":  {func(id []byte) *eventbusv1.FetchRequest { return custom(id[:7]) }, nil, codes.InvalidArgument, "subscription.fetch.replayid.corrupted"},
		"id with another tail":  {func(id []byte) *eventbusv1.FetchRequest { return custom(append(id[:8:8], 0, 1)) }, nil, codes.InvalidArgument, "subscription.fetch.replayid.corrupted"},
		"id that was not given": {func([]byte) *eventbusv1.FetchRequest { return custom(make([]byte, 10)) }, nil, codes.InvalidArgument, "subscription.fetch.replayid.corrupted"},
		"id as text":            {func([]byte) *eventbusv1.FetchRequest { return custom([]byte("5935346")) }, nil, codes.InvalidArgument, "subscription.fetch.replayid.corrupted"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				w := newWire(t, pubsub.Options{})
				s := w.subscribe(test.first(known(w)))
				if test.second != nil {
					s.receive()
					s.send(test.second)
				}
				if got, code := s.ends(); got != test.status || code != test.code {
					t.Errorf("%s %q, want %s %q", got, code, test.status, test.code)
				}
			})
		})
	}
}

func TestReplayIDs(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWire(t, pubsub.Options{})
		want := w.publish(20)
		s := w.subscribe(&eventbusv1.FetchRequest{ReplayPreset: eventbusv1.ReplayPreset_EARLIEST, NumRequested: 20})
		events := s.receive().GetEvents()
		gaps := 0
		for i, event := range events {
			number := binary.BigEndian.Uint64(event.GetReplayId())
			if len(event.GetReplayId()) != 10 || number >= 1<<53 {
				t.Errorf("replay id %x", event.GetReplayId())
			}
			if i > 0 && number > binary.BigEndian.Uint64(events[i-1].GetReplayId())+1 {
				gaps++
			}
		}
		if gaps == 0 {
			t.Error("the replay ids have no gaps")
		}
		for name, id := range map[string][]byte{"ten bytes": events[4].GetReplayId(), "eight bytes": events[4].GetReplayId()[:8]} {
			again := w.subscribe(&eventbusv1.FetchRequest{ReplayPreset: eventbusv1.ReplayPreset_CUSTOM, ReplayId: id, NumRequested: 100})
			if diff := cmp.Diff(want[5:], ids(again.receive())); diff != "" {
				t.Errorf("replay by %s (-want +got):\n%s", name, diff)
			}
		}
		// A position before the first event is still a position.
		if _, err := w.client.GetTopic(headers(t.Context()), &eventbusv1.TopicRequest{TopicName: topic}); err != nil {
			t.Error(err)
		}
	})
}

func TestRetention(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		start := time.Now()
		moved := time.Duration(0)
		w := newWire(t, pubsub.Options{Now: func() time.Time { return start.Add(moved) }})
		old := w.publish(3)
		s := w.subscribe(&eventbusv1.FetchRequest{ReplayPreset: eventbusv1.ReplayPreset_EARLIEST, NumRequested: 3})
		position := s.receive().GetLatestReplayId()
		s.cancel()
		moved = 71 * time.Hour
		kept := w.publish(2)
		again := w.subscribe(&eventbusv1.FetchRequest{ReplayPreset: eventbusv1.ReplayPreset_EARLIEST, NumRequested: 5})
		if diff := cmp.Diff(append(old, kept...), ids(again.receive())); diff != "" {
			t.Errorf("within the retention (-want +got):\n%s", diff)
		}
		moved = 73 * time.Hour
		if got := w.bus.Retained(topic); got != 2 {
			t.Errorf("%d events are retained, want 2", got)
		}
		rejected := w.subscribe(&eventbusv1.FetchRequest{ReplayPreset: eventbusv1.ReplayPreset_CUSTOM, ReplayId: position, NumRequested: 5})
		if _, code := rejected.ends(); code != "subscription.fetch.replayid.corrupted" {
			t.Errorf("an expired position ended in %q", code)
		}
		earliest := w.subscribe(&eventbusv1.FetchRequest{ReplayPreset: eventbusv1.ReplayPreset_EARLIEST, NumRequested: 5})
		if diff := cmp.Diff(kept, ids(earliest.receive())); diff != "" {
			t.Errorf("after the retention (-want +got):\n%s", diff)
		}
	})
}

func TestResetForgetsEverything(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWire(t, pubsub.Options{})
		w.publish(3)
		s := w.subscribe(&eventbusv1.FetchRequest{ReplayPreset: eventbusv1.ReplayPreset_EARLIEST, NumRequested: 9})
		position := s.receive().GetLatestReplayId()
		w.bus.Reset()
		if _, code := s.ends(); code != "service.unavailable" {
			t.Errorf("the open stream ended in %q", code)
		}
		rejected := w.subscribe(&eventbusv1.FetchRequest{ReplayPreset: eventbusv1.ReplayPreset_CUSTOM, ReplayId: position, NumRequested: 5})
		if _, code := rejected.ends(); code != "subscription.fetch.replayid.corrupted" {
			t.Errorf("an old position ended in %q", code)
		}
		if got := w.bus.Retained(topic); got != 0 {
			t.Errorf("%d events are retained", got)
		}
	})
}
