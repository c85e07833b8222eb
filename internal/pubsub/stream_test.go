package pubsub_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"

	"github.com/orderbridge/orderbridge/internal/pubsub"
	eventbusv1 "github.com/orderbridge/orderbridge/internal/pubsub/eventbus/v1"
	sandbox "github.com/orderbridge/orderbridge/internal/sandbox/pubsub"
)

// same fails unless exactly the wanted events were handled, in order.
func (r *follower) same(want []string) {
	r.t.Helper()
	if diff := cmp.Diff(want, r.ids()); diff != "" {
		r.t.Errorf("events (-want +got):\n%s", diff)
	}
}

func TestEveryEndOfAStreamIsFollowedByAnother(t *testing.T) {
	tests := map[string]struct {
		fault  sandbox.Fault
		reason string
	}{
		"end of stream without error": {sandbox.Fault{Kind: sandbox.FaultEnd}, "StreamEnded"},
		"broken connection":           {sandbox.Fault{Kind: sandbox.FaultReset}, "ConnectionLost"},
		"unavailable as it arrives in life": {
			sandbox.Fault{Kind: sandbox.FaultError, ErrorCode: "service.unavailable", Status: "INTERNAL"}, "ServiceUnavailable",
		},
		"silence":        {sandbox.Fault{Kind: sandbox.FaultStall}, "StreamSilent"},
		"delivery limit": {sandbox.Fault{Kind: sandbox.FaultLimit}, "DeliveryLimitExceeded"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				r := newRig(t, sandbox.Options{}, nil)
				want := r.publishOrders(9)
				test.fault.AfterEvents, test.fault.Times = 2, 4
				r.inject(test.fault)
				run := r.start(pubsub.Position{})
				pass(3 * time.Hour)
				want = append(want, r.publishOrders(3)...)
				pass(time.Second)
				run.same(want)
				if _, ok := run.saw(test.reason); !ok {
					t.Errorf("%s was not reported", test.reason)
				}
				if got := r.bus.Counters(); got.Subscribes != 5 || got.LiveStreams != 1 {
					t.Errorf("counters %+v, want five streams, one of them open", got)
				}
				if run.gapCount() != 0 {
					t.Error("a gap was reported")
				}
			})
		})
	}
}

func TestIdleStreamLivesOnSignsOfLife(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, sandbox.Options{}, nil)
		run := r.start(pubsub.Position{})
		pass(3 * time.Second)
		if got := run.last(); got.Phase != pubsub.Streaming || got.Reason != pubsub.ReasonSubscribed {
			t.Errorf("state after 3 s of silence is %+v", got)
		}
		pass(100 * time.Hour)
		if got := r.bus.Counters(); got.Subscribes != 1 || got.KeepAlives < 1300 {
			t.Errorf("counters %+v, want one stream with signs of life", got)
		}
		run.mu.Lock()
		stored := run.batches[len(run.batches)-1].ReplayID()
		run.mu.Unlock()
		run.stop()
		want := r.publishOrders(2)
		// The position of the last empty batch is recent, although nothing was published for longer than the retention.
		again := r.start(pubsub.Position{Preset: pubsub.Custom, ReplayID: stored})
		synctest.Wait()
		again.same(want)
		if again.gapCount() != 0 {
			t.Error("the position of an idle subscription had aged out")
		}
	})
}

func TestRejectedPositionFallsToEarliest(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		start := time.Now()
		r := newRig(t, sandbox.Options{}, nil)
		r.publishOrders(2)
		run := r.start(pubsub.Position{})
		synctest.Wait()
		position := run.event(1).ReplayID
		run.stop()
		lost := r.publishOrders(3)
		pass(73 * time.Hour)
		kept := r.publishOrders(4)

		refuse := errors.New("the status cannot be written")
		var writable atomic.Bool
		again := r.start(pubsub.Position{Preset: pubsub.Custom, ReplayID: position, StoredAt: start}, func(run *follower) {
			run.onGap = func() error {
				if writable.Load() {
					return nil
				}
				return refuse
			}
		})
		pass(time.Minute)
		if got := again.last(); got.Reason != "StoreFailed" || !strings.Contains(got.Detail, refuse.Error()) {
			t.Errorf("state %+v, want that the gap could not be stored", got)
		}
		if got := again.ids(); got != nil {
			t.Errorf("events %v were read before the gap was stored", got)
		}
		writable.Store(true)
		pass(2 * time.Minute)
		again.same(kept)
		if _, _, gaps := again.history(); len(gaps) != 1 || strings.Contains(gaps[0], "rpcId") {
			t.Errorf("gaps %q, want one without ids", gaps)
		}
		if slices.Contains(again.ids(), lost[0]) {
			t.Error("an expired event was delivered")
		}
	})
}

