package sandbox

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"

	eventbusv1 "github.com/orderbridge/orderbridge/internal/pubsub/eventbus/v1"
	"github.com/orderbridge/orderbridge/internal/sandbox/pubsub"
	"github.com/orderbridge/orderbridge/internal/sandbox/salesforce"
	"github.com/orderbridge/orderbridge/internal/sandbox/whmcs"
)

// rig is a running sandbox, a client of its control API, and a stranger who speaks to it by the files alone.
type rig struct {
	*Control
	t    *testing.T
	box  *Sandbox
	dir  string
	info Info
	web  *http.Client
	ca   *x509.CertPool
}

func newRig(t *testing.T, o Options) *rig {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	box, err := Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(box.Close)
	control, info, err := OpenControl(o.Dir)
	if err != nil {
		t.Fatal(err)
	}
	pem, err := os.ReadFile(info.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{Control: control, t: t, box: box, dir: o.Dir, info: info, ca: x509.NewCertPool()}
	r.ca.AppendCertsFromPEM(pem)
	r.web = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: r.ca}, ForceAttemptHTTP2: true}}
	return r
}

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func (r *rig) ok(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// send makes a request and decodes the JSON answer.
func (r *rig) send(method, address, token, contentType, body string) map[string]any {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), method, address, strings.NewReader(body))
	r.ok(err)
	req.Header.Set("Content-Type", contentType)
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := r.web.Do(req)
	r.ok(err)
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	r.ok(err)
	if resp.StatusCode >= 300 {
		r.t.Fatalf("%s %s: %s %s", method, address, resp.Status, data)
	}
	var out map[string]any
	if len(data) > 0 {
		r.ok(json.Unmarshal(data, &out))
	}
	return out
}

const formType = "application/x-www-form-urlencoded"

// login signs in as the integration user with the key in the directory.
func (r *rig) login() string {
	r.t.Helper()
	pem, err := os.ReadFile(r.info.Salesforce.PrivateKeyFile)
	r.ok(err)
	key, err := jwt.ParseRSAPrivateKeyFromPEM(pem)
	r.ok(err)
	assertion, err := jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.MapClaims{
		"iss": r.info.Salesforce.ClientID, "sub": r.info.Salesforce.Username, "aud": r.info.Salesforce.LoginURL,
		"exp": time.Now().Add(3 * time.Minute).Unix(),
	}).SignedString(key)
	r.ok(err)
	form := url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}, "assertion": {assertion}}
	out := r.send(http.MethodPost, r.info.Salesforce.LoginURL+"/services/oauth2/token", "", formType, form.Encode())
	return out["access_token"].(string)
}

func (r *rig) api(action string, form url.Values) map[string]any {
	r.t.Helper()
	form.Set("action", action)
	form.Set("identifier", r.info.Whmcs.Identifier)
	form.Set("secret", r.info.Whmcs.Secret)
	form.Set("responsetype", "json")
	return r.send(http.MethodPost, r.info.Whmcs.URL, "", formType, form.Encode())
}

// provision does by hand what the operator is for.
func (r *rig) provision(token string, o SeededOrder) {
	r.t.Helper()
	form := url.Values{"clientid": {strconv.FormatInt(o.ClientID, 10)}, "paymentmethod": {"mailin"}, "noinvoice": {"1"},
		"notes": {"sfOrderId=" + o.ID}}
	catalogue := bySKU()
	for i, l := range o.Lines {
		it, n := catalogue[l.SKU], "["+strconv.Itoa(i)+"]"
		form.Set("pid"+n, strconv.FormatInt(it.PID, 10))
		form.Set("billingcycle"+n, it.WantCycle)
		form.Set("qty"+n, strconv.FormatFloat(l.Quantity, 'f', -1, 64))
		form.Set("configoptions"+n, phpOptions(it.Options))
	}
	made := r.api("AddOrder", form)
	r.api("AcceptOrder", url.Values{"orderid": {made["orderid"].(string)}, "autosetup": {"1"}})
	ids := strings.Split(made["serviceids"].(string), ",")
	rest := r.info.Salesforce.InstanceURL + "/services/data/" + r.info.Salesforce.APIVersion + "/sobjects/"
	for i, l := range o.Lines {
		r.send(http.MethodPatch, rest+"OrderItem/"+l.ID, token, "application/json", `{"WHMCS_Service_ID__c":"`+ids[i]+`"}`)
	}
	r.send(http.MethodPatch, rest+"Order/"+o.ID, token, "application/json",
		`{"WHMCS_Order_ID__c":"`+made["orderid"].(string)+`","Activation_Status__c":"Activated"}`)
}

