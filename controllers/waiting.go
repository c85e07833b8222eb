package controllers

import (
	"cmp"
	"context"
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
)

// waitingIndex finds waiting orders by pipeline and reason.
const waitingIndex = "waiting"

// indexWaiting is the indexer of waitingIndex.
func indexWaiting(obj client.Object) []string {
	order, ok := obj.(*v1alpha1.ProvisioningOrder)
	if !ok || order.Status.State != v1alpha1.WaitingState {
		return nil
	}
	ready := meta.FindStatusCondition(order.Status.Conditions, v1alpha1.ReadyCondition)
	if ready == nil {
		return nil
	}
	return []string{waitingKey(order.Spec.PipelineRef.Name, ready.Reason)}
}

func waitingKey(pipeline, reason string) string {
	return pipeline + "/" + reason
}

// The reasons for which orders wait for something that a pipeline knows to have changed.
var (
	waitingForMapping = []string{v1alpha1.MappingInvalidReason, v1alpha1.ProductUnmappedReason, v1alpha1.AccountUnmappedReason, v1alpha1.GateClosedReason}
	waitingForWhmcs   = []string{v1alpha1.WhmcsUnavailableReason}
	waitingForBook    = []string{v1alpha1.SalesforceUnavailableReason}
	waitingForStart   = []string{v1alpha1.PipelineNotReadyReason, v1alpha1.SuspendedReason}
)

// wakeWaiting asks for the orders of a pipeline that wait for one of the reasons to be looked at, oldest first, and
// returns how many there are.
func wakeWaiting(ctx context.Context, cache client.Reader, queue chan<- event.GenericEvent, pipeline types.NamespacedName, reasons ...string) (int, error) {
	var waiting []v1alpha1.ProvisioningOrder
	for _, reason := range reasons {
		var list v1alpha1.ProvisioningOrderList
		err := cache.List(ctx, &list, client.InNamespace(pipeline.Namespace),
			client.MatchingFields{waitingIndex: waitingKey(pipeline.Name, reason)}, client.UnsafeDisableDeepCopy)
		if err != nil {
			return 0, err
		}
		waiting = append(waiting, list.Items...)
	}
	slices.SortFunc(waiting, func(a, b v1alpha1.ProvisioningOrder) int {
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.Name, b.Name))
	})
	for i := range waiting {
		select {
		case queue <- event.GenericEvent{Object: &waiting[i]}:
		case <-ctx.Done():
			return len(waiting), ctx.Err()
		}
	}
	return len(waiting), nil
}
