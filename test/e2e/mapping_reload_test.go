package e2e

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/internal/sandbox"
	"github.com/orderbridge/orderbridge/internal/stage"
)

// How many orders wait for the mapping, by what for.
const (
	withoutProduct = 200
	withoutAccount = 150
	withoutMapping = 150
	// ofOthers is how many orders of each other kind there are.
	ofOthers = 20
)

// wakeTime is how long after the mending of a mapping the last of its waiting orders must have been read and mapped anew.
const wakeTime = 2 * time.Second

// waitTime is how long the tests wait for what takes no certain time.
const waitTime = 2 * time.Minute

// halfMapping knows half of the customers and one product.
const halfMapping = `version: 1
client:
- field: account.WH_Account__c
  pattern: '^#(\d+) - (?:Hana|Ren|Yui|Sora|Mei)\b'
line:
  pid: {field: product.StockKeepingUnit, table: {VPN-US: 220}}
`

// brokenMapping has an unknown key in line 4.
const brokenMapping = `version: 1
client:
- field: account.WH_Account__c
  patern: '^#(\d+)\b'
`

// wholeMapping knows all customers and products.
const wholeMapping = `version: 1
client:
- field: account.WH_Account__c
  pattern: '^#(\d+)\b'
`

// elsewhereMapping is that of another pipeline, which takes orders that are not approved and knows no product.
const elsewhereMapping = `version: 1
gate: {order.Status: Pending Review}
client: {field: account.WH_Account__c, pattern: '^#(\d+)\b'}
line:
  pid: {field: product.StockKeepingUnit, table: {SIM-5GB: 201}}
`

// inHalf tells whether halfMapping knows a customer.
func inHalf(c sandbox.Customer) bool {
	given, _, _ := strings.Cut(c.Name, " ")
	return slices.Contains([]string{"Hana", "Ren", "Yui", "Sora", "Mei"}, given)
}

func notInHalf(c sandbox.Customer) bool { return !inHalf(c) }

// crowd is all orders of the test, by what they wait for at first.
type crowd struct {
	product, account, invalid              []sandbox.SeededOrder
	payment, scheduled, done, ofAnotherOne []sandbox.SeededOrder
}

// waiting are the objects of the orders that wait for the mapping of the pipeline portal.
func (c *crowd) waiting() []string {
	return names("portal-", c.product, c.account, c.invalid)
}

// others are the objects of all other orders.
func (c *crowd) others() []string {
	return append(names("portal-", c.payment, c.scheduled, c.done), names("elsewhere-", c.ofAnotherOne)...)
}

func names(prefix string, lists ...[]sandbox.SeededOrder) []string {
	var out []string
	for _, order := range slices.Concat(lists...) {
		out = append(out, prefix+strings.ToLower(order.ID))
	}
	return out
}