// A message that is larger than what is accepted here would be the same again, unless less is asked for.
func TestTooLargeMessagesBecomeSmaller(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, sandbox.Options{}, func(cfg *pubsub.Config) {
			cfg.DialOptions = append(cfg.DialOptions, grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(1<<20)))
		})
		var want []string
		for range 20 {
			want = append(want, r.publish(map[string]any{"OrderId__c": "8014x000000ABCDIAZ", "RequestedBy__c": strings.Repeat("x", 300<<10)}))
		}
		run := r.start(pubsub.Position{})
		pass(10 * time.Minute)
		run.same(want)
		if _, ok := run.saw("TooMuchAtOnce"); !ok {
			t.Error("it was not reported that a message was too large")
		}
	})
}

func TestPositionsThatAreRejectedAgainAndAgainAreNoHotLoop(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, sandbox.Options{}, nil)
		r.publishOrders(50)
		// Rejects each position, and ends each stream soon after it was accepted.
		r.inject(sandbox.Fault{Kind: sandbox.FaultReplay, Times: -1})
		r.inject(sandbox.Fault{Kind: sandbox.FaultEnd, AfterEvents: 50, Times: -1})
		run := r.start(pubsub.Position{})
		pass(time.Hour)
		if got := r.bus.Counters().Delivered; got > 50*35 {
			t.Errorf("%d events were delivered in an hour", got)
		}
		if run.gapCount() < 20 {
			t.Errorf("%d gaps, want that it goes on trying", run.gapCount())
		}
	})
}

func TestLatestIsOnlyForTheFirstStream(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, sandbox.Options{}, nil)
		old := r.publishOrders(2)
		run := r.start(pubsub.Position{Preset: pubsub.Latest})
		pass(10 * time.Second)
		run.same(nil)
		r.bus.Cut(sandbox.Fault{Kind: sandbox.FaultEnd})
		missed := r.publishOrders(1)
		pass(10 * time.Second)
		run.same(append(old, missed...))
		if got := run.gapCount(); got != 1 {
			t.Errorf("%d gaps, want one", got)
		}
	})
}

func TestRevokedTokenIsReplacedWithinTheStream(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		var revoked atomic.Value
		revoked.Store("")
		r := newRig(t, sandbox.Options{ValidToken: func(token string) bool { return token != revoked.Load() }}, nil)
		want := r.publishOrders(2)
		run := r.start(pubsub.Position{})
		synctest.Wait()
		revoked.Store(r.session.token)
		want = append(want, r.publishOrders(2)...)
		pass(time.Second)
		run.same(want)
		if logins, invalidated := r.session.count(); logins != 2 || invalidated != 1 {
			t.Errorf("%d logins and %d invalidated tokens, want 2 and 1", logins, invalidated)
		}
	})
}

func TestSessionsThatAreAlwaysRefusedAreNoLoginLoop(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, sandbox.Options{ValidToken: func(string) bool { return false }}, nil)
		run := r.start(pubsub.Position{})
		pass(time.Hour)
		if logins, _ := r.session.count(); logins < 60 || logins > 600 {
			t.Errorf("%d logins in an hour", logins)
		}
		if got := run.last(); got.Reason != "SessionRefused" || got.Phase != pubsub.BackingOff {
			t.Errorf("state %+v", got)
		}
	})
}

func TestLoginFailureIsShownInItsOwnWords(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, sandbox.Options{}, nil)
		r.session.fail(errors.New("user hasn't approved this consumer: pre-authorise the app"))
		run := r.start(pubsub.Position{})
		synctest.Wait()
		if got := run.last(); got.Reason != "LoginFailed" || !strings.Contains(got.Message, "pre-authorise") {
			t.Errorf("state %+v", got)
		}
		r.session.fail(nil)
		want := r.publishOrders(1)
		pass(time.Minute)
		run.same(want)
	})
}

