package controllers

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
)

// shown are the conditions of an order as "status reason", and its state.
func shown(order *v1alpha1.ProvisioningOrder) map[string]string {
	all := map[string]string{"state": string(order.Status.State)}
	for _, condition := range order.Status.Conditions {
		all[condition.Type] = string(condition.Status) + " " + condition.Reason
	}
	return all
}

func fixedBackoff(failures int32) time.Duration { return time.Duration(failures) * time.Minute }

func TestConclude(t *testing.T) {
	cause := errors.New("cause")
	tests := map[string]struct {
		at       int
		out      outcome
		failures int32
		want     map[string]string
		event    string
		result   ctrl.Result
		terminal bool
	}{
		"done, last": {
			at: 3, out: done(v1alpha1.SyncedReason, "all"),
			want: map[string]string{
				"state": "Provisioned", "Validated": "True Planned", "WhmcsOrdered": "True Ordered", "Accepted": "True Accepted",
				"SalesforceSynced": "True Synced", "Ready": "True Provisioned",
			},
			event: "Normal Provisioned Sync",
		},
		"wait": {
			at: 0, out: wait(time.Minute, v1alpha1.PaymentMethodMissingReason, "none"),
			want: map[string]string{
				"state": "Waiting", "Validated": "False PaymentMethodMissing", "WhmcsOrdered": "Unknown NotStarted", "Accepted": "Unknown NotStarted",
				"SalesforceSynced": "Unknown NotStarted", "Ready": "False PaymentMethodMissing", "Reconciling": "True Progressing",
			},
			result: ctrl.Result{RequeueAfter: time.Minute},
		},
		"retry": {
			at: 2, out: retry(v1alpha1.WhmcsUnavailableReason, cause), failures: 1,
			want: map[string]string{
				"state": "Progressing", "Validated": "True Planned", "WhmcsOrdered": "True Ordered", "Accepted": "False WhmcsUnavailable",
				"SalesforceSynced": "Unknown NotStarted", "Ready": "False WhmcsUnavailable", "Reconciling": "True ProgressingWithRetry",
			},
			event: "Warning WhmcsUnavailable Accept", result: ctrl.Result{RequeueAfter: 2 * time.Minute},
		},
		"retry, budget used up": {
			at: 2, out: retry(v1alpha1.WhmcsUnavailableReason, cause), failures: retryBudget - 1,
			want: map[string]string{
				"state": "Stalled", "Validated": "True Planned", "WhmcsOrdered": "True Ordered", "Accepted": "False RetriesExhausted",
				"SalesforceSynced": "Unknown NotStarted", "Ready": "False RetriesExhausted", "Stalled": "True RetriesExhausted",
			},
			event: "Warning RetriesExhausted Accept", terminal: true,
		},
		"stall": {
			at: 1, out: stall(v1alpha1.OrderRefusedReason, cause),
			want: map[string]string{
				"state": "Stalled", "Validated": "True Planned", "WhmcsOrdered": "False OrderRefused", "Accepted": "Unknown NotStarted",
				"SalesforceSynced": "Unknown NotStarted", "Ready": "False OrderRefused", "Stalled": "True OrderRefused",
			},
			event: "Warning OrderRefused Order", terminal: true,
		},
		"ahead leaves no trace": {
			at: 1, out: ahead(), want: map[string]string{"state": ""}, result: ctrl.Result{RequeueAfter: time.Second},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			order := &v1alpha1.ProvisioningOrder{}
			order.Generation = 3
			order.Status.Failures = test.failures
			event, result, err := conclude(order, test.at, spend(order, test.out), fixedBackoff, modelEpoch)
			if diff := cmp.Diff(test.want, shown(order)); diff != "" {
				t.Errorf("conditions (-want +got):\n%s", diff)
			}
			if got := eventText(event); got != test.event {
				t.Errorf("event %q, want %q", got, test.event)
			}
			if result != test.result {
				t.Errorf("result %v, want %v", result, test.result)
			}
			if errors.Is(err, reconcile.TerminalError(nil)) != test.terminal {
				t.Errorf("error %v, want terminal: %t", err, test.terminal)
			}
			if test.out.kind != aheadKind && order.Status.ObservedGeneration != 3 {
				t.Errorf("observedGeneration %d, want 3", order.Status.ObservedGeneration)
			}
			again, _, _ := conclude(order, test.at, spend(order, test.out), fixedBackoff, modelEpoch)
			if again != nil && test.out.kind != retryKind {
				t.Errorf("the same outcome again makes the event %q, want none", eventText(again))
			}
		})
	}
}

func eventText(n *notice) string {
	if n == nil {
		return ""
	}
	return n.eventType + " " + n.reason + " " + n.action
}

// TestConcludeRecovers shows that what an outcome says replaces what the last one said.
func TestConcludeRecovers(t *testing.T) {
	order := &v1alpha1.ProvisioningOrder{}
	order.Status.Failures = 5
	_, _, _ = conclude(order, 1, stall(v1alpha1.OrderRefusedReason, errors.New("no")), fixedBackoff, modelEpoch)
	_, _, _ = conclude(order, 3, done(v1alpha1.SyncedReason, "all"), fixedBackoff, modelEpoch)
	if meta.FindStatusCondition(order.Status.Conditions, v1alpha1.StalledCondition) != nil {
		t.Error("Stalled is still there")
	}
	if order.Status.Failures != 0 || order.Status.NextAttemptAt != nil {
		t.Errorf("failures %d, nextAttemptAt %v, want none", order.Status.Failures, order.Status.NextAttemptAt)
	}
}

func TestCut(t *testing.T) {
	tests := map[string]struct {
		text string
		want string
	}{
		"short":          {"abc", "abc"},
		"exact":          {"äöüß", "äöüß"},
		"long, in runes": {"äöüßé", "äöü…"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := cut(test.text, 4); got != test.want {
				t.Errorf("cut(%q) = %q, want %q", test.text, got, test.want)
			}
		})
	}
	if got := len([]rune(cut(strings.Repeat("x", 5000), maxMessage))); got != maxMessage {
		t.Errorf("a long message has %d runes, want %d", got, maxMessage)
	}
}
