package intake

import (
	"context"
	"errors"
	"flag"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/internal/pubsub"
	"github.com/orderbridge/orderbridge/internal/salesforce"
	"github.com/orderbridge/orderbridge/internal/sandbox"
	sandboxpubsub "github.com/orderbridge/orderbridge/internal/sandbox/pubsub"
)

// soak is how many events TestNothingIsLost publishes.
var soak = flag.Int("events", 1500, "events to publish in TestNothingIsLost")

// overTheWire makes a rig whose org and bus are the sandbox's.
func overTheWire(t testing.TB, tune func(*sandbox.Options), topics ...string) (*rig, *sandbox.Sandbox) {
	t.Helper()
	o := sandbox.Options{Dir: t.TempDir()}
	if tune != nil {
		tune(&o)
	}
	box, err := sandbox.Start(o)
	if err != nil {
		t.Fatalf("starting the sandbox: %v", err)
	}
	t.Cleanup(box.Close)
	r := newRig(t, topics...)
	r.gate = &Gate{Object: salesforce.OrderObject, Where: "Activation_Status__c = 'Activating'"}
	r.options.OpenBus = func(c pubsub.Config) (Bus, error) {
		c.Backoff = pubsub.Backoff{Base: 20 * time.Millisecond, Max: time.Second}
		c.SettleTime = 100 * time.Millisecond
		return pubsub.New(c)
	}
	key, ca := readFile(t, box.Info.Salesforce.PrivateKeyFile), readFile(t, box.Info.CAFile)
	r.change(func(p *v1alpha1.ProvisioningPipeline) {
		p.Spec.Salesforce.LoginURL = box.Info.Salesforce.LoginURL
		p.Spec.Salesforce.PubSubEndpoint = box.Info.Salesforce.PubSubEndpoint
		p.Spec.Salesforce.CABundle = string(ca)
		p.Spec.Salesforce.APIVersion = box.Info.Salesforce.APIVersion
	})
	org, err := salesforce.New(salesforce.Config{
		LoginURL: box.Info.Salesforce.LoginURL, ClientID: box.Info.Salesforce.ClientID, Username: box.Info.Salesforce.Username,
		APIVersion: box.Info.Salesforce.APIVersion, PrivateKey: key, CABundle: ca,
	})
	if err != nil {
		t.Fatalf("making a Salesforce client: %v", err)
	}
	r.far = org
	return r, box
}

func readFile(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// publish puts the platform event of an order on the sandbox's bus.
func publish(t testing.TB, box *sandbox.Sandbox, n int) {
	t.Helper()
	if _, err := box.PubSub.Publish(eventTopic, map[string]any{"OrderId__c": string(orderID(n))}); err != nil {
		t.Fatalf("publishing: %v", err)
	}
}

// approved makes orders in the sandbox's org that are approved, and whose events are out.
func approved(t *testing.T, box *sandbox.Sandbox, count int) []string {
	t.Helper()
	seeded, err := box.Seed(sandbox.SeedRequest{Orders: count, Approve: true})
	if err != nil {
		t.Fatalf("seeding: %v", err)
	}
	var ids []string
	for _, o := range seeded.Orders {
		ids = append(ids, o.ID)
	}
	return ids
}

// killable is a client that can be made to fail everything from one moment on, like that of a process that was killed.
type killable struct {
	client.Client
	dead           atomic.Bool
	creates, saves atomic.Int64
}

func newKillable(inner client.WithWatch) *killable {
	k := &killable{}
	errDead := errors.New("the process is dead")
	k.Client = interceptor.NewClient(inner, interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.CreateOption) error {
			if k.dead.Load() {
				return errDead
			}
			k.creates.Add(1)
			return c.Create(ctx, obj, opts...)
		},
		SubResourcePatch: func(ctx context.Context, c client.Client, sub string, obj client.Object, patch client.Patch, opts ...client.SubResourcePatchOption) error {
			if k.dead.Load() {
				return errDead
			}
			k.saves.Add(1)
			return c.SubResource(sub).Patch(ctx, obj, patch, opts...)
		},
	})
	return k
}

