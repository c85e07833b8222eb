package mapping

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestEveryReasonHasADefault(t *testing.T) {
	want := []string{
		"AccountUnmapped", "ClientBusy", "GateClosed", "LimitExceeded", "MalformedEvent", "MappingInvalid", "OrderCancelled",
		"OrderDeleted", "OrderFraud", "OrderNotFound", "OrderRefused", "OutcomeUnknown", "PaymentMethodMissing", "PipelineNotReady",
		"ProductUnmapped", "Provisioned", "ProvisioningFailed", "ReadRejected", "RetriesExhausted", "RowLocked", "SalesforceUnavailable",
		"Scheduled", "ServicesMismatch", "ServicesPending", "Settling", "Suspended", "WhmcsUnavailable", "WriteRejected",
	}
	if diff := cmp.Diff(want, Reasons()); diff != "" {
		t.Errorf("Reasons() (-want +got):\n%s", diff)
	}
	for _, reason := range Reasons() {
		d := reasonDefaults[reason]
		if reason == "Provisioned" {
			continue // it clears code and message
		}
		for _, language := range []string{"en", "ja"} {
			if d.messages[language] == "" {
				t.Errorf("%s has no message in %s", reason, language)
			}
		}
		if d.code == "" {
			t.Errorf("%s has no code", reason)
		}
	}
}

func TestDefaultReports(t *testing.T) {
	m := parse(t, "version: 1\nclient: 9\n")
	tests := map[string]struct {
		status, code string
		silent       bool
	}{
		"Provisioned":          {status: "Activated"},
		"PaymentMethodMissing": {code: "PAYMENT_METHOD_MISSING"},
		"ProductUnmapped":      {code: "PRODUCT_UNMAPPED"},
		"Scheduled":            {code: "SCHEDULED"},
		"OrderRefused":         {status: "Failed", code: "ORDER_REFUSED"},
		"OutcomeUnknown":       {status: "Failed", code: "OUTCOME_UNKNOWN"},
		"GateClosed":           {silent: true},
		"WhmcsUnavailable":     {silent: true},
		"NoSuchReason":         {silent: true},
	}
	for reason, tt := range tests {
		t.Run(reason, func(t *testing.T) {
			r, ok := m.Report(reason)
			if ok == tt.silent {
				t.Fatalf("Report() ok = %t, want %t", ok, !tt.silent)
			}
			if r.Status != tt.status || r.Code != tt.code {
				t.Errorf("Report() = %q, %q, want %q, %q", r.Status, r.Code, tt.status, tt.code)
			}
		})
	}
}

