package intake

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/internal/pubsub"
	"github.com/orderbridge/orderbridge/internal/salesforce"
)

// changeEventOf makes a change event of some records.
func changeEventOf(n int, at time.Time, records ...string) pubsub.Event {
	return pubsub.Event{
		ID: fmt.Sprintf("10000000-0000-4000-8000-%012d", n), SchemaID: "change", Payload: []byte("change"), CreatedDate: at,
		Fields:       map[string]any{},
		ChangeHeader: &pubsub.ChangeEventHeader{EntityName: "Order", ChangeType: "UPDATE", RecordIDs: records, CommitTime: at},
	}
}

// gateQueries returns the queries about given orders, without those of sweeps.
func (o *fakeOrg) gateQueries() []string {
	var queries []string
	for _, q := range o.asking() {
		if strings.Contains(q, "Id IN (") {
			queries = append(queries, q)
		}
	}
	return queries
}

func TestChangeEventsOfOrdersThatPassTheGate(t *testing.T) {
	r := newRig(t, changeTopic)
	r.start()
	r.eventually("the first sweep is over", func() bool { return r.read().Status.Sweep != nil })
	r.org.pass(time.Now(), orderID(1), orderID(2))
	r.bus.publish(changeTopic,
		changeEventOf(1, noon, string(orderID(1)), string(orderID(3)), "8021x000000ABCDAA4"),
		changeEventOf(2, noon, string(orderID(2))[:15]),
		changeEventOf(3, noon, "001D000000IqhSLIAZ"),
		changeEventOf(4, noon, string(orderID(1))),
	)
	r.eventually("all have arrived", func() bool { return r.trigger(changeTopic).Received == 4 })

	got := map[string]string{}
	for _, o := range r.orders() {
		got[o.Name] = fmt.Sprint(o.Spec.Origin, " ", o.Spec.Event.ID[:8], o.Spec.Event.ID[34:])
	}
	want := map[string]string{
		orderName("portal", orderID(1)): "ChangeEvent 10000000" + "01",
		orderName("portal", orderID(2)): "ChangeEvent 10000000" + "02",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("orders (-want +got):\n%s", diff)
	}
	if s := r.trigger(changeTopic); s.Duplicates != 1 || s.Rejected != 0 {
		t.Errorf("%d duplicates and %d rejected, want 1 and 0", s.Duplicates, s.Rejected)
	}

	asked := len(r.org.gateQueries())
	r.bus.publish(changeTopic, changeEventOf(5, noon.Add(time.Second), string(orderID(1)), string(orderID(2))))
	r.eventually("the echo has arrived", func() bool { return r.trigger(changeTopic).Received == 5 })
	if now := len(r.org.gateQueries()); now != asked {
		t.Errorf("an echo about orders that have objects cost %d queries", now-asked)
	}
}

func TestOneQueryPerBatchOfChanges(t *testing.T) {
	r := newRig(t, changeTopic)
	for n := range 100 {
		r.org.pass(noon, orderID(n))
		r.bus.publish(changeTopic, changeEventOf(n, noon, string(orderID(n)), string(orderID(n+100))))
	}
	r.start()
	r.eventually("all have arrived", func() bool { return r.trigger(changeTopic).Received == 100 })
	if got := len(r.org.gateQueries()); got != 1 {
		t.Errorf("100 events cost %d queries, want 1", got)
	}
	if got := len(r.orders()); got != 100 {
		t.Errorf("there are %d orders, want 100", got)
	}
}

// busyClock does something during the pause for an announcement, which then is over.
type busyClock struct {
	clock.RealClock
	meanwhile func()
}

// After returns the time at once for that pause.
func (c busyClock) After(d time.Duration) <-chan time.Time {
	if d != announcement {
		return c.RealClock.After(d)
	}
	c.meanwhile()
	now := make(chan time.Time, 1)
	now <- c.Now()
	return now
}

// justNow is when something was committed that has no age yet, however long it takes to look at it.
func justNow() time.Time { return time.Now().Add(time.Hour) }