func TestByHand(t *testing.T) {
	r := newRig(t, Options{})
	ctx := t.Context()
	seeded := must[SeedResult](t)(r.Seed(ctx, SeedRequest{Orders: 12, Seed: 3}))
	if len(seeded.Customers) != 9 || len(seeded.Orders) != 12 {
		t.Fatalf("seeded %d customers, %d orders", len(seeded.Customers), len(seeded.Orders))
	}
	if a := must[Audit](t)(r.Audit(ctx)); !a.OK() || a.Wanted != 0 {
		t.Errorf("drafts are not wanted yet: %s %v", a.Summary(), a.Findings)
	}
	var ids []string
	for _, o := range seeded.Orders {
		ids = append(ids, o.ID)
	}
	r.ok(r.Approve(ctx, ids...))
	if a := must[Audit](t)(r.Audit(ctx)); a.Missing != 12 || a.Summary() != "0/12 orders provisioned, 0 WHMCS orders, 0 duplicates" {
		t.Errorf("%s %v", a.Summary(), a.Findings)
	}
	token := r.login()
	got := r.events(token, 12)
	for _, id := range ids {
		if !got[id] {
			t.Errorf("no event announced order %s", id)
		}
	}
	for _, o := range seeded.Orders {
		r.provision(token, o)
	}
	a := must[Audit](t)(r.Audit(ctx))
	if !a.OK() || a.Summary() != "12/12 orders provisioned, 12 WHMCS orders, 0 duplicates" {
		t.Errorf("%s %v", a.Summary(), a.Findings)
	}
	r.provision(token, seeded.Orders[0])
	if a = must[Audit](t)(r.Audit(ctx)); a.OK() || a.Duplicates != 1 {
		t.Errorf("a second order was not found: %s %v", a.Summary(), a.Findings)
	}
	if n := len(must[[]whmcs.Entry](t)(r.Journal(ctx))); n != 26 {
		t.Errorf("the journal has %d calls, want 26", n)
	}
	counters := must[Counters](t)(r.Counters(ctx))
	if counters.Whmcs.Total("AddOrder") != 13 || counters.PubSub.Delivered < 12 || counters.Salesforce["login"] == 0 {
		t.Errorf("counters: %+v", counters)
	}
	r.ok(r.ResetCounters(ctx))
	if counters = must[Counters](t)(r.Counters(ctx)); counters.Whmcs.Total("") != 0 {
		t.Errorf("counters after a reset: %+v", counters.Whmcs)
	}
}

// events reads the platform event topic from the start until it has seen so many orders.
func (r *rig) events(token string, n int) map[string]bool {
	r.t.Helper()
	conn, err := grpc.NewClient(r.info.Salesforce.PubSubEndpoint, grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{RootCAs: r.ca})))
	r.ok(err)
	defer conn.Close()
	ctx, cancel := context.WithTimeout(r.t.Context(), 30*time.Second)
	defer cancel()
	ctx = metadata.AppendToOutgoingContext(ctx, "accesstoken", token, "instanceurl", r.info.Salesforce.InstanceURL,
		"tenantid", r.info.Salesforce.OrgID)
	stream, err := eventbusv1.NewPubSubClient(conn).Subscribe(ctx)
	r.ok(err)
	r.ok(stream.Send(&eventbusv1.FetchRequest{TopicName: "/event/OrderProvisionRequested__e", NumRequested: int32(n),
		ReplayPreset: eventbusv1.ReplayPreset_EARLIEST}))
	seen := map[string]bool{}
	for len(seen) < n {
		batch, err := stream.Recv()
		r.ok(err)
		for _, e := range batch.GetEvents() {
			// The payload is Avro; the order's id stands in it as plain text.
			if i := strings.Index(string(e.GetEvent().GetPayload()), "801"); i >= 0 {
				seen[string(e.GetEvent().GetPayload()[i:i+18])] = true
			}
		}
	}
	return seen
}

