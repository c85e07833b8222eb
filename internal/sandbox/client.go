package sandbox

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/orderbridge/orderbridge/internal/sandbox/pubsub"
	"github.com/orderbridge/orderbridge/internal/sandbox/salesforce"
	"github.com/orderbridge/orderbridge/internal/sandbox/whmcs"
)

// Control calls the control API of a sandbox that may run in another process.
type Control struct {
	url string
	web *http.Client
}

// OpenControl returns a client for the sandbox that runs with this directory, and what it says of itself.
func OpenControl(dir string) (*Control, Info, error) {
	info, err := ReadInfo(dir)
	if err != nil {
		return nil, info, err
	}
	ca, err := os.ReadFile(info.CAFile)
	if err != nil {
		return nil, info, fmt.Errorf("read the sandbox's authority: %w", err)
	}
	c, err := NewControl(info.ControlURL, ca)
	return c, info, err
}

// NewControl returns a client for the control API at the URL, trusting the certificates in ca (PEM).
func NewControl(controlURL string, ca []byte) (*Control, error) {
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(ca) {
		return nil, errors.New("the sandbox's authority holds no certificate")
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}
	return &Control{url: strings.TrimRight(controlURL, "/"), web: &http.Client{Transport: transport, Timeout: 2 * time.Minute}}, nil
}

// call sends one request and decodes the answer into out unless that is nil.
func (c *Control) call(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		data, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.url+path, body)
	if err != nil {
		return err
	}
	resp, err := c.web.Do(req)
	if err != nil {
		return fmt.Errorf("sandbox control: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		var problem controlError
		_ = json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&problem) // the status alone tells enough
		return fmt.Errorf("sandbox control: %s %s: %s: %s", method, path, resp.Status, problem.Error)
	}
	if out == nil {
		_, err = io.Copy(io.Discard, resp.Body)
		return err
	}
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		return fmt.Errorf("sandbox control: %s %s: %w", method, path, err)
	}
	return nil
}

func post[A any](ctx context.Context, c *Control, path string, in any) (A, error) {
	var out A
	err := c.call(ctx, http.MethodPost, path, in, &out)
	return out, err
}

func get[A any](ctx context.Context, c *Control, path string) (A, error) {
	var out A
	err := c.call(ctx, http.MethodGet, path, nil, &out)
	return out, err
}

// Seed makes customers and orders.
func (c *Control) Seed(ctx context.Context, r SeedRequest) (SeedResult, error) {
	return post[SeedResult](ctx, c, "/v1/seed", r)
}

// NewCustomer makes one customer on both sides.
func (c *Control) NewCustomer(ctx context.Context, payMethod bool) (Customer, error) {
	return post[Customer](ctx, c, "/v1/customers", Customer{PayMethod: payMethod})
}

// NewOrder makes one order in Salesforce.
func (c *Control) NewOrder(ctx context.Context, r OrderRequest) (SeededOrder, error) {
	return post[SeededOrder](ctx, c, "/v1/orders", r)
}

// Approve approves orders; one that is approved already is asked for again (Reactivate).
func (c *Control) Approve(ctx context.Context, orderIDs ...string) error {
	return c.call(ctx, http.MethodPost, "/v1/approve", ApproveRequest{orderIDs}, nil)
}

// AddPayMethod gives a WHMCS client a stored card.
func (c *Control) AddPayMethod(ctx context.Context, clientID int64) error {
	return c.call(ctx, http.MethodPost, "/v1/paymethods", PayMethodRequest{ClientID: clientID}, nil)
}

// RemovePayMethods takes all stored cards and accounts from a WHMCS client.
func (c *Control) RemovePayMethods(ctx context.Context, clientID int64) error {
	return c.call(ctx, http.MethodPost, "/v1/paymethods", PayMethodRequest{ClientID: clientID, Remove: true}, nil)
}

// UpdateProduct changes fields of a Salesforce product; nil clears one.
func (c *Control) UpdateProduct(ctx context.Context, sku string, fields map[string]any) error {
	return c.call(ctx, http.MethodPost, "/v1/salesforce/products", ProductRequest{sku, fields}, nil)
}

// UpdateRecord changes fields of any Salesforce record; nil clears one.
func (c *Control) UpdateRecord(ctx context.Context, id string, fields map[string]any) error {
	return c.call(ctx, http.MethodPost, "/v1/salesforce/records", RecordRequest{ID: id, Fields: fields}, nil)
}

// DeleteRecord puts a Salesforce record in the recycle bin.
func (c *Control) DeleteRecord(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodPost, "/v1/salesforce/records", RecordRequest{ID: id, Delete: true}, nil)
}

// RevokeTokens ends all Salesforce sessions and returns how many there were.
func (c *Control) RevokeTokens(ctx context.Context) (int, error) {
	out, err := post[RevokeResult](ctx, c, "/v1/tokens/revoke", nil)
	return out.Revoked, err
}

// Publish puts an event on the bus and returns its UUID.
func (c *Control) Publish(ctx context.Context, r EventRequest) (string, error) {
	out, err := post[EventResult](ctx, c, "/v1/events", r)
	return out.ID, err
}