// A mended mapping moves every order that waits for it within wakeTime, and no other order is looked at. What is looked
// at is read from the log of controller-runtime, which has a line for every call of Reconcile.
func TestMendedMappingMovesWaitingOrdersAndNoOthers(t *testing.T) {
	s := stageWith(t, func(pipeline *v1alpha1.ProvisioningPipeline) {
		quick(pipeline)
		// A WHMCS that takes more than by default, so that the test ends soon. It is the slowest part all the same, as it is for users.
		pipeline.Spec.Whmcs.MaxConcurrentRequests, pipeline.Spec.Whmcs.RequestsPerSecond = 16, 100
	})
	elsewhere(t, s)
	writeMapping(t, s, portalMapping, halfMapping)
	address := freeAddress(t)
	manager := manage(t, s, "--zap-log-level=5", "--zap-time-encoding=rfc3339nano", "--metrics-secure=false", "--metrics-bind-address="+address)
	c := gather(t, s)
	settle(t, s, c)
	// Waits double from 15 s: after the third look there are 60 s in which no order looks by itself.
	eventually(t, waitTime, "every waiting order was looked at three times", func() error {
		looks := logSince(t, manager, 0).looks
		for _, name := range slices.Concat(names("portal-", c.product, c.account, c.payment), names("elsewhere-", c.ofAnotherOne)) {
			if len(looks[name]) < 3 {
				return fmt.Errorf("%s was looked at %d times", name, len(looks[name]))
			}
		}
		return nil
	})
	breakMapping(t, s, c, manager)

	mark := logSize(t, manager)
	plans := watchPlans(t, s)
	before, err := s.Control.Counters(t.Context())
	must(t, err)
	wokenBefore := woken(t, address)
	began := time.Now()
	mended := writeMapping(t, s, portalMapping, wholeMapping)
	shownAt := plans.shownFor(t, c.waiting())
	after, err := s.Control.Counters(t.Context())
	must(t, err)
	if diff := cmp.Diff(map[string]int{
		"portal/" + v1alpha1.ProductUnmappedReason: withoutProduct,
		"portal/" + v1alpha1.AccountUnmappedReason: withoutAccount,
		"portal/" + v1alpha1.MappingInvalidReason:  withoutMapping,
	}, less(woken(t, address), wokenBefore)); diff != "" {
		t.Errorf("orderbridge_orders_woken_total (-want +got):\n%s", diff)
	}
	told := logSince(t, manager, mark)
	mapped := told.mappedWith(t, mended.ResourceVersion, c.waiting())
	compareLooks(t, c, told.looks, began, mapped[len(mapped)-1].Add(wakeTime))
	logTimes(t, "read from Salesforce and mapped with the mended mapping", mapped, began)
	logTimes(t, "their plan shown by the API server", shownAt, began)
	t.Logf("queries to Salesforce until then: %d", after.Salesforce["query"]-before.Salesforce["query"])
	if took := mapped[len(mapped)-1].Sub(began); took > wakeTime {
		t.Errorf("the last of %d orders was mapped %s after the mapping was mended, want at most %s", len(mapped), took, wakeTime)
	}

	provisioned(t, s, waitTime, slices.Concat(c.product, c.account, c.invalid)...)
	t.Logf("all were provisioned %s after the mapping was mended", time.Since(began).Round(time.Millisecond))
	sum := sumOf(mended)
	for _, order := range slices.Concat(c.product, c.account, c.invalid) {
		if got := get(t, s, order).Status.Plan.Mapping; got != sum {
			t.Fatalf("%s records the mapping %+v, want %+v", order.ID, got, sum)
		}
	}
	for _, order := range slices.Concat(c.payment, c.scheduled) {
		must(t, s.Control.DeleteRecord(t.Context(), order.ID))
	}
	audited(t, s, slices.Concat(c.product, c.account, c.invalid, c.done)...)
}

// elsewhere installs another pipeline of the same org and WHMCS with a mapping of its own.
func elsewhere(t *testing.T, s *stage.Stage) {
	t.Helper()
	must(t, s.Client.Create(t.Context(), &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: stage.Namespace, Name: "elsewhere-mapping"},
		Data:       map[string]string{"mapping.yaml": elsewhereMapping},
	}))
	var pipeline v1alpha1.ProvisioningPipeline
	must(t, s.Client.Get(t.Context(), client.ObjectKey{Namespace: stage.Namespace, Name: "portal"}, &pipeline))
	fresh(&pipeline)
	pipeline.Name = "elsewhere"
	pipeline.Spec.MappingRef.Name = "elsewhere-mapping"
	pipeline.Spec.Salesforce.Triggers = []v1alpha1.Trigger{{Topic: "/data/OrderChangeEvent"}}
	must(t, s.Client.Create(t.Context(), &pipeline))
}

// gather makes all orders but those that come while the mapping is broken, and approves them.
func gather(t *testing.T, s *stage.Stage) *crowd {
	t.Helper()
	later := time.Now().Add(24 * time.Hour).UTC().Format(time.RFC3339)
	c := &crowd{
		done:         orderEach(t, s, customers(t, s, ofOthers, true, inHalf), "VPN-US", nil),
		scheduled:    orderEach(t, s, customers(t, s, ofOthers, true, inHalf), "VPN-US", map[string]any{"Activation_Type__c": "Scheduled", "Activation_Scheduled_At__c": later}),
		payment:      orderEach(t, s, customers(t, s, ofOthers, false, inHalf), "VPN-US", nil),
		ofAnotherOne: orderEach(t, s, customers(t, s, ofOthers, true, inHalf), "VPN-US", map[string]any{"Status": "Pending Review"}),
		product:      orderEach(t, s, customers(t, s, withoutProduct, true, inHalf), "INT-HOME-10G", nil),
		account:      orderEach(t, s, customers(t, s, withoutAccount, true, notInHalf), "VPN-US", nil),
	}
	approve(t, s, slices.Concat(c.done, c.scheduled, c.payment, c.product, c.account)...)
	return c
}

