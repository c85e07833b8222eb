package sandbox

import (
	"errors"
	"io"
	"net/http"
	"syscall"
	"testing"

	"github.com/orderbridge/orderbridge/internal/sandbox/whmcs"
)

func TestNetworkDown(t *testing.T) {
	r := newRig(t, Options{})
	ctx := t.Context()
	reach := func(address string) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, http.NoBody)
		r.ok(err)
		resp, err := r.web.Do(req)
		if err != nil {
			return err
		}
		return resp.Body.Close()
	}
	addresses := map[string]string{
		SystemSalesforce: r.info.Salesforce.LoginURL + "/services/data/", SystemWhmcs: r.info.Whmcs.URL,
		SystemPubSub: "https://" + r.info.Salesforce.PubSubEndpoint,
	}
	for system, address := range addresses {
		r.ok(reach(address))
		r.ok(r.SetDown(ctx, system, true))
		if err := reach(address); err == nil {
			t.Errorf("%s answers although it is down", system)
		}
		r.ok(r.SetDown(ctx, system, false))
		r.ok(reach(address))
	}
	if err := r.SetDown(ctx, "control", true); err == nil {
		t.Error("the control API cut itself off")
	}
}

// The ways in which an answer can get lost must be told apart over TLS too.
func TestLostAnswersOverTLS(t *testing.T) {
	r := newRig(t, Options{})
	for kind, want := range map[whmcs.Kind]error{
		whmcs.DropBefore: io.EOF, whmcs.DropAfter: io.EOF, whmcs.ResetAfter: syscall.ECONNRESET, whmcs.TruncatedJSON: io.ErrUnexpectedEOF,
	} {
		must[whmcs.Fault](t)(r.SetWhmcsFault(t.Context(), whmcs.Fault{Kind: kind, Count: 1}))
		form := "action=WhmcsDetails&identifier=" + r.info.Whmcs.Identifier + "&secret=" + r.info.Whmcs.Secret
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.info.Whmcs.URL+"?"+form, http.NoBody)
		r.ok(err)
		resp, err := r.web.Do(req)
		if err == nil {
			_, err = io.ReadAll(resp.Body)
			r.ok(resp.Body.Close())
		}
		if !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", kind, err, want)
		}
	}
}