// TestNothingIsLost publishes events while everything that can go wrong with a stream does: cuts of each kind, revoked
// tokens, duplicates, events that cannot be decoded, and supervisors that are killed without a last word.
func TestNothingIsLost(t *testing.T) {
	r, box := overTheWire(t, nil, eventTopic)
	const cut = 250
	for n := range *soak / cut {
		f := []sandboxpubsub.Fault{
			{Kind: sandboxpubsub.FaultEnd},
			{Kind: sandboxpubsub.FaultReset},
			{Kind: sandboxpubsub.FaultError, ErrorCode: "service.unavailable"},
			{Kind: sandboxpubsub.FaultToken},
			{Kind: sandboxpubsub.FaultError, Status: "UNAVAILABLE"},
		}[n%5]
		f.AfterEvents, f.Spread = cut/2, cut
		if err := box.PubSub.Inject(f); err != nil {
			t.Fatal(err)
		}
	}
	var creates, saves, received int64
	process := newKillable(cluster)
	r.options.Client = process
	r.start()
	const kills = 5
	for n := range *soak {
		publish(t, box, n)
		if rand.IntN(50) == 0 {
			if err := box.PubSub.Duplicate(eventTopic); err != nil {
				t.Fatal(err)
			}
		}
		if n%(*soak/3) == *soak/4 {
			box.Salesforce.RevokeTokens()
		}
		if n%(*soak/kills) == *soak/kills-1 {
			// Let it be in the middle of something.
			r.eventually("some more events are stored", func() bool { return r.trigger(eventTopic).Received > received })
			received = r.trigger(eventTopic).Received
			process.dead.Store(true)
			r.stop()
			creates, saves = creates+process.creates.Load(), saves+process.saves.Load()
			process = newKillable(cluster)
			r.options.Client = process
			r.start()
		}
	}
	r.within(5*time.Minute, time.Second, "all orders exist", func() bool { return len(r.orders()) >= *soak })
	r.stop()
	creates, saves = creates+process.creates.Load(), saves+process.saves.Load()

	orders := r.orders()
	for n := range *soak {
		if _, ok := orders[orderName("portal", orderID(n))]; !ok {
			t.Errorf("order %d is missing", n)
		}
	}
	if len(orders) != *soak {
		t.Errorf("there are %d objects, want %d", len(orders), *soak)
	}
	if gaps := r.read().Status.Gaps; len(gaps) != 0 {
		t.Errorf("gaps were reported where there was none: %+v", gaps)
	}
	c := box.PubSub.Counters()
	if c.FaultsFired["reset"] == 0 || c.FaultsFired["error"] == 0 || c.AuthErrors == 0 {
		t.Errorf("too little went wrong: %v", c.FaultsFired)
	}
	t.Logf("%d events, %d deliveries on %d streams, %d creations (%.3f per event), %d writes of positions (%.3f per event)",
		*soak, c.Delivered, c.Subscribes, creates, float64(creates)/float64(*soak), saves, float64(saves)/float64(*soak))
}

// TestDownFor80Hours: the position is rejected, 50 orders are only in Salesforce, 150 still on the bus.
func TestDownFor80Hours(t *testing.T) {
	t.Parallel()
	r, box := overTheWire(t, nil, eventTopic)
	// The times of production: closing the gap within a minute is a promise.
	o := r.options
	r.options = Options{Client: o.Client, Reader: o.Reader, Recorder: o.Recorder, OpenBus: o.OpenBus}
	before := approved(t, box, 3)
	r.start()
	r.eventually("the first orders exist", func() bool { return len(r.orders()) == len(before) })
	r.stop()

	lost := approved(t, box, 50)
	if err := box.Clock.Advance(80 * time.Hour); err != nil {
		t.Fatal(err)
	}
	kept := approved(t, box, 150)
	began := time.Now()
	r.start()
	r.eventually("the gap is noticed", func() bool { return len(r.read().Status.Gaps) == 1 })
	reconnected := time.Now()
	deadline := reconnected.Add(time.Minute)
	for r.read().Status.Gaps[0].ClosedAt == nil {
		if time.Now().After(deadline) {
			t.Fatalf("the gap is still open after a minute: %+v", r.read().Status)
		}
		<-time.After(100 * time.Millisecond)
	}
	t.Logf("closed %s after the start", time.Since(began).Round(100*time.Millisecond))

	gap := r.read().Status.Gaps[0]
	slices.Sort(gap.Orders)
	slices.Sort(lost)
	if diff := cmp.Diff(lost, gap.Orders); diff != "" || gap.OrdersRecovered != 50 {
		t.Errorf("%d orders recovered (-want +got):\n%s", gap.OrdersRecovered, diff)
	}
	orders := r.orders()
	for _, id := range slices.Concat(before, lost, kept) {
		o, ok := orders["portal-"+strings.ToLower(id)]
		want := v1alpha1.EventOrigin
		if slices.Contains(lost, id) {
			want = v1alpha1.SweepOrigin
		}
		if !ok || o.Spec.Origin != want {
			t.Errorf("order %s: exists %t, origin %s, want %s", id, ok, o.Spec.Origin, want)
		}
	}
	if len(orders) != 203 {
		t.Errorf("there are %d objects, want 203", len(orders))
	}
}

