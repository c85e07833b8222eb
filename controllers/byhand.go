package controllers

import (
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
)

// NewBackend completes a backend that was made by hand, without a PipelineReconciler: it adds what is remembered of this
// WHMCS storing the order's key, starting from what is known.
func NewBackend(backend Backend, known []v1alpha1.MarkerStatus) *Backend {
	backend.Markers = newMarkerMemory(backend.Spec.Whmcs.Markers, known)
	backend.Reporting = backend.Mapping
	backend.fields = newFieldMemory(backend.Spec.Whmcs.MarkerCustomFieldName)
	return &backend
}

// Known is what is known of this WHMCS storing the order's key: what NewBackend was given, and what orders showed since.
func (b *Backend) Known() []v1alpha1.MarkerStatus {
	return b.Markers.known()
}

// Prepare readies the reconciler for Reconcile being called by hand, without a manager.
func (r *OrderReconciler) Prepare() {
	r.prepare()
}

// Index returns the function of an index of orders that SetupWithManager adds to the manager's cache, or nil. The API
// server does not know these fields.
func Index(field string) client.IndexerFunc {
	return map[string]client.IndexerFunc{openClientIndex: indexOpenClient}[field]
}
