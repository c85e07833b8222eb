package controllers

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/internal/intake"
	"github.com/orderbridge/orderbridge/internal/whmcs"
)

// noStreams is an intake without streams.
type noStreams struct{}

func (noStreams) Apply(intake.Wanted)                           {}
func (noStreams) Remove(types.NamespacedName)                   {}
func (noStreams) Snapshot(types.NamespacedName) intake.Snapshot { return intake.Snapshot{} }
func (noStreams) Changes() <-chan event.GenericEvent            { return nil }

// testPipeline is a pipeline of the WHMCS at a URL.
func testPipeline(url string) *v1alpha1.ProvisioningPipeline {
	pipeline := &v1alpha1.ProvisioningPipeline{}
	pipeline.Name, pipeline.Namespace = "portal", "default"
	pipeline.Spec.Whmcs.URL = url
	pipeline.Spec.Whmcs.Markers = []v1alpha1.Marker{v1alpha1.NotesMarker}
	return pipeline
}

// pipelineStage is a reconciler with a cluster that the test can have fail.
func pipelineStage(t *testing.T, failing interceptor.Funcs, objects ...client.Object) *PipelineReconciler {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{v1alpha1.AddToScheme, corev1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	cluster := fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).
		WithStatusSubresource(&v1alpha1.ProvisioningPipeline{}).WithInterceptorFuncs(failing).Build()
	r := &PipelineReconciler{
		Client: cluster, Reader: cluster, Recorder: events.NewFakeRecorder(100), Clock: clocktesting.NewFakeClock(modelEpoch),
		Backends: NewBackends(), Wake: make(chan event.GenericEvent, 16), Intake: noStreams{},
	}
	r.prepare()
	return r
}

// TestFieldsAreThoseOfOneWhmcs points a pipeline at another WHMCS, where the field of the same id is for something else.
func TestFieldsAreThoseOfOneWhmcs(t *testing.T) {
	const there, elsewhere = "https://old.example.com/includes/api.php", "https://new.example.com/includes/api.php"
	for url, kept := range map[string]bool{there: true, elsewhere: false} {
		pipeline := testPipeline(there)
		pipeline.Spec.Whmcs.MarkerCustomFieldName = "Order key"
		r := pipelineStage(t, interceptor.Funcs{}, pipeline)
		links := r.linksOf(pipeline)
		before := r.backend(pipeline, links, nil)
		before.fields.learn([]int64{188}, []whmcs.Product{{PID: 188, CustomFields: []whmcs.ProductCustomField{{ID: 7, Name: "Order key"}}}}, modelEpoch)
		pipeline.Spec.Whmcs.URL = url
		next := r.backend(pipeline, links, before)
		if missing := next.fields.missing([]int64{188}, modelEpoch); slices.Contains(missing, 188) == kept || (next.fields.id(188) == 7) != kept {
			t.Errorf("learnt at %s, used at %s: field %d, missing %v; want it kept: %t", there, url, next.fields.id(188), missing, kept)
		}
	}
}

// TestVersionIsThatOfOneWhmcs shows the version that a WHMCS told for no other one, and keeps it over a restart.
func TestVersionIsThatOfOneWhmcs(t *testing.T) {
	const there, elsewhere = "https://old.example.com/includes/api.php", "https://new.example.com/includes/api.php"
	for url, want := range map[string]string{there: "8.13.1", elsewhere: ""} {
		pipeline := testPipeline(there)
		r := pipelineStage(t, interceptor.Funcs{}, pipeline)
		show := func(r *PipelineReconciler) {
			t.Helper()
			links := r.linksOf(pipeline)
			next := r.backend(pipeline, links, r.Backends.Get(client.ObjectKeyFromObject(pipeline)))
			r.Backends.Set(client.ObjectKeyFromObject(pipeline), next)
			links.mapping.problem = &problem{v1alpha1.MappingMissingReason, "none"}
			if err := r.patchStatus(t.Context(), pipeline, links); err != nil {
				t.Fatal(err)
			}
		}
		show(r)
		r.linksOf(pipeline).version = "8.13.1"
		show(r)
		if pipeline.Status.WhmcsVersion != "8.13.1" {
			t.Fatalf("version %q, want the one that was told", pipeline.Status.WhmcsVersion)
		}
		pipeline.Spec.Whmcs.URL = url
		show(r)
		show(pipelineStage(t, interceptor.Funcs{}, pipeline.DeepCopy()))
		if got := pipeline.Status.WhmcsVersion; got != want {
			t.Errorf("told by %s, shown for %s: %q, want %q", there, url, got, want)
		}
	}
}

// TestOrdersAreWokenAlthoughALookFails mends what orders wait for while the API server fails: the look that works in the end
// finds nothing changed since.
func TestOrdersAreWokenAlthoughALookFails(t *testing.T) {
	mapped := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "portal-mapping"}, Data: map[string]string{mappingKey: allProducts}}
	credentials := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "whmcs"},
		Data:       map[string][]byte{"identifier": []byte("identifier"), "secret": []byte("secret")},
	}
	broken := errors.New("the API server fails")
	var failing bool
	patchFails := interceptor.Funcs{SubResourcePatch: func(ctx context.Context, c client.Client, sub string, o client.Object, p client.Patch, opts ...client.SubResourcePatchOption) error {
		if failing {
			return broken
		}
		return c.SubResource(sub).Patch(ctx, o, p, opts...)
	}}
	readFails := interceptor.Funcs{Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
		if _, ok := o.(*corev1.ConfigMap); ok && failing {
			return broken
		}
		return c.Get(ctx, key, o, opts...)
	}}
	tests := map[string]struct {
		failing interceptor.Funcs
		mend    client.Object
		reason  string
	}{
		"the status cannot be written": {patchFails, mapped, v1alpha1.MappingInvalidReason},
		"the mapping cannot be read":   {readFails, credentials, v1alpha1.WhmcsUnavailableReason},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			pipeline := testPipeline("https://127.0.0.1:9/includes/api.php")
			pipeline.Spec.Whmcs.CredentialsSecretRef.Name, pipeline.Spec.MappingRef.Name = credentials.Name, mapped.Name
			r := pipelineStage(t, test.failing, pipeline)
			r.Clock = clocktesting.NewFakeClock(time.Time{}) // a new link was checked just now, so that WHMCS is not asked
			request := reconcile.Request{NamespacedName: client.ObjectKeyFromObject(pipeline)}
			look := func(want error) {
				t.Helper()
				if _, err := r.Reconcile(t.Context(), request); !errors.Is(err, want) {
					t.Fatalf("%v, want %v", err, want)
				}
			}
			failing = false
			look(nil)
			r.Backends.waiting.note(waitingOrder("portal", "order", 0), wait(0, test.reason, ""))
			if err := r.Create(t.Context(), test.mend.DeepCopyObject().(client.Object)); err != nil {
				t.Fatal(err)
			}
			failing = true
			look(broken)
			failing = false
			look(nil)
			if len(r.Wake) != 1 {
				t.Errorf("%d orders were woken, want the one that waits", len(r.Wake))
			}
		})
	}
}
