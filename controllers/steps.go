package controllers

import (
	"context"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
)

// step is one part of an order's way: one condition, one function.
type step struct {
	condition  string
	doneReason string
	verb       string
	run        func(*worker, context.Context, *v1alpha1.ProvisioningOrder) outcome
}

// The indexes of the steps that make calls to WHMCS.
const (
	orderStep  = 1
	acceptStep = 2
)

// steps is the way of an order.
var steps []step

func init() {
	// Set here because the functions lead back to this list.
	steps = []step{
		{v1alpha1.ValidatedCondition, v1alpha1.PlannedReason, "Validate", (*worker).validate},
		{v1alpha1.WhmcsOrderedCondition, v1alpha1.OrderedReason, "Order", (*worker).order},
		{v1alpha1.AcceptedCondition, v1alpha1.AcceptedReason, "Accept", (*worker).accept},
		{v1alpha1.SalesforceSyncedCondition, v1alpha1.SyncedReason, "Sync", (*worker).sync},
	}
}
