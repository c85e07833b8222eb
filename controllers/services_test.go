package controllers

import (
	"strings"
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

// TestJoinByDomainLooksAtTheLineToo shows that a domain alone makes no service the one that was asked for.
func TestJoinByDomainLooksAtTheLineToo(t *testing.T) {
	line := func(item, cycle, domain string, quantity int64) v1alpha1.PlanLine {
		return v1alpha1.PlanLine{OrderItemID: item, PID: 188, BillingCycle: cycle, Domain: domain, Quantity: quantity}
	}
	service := func(id, pid int64, cycle, domain string, quantity int64) whmcs.Service {
		return whmcs.Service{ID: id, PID: pid, BillingCycle: cycle, Domain: domain, Quantity: quantity}
	}
	keyed := lineDomain(testOrder(), 0)
	tests := map[string]struct {
		lines    []v1alpha1.PlanLine
		services []whmcs.Service
		items    []string
		problem  string
	}{
		"the key in another cycle": {
			[]v1alpha1.PlanLine{line("a", "annually", "", 1)}, []whmcs.Service{service(1, 188, "Monthly", keyed, 1)},
			[]string{"a"}, "service 1 is product 188, Monthly, where line a (product 188, annually) was asked for",
		},
		"the key on another product": {
			[]v1alpha1.PlanLine{line("a", "monthly", "", 1)}, []whmcs.Service{service(1, 189, "Monthly", keyed, 1)},
			[]string{"a"}, "service 1 is product 189, Monthly, where line a (product 188, monthly) was asked for",
		},
		"its own domain in another cycle": {
			[]v1alpha1.PlanLine{line("a", "annually", "shop.example", 1)}, []whmcs.Service{service(1, 188, "Monthly", "shop.example", 1)},
			[]string{""}, "service 1 (product 188, Monthly) was not asked for",
		},
		"one domain on two lines": {
			[]v1alpha1.PlanLine{line("a", "monthly", "shop.example", 1), line("b", "monthly", "shop.example", 1)},
			[]whmcs.Service{service(1, 188, "Monthly", "shop.example", 1), service(2, 188, "Monthly", "Shop.example", 1)},
			[]string{"a", "b"}, "",
		},
		"one domain on lines of different quantities": {
			[]v1alpha1.PlanLine{line("a", "monthly", "shop.example", 1), line("b", "monthly", "shop.example", 3)},
			[]whmcs.Service{service(1, 188, "Monthly", "shop.example", 1), service(2, 188, "Monthly", "shop.example", 3)},
			[]string{"a", "b"}, "",
		},
		"one domain on lines of different cycles": {
			[]v1alpha1.PlanLine{line("a", "monthly", "shop.example", 1), line("b", "onetime", "shop.example", 1)},
			[]whmcs.Service{service(1, 188, "One Time", "shop.example", 1), service(2, 188, "Monthly", "shop.example", 1)},
			[]string{"b", "a"}, "",
		},
		"a domain decides between lines that are alike": {
			[]v1alpha1.PlanLine{line("a", "monthly", "one.example", 1), line("b", "monthly", "two.example", 1)},
			[]whmcs.Service{service(1, 188, "Monthly", "two.example", 1), service(2, 188, "Monthly", "one.example", 1)},
			[]string{"b", "a"}, "",
		},
		"more than the lines of the domain ask for": {
			[]v1alpha1.PlanLine{line("a", "monthly", "shop.example", 1)},
			[]whmcs.Service{service(1, 188, "Monthly", "shop.example", 1), service(2, 188, "Monthly", "shop.example", 1)},
			[]string{"a", "a"}, "has 1 more than 1",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, problem := join(testOrder(test.lines...), test.services)
			for i, s := range got {
				if s.OrderItemID != test.items[i] {
					t.Errorf("service %d is of line %q, want %q", s.ServiceID, s.OrderItemID, test.items[i])
				}
			}
			if !strings.Contains(problem, test.problem) || (problem == "") != (test.problem == "") {
				t.Errorf("problem %q, want %q", problem, test.problem)
			}
		})
	}
}
