package whmcs

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// rig is a server on loopback with a clock that stands still, and a caller with credentials.
type rig struct {
	*Server
	t   *testing.T
	url string
	web *http.Client

	mu  sync.Mutex
	now time.Time
}

func newRig(t *testing.T, o Options) *rig {
	t.Helper()
	r := &rig{t: t, now: time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC)}
	o.Now = func() time.Time { r.mu.Lock(); defer r.mu.Unlock(); return r.now }
	r.Server = New(o)
	ts := httptest.NewServer(r.Handler())
	t.Cleanup(ts.Close)
	r.url, r.web = ts.URL+Path, ts.Client()
	return r
}

func (r *rig) advance(d time.Duration) { r.mu.Lock(); defer r.mu.Unlock(); r.now = r.now.Add(d) }

func (r *rig) client(c Client) int64 {
	r.t.Helper()
	id, err := r.AddClient(c)
	if err != nil {
		r.t.Fatal(err)
	}
	return id
}

func (r *rig) fault(f Fault) Fault {
	r.t.Helper()
	out, err := r.SetFault(f)
	if err != nil {
		r.t.Fatal(err)
	}
	return out
}

// post sends a form with the API credential. The pairs keep their order.
func (r *rig) post(action string, pairs ...string) (*http.Response, string, error) {
	form := []string{"identifier=sandbox-identifier", "secret=sandbox-secret", "responsetype=json"}
	if action != "" {
		form = append(form, "action="+action)
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		form = append(form, url.QueryEscape(pairs[i])+"="+url.QueryEscape(pairs[i+1]))
	}
	return r.raw("", strings.Join(form, "&"))
}

func (r *rig) raw(query, body string) (*http.Response, string, error) {
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodPost, r.url+query, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := r.web.Do(req)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	return resp, string(data), err
}

type object = map[string]any

// call posts and decodes the JSON answer, whatever it says.
func (r *rig) call(action string, pairs ...string) object {
	r.t.Helper()
	_, body, err := r.post(action, pairs...)
	if err != nil {
		r.t.Fatalf("%s: %v", action, err)
	}
	var out object
	if err := json.Unmarshal([]byte(body), &out); err != nil {
		r.t.Fatalf("%s answered %q: %v", action, body, err)
	}
	return out
}

// ok is call, and the answer must be a success.
func (r *rig) ok(action string, pairs ...string) object {
	r.t.Helper()
	out := r.call(action, pairs...)
	if out["result"] != "success" {
		r.t.Fatalf("%s: %v", action, out)
	}
	return out
}

// refused is call, and the answer must be this error.
func (r *rig) refused(want, action string, pairs ...string) {
	r.t.Helper()
	out := r.call(action, pairs...)
	if out["result"] != "error" || out["message"] != want {
		r.t.Errorf("%s %v answered %v, want the error %q", action, pairs, out, want)
	}
}

// order places an order of the given products and returns its id.
func (r *rig) order(client string, pids ...string) string {
	r.t.Helper()
	pairs := []string{"clientid", client, "paymentmethod", "mailin", "notes", "sfOrderId=8014x000000ABCDIAZ", "noinvoice", "1"}
	for _, pid := range pids {
		pairs = append(pairs, "pid[]", pid)
	}
	return r.ok("AddOrder", pairs...)["orderid"].(string)
}

// dig walks into an answer by names and list positions.
func dig(t *testing.T, v any, path ...any) any {
	t.Helper()
	for _, step := range path {
		switch step := step.(type) {
		case string:
			m, ok := v.(object)
			if !ok {
				t.Fatalf("%v: no object at %q in %v", path, step, v)
			}
			v = m[step]
		case int:
			l, ok := v.([]any)
			if !ok || step >= len(l) {
				t.Fatalf("%v: no entry %d in %v", path, step, v)
			}
			v = l[step]
		}
	}
	return v
}