func TestRestartKeepsIdentity(t *testing.T) {
	dir := t.TempDir()
	first := newRig(t, Options{Dir: dir})
	before := first.info
	first.box.Close()
	port := func(address string) int {
		n, err := strconv.Atoi(address[strings.LastIndexByte(address, ':')+1:])
		first.ok(err)
		return n
	}
	again := newRig(t, Options{Dir: dir, Ports: Ports{
		Salesforce: port(before.Salesforce.LoginURL), PubSub: port(before.Salesforce.PubSubEndpoint),
		Whmcs: port(strings.TrimSuffix(before.Whmcs.URL, whmcs.Path)), Control: port(before.ControlURL),
	}})
	if again.info != before {
		t.Errorf("after a restart\n%+v\nbefore\n%+v", again.info, before)
	}
	again.login()
	if _, err := Start(Options{Dir: t.TempDir(), Ports: Ports{Whmcs: port(strings.TrimSuffix(before.Whmcs.URL, whmcs.Path))}}); err == nil {
		t.Error("a port was taken twice")
	}
}

func TestFilesAreComplete(t *testing.T) {
	r := newRig(t, Options{Namespace: "shop"})
	data, err := os.ReadFile(filepath.Join(r.dir, "sandbox.json"))
	r.ok(err)
	var doc map[string]any
	r.ok(json.Unmarshal(data, &doc))
	for _, path := range []string{"salesforce.loginURL", "salesforce.instanceURL", "salesforce.pubSubEndpoint", "salesforce.orgID",
		"salesforce.clientID", "salesforce.username", "salesforce.privateKeyFile", "salesforce.apiVersion", "whmcs.url",
		"whmcs.identifier", "whmcs.secret", "controlURL", "caFile"} {
		var v any = doc
		for name := range strings.SplitSeq(path, ".") {
			m, _ := v.(map[string]any)
			v = m[name]
		}
		if s, _ := v.(string); s == "" {
			t.Errorf("%s is missing", path)
		}
	}
	mode(t, filepath.Join(r.dir, "sandbox.json"), 0o600)
	mode(t, filepath.Join(r.dir, "manifests.yaml"), 0o600)
	mode(t, r.info.Salesforce.PrivateKeyFile, 0o600)
}

func TestControlFaultsAndClock(t *testing.T) {
	r := newRig(t, Options{})
	ctx := t.Context()
	f := must[whmcs.Fault](t)(r.SetWhmcsFault(ctx, whmcs.Fault{Kind: whmcs.Outage, For: whmcs.Duration(time.Hour)}))
	s := must[salesforce.Fault](t)(r.SetSalesforceFault(ctx, salesforce.Fault{Name: salesforce.FaultFlowOff, Times: 1}))
	r.ok(r.InjectPubSubFault(ctx, pubsub.Fault{Kind: pubsub.FaultEnd}))
	on := must[Faults](t)(r.Faults(ctx))
	if len(on.Whmcs) != 1 || len(on.Salesforce) != 1 || len(on.PubSub) != 1 || f.ID == "" || s.ID == 0 {
		t.Errorf("faults: %+v", on)
	}
	r.ok(r.ClearFault(ctx, "whmcs", f.ID))
	r.ok(r.ClearFault(ctx, "salesforce", strconv.Itoa(s.ID)))
	r.ok(r.ClearFaults(ctx, "pubsub"))
	if on = must[Faults](t)(r.Faults(ctx)); len(on.Whmcs)+len(on.Salesforce)+len(on.PubSub) != 0 {
		t.Errorf("faults: %+v", on)
	}
	r.ok(r.ClearFaults(ctx, "all"))
	if _, err := r.SetWhmcsFault(ctx, whmcs.Fault{Kind: "odd"}); err == nil || !strings.Contains(err.Error(), "unknown fault kind") {
		t.Errorf("got %v", err)
	}
	if err := r.ClearFaults(ctx, "nobody"); err == nil {
		t.Error("faults of nobody were cleared")
	}
	before := must[ClockState](t)(r.Clock(ctx))
	r.ok(r.AdvanceClock(ctx, 80*time.Hour))
	after := must[ClockState](t)(r.MoveClock(ctx, ClockRequest{Scale: 2}))
	if after.Now.Sub(before.Now) < 80*time.Hour || after.Scale != 2 {
		t.Errorf("clock: %+v, before %+v", after, before)
	}
	if err := r.AdvanceClock(ctx, -time.Hour); err == nil {
		t.Error("the clock went back")
	}
	r.login() // assertions are judged by real time
}

