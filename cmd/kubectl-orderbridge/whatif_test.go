package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/orderbridge/orderbridge/internal/sandbox"
)

// TestWhatIf tries changed mappings on orders that the operator has provisioned, after Salesforce has moved on.
func TestWhatIf(t *testing.T) {
	w := inWorld(t)
	namespace := w.namespace(t)
	home := w.provisioned(t, namespace, sandbox.OrderLine{SKU: "INT-HOME-10G"}, sandbox.OrderLine{SKU: "INT-INSTALL"})
	vpn := w.provisioned(t, namespace, sandbox.OrderLine{SKU: "VPN-UK"}, sandbox.OrderLine{SKU: "SIM-5GB", Quantity: 2})
	old := w.provisioned(t, namespace, sandbox.OrderLine{SKU: "SIM-25GB"})
	old.Status.Plan.Inputs = ""
	if err := w.cluster.Status().Update(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	w.object(t, namespace, w.order(t, true, false, sandbox.OrderLine{SKU: "SIM-5GB"}).ID) // never looked at
	before := w.dump(t, namespace)
	w.far.Whmcs.ResetCounters()
	w.far.Salesforce.ResetCounters()

	mapping := sandbox.DefaultMapping()
	tests := map[string]struct {
		mapping string
		args    []string
		code    int
		counts  [6]int // orders, unchanged, changed, waiting, unknown, unplanned
		text    []string
	}{
		"the same mapping": {mapping, nil, exitOK, [6]int{3, 2, 0, 0, 1, 1}, []string{"has no recorded inputs", "3 orders: 0 changed, 2 unchanged, 0 would now wait, 1 cannot be told; 1 have no plan yet and are not counted"}},
		"another product and cycle": {mapping + "products:\n- sku: INT-HOME-10G\n  pid: 185\n- sku: SIM-*\n  quantity: repeat\n", nil, exitOK, [6]int{3, 0, 2, 0, 1, 1},
			[]string{"-  pid = 188\n+  pid = 185\n", " line SIM-5GB\n   pid = 201\n-  qty = 2\n+  qty = 1\n   billingcycle = monthly\n+line SIM-5GB\n+  pid = 201\n+  qty = 1\n"}},
		"with an exit code": {mapping + "products: [{sku: INT-HOME-10G, pid: 185}]\n", []string{"--exit-code"}, exitFinding, [6]int{3, 1, 1, 0, 1, 1}, nil},
		"a closed gate":     {mapping + "gate: {order.Status: Released}\n", nil, exitOK, [6]int{3, 0, 0, 2, 1, 1}, []string{"2 would now wait (GateClosed)"}},
		"no product for a line": {mapping + "products: [{sku: VPN-*, pid: {field: item.WHMCS_Service_ID__c, required: true}}, {sku: INT-HOME-10G, skip: true}, {sku: INT-*, skip: true}]\n", nil, exitOK,
			[6]int{3, 0, 0, 2, 1, 1}, []string{"would now wait: ProductUnmapped: "}},
		"a field that was not recorded": {strings.Replace(mapping, "client:\n", "client:\n- field: account.SF_Account_No__c\n  table: {X: 1}\n", 1), nil, exitOK, [6]int{3, 0, 0, 0, 3, 1},
			[]string{"the mapping reads fields that were not recorded: Account.SF_Account_No__c"}},
		"a shorter time": {mapping, []string{"--since", "0s"}, exitOK, [6]int{}, []string{"0 orders: "}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "mapping.yaml")
			if err := os.WriteFile(file, []byte(test.mapping), 0o600); err != nil {
				t.Fatal(err)
			}
			args := append([]string{"mapping", "what-if", "--against", file, "--pipeline", "portal"}, test.args...)
			got := w.run(t, call{namespace: namespace}, append(args, "-o", "json")...)
			var result whatIf
			if err := json.Unmarshal([]byte(got.out), &result); err != nil || got.code != test.code {
				t.Fatalf("exit %d, %v, want %d\n%s%s", got.code, err, test.code, got.out, got.errOut)
			}
			counts := [6]int{result.Orders, result.Unchanged, result.Changed, result.Waiting, result.Unknown, result.Unplanned}
			if counts != test.counts || result.Kind != "MappingWhatIf" {
				t.Errorf("counts %v, want %v\n%s", counts, test.counts, got.out)
			}
			text := w.run(t, call{namespace: namespace}, args...)
			for _, part := range test.text {
				if !strings.Contains(text.out, part) {
					t.Errorf("the text lacks %q:\n%s", part, text.out)
				}
			}
			if text.code != test.code {
				t.Errorf("exit %d, want %d", text.code, test.code)
			}
		})
	}
	if n := w.far.Whmcs.Counters().Total("") + len(w.far.Salesforce.Counters()); n != 0 {
		t.Errorf("the far sides were asked %d times, want none", n)
	}
	if after := w.dump(t, namespace); len(after) != len(before) || after[home.Name] != before[home.Name] || after[vpn.Name] != before[vpn.Name] {
		t.Errorf("orders changed: %v, before %v", after, before)
	}
}

