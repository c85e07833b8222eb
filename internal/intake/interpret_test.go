package intake

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/internal/pubsub"
	"github.com/orderbridge/orderbridge/internal/salesforce"
)

func TestPlatformEvent(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 5_000_000, time.UTC)
	const uuid = "5d5b0c64-5b8a-4b6f-8d6c-1f0c1ad4a001"
	event := func(change func(*pubsub.Event)) pubsub.Event {
		e := pubsub.Event{
			ID: uuid, ReplayID: []byte{0, 1, 2}, SchemaID: "schema", Payload: []byte("avro"), CreatedDate: at,
			Fields: map[string]any{"OrderId__c": "8014x000000ABCDAA4", "IdemKey__c": "key", "CorrelationId__c": "trace", "RequestedBy__c": "someone@example.com"},
		}
		change(&e)
		return e
	}
	kept := func(change func(*v1alpha1.Event)) *v1alpha1.Event {
		e := &v1alpha1.Event{
			ID: uuid, ReplayID: []byte{0, 1, 2}, Topic: eventTopic, SchemaID: "schema", PublishedAt: new(metav1.NewMicroTime(at)),
			IdempotencyKey: "key", CorrelationID: "trace", RequestedBy: "someone@example.com",
		}
		change(e)
		return e
	}
	problem := func(text string) func(*v1alpha1.Event) {
		return func(e *v1alpha1.Event) { e.Payload, e.Problem = []byte("avro"), text }
	}
	const fold = "portal-8014x000000abcdaa4"
	for name, tc := range map[string]struct {
		event     pubsub.Event
		wantName  string
		wantOrder string
		wantEvent *v1alpha1.Event
	}{
		"an order": {
			event:    event(func(*pubsub.Event) {}),
			wantName: fold, wantOrder: "8014x000000ABCDAA4", wantEvent: kept(func(*v1alpha1.Event) {}),
		},
		"an order by its 15 characters, with blanks": {
			event:    event(func(e *pubsub.Event) { e.Fields["OrderId__c"] = " 8014x000000ABCD\n" }),
			wantName: fold, wantOrder: "8014x000000ABCDAA4", wantEvent: kept(func(*v1alpha1.Event) {}),
		},
		"an order in lower case": {
			event:    event(func(e *pubsub.Event) { e.Fields["OrderId__c"] = "8014x000000abcdaa4" }),
			wantName: fold, wantOrder: "8014x000000ABCDAA4", wantEvent: kept(func(*v1alpha1.Event) {}),
		},
		"optional fields are null": {
			event: event(func(e *pubsub.Event) {
				e.Fields = map[string]any{"OrderId__c": "8014x000000ABCDAA4", "IdemKey__c": nil}
			}),
			wantName: fold, wantOrder: "8014x000000ABCDAA4",
			wantEvent: kept(func(e *v1alpha1.Event) { e.IdempotencyKey, e.CorrelationID, e.RequestedBy = "", "", "" }),
		},
		"optional fields are too long": {
			event:    event(func(e *pubsub.Event) { e.Fields["RequestedBy__c"] = strings.Repeat("ü", 300) }),
			wantName: fold, wantOrder: "8014x000000ABCDAA4",
			wantEvent: kept(func(e *v1alpha1.Event) { e.RequestedBy = strings.Repeat("ü", 255) + "…" }),
		},
		"no time of publication": {
			event:    event(func(e *pubsub.Event) { e.CreatedDate = time.Time{} }),
			wantName: fold, wantOrder: "8014x000000ABCDAA4", wantEvent: kept(func(e *v1alpha1.Event) { e.PublishedAt = nil }),
		},
		"not decoded": {
			event:    event(func(e *pubsub.Event) { e.DecodeErr, e.Fields = errors.New("field 3: eof"), nil }),
			wantName: "portal-event-" + uuid,
			wantEvent: kept(func(e *v1alpha1.Event) {
				problem("the event could not be decoded: field 3: eof")(e)
				e.IdempotencyKey, e.CorrelationID, e.RequestedBy = "", "", ""
			}),
		},
		"no such field": {
			event:     event(func(e *pubsub.Event) { delete(e.Fields, "OrderId__c") }),
			wantName:  "portal-event-" + uuid,
			wantEvent: kept(problem("the event has no field OrderId__c: check orderIdField of the trigger, and the event's definition")),
		},
		"null": {
			event:     event(func(e *pubsub.Event) { e.Fields["OrderId__c"] = nil }),
			wantName:  "portal-event-" + uuid,
			wantEvent: kept(problem("the field OrderId__c is empty: the Flow that publishes the event must set it to the id of the order")),
		},
		"a number": {
			event:     event(func(e *pubsub.Event) { e.Fields["OrderId__c"] = 8.0 }),
			wantName:  "portal-event-" + uuid,
			wantEvent: kept(problem("the field OrderId__c holds no text: it must hold the id of an order")),
		},
		"an account": {
			event:     event(func(e *pubsub.Event) { e.Fields["OrderId__c"] = "001D000000IqhSLIAZ" }),
			wantName:  "portal-event-" + uuid,
			wantEvent: kept(problem(`the field OrderId__c: salesforce id "001D000000IqhSLIAZ": begins with "001", but ids of orders begin with "801"`)),
		},
		"a wrong checksum": {
			event:     event(func(e *pubsub.Event) { e.Fields["OrderId__c"] = "8014x000000ABCDIAZ" }),
			wantName:  "portal-event-" + uuid,
			wantEvent: kept(problem(`the field OrderId__c: salesforce id "8014x000000ABCDIAZ": the last three characters should be AA4: copy the id again`)),
		},
		"a payload beyond measure": {
			event:    event(func(e *pubsub.Event) { e.Fields["OrderId__c"], e.Payload = "", bytes.Repeat([]byte("x"), 1<<20) }),
			wantName: "portal-event-" + uuid,
			wantEvent: kept(func(e *v1alpha1.Event) {
				problem("the field OrderId__c is empty: the Flow that publishes the event must set it to the id of the order")(e)
				e.Payload = bytes.Repeat([]byte("x"), 48<<10)
			}),
		},
		"an event id that no name can hold": {
			event:    event(func(e *pubsub.Event) { e.ID, e.Fields["OrderId__c"] = "Mine/1 ", "" }),
			wantName: "portal-event-" + fingerprint([]byte("Mine/1 "), []byte("avro")),
			wantEvent: kept(func(e *v1alpha1.Event) {
				problem("the field OrderId__c is empty: the Flow that publishes the event must set it to the id of the order")(e)
				e.ID = "Mine/1 "
			}),
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := announcer{pipeline: types.NamespacedName{Namespace: "sales", Name: "portal"}, trigger: v1alpha1.Trigger{Topic: eventTopic, OrderIDField: "OrderId__c"}}
			got := a.platformEvent(tc.event, salesforce.OrderObject)
			want := &v1alpha1.ProvisioningOrder{
				ObjectMeta: metav1.ObjectMeta{Namespace: "sales", Name: tc.wantName, Finalizers: []string{v1alpha1.ClaimFinalizer}},
				Spec: v1alpha1.ProvisioningOrderSpec{
					PipelineRef: v1alpha1.PipelineReference{Name: "portal"}, SalesforceOrderID: tc.wantOrder, Origin: v1alpha1.EventOrigin, Event: tc.wantEvent,
				},
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("platformEvent (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCut(t *testing.T) {
	for name, tc := range map[string]struct {
		text string
		want string
	}{
		"short":       {"äöü", "äöü"},
		"exact":       {"äöüß", "äöüß"},
		"long":        {"äöüßx", "äöü…"},
		"not UTF-8":   {"a\xff\xfeb", "a\uFFFDb"},
		"empty":       {"", ""},
		"other words": {"\u0000", "\u0000"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := cut(tc.text, 4); got != tc.want {
				t.Errorf("cut(%q, 4) = %q, want %q", tc.text, got, tc.want)
			}
		})
	}
}

// FuzzPlatformEvent looks for events that yield an object of an impossible shape.
func FuzzPlatformEvent(f *testing.F) {
	f.Add("5d5b0c64-5b8a-4b6f-8d6c-1f0c1ad4a001", "8014x000000ABCDAA4", "key", []byte("avro"))
	f.Add("", "", "", []byte(nil))
	f.Add("\xff", "801*", strings.Repeat("\xf0", 2000), []byte{0})
	f.Fuzz(func(t *testing.T, id, order, text string, payload []byte) {
		a := announcer{pipeline: types.NamespacedName{Namespace: "sales", Name: "portal"}, trigger: v1alpha1.Trigger{Topic: eventTopic, OrderIDField: "OrderId__c"}}
		got := a.platformEvent(pubsub.Event{ID: id, Payload: payload, Fields: map[string]any{"OrderId__c": order, "IdemKey__c": text}}, salesforce.OrderObject)
		prefix := "portal-event-"
		if got.Spec.SalesforceOrderID != "" {
			prefix = "portal-801"
		}
		if !strings.HasPrefix(got.Name, prefix) || strings.Trim(got.Name, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			t.Errorf("name %q, want %s and lower-case letters, digits and hyphens", got.Name, prefix)
		}
		if e := got.Spec.Event; len([]rune(e.ID)) > longestText || len([]rune(e.IdempotencyKey)) > longestText || len([]rune(e.Problem)) > longestProblem || len(e.Payload) > longestPayload {
			t.Errorf("the event is larger than the API allows: %+v", e)
		}
		if (got.Spec.SalesforceOrderID == "") != (got.Spec.Event.Problem != "") {
			t.Errorf("order %q with problem %q: exactly one must be set", got.Spec.SalesforceOrderID, got.Spec.Event.Problem)
		}
	})
}

// TestPlatformEventOfCustomOrders takes every record for an order, unless orders are known to be Orders.
func TestPlatformEventOfCustomOrders(t *testing.T) {
	a := announcer{pipeline: types.NamespacedName{Namespace: "sales", Name: "portal"}, trigger: v1alpha1.Trigger{Topic: eventTopic, OrderIDField: "OrderId__c"}}
	event := pubsub.Event{ID: "x", Fields: map[string]any{"OrderId__c": "a014x000000ABCDAA4"}}
	for object, want := range map[string]string{"Provision__c": "a014x000000ABCDAA4", "": "a014x000000ABCDAA4", "Order": "", "order": ""} {
		if got := a.platformEvent(event, object).Spec.SalesforceOrderID; got != want {
			t.Errorf("where orders are records of %q, the order is %q, want %q", object, got, want)
		}
	}
}
