package salesforce

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLimits(t *testing.T) {
	f := newFake(t)
	f.rest = func(w http.ResponseWriter, _ received) {
		w.Header().Set("Sforce-Limit-Info", "api-usage=18/15000")
		_, _ = w.Write([]byte(`{"DailyApiRequests":{"Max":15000,"Remaining":14982,"Some App":{"Max":0,"Remaining":0}}}`))
	}
	c := f.client()
	if _, _, ok := c.APIUsage(); ok {
		t.Error("usage is known before any answer")
	}
	got, err := c.Limits(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Limits{"DailyApiRequests": {Max: 15000, Remaining: 14982}}, got); diff != "" {
		t.Errorf("limits (-want +got):\n%s", diff)
	}
	if used, limit, ok := c.APIUsage(); used != 18 || limit != 15000 || !ok {
		t.Errorf("usage %d/%d, %v", used, limit, ok)
	}
}

func TestLimitsStrangeAnswer(t *testing.T) {
	f := newFake(t)
	f.rest = func(w http.ResponseWriter, _ received) { _, _ = w.Write([]byte(`<html>`)) }
	if _, err := f.client().Limits(t.Context()); err == nil || ClassOf(err) != Transient {
		t.Errorf("got %v, want class Transient", err)
	}
}

func TestUsageHeader(t *testing.T) {
	tests := map[string]apiUsage{
		"api-usage=10018/100000":            {10018, 100000, true},
		"api-usage=7/100; api-bursts=1/750": {7, 100, true},
		"per-app-api-usage=17/250(appName=sample-connected-app); api-usage=9/100": {9, 100, true},
		"per-app-api-usage=17/250(appName=x)":                                     {},
		"":                                                                        {},
		"api-usage=1/99999999999999999999":                                        {},
		"api-usage=x/y":                                                           {},
	}
	for header, want := range tests {
		c := &Client{}
		c.observeUsage(header)
		if c.usage != want {
			t.Errorf("%q gave %+v, want %+v", header, c.usage, want)
		}
	}
}
