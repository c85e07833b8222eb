package sandbox

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/orderbridge/orderbridge/internal/sandbox/pubsub"
	"github.com/orderbridge/orderbridge/internal/sandbox/salesforce"
	"github.com/orderbridge/orderbridge/internal/sandbox/whmcs"
)

// A fault that could never strike is refused: a test that relies on it would prove nothing.
func TestControlRefusesDeadFaults(t *testing.T) {
	r := newRig(t, Options{})
	ctx := t.Context()
	for name, test := range map[string]struct {
		err  error
		want string
	}{
		"action of another kind":  {second(r.SetWhmcsFault(ctx, whmcs.Fault{Kind: whmcs.ModuleError, Action: "GetOrders"})), "it concerns AcceptOrder, ModuleCreate"},
		"no HTTP status":          {second(r.SetWhmcsFault(ctx, whmcs.Fault{Kind: whmcs.HTMLAfter, Status: 9})), "9 is no status"},
		"unknown endpoint":        {second(r.SetSalesforceFault(ctx, salesforce.Fault{Name: salesforce.FaultError, Endpoint: "rows"})), "row.update"},
		"unknown object":          {second(r.SetSalesforceFault(ctx, salesforce.Fault{Name: salesforce.FaultRejectRow, Object: "Ordre"})), `no object "Ordre"`},
		"no HTTP status for REST": {second(r.SetSalesforceFault(ctx, salesforce.Fault{Name: salesforce.FaultError, Status: 1000})), "1000 is no status"},
		"negative times":          {second(r.SetSalesforceFault(ctx, salesforce.Fault{Name: salesforce.FaultFlowOff, Times: -1})), "must not be negative"},
		"unknown rpc":             {r.InjectPubSubFault(ctx, pubsub.Fault{Kind: pubsub.FaultEnd, RPC: "Fetch"}), "use one of [Subscribe"},
		"unknown kind of cut":     {second(r.ChangeBus(ctx, BusRequest{Cut: &pubsub.Fault{Kind: "snip"}})), "no kind of fault"},
		"removal of no topic":     {second(r.ChangeBus(ctx, BusRequest{Topic: "/event/None__e", Remove: true})), "no topic"},
		"half of an access":       {second(r.ChangeBus(ctx, BusRequest{Topic: "/event/OrderProvisionRequested__e", CanPublish: new(true)})), "go together"},
	} {
		if test.err == nil || !strings.Contains(test.err.Error(), test.want) {
			t.Errorf("%s: error %v, want %q", name, test.err, test.want)
		}
	}
}

// With the access key of sandbox.json a client passes the address rule, and the key is kept for the next start.
func TestAccessKey(t *testing.T) {
	r := newRig(t, Options{})
	must[whmcs.Fault](t)(r.SetWhmcsFault(t.Context(), whmcs.Fault{Kind: whmcs.IPDenied}))
	form := url.Values{"action": {"WhmcsDetails"}, "responsetype": {"json"}, "identifier": {r.info.Whmcs.Identifier},
		"secret": {r.info.Whmcs.Secret}, "accesskey": {r.info.Whmcs.AccessKey}}
	if out := r.send(http.MethodPost, r.info.Whmcs.URL, "", formType, form.Encode()); out["result"] != "success" {
		t.Errorf("answer = %v", out)
	}
	r.box.Close()
	if again := newRig(t, Options{Dir: r.dir}); again.info.Whmcs.AccessKey != r.info.Whmcs.AccessKey {
		t.Error("another access key after a restart")
	}
}
