package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const portalMapping = `version: 1
client: {field: account.Nr__c}
addOrder: {promoCode: {field: order.Promo__c}}
line:
  customFields: {198: {field: account.Name}}
products:
- sku: OPT
  configOptions: {13: true, 12: 101}
`

// casesText has a case of every kind; the outcomes are left to fill in.
const casesText = `# Orders of the portal.
version: 1
pipeline: {paymentMethod: stripe, markers: [Notes, LineDomain]}

cases:
# The plain one.
- name: plain       # one line
  orderFile: orders/plain.json
  expect: |
    WHAT PLAIN

- name: options and texts
  order:
    Id: 8014x000000ABCEAA4
    Status: Approved
    Activation_Status__c: Activating
    Promo__c: "say \"hi\"\nthere"
    Account: {Nr__c: 12, Name: "O'Brien \u20ac"}
    OrderItems:
    - {Quantity: 2, Product2: {StockKeepingUnit: OPT, WHMCS_Product_Id__c: 7, Billing_Cycle__c: Annually}}
  WHAT OPTIONS
  # after it

- name: later
  order: {Id: 8014x000000ABCFAA4, Status: Approved, Activation_Status__c: Activating, Activation_Type__c: Scheduled, Activation_Scheduled_At__c: "2030-01-01T09:00:00Z",
    Account: {Nr__c: 12}, OrderItems: [{Quantity: 1, Product2: {StockKeepingUnit: A, WHMCS_Product_Id__c: 7, Billing_Cycle__c: Monthly}}]}
  notBefore: "2030-01-01T18:00:00+09:00"
  WHAT LATER
- name: nobody pays
  miss: GateClosed
  message: approved
  order:
    Id: 8014x000000ABCGAA4
    Status: Approved
    Activation_Status__c: Activating
    OrderItems: []`

const plainOrder = `{"attributes": {"type": "Order"}, "Id": "8014x000000ABCD", "Status": "Approved", "Activation_Status__c": "Activating",
"Account": {"Nr__c": "12", "Name": null}, "OrderItems": {"totalSize": 1, "done": true, "records": [
{"Quantity": 1.0, "PricebookEntry": {"Product2": {"StockKeepingUnit": "A", "WHMCS_Product_Id__c": 7.0, "Billing_Cycle__c": "Monthly"}}}]}}`

// casesWith fills in outcomes.
func casesWith(plain, options, later string) string {
	return strings.NewReplacer("    WHAT PLAIN\n", indented(plain, 4), "  WHAT OPTIONS\n", indented(options, 2), "  WHAT LATER\n", indented(later, 2)).Replace(casesText)
}

func TestCasesGolden(t *testing.T) {
	start := home(t)
	files(t, map[string]string{
		"mapping.yaml": portalMapping, "manifest.yaml": inConfigMap("portal-mapping", portalMapping), "orders/plain.json": plainOrder,
		"mapping.test.yaml": casesWith("clientid=12\naction=AddOrder\n", "", "miss: ProductUnmapped\n"),
		"none/a.yaml":       "", "broken.yaml": "version: 1\nclient: 0\n",
	})
	var text strings.Builder
	show := func(args ...string) {
		t.Helper()
		args = append([]string{"mapping", "test"}, args...)
		text.WriteString(transcript(offline(t, "", args...), args...))
	}
	show("mapping.yaml")
	show("broken.yaml", "--cases", "mapping.test.yaml")
	show("mapping.yaml", "--cases", "none")
	before, err := os.ReadFile("mapping.test.yaml")
	if err != nil {
		t.Fatal(err)
	}
	show("mapping.yaml", "--update")
	after, err := os.ReadFile("mapping.test.yaml")
	if err != nil {
		t.Fatal(err)
	}
	text.WriteString("# mapping.test.yaml is then\n" + string(after) + "# end of mapping.test.yaml\n\n")
	if bytes.Equal(before, after) {
		t.Error("--update changed nothing")
	}
	show("mapping.yaml")
	show("mapping.yaml", "--update")
	show("manifest.yaml", "--cases", ".", "-o", "json")
	again, err := os.ReadFile("mapping.test.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(after), string(again)); diff != "" {
		t.Errorf("a second --update changed the file:\n%s", diff)
	}
	goldenFrom(t, start, "test.txt", text.String())
}

