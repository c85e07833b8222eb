package whmcs

import (
	"sync"
	"testing"
	"time"
)

// after is the state of an order and its services after an AcceptOrder.
type after struct {
	answer, order string
	statuses      []string
	deployments   []int
	queue         int
}

func TestAcceptOrder(t *testing.T) {
	const text = "Account exists already"
	tests := map[string]struct {
		fault Fault
		pairs []string
		want  after
	}{
		"success": {pairs: []string{"autosetup", "1"},
			want: after{"", StatusActive, []string{StatusActive, StatusActive, StatusActive}, []int{1, 0, 1}, 0}},
		"without setup": {pairs: []string{"autosetup", "0"},
			want: after{"", StatusActive, []string{StatusActive, StatusActive, StatusActive}, []int{0, 0, 0}, 0}},
		"product decides": {
			want: after{"", StatusActive, []string{StatusActive, StatusActive, StatusActive}, []int{1, 0, 1}, 0}},
		"module error": {Fault{Kind: ModuleError, Text: text}, []string{"autosetup", "1"},
			after{text, StatusPending, []string{StatusPending, StatusPending, StatusPending}, []int{0, 0, 0}, 1}},
		"module error after create": {Fault{Kind: ModuleErrorMade, Text: text}, []string{"autosetup", "1"},
			after{text, StatusPending, []string{StatusPending, StatusPending, StatusPending}, []int{1, 0, 0}, 1}},
		"module error, order active": {Fault{Kind: ModuleErrorActive, Text: text}, []string{"autosetup", "1"},
			after{text, StatusActive, []string{StatusPending, StatusPending, StatusPending}, []int{0, 0, 0}, 1}},
		"partial": {Fault{Kind: ModulePartial, Text: text}, []string{"autosetup", "1"},
			after{text, StatusPending, []string{StatusActive, StatusActive, StatusPending}, []int{1, 0, 0}, 1}},
		"asynchronous": {Fault{Kind: ModuleAsync, Delay: Duration(time.Minute)}, []string{"autosetup", "1"},
			after{"", StatusActive, []string{StatusPending, StatusActive, StatusPending}, []int{1, 0, 1}, 0}},
		"silent": {Fault{Kind: ModuleSilent}, []string{"autosetup", "1"},
			after{"", StatusActive, []string{StatusPending, StatusActive, StatusPending}, []int{0, 0, 0}, 2}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, Options{})
			r.client(Client{})
			id := r.order("1", "188", "242", "246")
			if tc.fault.Kind != "" {
				r.fault(tc.fault)
			}
			answer := r.call("AcceptOrder", append([]string{"orderid", id}, tc.pairs...)...)
			message, _ := answer["message"].(string)
			equal(t, message, tc.want.answer)
			equal(t, r.Orders()[0].Status, tc.want.order)
			for i, sv := range r.Services() {
				equal(t, sv.Status, tc.want.statuses[i])
				equal(t, sv.Deployments, tc.want.deployments[i])
			}
			equal(t, len(r.Queue()), tc.want.queue)
		})
	}
}

func TestAcceptOrderTwice(t *testing.T) {
	r := newRig(t, Options{})
	r.client(Client{})
	id := r.order("1", "188")
	r.ok("AcceptOrder", "orderid", id, "autosetup", "1")
	r.refused(notPending, "AcceptOrder", "orderid", id, "autosetup", "1")
	r.refused(notPending, "AcceptOrder", "orderid", "77")
	r.ok("PendingOrder", "orderid", id)
	r.ok("AcceptOrder", "orderid", id, "autosetup", "1", "serviceusername", "u", "servicepassword", "p", "serverid", "3")
	sv := r.Services()[0]
	if sv.Deployments != 2 || sv.Username != "u" || sv.ServerID != 3 || r.Orders()[0].Accepts != 2 {
		t.Errorf("after PendingOrder a second accept deploys again: %+v", sv)
	}
}

func TestConcurrentAcceptsDeployTwice(t *testing.T) {
	r := newRig(t, Options{})
	r.client(Client{})
	id := r.order("1", "188")
	r.fault(Fault{Kind: ModuleLatency, Delay: Duration(100 * time.Millisecond)})
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() { _, _, _ = r.post("AcceptOrder", "orderid", id, "autosetup", "1") })
	}
	wg.Wait()
	if got := r.Services()[0].Deployments; got != 2 {
		t.Errorf("%d deployments; nothing locks an order while its module runs", got)
	}
	if r.Orders()[0].Accepts != 2 || r.Counters().MaxConcurrentByAction["AcceptOrder"] != 2 {
		t.Errorf("counters: %+v", r.Counters())
	}
}

