package controllers

import (
	"context"
	"errors"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/internal/mapping"
	"github.com/orderbridge/orderbridge/internal/salesforce"
	"github.com/orderbridge/orderbridge/internal/whmcs"
)

// FarSides are the clients of a pipeline and its mapping, built once, for a command.
type FarSides struct {
	Salesforce *salesforce.Client
	Whmcs      *whmcs.Client
	// Mapping is nil if the ConfigMap is missing or broken, and MappingErr says why. Version is that of Mapping.
	Mapping    *mapping.Mapping
	Version    v1alpha1.MappingVersion
	MappingErr error
}

// NewFarSides builds them as the PipelineReconciler does. The error says what is wrong with the Secrets or the settings,
// or that they could not be read. Nothing is asked of the far sides yet.
func NewFarSides(ctx context.Context, reader client.Reader, pipeline *v1alpha1.ProvisioningPipeline) (*FarSides, error) {
	var org link[*salesforce.Client]
	var billing link[*whmcs.Client]
	var rules mappingLink
	if err := salesforceLink(ctx, reader, pipeline, &org); err != nil {
		return nil, err
	}
	if err := whmcsLink(ctx, reader, pipeline, &billing); err != nil {
		return nil, err
	}
	if _, err := rules.refresh(ctx, reader, pipeline); err != nil {
		return nil, err
	}
	for _, p := range []*problem{org.problem, billing.problem} {
		if p != nil {
			return nil, errors.New(p.message)
		}
	}
	sides := &FarSides{Salesforce: org.client, Whmcs: billing.client, Mapping: rules.mapping, Version: rules.version}
	if rules.problem != nil {
		sides.MappingErr = errors.New(rules.problem.message)
	}
	return sides, nil
}

// RequestFor is the AddOrder request that the operator would send for what a mapping makes of an order. As in RequestOf,
// the key in custom fields is left out.
func RequestFor(id salesforce.ID, plan mapping.Plan, spec v1alpha1.ProvisioningPipelineSpec) (whmcs.AddOrderRequest, error) {
	order := &v1alpha1.ProvisioningOrder{Spec: v1alpha1.ProvisioningOrderSpec{SalesforceOrderID: id.String()}}
	return RequestOf(order, apiPlan(plan, &Backend{Spec: spec}), spec)
}