// settle waits until every order waits for what it shall wait for.
func settle(t *testing.T, s *stage.Stage, c *crowd) {
	t.Helper()
	provisioned(t, s, waitTime, c.done...)
	want := map[string]string{}
	for reason, orders := range map[string][]string{
		v1alpha1.ProductUnmappedReason:      slices.Concat(names("portal-", c.product), names("elsewhere-", c.ofAnotherOne)),
		v1alpha1.AccountUnmappedReason:      names("portal-", c.account),
		v1alpha1.PaymentMethodMissingReason: names("portal-", c.payment),
		v1alpha1.ScheduledReason:            names("portal-", c.scheduled),
	} {
		for _, name := range orders {
			want[name] = reason
		}
	}
	shown(t, s, want)
}

// shown waits until Validated of the orders is False for these reasons.
func shown(t *testing.T, s *stage.Stage, want map[string]string) {
	t.Helper()
	eventually(t, waitTime, fmt.Sprintf("%d orders wait for what they shall wait for", len(want)), func() error {
		got := map[string]string{}
		for name, order := range listed(t, s) {
			if status, reason, _ := validated(order); status == "False" {
				got[name] = reason
			}
		}
		wrong := 0
		for name, reason := range want {
			if got[name] != reason {
				wrong++
			}
		}
		if wrong > 0 {
			return fmt.Errorf("%d do not", wrong)
		}
		return nil
	})
}

func listed(t *testing.T, s *stage.Stage) map[string]*v1alpha1.ProvisioningOrder {
	t.Helper()
	var list v1alpha1.ProvisioningOrderList
	must(t, s.Client.List(t.Context(), &list, client.InNamespace(stage.Namespace)))
	orders := map[string]*v1alpha1.ProvisioningOrder{}
	for i := range list.Items {
		orders[list.Items[i].Name] = &list.Items[i]
	}
	return orders
}

// breakMapping breaks the mapping: new orders wait for it to be mended, and the others are left as they are.
func breakMapping(t *testing.T, s *stage.Stage, c *crowd, manager *stage.Process) {
	t.Helper()
	c.invalid = orderEach(t, s, customers(t, s, withoutMapping, true, inHalf), "VPN-US", nil)
	before := listed(t, s)
	mark := logSize(t, manager)
	writeMapping(t, s, portalMapping, brokenMapping)
	brokenSince(t, s)
	approve(t, s, c.invalid...)
	want := map[string]string{}
	for _, name := range names("portal-", c.invalid) {
		want[name] = v1alpha1.MappingInvalidReason
	}
	shown(t, s, want)
	looks, after := logSince(t, manager, mark).looks, listed(t, s)
	for name, order := range before {
		if n := len(looks[name]); n != 0 {
			t.Errorf("%s was looked at %d times because the mapping broke", name, n)
		}
		if after[name] == nil || after[name].ResourceVersion != order.ResourceVersion {
			t.Errorf("%s was written because the mapping broke", name)
		}
	}
}

// brokenSince waits until the pipeline says where the mapping is wrong.
func brokenSince(t *testing.T, s *stage.Stage) {
	t.Helper()
	eventually(t, waitTime, "the pipeline says that its mapping is broken", func() error {
		var pipeline v1alpha1.ProvisioningPipeline
		if err := s.Client.Get(t.Context(), client.ObjectKey{Namespace: stage.Namespace, Name: "portal"}, &pipeline); err != nil {
			return err
		}
		for _, condition := range pipeline.Status.Conditions {
			if condition.Type == v1alpha1.MappingValidCondition && condition.Status == metav1.ConditionFalse {
				says(t, "MappingValid", condition.Message, "ConfigMap portal-mapping", "mapping.yaml: 4:3:", `unknown key "patern"`, "did you mean pattern?")
				return nil
			}
		}
		return fmt.Errorf("the conditions are %+v", pipeline.Status.Conditions)
	})
}

