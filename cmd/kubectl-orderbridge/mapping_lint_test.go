package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/orderbridge/orderbridge/internal/mapping/file"
)

// mistaken is a mapping with mistakes at many places.
const mistaken = `version: 1
client: {feild: account.Nr__c}
line:
  pid: 0
products:
- sku: A-*
  skip: true
- sku: A-1
  when: order.Status == 1
schedule:
  timeZone: Asia/Edo
`

// inConfigMap is a manifest with the mapping as a block, as kustomize writes it.
func inConfigMap(name, mapping string) string {
	return "apiVersion: v1\ndata:\n  mapping.yaml: |\n" + indented(mapping, 4) + "kind: ConfigMap\nmetadata:\n  name: " + name + "\n"
}

func indented(text string, by int) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if strings.TrimSpace(line) != "" {
			b.WriteString(strings.Repeat(" ", by))
		}
		b.WriteString(line)
	}
	return b.String()
}

const smallMapping = "version: 1\nclient: {field: account.Nr__c}\nproducts:\n- sku: A\n  cycle: annually\n- sku: B\n  skip: true\n"

const smallCatalogue = `{"version": 1,
 "salesforce": {"products": [{"Id": "01t1", "StockKeepingUnit": "A", "WHMCS_Product_Id__c": 7, "Billing_Cycle__c": "Monthly", "Item_Class__c": null, "Portal_ConfigOptions_JSON__c": null}]},
 "whmcs": {"products": [{"pid": 7, "payType": "recurring", "cycles": ["monthly"]}]}}`

func TestLintGolden(t *testing.T) {
	start := home(t)
	quoted, err := json.Marshal(mistaken)
	if err != nil {
		t.Fatal(err)
	}
	const gateless = "version: 1\nclient: 9\ngate: {order.Status: Approved}\n"
	files(t, map[string]string{
		"good.yaml":     smallMapping,
		"mistaken.yaml": mistaken,
		"empty.yaml":    "",
		"broken.yaml":   "version: 1\nclient: [\n",
		"warned.yaml":   gateless,
		"configmap.yaml": "# made by kustomize\napiVersion: v1\nkind: Secret\nmetadata: {name: whmcs}\n---\n" +
			inConfigMap("portal-mapping", mistaken) + "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: other}\ndata: {a: b}\n",
		"list.yaml":        "apiVersion: v1\nkind: List\nitems:\n- " + strings.TrimLeft(indented(inConfigMap("portal-mapping", gateless), 2), " "),
		"configmap.json":   `{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "portal-mapping"}, "data": {"mapping.yaml": ` + string(quoted) + "}}\n",
		"several.yaml":     inConfigMap("portal-mapping", smallMapping) + "---\n" + inConfigMap("shop-mapping", gateless),
		"no-mapping.yaml":  "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: other}\ndata: {a: b}\n",
		"half.yaml":        inConfigMap("portal-mapping", smallMapping) + "---\na: [\n",
		"catalogue.json":   smallCatalogue,
		"salesforce.yaml":  "version: 1\nsalesforce:\n  products:\n  - {Id: 01t1, StockKeepingUnit: A, WHMCS_Product_Id__c: null, Billing_Cycle__c: Monthly, Item_Class__c: null, Portal_ConfigOptions_JSON__c: null}\n",
		"no-products.json": `{"version": 1, "salesforce": {"products": []}}`,
		"unread.json":      `{"version": 1, "salesforce": {"products": [{"Id": "01t1", "StockKeepingUnit": "A"}]}}`,
		"typo.json":        `{"version": 1, "salesforce": {"goods": []}}`,
		"newer.json":       `{"version": 2}`,
	})
	calls := [][]string{
		{"good.yaml"}, {"mistaken.yaml"}, {"empty.yaml"}, {"broken.yaml"}, {"warned.yaml"}, {"warned.yaml", "--strict"},
		{"configmap.yaml"}, {"list.yaml"}, {"configmap.json"}, {"several.yaml"}, {"several.yaml", "--configmap", "shop-mapping"},
		{"several.yaml", "--configmap", "stall-mapping"}, {"no-mapping.yaml"}, {"half.yaml"},
		{"good.yaml", "--catalogue", "catalogue.json"}, {"good.yaml", "--catalogue", "salesforce.yaml"},
		{"good.yaml", "--catalogue", "no-products.json"}, {"good.yaml", "--catalogue", "unread.json"},
		{"good.yaml", "--catalogue", "typo.json"}, {"good.yaml", "--catalogue", "newer.json"},
		{"mistaken.yaml", "--catalogue", "catalogue.json"},
		{"good.yaml", "--catalogue", "catalogue.json", "-o", "json"}, {"warned.yaml", "-o", "yaml"}, {"good.yaml", "-o", "json"},
	}
	var text strings.Builder
	for _, args := range calls {
		args = append([]string{"mapping", "lint"}, args...)
		text.WriteString(transcript(offline(t, "", args...), args...))
	}
	goldenFrom(t, start, "lint.txt", text.String())
}