func TestWriteBack(t *testing.T) {
	defaults := parse(t, "version: 1\nclient: 9\n")
	full := parseFile(t, "testdata/full.yaml")
	german := map[string]any{"BillTo__r": map[string]any{"Language__c": "de_AT"}}
	tests := map[string]struct {
		m      *Mapping
		order  map[string]any
		result Result
		want   WriteBack
		silent bool
	}{
		"success clears the error fields": {
			m: defaults, result: Result{Reason: "Provisioned", WHMCSOrderID: 77, Services: map[string][]int64{"802A": {12, 11}, "802B": nil}},
			want: WriteBack{
				Order: map[string]any{"Activation_Status__c": "Activated", "Activation_Error_Code__c": nil, "Activation_Error_Message__c": nil, "WHMCS_Order_ID__c": "77"},
				Items: map[string]map[string]any{"802A": {"WHMCS_Service_ID__c": "11,12"}},
			},
		},
		"a wait leaves the status": {
			m: defaults, result: Result{Reason: "ProductUnmapped", Detail: "Line 1 (SKU A) has no WHMCS product id."},
			want: WriteBack{Order: map[string]any{
				"Activation_Error_Code__c":    "PRODUCT_UNMAPPED",
				"Activation_Error_Message__c": "A product of this order is not set up for WHMCS. Line 1 (SKU A) has no WHMCS product id.",
			}},
		},
		"a stall fails": {
			m: defaults, result: Result{Reason: "OrderRefused"},
			want: WriteBack{Order: map[string]any{
				"Activation_Status__c": "Failed", "Activation_Error_Code__c": "ORDER_REFUSED",
				"Activation_Error_Message__c": "WHMCS refused the order. Correct the cause, then approve the order again.",
			}},
		},
		"silence":       {m: defaults, result: Result{Reason: "RowLocked"}, silent: true},
		"chosen silent": {m: full, result: Result{Reason: "ProductUnmapped"}, silent: true},
		"names, numbers and further fields": {
			m: full, result: Result{Reason: "Provisioned", WHMCSOrderID: 77, Services: map[string][]int64{"802A": {12, 11}}},
			want: WriteBack{
				Order: map[string]any{"Provision_Status__c": "Done", "Provision_Code__c": nil, "Provision_Text__c": nil, "Billing_Order__c": int64(77),
					"Status": "Completed", "Provisioned_By__c": "Orderbridge"},
				Items: map[string]map[string]any{"802A": {"Billing_Service__c": int64(11)}},
			},
		},
		"language of the order": {
			m: full, order: german, result: Result{Reason: "PaymentMethodMissing", Detail: "Kunde 5."},
			want: WriteBack{Order: map[string]any{"Provision_Code__c": "NO_CARD", "Provision_Text__c": "Keine Karte. Kunde 5."}},
		},
		"language without a sentence": {
			m: full, order: map[string]any{"BillTo__r": map[string]any{"Language__c": "fr"}}, result: Result{Reason: "PaymentMethodMissing"},
			want: WriteBack{Order: map[string]any{"Provision_Code__c": "NO_CARD", "Provision_Text__c": "No card."}},
		},
		"default language kept beside a new one": {
			m: full, order: map[string]any{"BillTo__r": map[string]any{"Language__c": "ja"}}, result: Result{Reason: "AccountUnmapped"},
			want: WriteBack{Order: map[string]any{"Provision_Code__c": "ACCOUNT_UNMAPPED", "Provision_Text__c": "取引先がWHMCSの顧客に紐付けられていません。"}},
		},
		"one sentence for all languages": {
			m: full, order: german, result: Result{Reason: "OrderRefused", Detail: "No."},
			want: WriteBack{Order: map[string]any{"Provision_Status__c": "Error", "Provision_Code__c": "ORDER_REFUSED", "Provision_Text__c": "Refused: No."}},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, ok := tt.m.WriteBack(tt.order, tt.result)
			if ok == tt.silent {
				t.Fatalf("WriteBack() ok = %t, want %t", ok, !tt.silent)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("write-back (-want +got):\n%s", diff)
			}
		})
	}
}

func TestMessagesAreCutAtCharacters(t *testing.T) {
	m := parse(t, "version: 1\nclient: 9\nreport: {maxLength: 50, language: ja}\n")
	r, _ := m.Report("ProductUnmapped")
	got := r.Text(strings.Repeat("商品", 100))
	if n := utf8.RuneCountInString(got); n != 50 || !strings.HasSuffix(got, "…") || !utf8.ValidString(got) {
		t.Errorf("Text() has %d characters: %s", n, got)
	}
}

func TestWarnings(t *testing.T) {
	m := parse(t, `
version: 1
client: 9
report:
  reasons:
    PaymentMethodMissing: {status: Waiting}
    Provisioned: {status: Activating}
`)
	var got []string
	for _, w := range m.Warnings() {
		got = append(got, w.String())
	}
	want := []string{
		`6:36: report.reasons.PaymentMethodMissing.status: the status "Waiting", written while the order waits for PaymentMethodMissing, does not pass the gate, so the sweep would not find the order if it were lost; leave status empty, or add it to the gate`,
		`7:27: report.reasons.Provisioned.status: the status "Activating", written for Provisioned, still passes the gate, so the sweep finds the order again; use a status that is not in the gate`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
	if w := parse(t, "version: 1\nclient: 9\ngate: {order.Status: Approved}\n").Warnings(); len(w) != 1 || w[0].Path != "gate" {
		t.Errorf("a gate without the activation status gives %v, want one warning", w)
	}
	if w := parseFile(t, "testdata/portal.yaml").Warnings(); len(w) != 0 {
		t.Errorf("the reference mapping has warnings: %v", w)
	}
}