func TestCasesThatCannotBeRun(t *testing.T) {
	start := home(t)
	const one = "version: 1\ncases:\n- name: a\n"
	const order = "  order: {Id: 8014x000000ABCDAA4}\n"
	tests := []struct{ name, text string }{
		{"not YAML", "version: ["},
		{"no version", "cases: []\n"},
		{"no cases", "version: 1\n"},
		{"unknown key", "version: 1\ncases:\n- name: a\n  expects: b\n"},
		{"key in another case", "version: 1\nCases:\n- name: a\n" + order},
		{"outcome in another case", one + order + "  Expect: a=b\n"},
		{"order in another case", one + "  Order: {Id: 8014x000000ABCDAA4}\n"},
		{"setting in another case", "version: 1\npipeline: {PaymentMethod: stripe}\ncases:\n- name: a\n" + order},
		{"merged cases", "version: 1\n<<: {cases: [{name: a}]}\n"},
		{"merged case", "version: 1\ncases:\n- name: a\n  <<: {order: {Id: 8014x000000ABCDAA4}}\n"},
		{"alias for cases", "version: 1\npipeline: {markers: &x [Notes]}\ncases: *x\n"},
		{"alias for a case", "version: 1\ncases:\n- &x\n  name: a\n" + order + "- *x\n"},
		{"alias for a key", "pipeline: {paymentMethod: &cases version}\n*cases : 1\nCases:\n- name: a\n" + order},
		{"no name", "version: 1\ncases:\n- miss: GateClosed\n"},
		{"empty case", "version: 1\ncases:\n- {}\n"},
		{"no case", "version: 1\ncases:\n- \n"},
		{"no order", one},
		{"two orders", one + order + "  orderFile: b.json\n"},
		{"no file", one + "  orderFile: b.json\n"},
		{"no JSON", one + "  orderFile: case.yaml\n"},
		{"no id", one + "  order: {Status: Approved}\n"},
		{"mistyped id", one + "  order: {Id: 8014x000000ABCDAA5}\n"},
		{"id of an account", one + "  order: {Id: 0014x000000ABCD}\n"},
		{"cut short", one + "  order: {Id: 8014x000000ABCD, OrderItems: {done: false, records: []}}\n"},
		{"both outcomes", one + order + "  miss: GateClosed\n  expect: a=b\n"},
		{"message alone", one + order + "  message: x\n"},
		{"no time", one + order + "  notBefore: tomorrow\n  expect: a=b\n"},
		{"unknown marker", "version: 1\npipeline: {markers: [Stamp]}\ncases:\n- name: a\n" + order},
		{"twice", one + order + "- name: a\n" + order},
	}
	var text strings.Builder
	files(t, map[string]string{"mapping.yaml": portalMapping})
	for _, test := range tests {
		if err := os.WriteFile("case.yaml", []byte(test.text), 0o600); err != nil {
			t.Fatal(err)
		}
		got := offline(t, "", "mapping", "test", "mapping.yaml", "--cases", "case.yaml")
		if got.code != exitFailure || got.out != "" {
			t.Errorf("%s: exit %d with the output %q, want %d and nothing", test.name, got.code, got.out, exitFailure)
		}
		text.WriteString("=== " + test.name + "\n" + got.errOut)
	}
	goldenFrom(t, start, "unusable-cases.txt", text.String())
}

