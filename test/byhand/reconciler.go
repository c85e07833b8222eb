package byhand

import (
	"context"
	"net/http"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/controllers"
	"github.com/orderbridge/orderbridge/internal/salesforce"
	"github.com/orderbridge/orderbridge/internal/whmcs"
)

// Pipeline is the name of the pipeline of all orders.
const Pipeline = "pipeline"

// Admission lets calls to WHMCS through.
type Admission interface {
	Acquire(ctx context.Context, age time.Time) (release func(error), err error)
	State() whmcs.AdmissionState
}

// Options make a reconciler.
type Options struct {
	// Namespace is that of the pipeline; nothing outside of it is seen.
	Namespace string
	// Spec is that of the pipeline.
	Spec v1alpha1.ProvisioningPipelineSpec
	// Markers are what is known of the WHMCS storing the key.
	Markers   []v1alpha1.MarkerStatus
	Admission Admission
	Client    client.Client
	Recorder  events.EventRecorder
	Clock     clock.Clock
	// Wrap puts a transport around that of a client; name names its requests, "" for those that are no part of an order's life.
	Wrap func(next http.RoundTripper, name func(*http.Request) string) http.RoundTripper
	// Learnt is told what was found out about the markers.
	Learnt func(markers []v1alpha1.MarkerStatus)
}

// Reconciler is what a manager that has just started would work with.
func (f *Far) Reconciler(o Options) (*controllers.OrderReconciler, error) {
	backend, err := f.backend(o)
	if err != nil {
		return nil, err
	}
	backends := controllers.NewBackends()
	backends.Set(types.NamespacedName{Namespace: o.Namespace, Name: Pipeline}, backend)
	rec := &controllers.OrderReconciler{
		Client: o.Client, Reader: o.Client, Recorder: o.Recorder, Clock: o.Clock, Backends: backends, Namespace: o.Namespace,
		Learnt: func(types.NamespacedName) { o.Learnt(backend.Known()) },
	}
	rec.Prepare()
	return rec, nil
}

func (f *Far) backend(o Options) (*controllers.Backend, error) {
	timeouts := o.Spec.Whmcs.Timeouts
	billing, err := whmcs.New(whmcs.Config{
		URL: f.Info.Whmcs.URL, Identifier: f.Info.Whmcs.Identifier, Secret: f.Info.Whmcs.Secret, CABundle: f.ca,
		ReadTimeout: timeouts.Read.Duration, AddOrderTimeout: timeouts.AddOrder.Duration, AcceptOrderTimeout: timeouts.AcceptOrder.Duration,
		WrapTransport: func(next http.RoundTripper) http.RoundTripper { return o.Wrap(next, whmcs.ActionOf) },
	})
	if err != nil {
		return nil, err
	}
	org, err := salesforce.New(salesforce.Config{
		LoginURL: f.Info.Salesforce.LoginURL, ClientID: f.Info.Salesforce.ClientID, Username: f.Info.Salesforce.Username,
		APIVersion: f.Info.Salesforce.APIVersion, PrivateKey: f.key, CABundle: f.ca,
		WrapTransport: func(next http.RoundTripper) http.RoundTripper { return o.Wrap(next, salesforceCall) },
	})
	if err != nil {
		return nil, err
	}
	return controllers.NewBackend(controllers.Backend{
		Spec:      o.Spec,
		Book:      salesforce.NewBatcher(org, controllers.Selection(f.Rules)),
		Billing:   billing,
		Admission: o.Admission,
		Mapping:   f.Rules,
		Version:   v1alpha1.MappingVersion{Name: "mapping", ResourceVersion: "1", SHA256: f.Rules.SHA256()},
	}, o.Markers), nil
}

// salesforceCall names a request to Salesforce; logging in is no part of an order's life.
func salesforceCall(request *http.Request) string {
	if op := salesforce.Operation(request); op == "query" || op == "update" || op == "row" {
		return "Salesforce " + op
	}
	return ""
}

// NewOrder is the object that the intake makes of a Salesforce order.
func NewOrder(key types.NamespacedName, id string) *v1alpha1.ProvisioningOrder {
	return &v1alpha1.ProvisioningOrder{
		ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name, Finalizers: []string{v1alpha1.ClaimFinalizer}},
		Spec: v1alpha1.ProvisioningOrderSpec{
			PipelineRef:       v1alpha1.PipelineReference{Name: Pipeline},
			SalesforceOrderID: id,
			Origin:            v1alpha1.SweepOrigin,
		},
	}
}
