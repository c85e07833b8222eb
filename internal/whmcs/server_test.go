package whmcs

import (
	"encoding/pem"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"
)

const (
	testIdentifier = "ident-0123456789"
	testSecret     = "s3cret/with+signs"
	testAccessKey  = "acc(ess)#key"
)

// fakeWHMCS is a TLS server that answers as it is told and keeps what it was sent.
type fakeWHMCS struct {
	*httptest.Server
	mu     sync.Mutex
	forms  []url.Values
	bodies []string
	broken []int // bytes that arrived of each body that did not arrive in full
}

func newFake(t *testing.T, answer func(w http.ResponseWriter, form url.Values)) *fakeWHMCS {
	t.Helper()
	f := &fakeWHMCS{}
	f.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			f.mu.Lock()
			f.broken = append(f.broken, len(body))
			f.mu.Unlock()
			return
		}
		form, err := url.ParseQuery(string(body))
		if err != nil {
			t.Errorf("parsing a request: %v", err)
		}
		f.mu.Lock()
		f.forms, f.bodies = append(f.forms, form), append(f.bodies, string(body))
		f.mu.Unlock()
		answer(w, form)
	}))
	// Handshakes that tests break on purpose stay out of the output.
	f.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)
	f.StartTLS()
	t.Cleanup(f.Close)
	return f
}

// says answers every request with the same body.
func says(body string) func(http.ResponseWriter, url.Values) {
	return func(w http.ResponseWriter, _ url.Values) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, body)
	}
}

func (f *fakeWHMCS) received() []url.Values {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.forms
}

func (f *fakeWHMCS) config() Config {
	return Config{
		URL: f.URL + "/includes/api.php", Identifier: testIdentifier, Secret: testSecret, AccessKey: testAccessKey,
		CABundle:    pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: f.Certificate().Raw}),
		ReadTimeout: 10 * time.Second,
	}
}

func (f *fakeWHMCS) client(t *testing.T, change ...func(*Config)) *Client {
	t.Helper()
	cfg := f.config()
	for _, c := range change {
		c(&cfg)
	}
	return newClient(t, cfg)
}

func newClient(t *testing.T, cfg Config) *Client {
	t.Helper()
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