// TestOldChangesDoNotWaitForTheirAnnouncement: a stream that lags would otherwise never catch up.
func TestOldChangesDoNotWaitForTheirAnnouncement(t *testing.T) {
	r := newRig(t, eventTopic, changeTopic)
	r.org.pass(noon, orderID(1))
	r.options.Clock = busyClock{meanwhile: func() { t.Error("the stream paused") }}
	r.bus.publish(changeTopic, changeEventOf(1, time.Now().Add(-time.Minute), string(orderID(1))))
	r.start()
	r.eventually("the change has arrived", func() bool { return r.trigger(changeTopic).Received == 1 })
	if got := r.order(1).Spec.Origin; got != v1alpha1.ChangeEventOrigin {
		t.Errorf("the order came by %s", got)
	}
}

// endlessPause is a clock whose pause for an announcement is never over.
type endlessPause struct {
	clock.RealClock
	reached chan struct{}
}

func (c endlessPause) After(d time.Duration) <-chan time.Time {
	if d != announcement {
		return c.RealClock.After(d)
	}
	close(c.reached)
	return nil
}

// TestChangeComesAgainIfItsLookIsCutShort: whether the manager stops or another takes over, the position stays before
// what the org was not asked about.
func TestChangeComesAgainIfItsLookIsCutShort(t *testing.T) {
	r := newRig(t, eventTopic, changeTopic)
	r.org.pass(noon, orderID(1))
	pausing := endlessPause{reached: make(chan struct{})}
	r.options.Clock = pausing
	r.bus.publish(changeTopic, changeEventOf(1, justNow(), string(orderID(1))))
	r.start()
	<-pausing.reached
	r.stop()
	if got := r.trigger(changeTopic); len(got.ReplayID) != 0 || got.Received != 0 {
		t.Errorf("the position moved to %q with %d events, though nobody asked about them", got.ReplayID, got.Received)
	}
}

// TestRetryOfAStalledOrderWaitsForTheOrg: a sweep would not do, since it asks for nothing of an order that has an object.
func TestRetryOfAStalledOrderWaitsForTheOrg(t *testing.T) {
	r := newRig(t, changeTopic)
	r.org.pass(noon, orderID(1))
	r.bus.publish(changeTopic, changeEventOf(1, noon, string(orderID(1))))
	r.start()
	r.eventually("the order exists", func() bool { return r.trigger(changeTopic).Received == 1 })
	r.stall(1, noon.Add(time.Minute))
	r.org.with(func() { r.org.fail = errors.New("no answer") })
	r.bus.publish(changeTopic, changeEventOf(2, noon.Add(2*time.Minute), string(orderID(1))))
	r.eventually("it is shown", func() bool { return r.connected() == v1alpha1.StoringFailedReason })
	if state, _ := r.snapshot().Connected(); !strings.Contains(state.Message, "no answer") || !strings.Contains(state.Message, "stalled") {
		t.Errorf("the message says %q", state.Message)
	}
	r.org.with(func() { r.org.fail = nil })
	r.eventually("the change is done with", func() bool { return r.trigger(changeTopic).Received == 2 && r.connected() == v1alpha1.ConnectedReason })
	if got := r.order(1).Annotations[v1alpha1.RequestedAtAnnotation]; got == "" {
		t.Error("the order was not asked to try again")
	}
}

// TestChangeOfAnOrderThatCannotBeReadWaits: what cannot be read may have stalled, and nothing but this event asks again then.
func TestChangeOfAnOrderThatCannotBeReadWaits(t *testing.T) {
	r := newRig(t, changeTopic)
	var away atomic.Bool
	r.options.Client = interceptor.NewClient(cluster, interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
			if _, order := obj.(*v1alpha1.ProvisioningOrder); order && away.Load() {
				return errors.New("the API server is away")
			}
			return c.Get(ctx, key, obj, opts...)
		},
	})
	r.start()
	r.eventually("the first sweep is over", func() bool { return r.read().Status.Sweep != nil })
	away.Store(true)
	r.org.with(func() { r.org.fail = errors.New("no answer") })
	r.bus.publish(changeTopic, changeEventOf(1, noon, string(orderID(1))))
	r.eventually("it is shown", func() bool { return r.connected() == v1alpha1.StoringFailedReason })
	if got := r.trigger(changeTopic).Received; got != 0 {
		t.Errorf("%d events count as done with", got)
	}
}