// TestWhatIfText compares the text for people.
func TestWhatIfText(t *testing.T) {
	w := inWorld(t)
	namespace := w.namespace(t)
	order := w.provisioned(t, namespace, sandbox.OrderLine{SKU: "VPN-UK"}, sandbox.OrderLine{SKU: "VPN-ACTIVATION"}, sandbox.OrderLine{SKU: "INT-INSTALL-WEEKEND"})
	file := filepath.Join(t.TempDir(), "mapping.yaml")
	text := sandbox.DefaultMapping() + "products:\n- sku: VPN-UK\n  configOptions: {12: 5}\n- sku: INT-INSTALL-WEEKEND\n  skip: true\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	got := w.run(t, call{namespace: namespace}, "mapping", "what-if", "--against", file)
	if got.code != exitOK {
		t.Fatalf("exit %d: %s", got.code, got.errOut)
	}
	out := strings.ReplaceAll(got.out, file, "mapping.yaml")
	for _, pattern := range []string{regexp.QuoteMeta(order.Name), order.Status.Salesforce.OrderNumber, `sha256 [0-9a-f]{12}`} {
		out = regexp.MustCompile(pattern).ReplaceAllString(out, "X")
	}
	out = strings.ReplaceAll(out, order.Spec.SalesforceOrderID, "ORDER18")
	golden(t, "whatif.txt", out)
}

// TestInputsCostNoWrite counts the versions that an order takes from its creation to its end: making it takes one, and so
// do plan and claim, the answer with the next claim, and the end.
func TestInputsCostNoWrite(t *testing.T) {
	w := inWorld(t)
	namespace := w.namespace(t)
	order := w.object(t, namespace, w.order(t, true, true, sandbox.OrderLine{SKU: "SIM-5GB"}).ID)
	watcher := w.follow(t, order)
	w.reconcile(t, order)
	writes := watcher()
	for i, status := range writes {
		if status.Plan != nil && status.Plan.Inputs == "" {
			t.Errorf("write %d has a plan without its inputs", i+1)
		}
	}
	// An order that a person makes gets its finalizer by a write of its own; the intake makes orders with it.
	if len(writes) != 4 {
		t.Errorf("%d writes after the creation, want 4: the finalizer, plan and claim, answer and claim, and the end", len(writes))
	}
	if !strings.Contains(order.Status.Plan.Inputs, `"StockKeepingUnit":"SIM-5GB"`) || strings.Contains(order.Status.Plan.Inputs, "Name") {
		t.Errorf("inputs %s, want what the mapping reads and no more", order.Status.Plan.Inputs)
	}
	five := w.provisioned(t, namespace, sandbox.OrderLine{SKU: "INT-HOME-10G"}, sandbox.OrderLine{SKU: "INT-INSTALL"}, sandbox.OrderLine{SKU: "INT-INSTALL-WEEKEND"},
		sandbox.OrderLine{SKU: "INT-HOME-PHONE"}, sandbox.OrderLine{SKU: "INT-HOME-PHONE-INSTALL"})
	t.Logf("inputs take %d bytes with one line, %d with five", len(order.Status.Plan.Inputs), len(five.Status.Plan.Inputs))
}
