package controllers

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/internal/mapping"
	"github.com/orderbridge/orderbridge/internal/salesforce"
	"github.com/orderbridge/orderbridge/internal/whmcs"
)

// readFile reads a file of test data.
func readFile(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestTheWorkedOrderByteForByte takes the portal's Internet order, with its monthly and its one-time lines, all the way
// from the record of Salesforce to the body of AddOrder. The golden file was written from what is known of the portal and
// agrees with what PHP itself makes of the fields; no code here makes it anew.
func TestTheWorkedOrderByteForByte(t *testing.T) {
	m, err := mapping.Parse(readFile(t, "../internal/mapping/testdata/portal.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var record salesforce.Record
	if err := json.Unmarshal(readFile(t, "../internal/mapping/testdata/worked-order.json"), &record); err != nil {
		t.Fatal(err)
	}
	plan, err := m.Plan(record.Plain())
	if err != nil {
		t.Fatal(err)
	}
	var spec v1alpha1.ProvisioningPipelineSpec
	spec.Whmcs.Markers = []v1alpha1.Marker{v1alpha1.NotesMarker}
	request, err := RequestFor(record.ID(), plan, spec)
	if err != nil {
		t.Fatal(err)
	}
	got := whmcs.EncodeForm(request.Form())
	want := string(readFile(t, "testdata/worked-order.form"))
	if got != want {
		split := func(form string) []string { return strings.Split(form, "&") }
		t.Errorf("the body of AddOrder (-want +got):\n%s", cmp.Diff(split(want), split(got)))
	}
}