// TestOrgIsNotAskedAboutWhatAnEventAnnounces stores the object of a platform event in the moment in which the change event
// of the same approval is looked at. The other order, which no event announces, is asked about.
func TestOrgIsNotAskedAboutWhatAnEventAnnounces(t *testing.T) {
	r := newRig(t, eventTopic, changeTopic)
	r.org.pass(noon, orderID(1), orderID(2))
	pipeline := announcer{pipeline: client.ObjectKeyFromObject(r.pipeline)} // the rig writes r.pipeline while the stream runs
	r.options.Clock = busyClock{meanwhile: func() {
		order := pipeline.swept(orderID(1))
		if err := cluster.Create(t.Context(), order); err != nil && !apierrors.IsAlreadyExists(err) {
			t.Errorf("creating the object of the platform event: %v", err)
		}
	}}
	r.bus.publish(changeTopic, changeEventOf(1, justNow(), string(orderID(1)), string(orderID(2))))
	r.start()
	r.eventually("the change has arrived", func() bool { return r.trigger(changeTopic).Received == 1 })
	if got := r.org.gateQueries(); len(got) != 1 || strings.Contains(got[0], string(orderID(1))) || !strings.Contains(got[0], string(orderID(2))) {
		t.Errorf("the org was asked %q, want one question about the second order", got)
	}
}

func TestChangeEventRetriesAStalledOrderThatPassesTheGate(t *testing.T) {
	r := newRig(t, eventTopic, changeTopic)
	r.bus.publish(eventTopic, orderEvent(1, noon), orderEvent(2, noon))
	r.start()
	r.eventually("the orders exist", func() bool { return r.trigger(eventTopic).Received == 2 })
	r.stall(1, noon.Add(time.Minute))
	r.stall(2, noon.Add(time.Minute))
	// Order 1 was set back by the staff; the event of order 2 is the echo of the report that it failed.
	r.org.pass(time.Now(), orderID(1))
	r.bus.publish(changeTopic, changeEventOf(1, noon.Add(2*time.Minute), string(orderID(1))), changeEventOf(2, noon.Add(2*time.Minute), string(orderID(2))))
	r.eventually("the changes have arrived", func() bool { return r.trigger(changeTopic).Received == 2 })
	if got := r.order(1).Annotations[v1alpha1.RequestedAtAnnotation]; got != "2026-03-01T12:02:00Z/event/10000000-0000-4000-8000-000000000001" {
		t.Errorf("order 1 was asked to try again with %q", got)
	}
	if got := r.order(2).Annotations; len(got) != 0 {
		t.Errorf("our own report made order 2 try again: %v", got)
	}
}

// A gate that does not look at the activation status stays open when a failure is reported. Without an end, each report
// would ask for the next try.
func TestOnlyOthersRetryAStalledOrderByAChange(t *testing.T) {
	r := newRig(t, eventTopic, changeTopic)
	r.bus.publish(eventTopic, orderEvent(1, noon))
	r.start()
	r.eventually("the order exists", func() bool { return r.trigger(eventTopic).Received == 1 })
	r.eventually("the first sweep is over", func() bool { return r.read().Status.Sweep != nil })
	r.stall(1, noon.Add(time.Minute))
	r.org.pass(time.Now(), orderID(1), orderID(2))
	change := func(n int, client string, id int) pubsub.Event {
		e := changeEventOf(n, noon.Add(time.Duration(n+1)*time.Minute), string(orderID(id)))
		e.ChangeHeader.ChangeOrigin = "com/salesforce/api/rest/66.0;client=" + client
		return e
	}
	r.bus.publish(changeTopic, change(1, salesforce.ClientName, 1), change(2, salesforce.ClientName, 2))
	r.eventually("the echoes have arrived", func() bool { return r.trigger(changeTopic).Received == 2 })
	if got := r.order(1).Annotations; len(got) != 0 {
		t.Errorf("our own report made the order try again: %v", got)
	}
	if r.order(2).Spec.Origin != v1alpha1.ChangeEventOrigin {
		t.Error("an order without an object must be taken in, whoever changed it")
	}
	r.bus.publish(changeTopic, change(3, "SfdcInternalAPI/", 1))
	r.eventually("the change has arrived", func() bool { return r.trigger(changeTopic).Received == 3 })
	if got := r.order(1).Annotations[v1alpha1.RequestedAtAnnotation]; !strings.HasSuffix(got, "/event/10000000-0000-4000-8000-000000000003") {
		t.Errorf("the staff's change asked for %q, want a new try", got)
	}
}

