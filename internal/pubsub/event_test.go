package pubsub_test

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orderbridge/orderbridge/internal/pubsub"
	sandbox "github.com/orderbridge/orderbridge/internal/sandbox/pubsub"
)

func TestEventCarriesEverything(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, sandbox.Options{}, nil)
		id := r.publish(map[string]any{"OrderId__c": "8014x000000ABCDIAZ", "Version__c": 2})
		run := r.start(pubsub.Position{})
		synctest.Wait()
		got := run.event(0)
		schema, _, _ := r.bus.Schema(topic)
		if got.ID != id || got.SchemaID != schema || len(got.ReplayID) != 10 || len(got.Payload) == 0 || got.DecodeErr != nil || got.ChangeHeader != nil {
			t.Errorf("event %+v", got)
		}
		if !got.CreatedDate.Equal(time.Now()) {
			t.Errorf("created %s, want %s", got.CreatedDate, time.Now())
		}
		want := map[string]any{
			"CreatedDate": time.Now().UnixMilli(), "CreatedById": "0055e000001mFqSAAU", "OrderId__c": "8014x000000ABCDIAZ",
			"IdemKey__c": nil, "CorrelationId__c": nil, "RequestedBy__c": nil, "Version__c": 2.0,
		}
		if diff := cmp.Diff(want, got.Fields); diff != "" {
			t.Errorf("fields (-want +got):\n%s", diff)
		}
	})
}

func TestChangeEventArrivesWithNames(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, sandbox.Options{}, nil)
		committed := time.Now().Truncate(time.Millisecond)
		if _, err := r.bus.Publish(sandbox.OrderChangeTopic, map[string]any{
			"ChangeEventHeader": map[string]any{
				"entityName": "Order", "recordIds": []string{"8014x000000ABCDIAZ"}, "changeType": "UPDATE", "commitTimestamp": committed,
				"changedFields": []string{"Activation_Status__c", "BillingAddress.City", "LastModifiedDate"},
			},
			"Activation_Status__c": "Activating", "BillingAddress": map[string]any{"City": "Osaka"}, "NotInTheSchema__c": 1,
		}); err != nil {
			t.Fatal(err)
		}
		batches := make(chan pubsub.Batch, 1)
		ctx := t.Context()
		go func() {
			// Ends with the test.
			_ = r.client.Run(ctx, pubsub.Subscription{
				Topic:  sandbox.OrderChangeTopic,
				Handle: func(_ context.Context, batch pubsub.Batch) error { batches <- batch; return nil },
				OnGap:  func(context.Context, string) error { return nil },
			})
		}()
		event := (<-batches).Events[0]
		if event.DecodeErr != nil {
			t.Fatal(event.DecodeErr)
		}
		want := &pubsub.ChangeEventHeader{
			EntityName: "Order", RecordIDs: []string{"8014x000000ABCDIAZ"}, ChangeType: "UPDATE", CommitTime: committed.UTC(),
			ChangedFields: []string{"LastModifiedDate", "Activation_Status__c", "BillingAddress.City"},
		}
		if diff := cmp.Diff(want, event.ChangeHeader); diff != "" {
			t.Errorf("header (-want +got):\n%s", diff)
		}
		if !event.CreatedDate.Equal(committed) || event.Fields["Activation_Status__c"] != "Activating" {
			t.Errorf("created %s, fields %v", event.CreatedDate, event.Fields)
		}
	})
}

func TestBacklogOfSeveralSchemaVersions(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, sandbox.Options{}, nil)
		define := func(fields string) {
			t.Helper()
			if err := r.bus.DefineTopic(topic, `{"type":"record","name":"OrderProvisionRequested__e","namespace":"com.sforce.eventbus","fields":[`+fields+`]}`); err != nil {
				t.Fatal(err)
			}
		}
		const system = `{"name":"CreatedDate","type":"long"},{"name":"CreatedById","type":"string"},`
		r.publish(map[string]any{"OrderId__c": "one"})
		define(system + `{"name":"OrderId__c","type":"string"},{"name":"New__c","type":["null","string"],"default":null}`) // required now, one added, others gone
		r.publish(map[string]any{"OrderId__c": "two", "New__c": "x"})
		define(`{"name":"New__c","type":["string","null"]},{"name":"OrderId__c","type":["string","null"]},` + strings.TrimSuffix(system, ",")) // other order of branches and fields
		r.publish(map[string]any{"OrderId__c": "three"})
		run := r.start(pubsub.Position{})
		synctest.Wait()
		for i, want := range []string{"one", "two", "three"} {
			if got := run.event(i); got.Fields["OrderId__c"] != want || got.DecodeErr != nil {
				t.Errorf("event %d is %+v, want order %s", i, got, want)
			}
		}
		if got := r.bus.Counters().Schemas; got != 3 {
			t.Errorf("%d schemas were read, want 3", got)
		}
	})
}

