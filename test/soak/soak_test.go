package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/internal/sandbox"
)

func words(actions []action) []string {
	var out []string
	for _, a := range actions {
		out = append(out, a.at.String()+" "+a.what)
	}
	return out
}

func TestSeedReproducesTheDraw(t *testing.T) {
	first := words(draw(7, 100, 10))
	if diff := cmp.Diff(first, words(draw(7, 100, 10))); diff != "" {
		t.Errorf("the same seed drew something else (-first +second):\n%s", diff)
	}
	if cmp.Equal(first, words(draw(8, 100, 10))) {
		t.Error("another seed drew the same")
	}
	kills := 0
	for _, line := range first {
		if strings.Contains(line, "kill manager") {
			kills++
		}
	}
	if kills != 10 {
		t.Errorf("%d kills, want 10", kills)
	}
	if last := first[len(first)-1]; !strings.Contains(last, "kill manager") {
		t.Errorf("the last action is %q, want a kill", last)
	}
}

func TestCompare(t *testing.T) {
	object := func(id string, state v1alpha1.OrderState, conditions ...metav1.Condition) v1alpha1.ProvisioningOrder {
		var o v1alpha1.ProvisioningOrder
		o.Name, o.Spec.SalesforceOrderID = "portal-"+id, id
		o.Status.State, o.Status.Conditions = state, conditions
		return o
	}
	told := metav1.Condition{Type: v1alpha1.StalledCondition, Reason: "OutcomeUnknown", Message: "The answer was lost."}
	silent := object("a", v1alpha1.StalledState, told)
	silent.Status.Calls = []v1alpha1.Call{{Step: v1alpha1.AddOrderCall}}
	tests := map[string]struct {
		objects   []v1alpha1.ProvisioningOrder
		audit     sandbox.Audit
		want      string
		wantWrong int
	}{
		"provisioned": {
			objects: []v1alpha1.ProvisioningOrder{object("a", v1alpha1.ProvisionedState)},
			want:    "1 orders: 1 provisioned, 0 stalled with evidence, 0 duplicates, 0 lost",
		},
		"stalled with evidence": {
			objects: []v1alpha1.ProvisioningOrder{object("a", v1alpha1.StalledState, told)},
			audit:   sandbox.Audit{Findings: []sandbox.Finding{{Kind: sandbox.Missing, Order: "a"}}},
			want:    "1 orders: 0 provisioned, 1 stalled with evidence, 0 duplicates, 0 lost",
		},
		"stalled without a word": {
			objects: []v1alpha1.ProvisioningOrder{object("a", v1alpha1.StalledState)},
			want:    "1 orders: 0 provisioned, 0 stalled with evidence, 0 duplicates, 0 lost", wantWrong: 1,
		},
		"stalled with an open call that nothing is said about": {
			objects: []v1alpha1.ProvisioningOrder{silent},
			want:    "1 orders: 0 provisioned, 0 stalled with evidence, 0 duplicates, 0 lost", wantWrong: 1,
		},
		"stalled, and ordered twice": {
			objects: []v1alpha1.ProvisioningOrder{object("a", v1alpha1.StalledState, told)},
			audit:   sandbox.Audit{Duplicates: 1, Findings: []sandbox.Finding{{Kind: sandbox.Duplicate, Order: "a"}}},
			want:    "1 orders: 0 provisioned, 1 stalled with evidence, 1 duplicates, 0 lost", wantWrong: 1,
		},
		"no object": {
			audit: sandbox.Audit{Findings: []sandbox.Finding{{Kind: sandbox.Missing, Order: "a"}}},
			want:  "1 orders: 0 provisioned, 0 stalled with evidence, 0 duplicates, 1 lost", wantWrong: 2,
		},
		"called provisioned, and not in WHMCS": {
			objects: []v1alpha1.ProvisioningOrder{object("a", v1alpha1.ProvisionedState)},
			audit:   sandbox.Audit{Findings: []sandbox.Finding{{Kind: sandbox.Missing, Order: "a"}}},
			want:    "1 orders: 1 provisioned, 0 stalled with evidence, 0 duplicates, 1 lost", wantWrong: 1,
		},
		"unfinished": {
			objects: []v1alpha1.ProvisioningOrder{object("a", v1alpha1.WaitingState)},
			want:    "1 orders: 0 provisioned, 0 stalled with evidence, 0 duplicates, 0 lost", wantWrong: 1,
		},
		"an object too many": {
			objects: []v1alpha1.ProvisioningOrder{object("a", v1alpha1.ProvisionedState), object("b", v1alpha1.WaitingState)},
			want:    "1 orders: 1 provisioned, 0 stalled with evidence, 0 duplicates, 0 lost", wantWrong: 1,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := compare([]sandbox.SeededOrder{{ID: "a"}}, test.objects, test.audit)
			if diff := cmp.Diff(test.want, got.summary(1)); diff != "" {
				t.Errorf("summary (-want +got):\n%s", diff)
			}
			if len(got.wrong) != test.wantWrong {
				t.Errorf("wrong: %q, want %d", got.wrong, test.wantWrong)
			}
			if ok := test.wantWrong == 0; got.ok(1) != ok {
				t.Errorf("ok is %t, want %t", got.ok(1), ok)
			}
		})
	}
}