func TestTheSweepFindsWhatChangeEventsCannotSay(t *testing.T) {
	for name, tc := range map[string]struct {
		event pubsub.Event
		fail  error
	}{
		"a pattern":       {event: changeEventOf(1, noon, "801*")},
		"too many":        {event: pubsub.Event{ID: "x", CreatedDate: noon, Fields: map[string]any{}, ChangeHeader: &pubsub.ChangeEventHeader{ChangeType: "GAP_OVERFLOW", RecordIDs: []string{"000000000000000AAA"}}}},
		"the org is away": {event: changeEventOf(1, noon, string(orderID(1))), fail: &salesforce.Error{Class: salesforce.LimitExceeded, Message: "used up"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, changeTopic)
			r.start()
			r.eventually("the first sweep is over", func() bool { return r.read().Status.Sweep != nil })
			r.org.pass(noon, orderID(1))
			r.org.with(func() { r.org.fail = tc.fail })
			asked := len(r.org.asking())
			r.bus.publish(changeTopic, tc.event)
			r.eventually("the event has arrived", func() bool { return r.trigger(changeTopic).Received == 1 })
			r.eventually("the org was asked", func() bool { return len(r.org.asking()) > asked })
			r.org.with(func() { r.org.fail = nil })
			r.eventually("the sweep has found the order", func() bool { return r.order(1).Spec.Origin == v1alpha1.SweepOrigin })
		})
	}
}

func TestChangeEventsThatCannotBeUsed(t *testing.T) {
	r := newRig(t, changeTopic)
	noHeader := changeEventOf(1, noon)
	noHeader.ChangeHeader = nil
	broken := changeEventOf(2, noon)
	broken.ChangeHeader, broken.DecodeErr = nil, errors.New("not Avro")
	r.bus.publish(changeTopic, noHeader, broken)
	r.start()
	r.eventually("both have arrived", func() bool { return r.trigger(changeTopic).Received == 2 })
	got := map[string]string{}
	for _, o := range r.orders() {
		got[o.Name] = fmt.Sprintf("%s: %s", o.Spec.Origin, o.Spec.Event.Problem)
	}
	want := map[string]string{
		"portal-event-10000000-0000-4000-8000-000000000001": "ChangeEvent: the change event has no ChangeEventHeader",
		"portal-event-10000000-0000-4000-8000-000000000002": "ChangeEvent: the event could not be decoded: not Avro",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("objects (-want +got):\n%s", diff)
	}
}

// TestChangeEventsOfCustomOrders tells orders by the name of their object, since their ids do not.
func TestChangeEventsOfCustomOrders(t *testing.T) {
	const topic = "/data/Provision__ChangeEvent"
	r := newRig(t, topic)
	r.gate = &Gate{Object: "Provision__c", Where: "Open__c = true"}
	r.start()
	r.eventually("the first sweep is over", func() bool { return r.read().Status.Sweep != nil })
	const ours, another, theirs = salesforce.ID("a014x000000ABCDAA4"), salesforce.ID("a014x000000ABCEAA4"), salesforce.ID("a024x000000ABCDAA4")
	r.org.pass(time.Now(), ours, theirs)
	of := func(n int, object string, id salesforce.ID) pubsub.Event {
		e := changeEventOf(n, noon, string(id))
		e.ChangeHeader.EntityName = object
		return e
	}
	r.bus.publish(topic, of(1, "Provision__c", ours), of(2, "Provision__c", another), of(3, "Line__c", theirs), of(4, "Order", orderID(1)))
	r.eventually("all have arrived", func() bool { return r.trigger(topic).Received == 4 })
	var got []string
	for _, o := range r.orders() {
		got = append(got, o.Spec.SalesforceOrderID)
	}
	if diff := cmp.Diff([]string{string(ours)}, got); diff != "" {
		t.Errorf("orders (-want +got):\n%s", diff)
	}
	for _, q := range r.org.asking() {
		if !strings.Contains(q, " FROM Provision__c WHERE (Open__c = true) AND ") {
			t.Errorf("the org was asked %s", q)
		}
	}
}