func TestUndecodableEventsDoNotHoldUpTheStream(t *testing.T) {
	tests := map[string]struct {
		schema  string // the topic's own if empty
		payload []byte
		want    string
	}{
		"garbled payload": {"", []byte{0xff, 0xff, 0xff}, "ends in the middle"},
		"empty payload":   {"", nil, "ends in the middle"},
		"unknown schema":  {"KxC1P8xW4-iTJxZQ6PlZpw", []byte{1}, "does not know"},
		"garbled schema":  {"\x00\n", []byte{1}, "does not know"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				r := newRig(t, sandbox.Options{}, nil)
				want := r.publishOrders(2)
				if test.schema == "" {
					test.schema, _, _ = r.bus.Schema(topic)
				}
				id, err := r.bus.PublishRaw(topic, test.schema, test.payload)
				if err != nil {
					t.Fatal(err)
				}
				want = append(append(want, id), r.publishOrders(2)...)
				run := r.start(pubsub.Position{})
				synctest.Wait()
				run.same(want)
				got := run.event(2)
				if got.DecodeErr == nil || !strings.Contains(got.DecodeErr.Error(), test.want) || got.Fields != nil || !bytes.Equal(got.Payload, test.payload) {
					t.Errorf("event %+v, want an error with %q and the payload", got, test.want)
				}
			})
		})
	}
}

func TestSchemaThatCannotBeReadAtPresentIsWaitedFor(t *testing.T) {
	tests := map[string]struct {
		fault sandbox.Fault
		phase pubsub.Phase
	}{
		"service down":   {sandbox.Fault{ErrorCode: "schema.api.unavailable", Status: "UNAVAILABLE"}, pubsub.BackingOff},
		"no permission":  {sandbox.Fault{ErrorCode: "schema.meta.permission", Status: "PERMISSION_DENIED"}, pubsub.Blocked},
		"connection cut": {sandbox.Fault{Status: "UNAVAILABLE"}, pubsub.BackingOff},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				r := newRig(t, sandbox.Options{}, nil)
				want := r.publishOrders(120)
				test.fault.Kind, test.fault.RPC, test.fault.Times = sandbox.FaultError, "GetSchema", -1
				r.inject(test.fault)
				run := r.start(pubsub.Position{})
				pass(30 * time.Minute)
				run.same(nil)
				if got := run.last().Phase; got != test.phase {
					t.Errorf("phase %s, want %s", got, test.phase)
				}
				if got := r.bus.Counters().Delivered; got > 300 {
					t.Errorf("%d events were delivered in vain", got)
				}
				r.bus.ClearFaults()
				pass(5 * time.Minute)
				run.same(want)
			})
		})
	}
}

func TestUnclearRefusalOfASchemaEndsInAnUndecodedEvent(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, sandbox.Options{}, nil)
		want := r.publishOrders(3)
		r.inject(sandbox.Fault{Kind: sandbox.FaultError, RPC: "GetSchema", ErrorCode: "schema.brand.new", Status: "INVALID_ARGUMENT", Times: -1})
		run := r.start(pubsub.Position{})
		pass(10 * time.Minute)
		run.same(want)
		if run.event(0).DecodeErr == nil {
			t.Error("the event was decoded without a schema")
		}
	})
}

func TestSlowSchemaIsNoSilence(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, sandbox.Options{}, nil)
		want := r.publishOrders(5)
		r.inject(sandbox.Fault{Kind: sandbox.FaultSlow, RPC: "GetSchema", Delay: 25 * time.Second})
		run := r.start(pubsub.Position{})
		pass(26 * time.Second)
		run.same(want)
		if got := r.bus.Counters(); got.Subscribes != 1 || got.Schemas != 1 {
			t.Errorf("counters %+v", got)
		}
	})
}

func TestDuplicateHasTheSameIDAtAnotherPosition(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, sandbox.Options{}, nil)
		r.inject(sandbox.Fault{Kind: sandbox.FaultDuplicate})
		id := r.publish(map[string]any{"OrderId__c": "8014x000000ABCDIAZ"})
		run := r.start(pubsub.Position{})
		synctest.Wait()
		run.same([]string{id, id})
		if bytes.Equal(run.event(0).ReplayID, run.event(1).ReplayID) {
			t.Error("both have the same replay id")
		}
	})
}

func TestPositionOfABatch(t *testing.T) {
	batch := pubsub.Batch{LatestReplayID: []byte("end")}
	if got := string(batch.ReplayID()); got != "end" || !batch.Empty() {
		t.Errorf("position of an empty batch is %q", got)
	}
	// latest_replay_id may be ahead of the events: storing it could skip one.
	batch.Events = []pubsub.Event{{ReplayID: []byte("first")}, {ReplayID: []byte("last")}}
	if got := string(batch.ReplayID()); got != "last" || batch.Empty() {
		t.Errorf("position of a batch is %q", got)
	}
}