func TestSilentStall(t *testing.T) {
	t.Parallel()
	r, box := overTheWire(t, nil, eventTopic)
	r.change(func(p *v1alpha1.ProvisioningPipeline) { p.Spec.Salesforce.IdleTimeout.Duration = 2 * time.Second })
	r.start()
	publish(t, box, 1)
	r.eventually("the first event is stored", func() bool { return r.trigger(eventTopic).Received == 1 })
	if cut := box.PubSub.Cut(sandboxpubsub.Fault{Kind: sandboxpubsub.FaultStall}); cut != 1 {
		t.Fatalf("%d streams were stalled, want 1", cut)
	}
	publish(t, box, 2)
	r.eventually("the second event is stored", func() bool { return r.trigger(eventTopic).Received == 2 })
	if got := box.PubSub.Counters().Subscribes; got < 2 {
		t.Errorf("it came on %d streams, want a second one after the idle timeout", got)
	}
}

func TestSchemasMixInABacklog(t *testing.T) {
	t.Parallel()
	r, box := overTheWire(t, nil, eventTopic)
	_, first, ok := box.PubSub.Schema(eventTopic)
	if !ok {
		t.Fatal("the sandbox has no schema for the topic")
	}
	evolve := func(fields string) {
		t.Helper()
		head := `{"type":"record","name":"OrderProvisionRequested__e","namespace":"com.sforce.eventbus","fields":[{"name":"CreatedDate","type":"long"},{"name":"CreatedById","type":"string"},`
		if err := box.PubSub.DefineTopic(eventTopic, head+fields+"]}"); err != nil {
			t.Fatal(err)
		}
	}
	publish(t, box, 1)
	evolve(`{"name":"New__c","type":["null","double"],"default":null},{"name":"OrderId__c","type":["null","string"],"default":null}`)
	publish(t, box, 2)
	evolve(`{"name":"OrderId__c","type":["string","null"]}`)
	publish(t, box, 3)
	evolve(`{"name":"OrderId__c","type":"string"}`)
	publish(t, box, 4)
	evolve(`{"name":"Renamed__c","type":["null","string"],"default":null}`)
	if _, err := box.PubSub.Publish(eventTopic, map[string]any{"Renamed__c": string(orderID(5))}); err != nil {
		t.Fatal(err)
	}
	if err := box.PubSub.DefineTopic(eventTopic, first); err != nil {
		t.Fatal(err)
	}
	if err := box.PubSub.Inject(sandboxpubsub.Fault{Kind: sandboxpubsub.FaultGarbled}); err != nil {
		t.Fatal(err)
	}
	publish(t, box, 6)
	if _, err := box.PubSub.PublishRaw(eventTopic, "NoSuchSchemaIsKnown0000", []byte("whatever")); err != nil {
		t.Fatal(err)
	}
	publish(t, box, 7)
	r.start()
	r.eventually("all have arrived", func() bool { return r.trigger(eventTopic).Received == 8 })

	got := map[string]int{}
	for _, o := range r.orders() {
		problem, _, _ := strings.Cut(o.Spec.Event.Problem, ":")
		got[strings.TrimSpace(o.Spec.SalesforceOrderID+" "+problem)]++
	}
	want := map[string]int{"the event has no field OrderId__c": 1, "the event could not be decoded": 2}
	for _, n := range []int{1, 2, 3, 4, 7} {
		want[string(orderID(n))] = 1
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("objects (-want +got):\n%s", diff)
	}
	if s := r.trigger(eventTopic); s.Rejected != 3 {
		t.Errorf("%d rejected, want 3", s.Rejected)
	}
}

