package controllers

import (
	"context"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/internal/whmcs"
)

// answering is a WHMCS that gives an action the answer named, and else an empty success.
func answering(t *testing.T, status int, answers map[string]string) *httptest.Server {
	t.Helper()
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer, ok := answers[r.PostFormValue("action")]
		if !ok {
			_, _ = fmt.Fprint(w, `{"result":"success","totalresults":0}`)
			return
		}
		w.WriteHeader(status)
		_, _ = fmt.Fprint(w, answer)
	}))
	t.Cleanup(server.Close)
	return server
}

func certificateOf(server *httptest.Server) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
}

// linkTo is a link to such a WHMCS.
func linkTo(t *testing.T, status int, answers map[string]string) *link[*whmcs.Client] {
	t.Helper()
	server := answering(t, status, answers)
	client, err := whmcs.New(whmcs.Config{
		URL: server.URL + "/includes/api.php", Identifier: "identifier", Secret: "secret", CABundle: certificateOf(server),
	})
	if err != nil {
		t.Fatal(err)
	}
	return &link[*whmcs.Client]{client: client}
}

// linkOf is the link to a WHMCS that a pipeline makes.
func linkOf(ctx context.Context, t *testing.T, url, ca string) *link[*whmcs.Client] {
	t.Helper()
	pipeline := testPipeline(url)
	pipeline.Spec.Whmcs.CABundle = ca
	pipeline.Spec.Whmcs.CredentialsSecretRef.Name = "whmcs"
	r := pipelineStage(t, interceptor.Funcs{}, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: pipeline.Namespace, Name: "whmcs"},
		Data:       map[string][]byte{"identifier": []byte("identifier"), "secret": []byte("secret")},
	})
	l := &link[*whmcs.Client]{}
	if err := whmcsLink(ctx, r.Reader, pipeline, l); err != nil || l.problem != nil {
		t.Fatalf("%v, %v", err, l.problem)
	}
	return l
}

