package main

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
)

// The short form of `make soak-ratio`. So few orders say nothing about the ratio: the settle time is longer than they take.
func TestRatio(t *testing.T) {
	result, err := runRatio(t.Context(), ratioSettings{
		orders: 60, kills: 1, latency: 20 * time.Millisecond, most: 100, root: "../..", dir: t.TempDir(), within: 3 * time.Minute,
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range result.wrong {
		t.Error(line)
	}
	t.Log(result.summary())
}

func TestTouched(t *testing.T) {
	start := time.Unix(1_800_000_000, 0)
	after := func(seconds float64) metav1.MicroTime {
		return metav1.NewMicroTime(start.Add(time.Duration(seconds * float64(time.Second))))
	}
	answered := func(from, to float64) v1alpha1.Call {
		return v1alpha1.Call{Attempt: 1, ClaimedAt: after(from), SettledAt: new(after(to)), Outcome: v1alpha1.SucceededOutcome}
	}
	found := answered(1, 2)
	found.Outcome = v1alpha1.FoundOutcome
	tests := map[string]struct {
		calls   []v1alpha1.Call
		kill    float64
		touched bool
	}{
		"before":              {[]v1alpha1.Call{answered(1, 2), answered(2, 3)}, 0.5, false},
		"during":              {[]v1alpha1.Call{answered(1, 2), answered(2, 3)}, 2.5, true},
		"while Salesforce is": {[]v1alpha1.Call{answered(1, 2), answered(2, 3)}, 3.5, true},
		"after":               {[]v1alpha1.Call{answered(1, 2), answered(2, 3)}, 4.5, false},
		"its answer was lost": {[]v1alpha1.Call{found, answered(2, 3)}, 100, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var order v1alpha1.ProvisioningOrder
			order.Status.Calls = test.calls
			s, ok := spanOf(&order)
			if !ok || s.touched([]time.Time{after(test.kill).Time}) != test.touched {
				t.Errorf("span %+v, %t; want touched %t", s, ok, test.touched)
			}
		})
	}
}