// TestBothTriggers: each approval is announced twice, and each write-back of ours is announced as a change.
func TestBothTriggers(t *testing.T) {
	t.Parallel()
	r, box := overTheWire(t, nil, eventTopic, changeTopic)
	r.start()
	r.eventually("both stream", func() bool {
		return r.trigger(eventTopic).Phase == PhaseStreaming && r.trigger(changeTopic).Phase == PhaseStreaming
	})
	ids := approved(t, box, 20)
	r.eventually("the orders exist", func() bool { return len(r.orders()) == 20 })
	r.eventually("the approvals have arrived as changes", func() bool { return r.trigger(changeTopic).Received >= 20 })
	r.eventually("the first sweep is over", func() bool { return r.read().Status.Sweep != nil })
	if box.Salesforce.Counters()["query"] == 0 {
		t.Fatal("the sandbox did not count the sweep's query: the comparison below would prove nothing")
	}
	heard, queries := r.trigger(changeTopic).Received, box.Salesforce.Counters()["query"]
	for _, id := range ids {
		if err := box.Salesforce.Update(id, map[string]any{"Activation_Status__c": "Activated", "WHMCS_Order_ID__c": "4711"}); err != nil {
			t.Fatal(err)
		}
	}
	r.eventually("the echoes have arrived", func() bool { return r.trigger(changeTopic).Received >= heard+20 })
	if now := box.Salesforce.Counters()["query"]; now != queries {
		t.Errorf("the echoes cost %d queries", now-queries)
	}
	for name, o := range r.orders() {
		if len(o.Annotations) != 0 {
			t.Errorf("%s: a second announcement asked for a retry: %v", name, o.Annotations)
		}
	}
	if got := len(r.orders()); got != 20 {
		t.Errorf("there are %d objects, want 20", got)
	}
}

// TestTroubleIsShownAndHeals goes through what an admin may get wrong or run into.
func TestTroubleIsShownAndHeals(t *testing.T) {
	for name, tc := range map[string]struct {
		hurt func(*testing.T, *sandbox.Sandbox)
		want string
		heal func(*testing.T, *sandbox.Sandbox)
	}{
		"the topic does not exist": {
			hurt: func(_ *testing.T, box *sandbox.Sandbox) { box.PubSub.RemoveTopic(eventTopic) },
			want: "Blocked TopicUnavailable",
			heal: func(t *testing.T, box *sandbox.Sandbox) {
				err := box.PubSub.DefineTopic(eventTopic, `{"type":"record","name":"E","fields":[{"name":"CreatedDate","type":"long"},{"name":"CreatedById","type":"string"},{"name":"OrderId__c","type":["null","string"]}]}`)
				if err != nil {
					t.Fatal(err)
				}
			},
		},
		"the user may not subscribe": {
			hurt: func(t *testing.T, box *sandbox.Sandbox) { access(t, box, false) },
			want: "Blocked TopicUnavailable",
			heal: func(t *testing.T, box *sandbox.Sandbox) { access(t, box, true) },
		},
		"the deliveries are used up": {
			hurt: func(t *testing.T, box *sandbox.Sandbox) { limit(t, box, -1) },
			want: "LimitExceeded DeliveryLimit",
			heal: func(_ *testing.T, box *sandbox.Sandbox) { box.PubSub.ClearFaults() },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, box := overTheWire(t, nil, eventTopic)
			r.options.OpenBus = func(c pubsub.Config) (Bus, error) {
				c.BlockedRetry, c.LimitRetry = time.Second, time.Second
				return pubsub.New(c)
			}
			tc.hurt(t, box)
			r.start()
			shown := func() string {
				state, _ := r.snapshot().Connected()
				return state.Phase + " " + state.Reason
			}
			r.eventually("it shows "+tc.want, func() bool { return shown() == tc.want && r.trigger(eventTopic).Message != "" })
			tc.heal(t, box)
			publish(t, box, 1)
			r.eventually("it heals", func() bool { return len(r.orders()) == 1 })
		})
	}
}

func access(t *testing.T, box *sandbox.Sandbox, subscribe bool) {
	t.Helper()
	if err := box.PubSub.SetAccess(eventTopic, true, subscribe); err != nil {
		t.Fatal(err)
	}
}

func limit(t *testing.T, box *sandbox.Sandbox, times int) {
	t.Helper()
	if err := box.PubSub.Inject(sandboxpubsub.Fault{Kind: sandboxpubsub.FaultLimit, Times: times}); err != nil {
		t.Fatal(err)
	}
}