// TestOddAnswersAreLogged: what PHP prints before an answer is passed over, but whoever runs that WHMCS should turn it off.
func TestOddAnswersAreLogged(t *testing.T) {
	server := answering(t, http.StatusOK, map[string]string{"WhmcsDetails": `<b>Notice</b>: Undefined index{"result":"success"}`})
	var logged []string
	logger := funcr.New(func(_, line string) { logged = append(logged, line) }, funcr.Options{})
	l := linkOf(log.IntoContext(t.Context(), logger), t, server.URL+"/includes/api.php", string(certificateOf(server)))
	for range 2 {
		if _, err := l.client.WhmcsDetails(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if len(logged) != 1 || !strings.Contains(logged[0], "WhmcsDetails") || !strings.Contains(logged[0], "display_errors") || strings.Contains(logged[0], "Undefined") {
		t.Errorf("logged %q, want one line that says what to do and nothing of the answer", logged)
	}
}

const (
	notAllowed = `{"result":"error","message":"Invalid Permissions: API action \u0022%s\u0022 is not allowed"}`
	notKnown   = `{"result":"error","message":"Command Not Found"}`
)

// TestNoOrderNeedsTheVersion asks WHMCS for signs of life: one that does not tell its version still serves orders.
func TestNoOrderNeedsTheVersion(t *testing.T) {
	details, orders := fmt.Sprintf(notAllowed, "whmcsdetails"), fmt.Sprintf(notAllowed, "getorders")
	tests := map[string]struct {
		answers map[string]string
		version string
		reason  string
		says    string
	}{
		"tells it":                 {answers: map[string]string{"WhmcsDetails": `{"result":"success","whmcs":{"version":"8.13.1"}}`}, version: "8.13.1"},
		"older than 8.0":           {answers: map[string]string{"WhmcsDetails": notKnown}},
		"left out of the role":     {answers: map[string]string{"WhmcsDetails": details}},
		"nothing in the role":      {map[string]string{"WhmcsDetails": details, "GetOrders": orders}, "", v1alpha1.AuthenticationFailedReason, "tick this action in an API role"},
		"no such credential":       {map[string]string{"WhmcsDetails": `{"result":"error","message":"Authentication Failed"}`}, "", v1alpha1.AuthenticationFailedReason, "identifier and secret"},
		"something else than that": {map[string]string{"WhmcsDetails": "<html>"}, "", v1alpha1.UnreachableReason, "no WHMCS answer"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			l := linkTo(t, http.StatusOK, test.answers)
			if version := checkWhmcs(t.Context(), l, open{}, time.Now()); version != test.version {
				t.Errorf("version %q, want %q", version, test.version)
			}
			switch {
			case test.reason == "" && l.failed != nil:
				t.Errorf("%s: %s; want nothing wrong", l.failed.reason, l.failed.message)
			case test.reason != "" && (l.failed == nil || l.failed.reason != test.reason || !strings.Contains(l.failed.message, test.says)):
				t.Errorf("%+v, want %s with %q", l.failed, test.reason, test.says)
			}
		})
	}
}

// TestHeldBackCallsSayWhy has a WHMCS that moved: who looks while its breaker is open must learn what to mend, on the
// pipeline and on the orders.
func TestHeldBackCallsSayWhy(t *testing.T) {
	l := linkTo(t, http.StatusFound, map[string]string{"WhmcsDetails": "", "GetOrders": ""})
	gate := whmcs.NewAdmission(whmcs.AdmissionConfig{FailuresToOpen: 1, OpenFor: time.Hour})
	const cause = "redirects are not followed: set the URL it leads to"
	for _, reason := range []string{v1alpha1.UnreachableReason, v1alpha1.BreakerOpenReason, v1alpha1.BreakerOpenReason} {
		checkWhmcs(t.Context(), l, gate, time.Now().Add(time.Minute))
		if l.failed == nil || l.failed.reason != reason || !strings.Contains(l.failed.message, cause) {
			t.Fatalf("the pipeline says %+v, want %s with %q", l.failed, reason, cause)
		}
	}
	w := &worker{clock: clock.RealClock{}, pace: newPacer(), backend: &Backend{Billing: l.client, Admission: gate}}
	order := &v1alpha1.ProvisioningOrder{}
	_, err := w.services(t.Context(), order, 1)
	if out := w.unavailable(t.Context(), order, err); !strings.Contains(out.message, cause) {
		t.Errorf("the order says %q, want %q in it", out.message, cause)
	}
}

// TestMarkersOfAnotherWhmcsCountForNothing has a pipeline that was pointed at another WHMCS while the manager was away.
func TestMarkersOfAnotherWhmcsCountForNothing(t *testing.T) {
	pipeline := &v1alpha1.ProvisioningPipeline{}
	pipeline.Name, pipeline.Namespace = "portal", "default"
	pipeline.Spec.Whmcs.URL = "https://new.example.com/includes/api.php"
	pipeline.Spec.Whmcs.Markers = []v1alpha1.Marker{v1alpha1.NotesMarker}
	pipeline.Status.Markers = []v1alpha1.MarkerStatus{{Name: v1alpha1.NotesMarker, Stored: v1alpha1.MarkerStoredYes}}
	for url, want := range map[string]bool{pipeline.Spec.Whmcs.URL: true, "https://old.example.com/includes/api.php": false, "": false} {
		pipeline.Status.MarkersURL = url
		r := &PipelineReconciler{pipelines: map[types.NamespacedName]*pipelineLinks{}}
		links := r.linksOf(pipeline)
		next := r.backend(pipeline, links, nil)
		if got := next.Markers.reliable(pipeline.Spec.Whmcs.Markers); got != want {
			t.Errorf("learnt at %q: the marker is relied on: %t, want %t", url, got, want)
		}
		if learns := next.Markers.unknown(); learns == want {
			t.Errorf("learnt at %q: orders are read back: %t", url, learns)
		}
	}
}
