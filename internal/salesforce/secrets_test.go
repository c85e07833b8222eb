package salesforce

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
)

// Whatever goes wrong, and even if the far side repeats what it was sent, no error shows a token, an assertion or the key.
func TestErrorsHoldNoSecrets(t *testing.T) {
	echo := func(w http.ResponseWriter, r received) {
		token := strings.TrimPrefix(r.header.Get("Authorization"), "Bearer ")
		writeJSON(w, 400, []map[string]any{{"errorCode": token, "message": "bad token " + token + " in " + r.body, "fields": []string{token}}})
	}
	tests := map[string]func(f *fake) error{
		"query": func(f *fake) error {
			f.rest = echo
			_, err := f.client().Query(f.t.Context(), "SELECT Id FROM Order")
			return err
		},
		"update": func(f *fake) error {
			f.rest = echo
			_, err := f.client().Update(f.t.Context(), []Record{NewRecord("Order", orderID(1), nil)})
			return err
		},
		"dropped": func(f *fake) error {
			f.rest = func(http.ResponseWriter, received) { panic(http.ErrAbortHandler) }
			_, err := f.client().Limits(f.t.Context())
			return err
		},
		"login refused": func(f *fake) error {
			f.token = func(w http.ResponseWriter, token string) {
				form := parseForm(f.calls("/token")[0].body)
				writeJSON(w, 400, map[string]any{"error": token, "error_description": form["assertion"] + " " + token})
			}
			_, err := f.client().Session(f.t.Context())
			return err
		},
		"login cut short": func(f *fake) error {
			f.token = func(w http.ResponseWriter, token string) { _, _ = fmt.Fprintf(w, `{"access_token":%q,`, token) }
			_, err := f.client().Session(f.t.Context())
			return err
		},
		"token of the wrong type": func(f *fake) error {
			f.token = func(w http.ResponseWriter, token string) { _, _ = fmt.Fprintf(w, `{"access_token":[%q]}`, token) }
			_, err := f.client().Session(f.t.Context())
			return err
		},
		"token as instance": func(f *fake) error {
			f.token = func(w http.ResponseWriter, token string) {
				writeJSON(w, 200, map[string]any{"access_token": token, "instance_url": token})
			}
			_, err := f.client().Session(f.t.Context())
			return err
		},
		"userinfo": func(f *fake) error {
			f.token = func(w http.ResponseWriter, token string) {
				f.revokeAll()
				writeJSON(w, 200, map[string]any{"access_token": token, "instance_url": f.URL})
			}
			_, err := f.client().Session(f.t.Context())
			return err
		},
	}
	for name, fail := range tests {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			err := fail(f)
			if err == nil {
				t.Fatal("no error")
			}
			for shown := err; shown != nil; shown = errors.Unwrap(shown) {
				for _, text := range []string{shown.Error(), fmt.Sprintf("%+v", shown), fmt.Sprintf("%#v", shown)} {
					if strings.Contains(text, "secretTokenText") || strings.Contains(text, "eyJ") || strings.Contains(text, "PRIVATE") {
						t.Errorf("a secret shows in: %s", text)
					}
				}
			}
		})
	}
}

type transportFunc func(*http.Request) (*http.Response, error)

func (f transportFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestWrapTransportSeesOperations(t *testing.T) {
	f := newFake(t)
	f.token = func(w http.ResponseWriter, token string) {
		writeJSON(w, 200, map[string]any{"access_token": token, "instance_url": f.URL})
	}
	f.rest = func(w http.ResponseWriter, r received) {
		switch {
		case strings.HasSuffix(r.path, "/query"):
			answerOrders(orderID(1))(w, r)
		case strings.HasSuffix(r.path, "/composite/sobjects"):
			saveAll(t, nil)(w, r)
		default:
			writeJSON(w, 200, map[string]any{})
		}
	}
	var mu sync.Mutex
	var seen []string
	cfg := f.config()
	cfg.WrapTransport = func(next http.RoundTripper) http.RoundTripper {
		return transportFunc(func(r *http.Request) (*http.Response, error) {
			mu.Lock()
			seen = append(seen, Operation(r))
			mu.Unlock()
			return next.RoundTrip(r)
		})
	}
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := NewBatcher(c, Select{}).Order(t.Context(), orderID(1).String()); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	if _, err := c.Update(t.Context(), []Record{NewRecord("Order", orderID(1), nil)}); err != nil {
		t.Error(err)
	}
	if _, err := c.Limits(t.Context()); err != nil {
		t.Error(err)
	}
	want := []string{opLogin, opUserinfo, opQuery, opRow, opUpdate, opLimits}
	if !slices.Equal(seen, want) {
		t.Errorf("saw %v, want %v", seen, want)
	}
}
