package controllers

import (
	"testing"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/internal/whmcs"
)

// TestSameLines compares what a lost AddOrder asked for with orders that may have come of it.
func TestSameLines(t *testing.T) {
	lines := []v1alpha1.PlanLine{{PID: 201, BillingCycle: "monthly", Quantity: 2}, {PID: 210, BillingCycle: "onetime", Quantity: 1}}
	sim := func(quantity int64) whmcs.Service {
		return whmcs.Service{PID: 201, BillingCycle: "Monthly", Quantity: quantity}
	}
	activation := whmcs.Service{PID: 210, BillingCycle: "One Time", Quantity: 1}
	tests := map[string]struct {
		services []whmcs.Service
		want     bool
	}{
		"a quantity":             {[]whmcs.Service{sim(2), activation}, true},
		"a service for each":     {[]whmcs.Service{activation, sim(1), sim(1)}, true},
		"no quantity is one":     {[]whmcs.Service{sim(0), sim(0), activation}, true},
		"too few":                {[]whmcs.Service{sim(1), activation}, false},
		"too many":               {[]whmcs.Service{sim(3), activation}, false},
		"a line missing":         {[]whmcs.Service{sim(2)}, false},
		"another billing cycle":  {[]whmcs.Service{{PID: 201, BillingCycle: "Annually", Quantity: 2}, activation}, false},
		"something else besides": {[]whmcs.Service{sim(2), activation, {PID: 5, BillingCycle: "Monthly", Quantity: 1}}, false},
		"nothing":                {nil, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := sameLines(lines, test.services); got != test.want {
				t.Errorf("sameLines = %t, want %t", got, test.want)
			}
		})
	}
}