func TestControlRecords(t *testing.T) {
	r := newRig(t, Options{})
	ctx := t.Context()
	c := must[Customer](t)(r.NewCustomer(ctx, false))
	if c.ClientID != firstClientID {
		t.Errorf("the first client is %d", c.ClientID)
	}
	o := must[SeededOrder](t)(r.NewOrder(ctx, OrderRequest{AccountID: c.AccountID, Lines: []OrderLine{{SKU: "SIM-5GB", Quantity: 2}}}))
	state := func() State { return must[State](t)(r.State(ctx)) }
	if got := state().Orders[0]; got.ID != o.ID || got.WhmcsAccount != "#1001 - "+c.Name || len(got.Lines) != 1 ||
		got.Lines[0].Quantity != 2 || got.Lines[0].PID != 201 || got.Lines[0].SKU != "SIM-5GB" || got.Status != "Draft" {
		t.Errorf("order: %+v", got)
	}
	r.ok(r.UpdateProduct(ctx, "SIM-5GB", map[string]any{"WHMCS_Product_Id__c": nil}))
	if got := state().Orders[0].Lines[0].PID; got != 0 {
		t.Errorf("pid is %d after it was cleared", got)
	}
	r.ok(r.AddPayMethod(ctx, c.ClientID))
	if n := len(state().Whmcs.Clients[0].PayMethods); n != 1 {
		t.Errorf("%d pay methods", n)
	}
	r.ok(r.RemovePayMethods(ctx, c.ClientID))
	r.ok(r.SetClientStatus(ctx, c.ClientID, whmcs.StatusClosed))
	placed := must[whmcs.Order](t)(r.PlaceOrder(ctx, c.ClientID, 181, "by hand"))
	r.ok(r.SetOrderStatus(ctx, placed.ID, whmcs.StatusFraud))
	r.ok(r.PutProduct(ctx, whmcs.Product{PID: 900, Name: "New", PayType: whmcs.PayFree}))
	s := state()
	if s.Whmcs.Clients[0].Status != whmcs.StatusClosed || s.Whmcs.Orders[0].Status != whmcs.StatusFraud || len(s.Whmcs.Clients[0].PayMethods) != 0 {
		t.Errorf("state: %+v", s.Whmcs)
	}
	r.ok(r.UpdateRecord(ctx, o.ID, map[string]any{"Status": "Rejected"}))
	r.ok(r.DeleteRecord(ctx, o.ID))
	if n := len(state().Orders); n != 0 {
		t.Errorf("%d orders after the deletion", n)
	}
	for name, err := range map[string]error{
		"unknown sku":     r.UpdateProduct(ctx, "NONE", nil),
		"unknown record":  r.UpdateRecord(ctx, "8014x000000ABCDIAZ", nil),
		"unknown client":  r.AddPayMethod(ctx, 5),
		"unknown order":   r.SetOrderStatus(ctx, 99, "Active"),
		"unknown path":    r.call(ctx, http.MethodGet, "/v1/nothing", nil, nil),
		"unknown key":     r.call(ctx, http.MethodPost, "/v1/seed", map[string]any{"ordres": 1}, nil),
		"wrong method":    r.call(ctx, http.MethodPut, "/v1/seed", nil, nil),
		"order of nobody": second(r.NewOrder(ctx, OrderRequest{Lines: []OrderLine{{SKU: "SIM-5GB"}}})),
		"empty order":     second(r.NewOrder(ctx, OrderRequest{AccountID: c.AccountID})),
		"order of what":   second(r.NewOrder(ctx, OrderRequest{AccountID: c.AccountID, Lines: []OrderLine{{SKU: "NONE"}}})),
		"seed of what":    second(r.Seed(ctx, SeedRequest{Orders: 1, SKUs: []string{"NONE"}})),
		"negative seed":   second(r.Seed(ctx, SeedRequest{Orders: -1})),
		"negative line":   second(r.NewOrder(ctx, OrderRequest{AccountID: c.AccountID, Lines: []OrderLine{{SKU: "SIM-5GB", Quantity: -1}}})),
		"client status":   r.SetClientStatus(ctx, c.ClientID, "Sleeping"),
		"order status":    r.SetOrderStatus(ctx, placed.ID, ""),
		"two objects":     r.call(ctx, http.MethodPost, "/v1/approve", json.RawMessage(`{} {}`), nil),
	} {
		if err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestControlBus(t *testing.T) {
	r := newRig(t, Options{})
	ctx := t.Context()
	const topic = "/event/OrderProvisionRequested__e"
	id := must[string](t)(r.Publish(ctx, EventRequest{Topic: topic, Fields: map[string]any{"OrderId__c": "8014x000000ABCDIAZ"}}))
	if id == "" {
		t.Error("a published event has no id")
	}
	must[string](t)(r.Publish(ctx, EventRequest{Topic: topic, Duplicate: true}))
	must[string](t)(r.Publish(ctx, EventRequest{Topic: topic, Payload: []byte{1, 2, 3}}))
	if n := r.box.PubSub.Retained(topic); n < 3 {
		t.Errorf("%d events on the bus, want 3", n)
	}
	if _, err := r.Publish(ctx, EventRequest{Topic: "/event/None__e"}); err == nil {
		t.Error("an event was published to no topic")
	}
	r.login()
	if n := must[int](t)(r.RevokeTokens(ctx)); n != 1 {
		t.Errorf("%d sessions revoked, want 1", n)
	}
	if n := must[int](t)(r.ChangeBus(ctx, BusRequest{Cut: &pubsub.Fault{Kind: pubsub.FaultEnd}})); n != 0 {
		t.Errorf("%d subscriptions cut, want none", n)
	}
	limit := int64(5)
	must[int](t)(r.ChangeBus(ctx, BusRequest{DeliveryLimit: &limit, Reset: true, ZeroCreditError: new(true)}))
	must[int](t)(r.ChangeBus(ctx, BusRequest{Topic: topic, CanPublish: new(true), CanSubscribe: new(false)}))
	must[int](t)(r.ChangeBus(ctx, BusRequest{Topic: topic, Remove: true}))
	if _, err := r.Publish(ctx, EventRequest{Topic: topic}); err == nil {
		t.Error("an event was published to a removed topic")
	}
}

func TestOpenControlWithoutSandbox(t *testing.T) {
	if _, _, err := OpenControl(t.TempDir()); err == nil || !strings.Contains(err.Error(), "is a sandbox running") {
		t.Errorf("got %v", err)
	}
	if _, err := NewControl("https://127.0.0.1:1", []byte("no certificate")); err == nil {
		t.Error("a client without trust was made")
	}
	if _, err := Start(Options{}); err == nil {
		t.Error("a sandbox without a directory was started")
	}
}

// phpOptions writes base64(serialize()) of configurable options.
func phpOptions(options map[int64]int64) string {
	var b strings.Builder
	b.WriteString("a:" + strconv.Itoa(len(options)) + ":{")
	for id, v := range options {
		b.WriteString("i:" + strconv.FormatInt(id, 10) + ";i:" + strconv.FormatInt(v, 10) + ";")
	}
	return encodeBase64(b.String() + "}")
}