// ChangeBus does something to the bus as a whole and returns how many subscriptions were cut.
func (c *Control) ChangeBus(ctx context.Context, r BusRequest) (int, error) {
	out, err := post[BusResult](ctx, c, "/v1/bus", r)
	return out.Cut, err
}

// SetDown takes a side off the network or puts it back: salesforce, pubsub or whmcs.
func (c *Control) SetDown(ctx context.Context, system string, down bool) error {
	return c.call(ctx, http.MethodPost, "/v1/network", NetworkRequest{system, down}, nil)
}

// SetOrderStatus sets the status of a WHMCS order and its services, as an administrator would.
func (c *Control) SetOrderStatus(ctx context.Context, orderID int64, status string) error {
	return c.call(ctx, http.MethodPost, "/v1/whmcs/orders", WhmcsOrderRequest{OrderID: orderID, Status: status}, nil)
}

// PlaceOrder makes a WHMCS order as if the customer had placed it in the client area.
func (c *Control) PlaceOrder(ctx context.Context, clientID, pid int64, notes string) (whmcs.Order, error) {
	return post[whmcs.Order](ctx, c, "/v1/whmcs/orders", WhmcsOrderRequest{ClientID: clientID, PID: pid, Notes: notes})
}

// SetClientStatus sets the status of a WHMCS client, such as Closed.
func (c *Control) SetClientStatus(ctx context.Context, clientID int64, status string) error {
	return c.call(ctx, http.MethodPost, "/v1/whmcs/clients", ClientStatusRequest{clientID, status}, nil)
}

// PutProduct adds a product to the WHMCS catalogue or replaces it.
func (c *Control) PutProduct(ctx context.Context, p whmcs.Product) error {
	return c.call(ctx, http.MethodPost, "/v1/whmcs/products", p, nil)
}

// SetWhmcsFault switches a fault of WHMCS on and returns it with its id.
func (c *Control) SetWhmcsFault(ctx context.Context, f whmcs.Fault) (whmcs.Fault, error) {
	return post[whmcs.Fault](ctx, c, "/v1/faults/whmcs", f)
}

// SetSalesforceFault switches a fault of Salesforce on and returns it with its id.
func (c *Control) SetSalesforceFault(ctx context.Context, f salesforce.Fault) (salesforce.Fault, error) {
	return post[salesforce.Fault](ctx, c, "/v1/faults/salesforce", f)
}

// InjectPubSubFault adds a fault of the event bus.
func (c *Control) InjectPubSubFault(ctx context.Context, f pubsub.Fault) error {
	return c.call(ctx, http.MethodPost, "/v1/faults/pubsub", f, nil)
}

// Faults lists the faults that are on.
func (c *Control) Faults(ctx context.Context) (Faults, error) {
	return get[Faults](ctx, c, "/v1/faults")
}

// ClearFaults switches the faults of a side off: all, salesforce, pubsub or whmcs.
func (c *Control) ClearFaults(ctx context.Context, system string) error {
	return c.call(ctx, http.MethodDelete, "/v1/faults/"+url.PathEscape(system), nil, nil)
}

// ClearFault switches one fault off by its id.
func (c *Control) ClearFault(ctx context.Context, system, id string) error {
	return c.call(ctx, http.MethodDelete, "/v1/faults/"+url.PathEscape(system)+"?id="+url.QueryEscape(id), nil, nil)
}

// Clock reads the clock.
func (c *Control) Clock(ctx context.Context) (ClockState, error) {
	return get[ClockState](ctx, c, "/v1/clock")
}

// MoveClock moves the clock forward or changes its speed.
func (c *Control) MoveClock(ctx context.Context, r ClockRequest) (ClockState, error) {
	return post[ClockState](ctx, c, "/v1/clock", r)
}

// AdvanceClock moves the clock forward.
func (c *Control) AdvanceClock(ctx context.Context, d time.Duration) error {
	_, err := c.MoveClock(ctx, ClockRequest{Advance: whmcs.Duration(d)})
	return err
}

// State reads the books of both sides.
func (c *Control) State(ctx context.Context) (State, error) { return get[State](ctx, c, "/v1/state") }

// Audit compares the books.
func (c *Control) Audit(ctx context.Context) (Audit, error) { return get[Audit](ctx, c, "/v1/audit") }

// Journal lists the mutating WHMCS calls in the order in which they took effect.
func (c *Control) Journal(ctx context.Context) ([]whmcs.Entry, error) {
	return get[[]whmcs.Entry](ctx, c, "/v1/journal")
}

// Counters reads what the far sides have seen.
func (c *Control) Counters(ctx context.Context) (Counters, error) {
	return get[Counters](ctx, c, "/v1/counters")
}

// ResetCounters sets the counters of Salesforce and WHMCS to zero.
func (c *Control) ResetCounters(ctx context.Context) error {
	return c.call(ctx, http.MethodDelete, "/v1/counters", nil, nil)
}
