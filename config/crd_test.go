package config_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

const goodOrder = `
apiVersion: orderbridge.dev/v1alpha1
kind: ProvisioningOrder
metadata: {name: portal-8014x000000abcdaa4, namespace: default}
spec:
  pipelineRef: {name: portal}
  salesforceOrderId: 8014x000000ABCDAA4
  origin: Manual
`

const goodPipeline = `
apiVersion: orderbridge.dev/v1alpha1
kind: ProvisioningPipeline
metadata: {name: portal, namespace: default}
spec:
  salesforce:
    credentialsSecretRef: {name: salesforce}
  whmcs:
    url: https://billing.example.com/includes/api.php
    credentialsSecretRef: {name: whmcs}
  mappingRef: {name: portal-mapping}
`

// set writes a value at a path such as spec.whmcs.url; nil removes it.
type set map[string]any

// TestRulesOfTheKinds sends good and bad objects to a real API server: the rules are the first to tell a person what is
// wrong, before anything runs.
func TestRulesOfTheKinds(t *testing.T) {
	_, c := startCluster(t, nil)
	tests := map[string]struct {
		object string
		change set
		want   string // part of the refusal; empty means accepted
	}{
		"order":                              {goodOrder, nil, ""},
		"order: unreadable event, no id":     {goodOrder, set{"spec.salesforceOrderId": nil, "spec.event": map[string]any{"id": "e1"}, "metadata.name": "portal-event-e1"}, ""},
		"order: id of 15 characters":         {goodOrder, set{"spec.salesforceOrderId": "8014x000000ABCD"}, "spec.salesforceOrderId"},
		"order: id of a custom object":       {goodOrder, set{"spec.salesforceOrderId": "a014x000000ABCDAA4", "metadata.name": "portal-a014x000000abcdaa4"}, ""},
		"order: checksum":                    {goodOrder, set{"spec.salesforceOrderId": "8014x000000ABCDIAZ", "metadata.name": "portal-8014x000000abcdiaz"}, "the last three characters do not match the first fifteen"},
		"order: case changed":                {goodOrder, set{"spec.salesforceOrderId": "8014X000000ABCDAA4"}, "the last three characters do not match"},
		"order: other name":                  {goodOrder, set{"metadata.name": "my-order"}, "metadata.name must be <pipeline>-<salesforceOrderId in lower case>"},
		"order: no id, other name":           {goodOrder, set{"spec.salesforceOrderId": nil, "spec.event": map[string]any{"id": "e1"}}, "must be named <pipeline>-event-<event id>"},
		"order: neither id nor event":        {goodOrder, set{"spec.salesforceOrderId": nil, "metadata.name": "portal-event-e1"}, "either salesforceOrderId or event must be set"},
		"order: unknown origin":              {goodOrder, set{"spec.origin": "Guess"}, "Unsupported value"},
		"order: no origin":                   {goodOrder, set{"spec.origin": nil}, "spec.origin: Required value"},
		"order: no pipeline":                 {goodOrder, set{"spec.pipelineRef": nil}, "spec.pipelineRef: Required value"},
		"order: payload with + and /":        {goodOrder, set{"spec.event": map[string]any{"payload": "+/+/"}}, ""},
		"pipeline":                           {goodPipeline, nil, ""},
		"pipeline: name with a dot":          {goodPipeline, set{"metadata.name": "por.tal"}, "metadata.name must be a DNS label"},
		"pipeline: login over http":          {goodPipeline, set{"spec.salesforce.loginURL": "http://login.salesforce.com"}, "must be an https URL"},
		"pipeline: login without host":       {goodPipeline, set{"spec.salesforce.loginURL": "https://"}, "must be an https URL"},
		"pipeline: WHMCS over http":          {goodPipeline, set{"spec.whmcs.url": "http://billing.example.com/includes/api.php"}, "must be an https URL, for example https://billing.example.com/includes/api.php"},
		"pipeline: WHMCS not a URL":          {goodPipeline, set{"spec.whmcs.url": "billing.example.com"}, "must be an https URL"},
		"pipeline: endpoint with a scheme":   {goodPipeline, set{"spec.salesforce.pubSubEndpoint": "https://api.pubsub.salesforce.com:7443"}, "spec.salesforce.pubSubEndpoint"},
		"pipeline: API version":              {goodPipeline, set{"spec.salesforce.apiVersion": "66"}, "spec.salesforce.apiVersion"},
		"pipeline: no topic":                 {goodPipeline, set{"spec.salesforce.triggers": []any{}}, "should have at least 1 items"},
		"pipeline: topic twice":              {goodPipeline, set{"spec.salesforce.triggers": []any{map[string]any{"topic": "/data/OrderChangeEvent"}, map[string]any{"topic": "/data/OrderChangeEvent"}}}, "Duplicate value"},
		"pipeline: topic's form":             {goodPipeline, set{"spec.salesforce.triggers": []any{map[string]any{"topic": "OrderChangeEvent"}}}, "topic"},
		"pipeline: event without id field":   {goodPipeline, set{"spec.salesforce.triggers": []any{map[string]any{"topic": "/event/X__e"}}}, "orderIdField is required for platform events"},
		"pipeline: change event needs none":  {goodPipeline, set{"spec.salesforce.triggers": []any{map[string]any{"topic": "/data/OrderChangeEvent"}}}, ""},
		"pipeline: unknown marker":           {goodPipeline, set{"spec.whmcs.markers": []any{"Memo"}}, "Unsupported value"},
		"pipeline: field marker, no name":    {goodPipeline, set{"spec.whmcs.markers": []any{"CustomField"}}, "markerCustomFieldName is required with the marker CustomField"},
		"pipeline: field marker with name":   {goodPipeline, set{"spec.whmcs.markers": []any{"CustomField"}, "spec.whmcs.markerCustomFieldName": "Salesforce Order"}, ""},
		"pipeline: no markers at all":        {goodPipeline, set{"spec.whmcs.markers": []any{}}, ""},
		"pipeline: AddOrder for ever":        {goodPipeline, set{"spec.whmcs.timeouts": map[string]any{"addOrder": "11m"}}, "must be between 1s and 10m"},
		"pipeline: not a duration":           {goodPipeline, set{"spec.whmcs.timeouts": map[string]any{"addOrder": "soon"}}, "spec.whmcs.timeouts.addOrder"},
		"pipeline: no calls at all":          {goodPipeline, set{"spec.whmcs.maxConcurrentRequests": int64(0)}, "greater than or equal to 1"},
		"pipeline: kept too short":           {goodPipeline, set{"spec.retention": map[string]any{"provisioned": "1h"}}, "must be at least 72h, the retention of the event bus"},
		"pipeline: look back less than hour": {goodPipeline, set{"spec.salesforce.sweep": map[string]any{"lookback": "10m"}}, "must be at least 1h"},
		"pipeline: no mapping":               {goodPipeline, set{"spec.mappingRef": nil}, "spec.mappingRef: Required value"},
		"pipeline: unknown field":            {goodPipeline, set{"spec.whmcs.markerz": "x"}, "unknown field \"spec.whmcs.markerz\""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			err := c.Create(t.Context(), changed(t, test.object, test.change), client.DryRunAll, client.FieldValidation(metav1.FieldValidationStrict))
			switch {
			case test.want == "" && err != nil:
				t.Errorf("refused: %v", err)
			case test.want != "" && err == nil:
				t.Errorf("accepted, want a refusal that says %q", test.want)
			case test.want != "" && !strings.Contains(err.Error(), test.want):
				t.Errorf("refused with %v, want it to say %q", err, test.want)
			}
		})
	}
}

