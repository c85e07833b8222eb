package sandbox

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/orderbridge/orderbridge/internal/mapping"
)

func encodeBase64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

func TestManifests(t *testing.T) {
	r := newRig(t, Options{Namespace: "shop", Scale: 100})
	text, err := os.ReadFile(filepath.Join(r.dir, "manifests.yaml"))
	r.ok(err)
	docs := map[string]map[string]any{}
	for doc := range strings.SplitSeq(string(text), "\n---\n") {
		var m map[string]any
		r.ok(yaml.UnmarshalStrict([]byte(doc+"\n"), &m))
		meta := m["metadata"].(map[string]any)
		if meta["namespace"] != "shop" {
			t.Errorf("%v is not in the namespace", meta)
		}
		docs[m["kind"].(string)+" "+meta["name"].(string)] = m
	}
	for name, keys := range map[string][]string{
		"Secret salesforce": {"clientId", "username", "privateKey"}, "Secret whmcs": {"identifier", "secret"},
		"ConfigMap portal-mapping": {"mapping.yaml"},
	} {
		data, _ := docs[name]["data"].(map[string]any)
		if len(data) != len(keys) {
			t.Errorf("%s has %d keys, want %q", name, len(data), keys)
		}
		for _, k := range keys {
			if v, _ := data[k].(string); v == "" {
				t.Errorf("%s has no %s", name, k)
			}
		}
	}
	config := docs["ConfigMap portal-mapping"]["data"].(map[string]any)["mapping.yaml"].(string)
	if config != DefaultMapping() {
		t.Errorf("the mapping was changed on its way:\n%s", config)
	}
	spec, _ := docs["ProvisioningPipeline portal"]["spec"].(map[string]any)
	sf, _ := spec["salesforce"].(map[string]any)
	billing, _ := spec["whmcs"].(map[string]any)
	ca, err := os.ReadFile(r.info.CAFile)
	r.ok(err)
	if sf["caBundle"] != string(ca) || billing["caBundle"] != string(ca) || sf["loginURL"] != r.info.Salesforce.LoginURL ||
		billing["url"] != r.info.Whmcs.URL || sf["pubSubEndpoint"] != r.info.Salesforce.PubSubEndpoint || sf["idleTimeout"] != "3s" {
		t.Errorf("pipeline: %v", spec)
	}
}

// The mapping in the manifests must do for the catalogue what the audit wants, so that a fresh sandbox works as it stands.
func TestDefaultMappingPlansTheCatalogue(t *testing.T) {
	m, err := mapping.Parse([]byte(DefaultMapping()))
	if err != nil {
		t.Fatal(err)
	}
	for _, it := range Catalogue() {
		product := map[string]any{"StockKeepingUnit": it.SKU, "WHMCS_Product_Id__c": float64(it.PID), "Item_Class__c": it.Class,
			"Billing_Cycle__c": orNil(it.Cycle), "Portal_ConfigOptions_JSON__c": orNil(it.optionsJSON())}
		order := map[string]any{"Id": orderA, "Status": "Approved", "Activation_Status__c": "Activating",
			"Account": map[string]any{"WH_Account__c": "#7 - Hana"},
			"OrderItems": []map[string]any{{"Id": "8024x000000ABC1AAO", "Quantity": 2.0,
				"PricebookEntry": map[string]any{"Product2": product}}}}
		plan, err := m.Plan(order)
		if err != nil {
			t.Errorf("%s: %v", it.SKU, err)
			continue
		}
		l := plan.Lines[0]
		if plan.ClientID != 7 || l.PID != it.PID || l.BillingCycle != it.WantCycle || l.Quantity != 2 || len(l.ConfigOptions) != len(it.Options) {
			t.Errorf("%s: planned %+v", it.SKU, l)
		}
	}
}

func orNil(s string) any {
	if s == "" {
		return nil
	}
	return s
}
