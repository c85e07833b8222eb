// Package v1alpha1 holds the API of Orderbridge: ProvisioningPipeline says how orders of one Salesforce org become orders
// of one WHMCS, ProvisioningOrder is one Salesforce order on its way.
//
// +kubebuilder:object:generate=true
// +groupName=orderbridge.dev
package v1alpha1
