package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
)

// listPage is how many orders are read at a time.
const listPage = 500

// orderFilter says which orders are meant.
type orderFilter struct {
	// namespace is empty for all.
	namespace string
	pipeline  string
	state     v1alpha1.OrderState
	reason    string
	selector  labels.Selector
	// since leaves out orders that were made before it, madeBefore those that were made after it, if set.
	since, madeBefore time.Time
	// finished includes provisioned orders.
	finished bool
}

// selectors is what the API server can select by itself.
func (f orderFilter) selectors() []client.ListOption {
	options := []client.ListOption{client.InNamespace(f.namespace), client.Limit(listPage)}
	var terms []fields.Selector
	if f.pipeline != "" {
		terms = append(terms, fields.OneTermEqualSelector("spec.pipelineRef.name", f.pipeline))
	}
	switch {
	case f.state != "":
		terms = append(terms, fields.OneTermEqualSelector("status.state", string(f.state)))
	case !f.finished:
		terms = append(terms, fields.OneTermNotEqualSelector("status.state", string(v1alpha1.ProvisionedState)))
	}
	if len(terms) > 0 {
		options = append(options, client.MatchingFieldsSelector{Selector: fields.AndSelectors(terms...)})
	}
	if f.selector != nil {
		options = append(options, client.MatchingLabelsSelector{Selector: f.selector})
	}
	return options
}

// matches is the rest.
func (f orderFilter) matches(order *v1alpha1.ProvisioningOrder) bool {
	if f.reason != "" {
		if reason, _ := reasonOf(order); reason != f.reason {
			return false
		}
	}
	made := order.CreationTimestamp.Time
	return (f.since.IsZero() || !made.Before(f.since)) && (f.madeBefore.IsZero() || !made.After(f.madeBefore))
}

// listOrders reads orders page by page and returns those that the filter means, oldest first.
func listOrders(ctx context.Context, cluster client.Reader, filter orderFilter) ([]v1alpha1.ProvisioningOrder, error) {
	var found []v1alpha1.ProvisioningOrder
	for next := ""; ; {
		var page v1alpha1.ProvisioningOrderList
		if err := cluster.List(ctx, &page, append(filter.selectors(), client.Continue(next))...); err != nil {
			return nil, fmt.Errorf("listing ProvisioningOrders: %w", err)
		}
		for i := range page.Items {
			if filter.matches(&page.Items[i]) {
				page.Items[i].ManagedFields = nil
				found = append(found, page.Items[i])
			}
		}
		if next = page.Continue; next == "" {
			break
		}
	}
	slices.SortFunc(found, func(a, b v1alpha1.ProvisioningOrder) int {
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	return found, nil
}

// states are the words for --state, by any case.
var states = []v1alpha1.OrderState{v1alpha1.ProgressingState, v1alpha1.WaitingState, v1alpha1.StalledState, v1alpha1.ProvisionedState}

// parseState reads --state.
func parseState(text string) (v1alpha1.OrderState, error) {
	for _, state := range states {
		if strings.EqualFold(text, string(state)) {
			return state, nil
		}
	}
	if text == "" {
		return "", nil
	}
	return "", fmt.Errorf("--state %s: the states are Progressing, Waiting, Stalled and Provisioned", text)
}

// parseReason reads --reason, by any case.
func parseReason(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	for reason := range advices {
		if strings.EqualFold(text, reason) {
			return reason, nil
		}
	}
	return "", fmt.Errorf("--reason %s: no order has such a reason; the column REASON of kubectl get pvo has them", text)
}