func TestOrderSpecCannotChange(t *testing.T) {
	_, c := startCluster(t, nil)
	order := changed(t, goodOrder, nil)
	if err := c.Create(t.Context(), order); err != nil {
		t.Fatal(err)
	}
	order.SetAnnotations(map[string]string{"orderbridge.dev/requestedAt": "now"})
	if err := c.Update(t.Context(), order); err != nil {
		t.Errorf("an annotation is refused: %v", err)
	}
	if err := unstructured.SetNestedField(order.Object, "Sweep", "spec", "origin"); err != nil {
		t.Fatal(err)
	}
	if err := c.Update(t.Context(), order); !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), "spec cannot be changed; create another object instead") {
		t.Errorf("changing the spec gives %v", err)
	}
}

// TestOrdersAreSelectedByFields asks as kubectl get pvo --field-selector does.
func TestOrdersAreSelectedByFields(t *testing.T) {
	_, c := startCluster(t, nil)
	order := changed(t, goodOrder, nil)
	if err := c.Create(t.Context(), order); err != nil {
		t.Fatal(err)
	}
	status := map[string]any{"state": "Stalled", "whmcs": map[string]any{"orderID": int64(77)}}
	if err := unstructured.SetNestedMap(order.Object, status, "status"); err != nil {
		t.Fatal(err)
	}
	if err := c.Status().Update(t.Context(), order); err != nil {
		t.Fatal(err)
	}
	for selector, want := range map[string]int{
		"spec.pipelineRef.name=portal": 1, "spec.pipelineRef.name=other": 0,
		"status.state=Stalled": 1, "status.state!=Stalled": 0,
		"status.whmcs.orderID=77": 1, "status.whmcs.orderID=78": 0,
	} {
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(schema.GroupVersionKind{Group: "orderbridge.dev", Version: "v1alpha1", Kind: "ProvisioningOrderList"})
		if err := c.List(t.Context(), list, client.InNamespace("default"), &client.ListOptions{Raw: &metav1.ListOptions{FieldSelector: selector}}); err != nil {
			t.Errorf("%s: %v", selector, err)
		} else if len(list.Items) != want {
			t.Errorf("%s selects %d, want %d", selector, len(list.Items), want)
		}
	}
}