// TestPositionsAreThoseOfTheFile finds the same mistakes in a mapping by itself and within manifests of many forms. The
// text at each position must be the same.
func TestPositionsAreThoseOfTheFile(t *testing.T) {
	bare := lintPositions(t, mistaken)
	if len(bare) < 4 {
		t.Fatalf("%d mistakes were found", len(bare))
	}
	plain := inConfigMap("m", mistaken)
	manifests := map[string]string{
		"block":             plain,
		"after others":      "# a comment\napiVersion: v1\nkind: Secret\nmetadata: {name: x}\n---\n" + plain,
		"in a list":         "apiVersion: v1\nkind: List\nitems:\n- " + strings.TrimLeft(indented(plain, 2), " "),
		"deep":              "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\ndata:\n    mapping.yaml: |-\n" + indented(strings.TrimRight(mistaken, "\n"), 9) + "\n",
		"empty lines":       "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\ndata:\n  mapping.yaml: |\n\n\n" + indented(mistaken, 3),
		"stated indent":     "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\ndata:\n  mapping.yaml: |2+\n" + indented(mistaken, 4) + "\n",
		"carriage returns":  strings.ReplaceAll(plain, "\n", "\r\n"),
		"old line ends":     strings.ReplaceAll(plain, "\n", "\r"),
		"alone, old ends":   strings.ReplaceAll(mistaken, "\n", "\r"),
		"key in the middle": "apiVersion: v1\nkind: ConfigMap\ndata:\n  a: |\n    b\n  mapping.yaml: |\n" + indented(mistaken, 4) + "  z: c\nmetadata: {name: m}\n",
	}
	for name, manifest := range manifests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(bare, lintPositions(t, manifest)); diff != "" {
				t.Errorf("what stands at the positions (-alone +in the manifest):\n%s", diff)
			}
		})
	}
}

// lintPositions returns the messages with the rest of the line they point at.
func lintPositions(t *testing.T, text string) []string {
	t.Helper()
	var found lintResult
	got := offline(t, text, "mapping", "lint", "-", "-o", "json")
	if err := json.Unmarshal([]byte(got.out), &found); err != nil {
		t.Fatalf("%v\n%s%s", err, got.out, got.errOut)
	}
	lines := file.Lines([]byte(text))
	var list []string
	for _, p := range found.Problems {
		list = append(list, fmt.Sprintf("%s: %s at %q", p.Path, p.Message, lines[p.Line-1][p.Column-1:]))
	}
	return list
}

// TestLintFormatsAgree reads the same result in both formats.
func TestLintFormatsAgree(t *testing.T) {
	var fromJSON, fromYAML lintResult
	if err := json.Unmarshal([]byte(offline(t, mistaken, "mapping", "lint", "-", "-o", "json").out), &fromJSON); err != nil {
		t.Fatal(err)
	}
	if err := yaml.UnmarshalStrict([]byte(offline(t, mistaken, "mapping", "lint", "-", "-o", "yaml").out), &fromYAML); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(fromJSON, fromYAML); diff != "" || fromJSON.Errors == 0 {
		t.Errorf("%d errors (-json +yaml):\n%s", fromJSON.Errors, diff)
	}
}

// BenchmarkLint10000Products200Rules is the whole command, with reading the files. The budget is five seconds.
func BenchmarkLint10000Products200Rules(b *testing.B) {
	const products, rules = 10_000, 200
	var text strings.Builder
	text.WriteString("version: 1\nclient: 9\nproducts:\n")
	for i := range rules - 1 {
		fmt.Fprintf(&text, "- sku: P%03d-*\n  when: item.Quantity > %d.0\n  configOptions: {12: 101}\n", i, i)
	}
	text.WriteString("- sku: P*\n  cycle: monthly\n")
	cat := catalogue{Version: catalogueVersion, Whmcs: &whmcsCatalogue{}}
	for i := range products {
		cat.Salesforce.Products = append(cat.Salesforce.Products, map[string]any{
			"Id": fmt.Sprintf("01t%09d", i), "StockKeepingUnit": fmt.Sprintf("P%03d-%05d", i%rules, i), "WHMCS_Product_Id__c": i + 1,
			"Billing_Cycle__c": "Monthly", "Item_Class__c": nil, "Portal_ConfigOptions_JSON__c": nil,
		})
		cat.Whmcs.Products = append(cat.Whmcs.Products, whmcsProduct{PID: int64(i + 1), PayType: "recurring", Cycles: []string{"monthly"},
			ConfigOptions: []whmcsConfigOption{{ID: 12, Type: "1", Choices: []whmcsChoice{{ID: 101}}}}})
	}
	data, err := json.Marshal(cat)
	if err != nil {
		b.Fatal(err)
	}
	name := filepath.Join(b.TempDir(), "catalogue.json")
	if err := os.WriteFile(name, data, 0o600); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if got := offline(b, text.String(), "mapping", "lint", "-", "--catalogue", name); got.code != exitOK {
			b.Fatalf("exit %d\n%s%s", got.code, got.out, got.errOut)
		}
	}
}
