package controllers

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/internal/whmcs"
)

// TestStalledNamesWhatAPersonMustMend: the first thing that is wrong may mend itself, while a later one waits for somebody
// who reads Stalled.
func TestStalledNamesWhatAPersonMustMend(t *testing.T) {
	valid := finding{v1alpha1.MappingValidCondition, true, v1alpha1.MappingCompiledReason, "in use"}
	breaker := finding{v1alpha1.WhmcsReachableCondition, false, v1alpha1.BreakerOpenReason, "WHMCS failed repeatedly"}
	denied := finding{v1alpha1.SalesforceConnectedCondition, false, v1alpha1.AuthenticationFailedReason, "login is refused"}
	connected := finding{v1alpha1.SalesforceConnectedCondition, true, v1alpha1.ConnectedReason, "streaming"}
	tests := map[string]struct {
		all                         []finding
		ready, reconciling, stalled string
	}{
		"all well":                     {[]finding{valid, connected}, v1alpha1.OperationalReason, "", ""},
		"it mends itself":              {[]finding{valid, breaker, connected}, v1alpha1.BreakerOpenReason, v1alpha1.ProgressingReason, ""},
		"a person is needed":           {[]finding{valid, denied}, v1alpha1.AuthenticationFailedReason, "", v1alpha1.AuthenticationFailedReason},
		"both, and a person is needed": {[]finding{valid, breaker, denied}, v1alpha1.BreakerOpenReason, "", v1alpha1.AuthenticationFailedReason},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			pipeline := &v1alpha1.ProvisioningPipeline{}
			describe(pipeline, test.all)
			var got []string
			for _, condition := range []string{v1alpha1.ReadyCondition, v1alpha1.ReconcilingCondition, v1alpha1.StalledCondition} {
				reason := ""
				if c := meta.FindStatusCondition(pipeline.Status.Conditions, condition); c != nil {
					reason = c.Reason
				}
				got = append(got, reason)
			}
			if diff := cmp.Diff([]string{test.ready, test.reconciling, test.stalled}, got); diff != "" {
				t.Errorf("reasons of Ready, Reconciling and Stalled (-want +got):\n%s", diff)
			}
		})
	}
}

// TestOnlyACertificateIsBlamedForItself: who reads CertificateUntrusted looks for a CA, or for an attacker.
func TestOnlyACertificateIsBlamedForItself(t *testing.T) {
	for code, want := range map[whmcs.Code]string{
		whmcs.Untrusted:     v1alpha1.CertificateUntrustedReason,
		whmcs.TLSFailed:     v1alpha1.UnreachableReason,
		whmcs.ConnectFailed: v1alpha1.UnreachableReason,
	} {
		if got := whmcsReason(&whmcs.Error{Class: whmcs.Busy, Code: code}); got != want {
			t.Errorf("%s gives %s, want %s", code, got, want)
		}
	}
}