// TestEveryFieldIsExplained looks for a description at everything that kubectl explain can be asked for.
func TestEveryFieldIsExplained(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("crd", "bases", "*.yaml"))
	if err != nil || len(files) != 2 {
		t.Fatalf("%d kinds, %v; want 2", len(files), err)
	}
	fields := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var crd map[string]any
		if err := yaml.Unmarshal(text, &crd); err != nil {
			t.Fatal(err)
		}
		versions, _, _ := unstructured.NestedSlice(crd, "spec", "versions")
		for _, version := range versions {
			root, _, _ := unstructured.NestedMap(map[string]any{"version": version}, "version", "schema", "openAPIV3Schema")
			fields += explained(t, filepath.Base(file), root)
		}
	}
	if fields < 100 {
		t.Errorf("%d fields were looked at; the schemas are not there", fields)
	}
}

func explained(t *testing.T, path string, node map[string]any) int {
	t.Helper()
	count := 1
	if text, _ := node["description"].(string); strings.TrimSpace(text) == "" && !strings.HasSuffix(path, "[]") && !strings.HasSuffix(path, ".metadata") {
		t.Errorf("%s is not explained", path)
	}
	properties, _, _ := unstructured.NestedMap(node, "properties")
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		if child, ok := properties[name].(map[string]any); ok {
			count += explained(t, path+"."+name, child)
		}
	}
	if items, ok := node["items"].(map[string]any); ok {
		count += explained(t, path+"[]", items)
	}
	return count
}

// changed is the object with the changes.
func changed(t *testing.T, text string, changes set) *unstructured.Unstructured {
	t.Helper()
	object := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(text), &object.Object); err != nil {
		t.Fatal(err)
	}
	for path, value := range changes {
		fields := strings.Split(path, ".")
		if value == nil {
			unstructured.RemoveNestedField(object.Object, fields...)
			continue
		}
		if err := unstructured.SetNestedField(object.Object, value, fields...); err != nil {
			t.Fatal(err)
		}
	}
	return object
}