func TestBackOffIsResetByAMessageAndNotByAnOpenStream(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, sandbox.Options{}, nil)
		// The stream is accepted and fails before the first message.
		r.inject(sandbox.Fault{Kind: sandbox.FaultError, ErrorCode: "service.unavailable", Times: -1})
		run := r.start(pubsub.Position{})
		pass(10 * time.Minute)
		if got := r.bus.Counters().Subscribes; got > 40 {
			t.Errorf("%d streams in ten minutes", got)
		}
		if got := run.last(); got.Attempt < 10 {
			t.Errorf("state %+v, want that attempts are counted", got)
		}
		states, _, _ := run.history()
		for _, state := range states {
			if state.Phase == pubsub.BackingOff && state.Attempt > 1 && !state.Since.Equal(states[1].Since) {
				t.Errorf("state %+v does not say since when it lasts", state)
			}
		}
		r.bus.ClearFaults()
		want := r.publishOrders(1)
		pass(2 * time.Minute)
		run.same(want)
		r.bus.Cut(sandbox.Fault{Kind: sandbox.FaultEnd})
		synctest.Wait()
		if got := run.last(); got.Attempt != 1 || time.Until(got.NextAttempt) > time.Second {
			t.Errorf("state %+v, want that counting starts again", got)
		}
	})
}

// TestWhatArrivesMeanwhileIsStoredTogether: the bus sends each event by itself here, and the first takes a second to store.
func TestWhatArrivesMeanwhileIsStoredTogether(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, sandbox.Options{MaxBatch: 1}, nil)
		run := r.start(pubsub.Position{}, func(run *follower) {
			run.onHandle = func(_ context.Context, batch pubsub.Batch) error {
				if !batch.Empty() {
					<-time.After(time.Second)
				}
				return nil
			}
		})
		want := r.publishOrders(80)
		r.bus.Cut(sandbox.Fault{Kind: sandbox.FaultEnd}) // what has arrived before the end counts
		pass(time.Minute)
		run.same(want)
		if got := r.bus.Counters().Delivered; got != 80 {
			t.Errorf("80 events were delivered %d times", got)
		}
		run.mu.Lock()
		defer run.mu.Unlock()
		if len(run.batches) > 8 {
			t.Errorf("80 events were stored in %d batches", len(run.batches))
		}
	})
}

func TestHandleFailureBringsTheBatchAgainWithoutWastingDeliveries(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, sandbox.Options{MaxBatch: 10}, nil)
		want := r.publishOrders(300)
		var broken atomic.Bool
		calls, stored := 0, 0
		run := r.start(pubsub.Position{}, func(run *follower) {
			run.onHandle = func(_ context.Context, batch pubsub.Batch) error {
				if calls++; calls == 3 {
					broken.Store(true)
				}
				if broken.Load() {
					return errors.New("the API server is down")
				}
				stored += len(batch.Events)
				return nil
			}
		})
		pass(time.Hour)
		run.same(want[:stored])
		if got := run.last(); got.Reason != "StoreFailed" || !strings.Contains(got.Detail, "API server") || got.Phase != pubsub.BackingOff {
			t.Errorf("state %+v", got)
		}
		if got := r.bus.Counters().Delivered - int64(stored); got > 400 {
			t.Errorf("%d events were delivered in an hour in which none could be stored", got)
		}
		broken.Store(false)
		pass(2 * time.Minute)
		run.same(want)
		if got := r.bus.Counters(); got.MaxOutstanding > 100 {
			t.Errorf("%d events were asked for at once", got.MaxOutstanding)
		}
	})
}