// hasPlan tells whether a reason of Validated says that the mapping has made a plan of the order.
func hasPlan(reason string) bool {
	return reason == v1alpha1.ProgressingReason || reason == v1alpha1.PlannedReason
}

// diary notes when the watch first showed a plan of an order.
type diary struct {
	mu    sync.Mutex
	since map[string]time.Time
	err   error
}

// watchPlans keeps a diary from now on. It reads all the time, and again from where it was: the API server hangs up on
// those who read slowly.
func watchPlans(t *testing.T, s *stage.Stage) *diary {
	t.Helper()
	var list v1alpha1.ProvisioningOrderList
	must(t, s.Client.List(t.Context(), &list, client.InNamespace(stage.Namespace)))
	d := &diary{since: map[string]time.Time{}}
	go func() {
		for version := list.ResourceVersion; version != ""; {
			version = d.follow(t.Context(), s.Client, version)
		}
	}()
	return d
}

// follow reads one watch to its end and returns where the next has to begin, or nothing if there can be none.
func (d *diary) follow(ctx context.Context, watches client.WithWatch, version string) string {
	from := &client.ListOptions{Namespace: stage.Namespace, Raw: &metav1.ListOptions{ResourceVersion: version}}
	watcher, err := watches.Watch(ctx, &v1alpha1.ProvisioningOrderList{}, from)
	if err != nil {
		d.fail(err)
		return ""
	}
	defer watcher.Stop()
	for e := range watcher.ResultChan() {
		order, ok := e.Object.(*v1alpha1.ProvisioningOrder)
		if !ok {
			d.fail(apierrors.FromObject(e.Object))
			return ""
		}
		d.note(order)
		version = order.ResourceVersion
	}
	return version
}

func (d *diary) note(order *v1alpha1.ProvisioningOrder) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, reason, _ := validated(order); hasPlan(reason) && d.since[order.Name].IsZero() {
		d.since[order.Name] = time.Now()
	}
}

func (d *diary) fail(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.err = err
}

// shownFor waits until plans of all these orders were shown, and returns when each was, the first first.
func (d *diary) shownFor(t *testing.T, orders []string) []time.Time {
	t.Helper()
	var times []time.Time
	eventually(t, waitTime, "the watch shows a plan of every waiting order", func() error {
		d.mu.Lock()
		defer d.mu.Unlock()
		times = nil
		for _, name := range orders {
			if at, ok := d.since[name]; ok {
				times = append(times, at)
			}
		}
		if len(times) < len(orders) {
			return errors.Join(fmt.Errorf("%d of %d are", len(times), len(orders)), d.err)
		}
		return nil
	})
	slices.SortFunc(times, time.Time.Compare)
	return times
}

// compareLooks checks who was looked at from the mending of the mapping until an instant. Later, orders that wait for
// something else look by themselves again.
func compareLooks(t *testing.T, c *crowd, looks map[string][]time.Time, began, until time.Time) {
	t.Helper()
	var first []time.Time
	for _, name := range c.waiting() {
		if len(looks[name]) == 0 {
			t.Fatalf("%s waits for the mapping and was not looked at", name)
		}
		first = append(first, looks[name][0])
	}
	disturbed := 0
	for _, name := range c.others() {
		if times := looks[name]; len(times) > 0 && times[0].Before(until) {
			t.Errorf("%s waits for something else and was looked at %s after the mending", name, times[0].Sub(began))
			disturbed++
		}
	}
	slices.SortFunc(first, time.Time.Compare)
	logTimes(t, "looked at, of those that wait for the mapping", first, began)
	t.Logf("looked at, of %d others: %d", len(c.others()), disturbed)
}

func logTimes(t *testing.T, what string, times []time.Time, began time.Time) {
	t.Helper()
	after := func(i int) time.Duration { return times[i].Sub(began).Round(time.Millisecond) }
	t.Logf("%s: the first of %d after %s, the median after %s, the last after %s", what, len(times), after(0), after(len(times)/2), after(len(times)-1))
}
