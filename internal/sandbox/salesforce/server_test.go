package salesforce

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

var testKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

const (
	testClient = "3MVG9test"
	testUser   = "robot@example.com"
)

// org is a server on the loopback with a logged-in user and a clock that the
// test moves.
type org struct {
	t      *testing.T
	server *Server
	url    string
	token  string

	mu     sync.Mutex
	now    time.Time
	events []published
}

type published struct {
	topic  string
	fields map[string]any
}

var testStart = time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)

func newOrg(t *testing.T, change ...func(*Options)) *org {
	t.Helper()
	o := &org{t: t, now: testStart}
	options := Options{
		Now: o.clock, Publish: o.publish, ClientID: testClient, ClientSecret: "s3cret", Username: testUser, Password: "pw",
		PublicKey: &testKey().PublicKey,
	}
	for _, c := range change {
		c(&options)
	}
	o.server = New(options)
	listener := httptest.NewServer(o.server.Handler())
	t.Cleanup(listener.Close)
	o.url = listener.URL
	o.token = o.server.IssueToken()
	return o
}

func (o *org) clock() time.Time {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.now
}

func (o *org) move(d time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.now = o.now.Add(d)
}

func (o *org) publish(topic string, fields map[string]any) (string, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.events = append(o.events, published{topic, fields})
	return "5f1a4bb0-0000-4000-8000-00000000000" + string(rune('0'+len(o.events)%10)), nil
}

// on returns the events of one topic so far.
func (o *org) on(topic string) []map[string]any {
	o.mu.Lock()
	defer o.mu.Unlock()
	var out []map[string]any
	for _, e := range o.events {
		if e.topic == topic {
			out = append(out, e.fields)
		}
	}
	return out
}

type reply struct {
	status int
	header http.Header
	text   string
}

// json decodes the body.
func (r reply) json(t *testing.T) any {
	t.Helper()
	var out any
	if err := json.Unmarshal([]byte(r.text), &out); err != nil {
		t.Fatalf("decode %q: %v", r.text, err)
	}
	return out
}

// at walks into the body: keys and list indexes.
func (r reply) at(t *testing.T, path ...any) any {
	t.Helper()
	v := r.json(t)
	for _, step := range path {
		switch step := step.(type) {
		case string:
			object, _ := v.(map[string]any)
			v = object[step]
		case int:
			many, _ := v.([]any)
			if step >= len(many) {
				t.Fatalf("no element %v in %s", path, r.text)
			}
			v = many[step]
		}
	}
	return v
}

// call sends a request with the token. A path that does not begin with a
// slash is below /services/data/v66.0/; headers come as "Name: value".
func (o *org) call(method, path string, body any, headers ...string) reply {
	o.t.Helper()
	r, err := o.try(method, path, body, headers...)
	if err != nil {
		o.t.Fatalf("%s %s: %v", method, path, err)
	}
	return r
}

func (o *org) try(method, path string, body any, headers ...string) (reply, error) {
	o.t.Helper()
	if !strings.HasPrefix(path, "/") {
		path = "/services/data/v66.0/" + path
	}
	var reader io.Reader
	switch body := body.(type) {
	case nil:
	case string:
		reader = strings.NewReader(body)
	default:
		encoded, err := json.Marshal(body)
		if err != nil {
			o.t.Fatal(err)
		}
		reader = bytes.NewReader(encoded)
	}
	request, err := http.NewRequestWithContext(o.t.Context(), method, o.url+path, reader)
	if err != nil {
		o.t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+o.token)
	if reader != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		request.Header.Set(name, value)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return reply{}, err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	return reply{response.StatusCode, response.Header, string(text)}, err
}

func (o *org) query(soqlText string) reply {
	o.t.Helper()
	return o.call("GET", "query?q="+url.QueryEscape(soqlText), nil)
}

// rows queries and returns the records, which must come.
func (o *org) rows(soqlText string) []any {
	o.t.Helper()
	r := o.query(soqlText)
	records, ok := r.at(o.t, "records").([]any)
	if r.status != http.StatusOK || !ok {
		o.t.Fatalf("%s: %d %s", soqlText, r.status, r.text)
	}
	return records
}

// field reads one key of a decoded object.
func field(v any, name string) any {
	object, _ := v.(map[string]any)
	return object[name]
}

// code is the errorCode of an answer with one error.
func (r reply) code(t *testing.T) string {
	t.Helper()
	code, _ := r.at(t, 0, "errorCode").(string)
	return code
}

// shop is a seeded customer with products and a draft order of two lines.
type shop struct {
	book     string
	account  string
	products []ProductIDs
	order    string
	lines    []string
}

func (o *org) shop() shop {
	o.t.Helper()
	out := shop{book: o.server.StandardPricebookID()}
	var err error
	if out.account, err = o.server.CreateAccount(Account{Name: "Ümit & Söhne", Number: "C-7", WHMCSClient: 1234}); err != nil {
		o.t.Fatal(err)
	}
	for _, p := range []Product{
		{Name: "Home 1G", SKU: "INET-1G", WHMCSProduct: 188, BillingCycle: "Monthly", ItemClass: "Service", Price: 5000},
		{Name: "Installation", SKU: "INST", WHMCSProduct: 242, BillingCycle: "Onetime", ItemClass: "Installation", Price: 3000.5},
	} {
		ids, err := o.server.CreateProduct(p)
		if err != nil {
			o.t.Fatal(err)
		}
		out.products = append(out.products, ids)
	}
	order := Order{AccountID: out.account}
	for _, p := range out.products {
		order.Lines = append(order.Lines, Line{PricebookEntryID: p.PricebookEntryID})
	}
	if out.order, out.lines, err = o.server.CreateOrder(order); err != nil {
		o.t.Fatal(err)
	}
	return out
}

func assertion(t *testing.T, claims jwt.MapClaims) string {
	t.Helper()
	signed, err := jwt.NewWithClaims(jwt.SigningMethodRS256, claims).SignedString(testKey())
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

func (o *org) form(path string, pairs ...string) reply {
	o.t.Helper()
	form := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	return o.call("POST", path, form.Encode(), "Content-Type: application/x-www-form-urlencoded")
}

func wantStatus(t *testing.T, r reply, want int) {
	t.Helper()
	if r.status != want {
		t.Fatalf("status = %d, want %d: %s", r.status, want, cmp.Or(r.text, "(no body)"))
	}
}