func TestSlowHandleIsBackPressure(t *testing.T) {
	for name, withError := range map[string]bool{"zero credit ends the stream": false, "zero credit is an error": true} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				r := newRig(t, sandbox.Options{MaxBatch: 25, ZeroCreditError: withError}, nil)
				want := r.publishOrders(260)
				run := r.start(pubsub.Position{}, func(run *follower) {
					run.onHandle = func(context.Context, pubsub.Batch) error {
						<-time.After(90 * time.Second) // longer than a stream may be without credit
						if got := int64(len(run.ids())); r.bus.Counters().Delivered > got+200 {
							t.Errorf("%d delivered, %d stored", r.bus.Counters().Delivered, got)
						}
						return nil
					}
				})
				pass(2 * time.Hour)
				run.same(want)
				if run.gapCount() != 0 {
					t.Error("a gap was reported")
				}
			})
		})
	}
}

func TestOnlyTheFirstRequestNamesThePosition(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		var sent []*eventbusv1.FetchRequest
		record := func(ctx context.Context, desc *grpc.StreamDesc, conn *grpc.ClientConn, method string, streamer grpc.Streamer, options ...grpc.CallOption) (grpc.ClientStream, error) {
			stream, err := streamer(ctx, desc, conn, method, options...)
			return recorder{stream, &sent}, err
		}
		r := newRig(t, sandbox.Options{MaxBatch: 30}, func(cfg *pubsub.Config) {
			cfg.DialOptions = append(cfg.DialOptions, grpc.WithChainStreamInterceptor(record))
		})
		r.publishOrders(1)
		run := r.start(pubsub.Position{})
		synctest.Wait()
		position := run.event(0).ReplayID
		run.stop()
		sent = nil
		want := r.publishOrders(130)
		run = r.start(pubsub.Position{Preset: pubsub.Custom, ReplayID: position})
		synctest.Wait()
		run.same(want)
		if len(sent) < 2 {
			t.Fatalf("%d requests, want more than one", len(sent))
		}
		if got := sent[0]; got.GetReplayPreset() != eventbusv1.ReplayPreset_CUSTOM || !bytes.Equal(got.GetReplayId(), position) || got.GetNumRequested() != 100 {
			t.Errorf("first request %v", got)
		}
		for _, got := range sent[1:] {
			if got.GetReplayPreset() != 0 || got.GetReplayId() != nil || got.GetAuthRefresh() != "" || got.GetNumRequested() < 50 {
				t.Errorf("later request %v", got)
			}
		}
	})
}

type recorder struct {
	grpc.ClientStream
	sent *[]*eventbusv1.FetchRequest
}

func (r recorder) SendMsg(message any) error {
	if request, ok := message.(*eventbusv1.FetchRequest); ok {
		*r.sent = append(*r.sent, request)
	}
	return r.ClientStream.SendMsg(message)
}

// A stuck goroutine fails this test by itself: a bubble does not end before all of its goroutines have.
func TestRunStopsAtOnce(t *testing.T) {
	endless := func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	}
	tests := map[string]struct {
		session func(context.Context) (pubsub.Session, error)
		handle  func(context.Context, pubsub.Batch) error
		fault   sandbox.Fault
	}{
		"while logging in": {session: func(ctx context.Context) (pubsub.Session, error) {
			return pubsub.Session{}, endless(ctx)
		}},
		"while handling":             {handle: func(ctx context.Context, _ pubsub.Batch) error { return endless(ctx) }},
		"while looking up the topic": {fault: sandbox.Fault{Kind: sandbox.FaultStall, RPC: "GetTopic"}},
		"while reading the schema":   {fault: sandbox.Fault{Kind: sandbox.FaultStall, RPC: "GetSchema"}},
		"while the stream is silent": {fault: sandbox.Fault{Kind: sandbox.FaultStall}},
		"while resting":              {fault: sandbox.Fault{Kind: sandbox.FaultLimit}},
		"while streaming":            {},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				r := newRig(t, sandbox.Options{}, func(cfg *pubsub.Config) {
					if test.session != nil {
						cfg.Session = test.session
					}
				})
				if test.fault.Kind != "" {
					r.inject(test.fault)
				}
				r.publishOrders(1)
				run := r.start(pubsub.Position{}, func(run *follower) { run.onHandle = test.handle })
				synctest.Wait()
				stopped := time.Now()
				run.stop()
				if took := time.Since(stopped); took > 0 {
					t.Errorf("stopping took %s", took)
				}
				if got := run.last(); got.Phase != pubsub.Stopped {
					t.Errorf("state %+v", got)
				}
			})
		})
	}
}