func TestUpdateLeavesAloneWhatItCannotWrite(t *testing.T) {
	const order = "order: {Id: 8014x000000ABCDAA4}"
	tests := map[string]struct{ text, want string }{
		"in one line":       {"version: 1\ncases:\n- {name: a, " + order + "}\n", "its keys do not stand one under the other"},
		"outcome first":     {"version: 1\ncases:\n- expect: x\n  name: a\n  " + order + "\n", "it begins with expect: begin with its name"},
		"message elsewhere": {"version: 1\ncases:\n- name: a\n  " + order + "\n  miss: GateClosed\n  \"message\": x\n", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			files(t, map[string]string{"mapping.yaml": portalMapping, "mapping.test.yaml": test.text})
			got := offline(t, "", "mapping", "test", "mapping.yaml", "--update")
			text, err := os.ReadFile("mapping.test.yaml")
			if err != nil {
				t.Fatal(err)
			}
			if test.want == "" {
				if want := "version: 1\ncases:\n- name: a\n  " + order + "\n  miss: GateClosed\n"; got.code != exitOK || string(text) != want {
					t.Errorf("exit %d, %s, the file is\n%s", got.code, got.errOut, text)
				}
				return
			}
			if got.code != exitFailure || !strings.Contains(got.errOut, test.want) || string(text) != test.text {
				t.Errorf("exit %d with %q, want %d and %q; the file is\n%s", got.code, got.errOut, exitFailure, test.want, text)
			}
		})
	}
}

// TestTheSampleHolds runs what check.sh of the example repository runs.
func TestTheSampleHolds(t *testing.T) {
	mapping := filepath.Join(sample, "base", "mapping.yaml")
	got := offline(t, "", "mapping", "test", mapping, "-o", "json")
	var cases testResult
	if err := json.Unmarshal([]byte(got.out), &cases); err != nil || got.code != exitOK || cases.Passed < 6 || cases.Failed+cases.Updated != 0 {
		t.Errorf("test: exit %d, %v\n%s%s", got.code, err, got.out, got.errOut)
	}
	for _, overlay := range []string{"staging", "production"} {
		got := offline(t, "", "mapping", "lint", mapping, "--strict", "--catalogue", filepath.Join(sample, "overlays", overlay, "catalogue.json"))
		if got.code != exitOK {
			t.Errorf("lint with the catalogue of %s: exit %d\n%s%s", overlay, got.code, got.out, got.errOut)
		}
	}
}

// TestTheSamplesCheck runs check.sh with kubectl and the plugin, as CI would, on the sample and on copies with mistakes.
func TestTheSamplesCheck(t *testing.T) {
	folder := t.TempDir()
	build := exec.CommandContext(t.Context(), "go", "build", "-o", folder, ".")
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	assets := os.Getenv("KUBEBUILDER_ASSETS")
	if assets == "" {
		t.Fatal("KUBEBUILDER_ASSETS is not set: this test needs kubectl. `make test` builds one and sets it")
	}
	path := "PATH=" + strings.Join([]string{folder, assets, os.Getenv("PATH")}, string(os.PathListSeparator))
	tests := map[string]struct {
		file, old, by string
		want          string
	}{
		"as it is":              {"", "", "", "base/mapping.yaml: 6 cases hold"},
		"a case does not hold":  {"base/mapping.yaml", "noEmail: true", "noEmail: false", "-noemail=1"},
		"a product is not sold": {"overlays/staging/catalogue.json", `"pid": 202`, `"pid": 302`, "error: line.pid: WHMCS has no product 202 (SIM-25GB)"},
		"a rule is of no use":   {"base/mapping.yaml", "products:\n", "products:\n- {sku: TV, skip: true}\n", "warning: products[0]: this rule matches no product"},
		"kustomize cannot":      {"overlays/production/kustomization.yaml", "pipeline.yaml", "none.yaml", "none.yaml"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			repository := filepath.Join(t.TempDir(), "repository")
			if err := os.CopyFS(repository, os.DirFS(sample)); err != nil {
				t.Fatal(err)
			}
			if test.file != "" {
				replaceIn(t, filepath.Join(repository, test.file), test.old, test.by)
			}
			check := exec.CommandContext(t.Context(), "sh", filepath.Join(repository, "check.sh"))
			check.Env = []string{path, "HOME=" + folder}
			output, err := check.CombinedOutput()
			if (err == nil) != (test.file == "") || !strings.Contains(string(output), test.want) {
				t.Errorf("%v, want %q in\n%s", err, test.want, output)
			}
		})
	}
}

func replaceIn(t *testing.T, file, old, by string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.Replace(string(text), old, by, 1)
	if changed == string(text) {
		t.Fatalf("%s has no %q", file, old)
	}
	if err := os.WriteFile(file, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
}