func TestAsynchronousModule(t *testing.T) {
	r := newRig(t, Options{})
	r.client(Client{})
	id := r.order("1", "188")
	r.fault(Fault{Kind: ModuleAsync, Delay: Duration(time.Minute)})
	r.ok("AcceptOrder", "orderid", id, "autosetup", "1")
	status := func() any {
		return dig(t, r.ok("GetClientsProducts", "clientid", "1"), "products", "product", 0, "status")
	}
	equal(t, status(), any(StatusPending))
	r.advance(time.Minute)
	equal(t, status(), any(StatusActive))
}

func TestModuleQueueAndCreate(t *testing.T) {
	r := newRig(t, Options{})
	r.client(Client{})
	id := r.order("1", "188", "242")
	r.fault(Fault{Kind: ModuleError, Text: `No "slot" free`, Count: 2})
	r.refused(`No "slot" free`, "AcceptOrder", "orderid", id, "autosetup", "1")
	r.refused(`No "slot" free`, "ModuleCreate", "serviceid", "1")
	q := r.ok("GetModuleQueue", "relatedId", "1", "serviceType", "service")
	equal(t, dig(t, q, "count"), any("1"))
	equal(t, dig(t, q, "queue", 0, "lastAttemptError"), any(`No "slot" free`))
	equal(t, dig(t, q, "queue", 0, "numRetries"), any("1"))
	f := r.fault(Fault{Kind: FlatKeys})
	equal(t, r.ok("GetModuleQueue")["queue[0][serviceId]"], any("1"))
	r.RemoveFault(f.ID)
	for _, pairs := range [][]string{{"relatedId", "9"}, {"moduleName", "other"}, {"moduleAction", "Suspend"}, {"serviceType", "addon"},
		{"since", "2027-01-01 00:00:00"}} {
		equal(t, r.ok("GetModuleQueue", pairs...)["count"], any("0"))
	}

	r.refused("Service ID is required", "ModuleCreate")
	r.refused("Service ID not found", "ModuleCreate", "serviceid", "99")
	r.refused("Service not assigned to a module", "ModuleCreate", "serviceid", "2")
	r.ok("ModuleCreate", "accountid", "1")
	r.ok("ModuleCreate", "serviceid", "1")
	sv := r.Services()[0]
	if sv.Deployments != 2 || sv.Status != StatusActive || sv.Password == "" {
		t.Errorf("service: %+v", sv)
	}
	equal(t, r.ok("GetModuleQueue")["count"], any("0"))
}

func TestOrderStateActions(t *testing.T) {
	r := newRig(t, Options{})
	r.client(Client{})
	r.ok("AddOrder", "clientid", "1", "paymentmethod", "mailin", "pid[]", "181")
	r.refused("Order ID not found", "DeleteOrder", "orderid", "9")
	r.refused("The order status must be in Cancelled or Fraud to be deleted", "DeleteOrder", "orderid", "1")
	r.refused("Order ID Not Found", "PendingOrder", "orderid", "9")
	r.refused(notPending, "CancelOrder", "orderid", "9")
	r.ok("CancelOrder", "orderid", "1")
	equal(t, r.Orders()[0].Status+r.Services()[0].Status+r.Invoices()[0].Status, "CancelledCancelledCancelled")
	r.refused(notPending, "CancelOrder", "orderid", "1")
	r.ok("PendingOrder", "orderid", "1")
	if err := r.UpdateService(1, func(sv *Service) { sv.Subscription = "invalid" }); err != nil {
		t.Fatal(err)
	}
	r.refused("Subscription Cancellation Failed - Subscription not found", "CancelOrder", "orderid", "1", "cancelsub", "1")
	r.ok("FraudOrder", "orderid", "1")
	r.ok("DeleteOrder", "orderid", "1")
	equal(t, dig(t, r.ok("GetOrders", "userid", "1"), "totalresults"), any(float64(0)))
	equal(t, dig(t, r.ok("GetClientsProducts", "clientid", "1"), "totalresults"), any("0"))
	if !r.Orders()[0].Deleted {
		t.Error("a deleted order must stay in the books as evidence")
	}
}
