package config_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

var metricName = regexp.MustCompile(`\borderbridge_[a-z_]+\b`)

// TestAlertsAskForMetricsThatExist renders the component as a user would add it, and looks for its metrics in the code:
// an alert on a metric that nobody writes never fires.
func TestAlertsAskForMetricsThatExist(t *testing.T) {
	exported := exportedMetrics(t)
	runbook, err := os.ReadFile("../docs/runbook.md")
	if err != nil {
		t.Fatal(err)
	}
	objects := render(t, withComponent(t, "prometheus"))
	rules := 0
	for _, object := range objects {
		if object.GetKind() != "PrometheusRule" {
			continue
		}
		groups, _, err := unstructured.NestedSlice(object.Object, "spec", "groups")
		if err != nil {
			t.Fatal(err)
		}
		for _, rule := range rulesOf(t, groups) {
			rules++
			if name := fmt.Sprint(rule["alert"]); !strings.Contains(string(runbook), "`"+name+"`") {
				t.Errorf("the runbook does not say what to do about %s", name)
			}
			expression, _, _ := unstructured.NestedString(rule, "expr")
			for _, name := range metricName.FindAllString(expression, -1) {
				if !exported[name] {
					t.Errorf("%v asks for %s, which the manager does not export", rule["alert"], name)
				}
			}
		}
	}
	if rules < 5 {
		t.Errorf("%d alerts were rendered; the component is not there", rules)
	}
	if got := only[map[string]any](t, objects, "ServiceMonitor"); len(got) != 1 {
		t.Errorf("%d ServiceMonitors were rendered, want 1", len(got))
	}
}

// TestMetricsKeepTheirNamespace: without honorLabels the namespace of the manager takes the place of the pipeline's, and
// alerts join pipelines of one name in different namespaces.
func TestMetricsKeepTheirNamespace(t *testing.T) {
	for _, monitor := range only[map[string]any](t, render(t, withComponent(t, "prometheus")), "ServiceMonitor") {
		endpoints, _, err := unstructured.NestedSlice(monitor, "spec", "endpoints")
		if err != nil || len(endpoints) != 1 {
			t.Fatalf("%d endpoints, error %v", len(endpoints), err)
		}
		endpoint, _ := endpoints[0].(map[string]any)
		if kept, _ := endpoint["honorLabels"].(bool); !kept {
			t.Errorf("honorLabels is %v, want true", endpoint["honorLabels"])
		}
	}
}

func rulesOf(t *testing.T, groups []any) []map[string]any {
	t.Helper()
	var list []map[string]any
	for _, group := range groups {
		rules, _, err := unstructured.NestedSlice(map[string]any{"group": group}, "group", "rules")
		if err != nil {
			t.Fatal(err)
		}
		for _, rule := range rules {
			if rule, ok := rule.(map[string]any); ok && rule["alert"] != nil {
				list = append(list, rule)
			}
		}
	}
	return list
}

// withComponent is a kustomization of the installation and a component, as the component's first lines tell.
func withComponent(t *testing.T, component string) string {
	t.Helper()
	folder := t.TempDir()
	here, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	base, err := filepath.Rel(folder, here)
	if err != nil {
		t.Fatal(err)
	}
	text := "resources: [" + filepath.Join(base, "default") + "]\ncomponents: [" + filepath.Join(base, component) + "]\n"
	if err := os.WriteFile(filepath.Join(folder, "kustomization.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return folder
}

// exportedMetrics are the names in the code that makes them, with the one prefix that intake adds.
func exportedMetrics(t *testing.T) map[string]bool {
	t.Helper()
	quoted := regexp.MustCompile(`"((?:orderbridge_)?[a-z][a-z_]+)"`)
	names := map[string]bool{}
	for _, file := range []string{"../controllers/metrics.go", "../internal/intake/metrics.go"} {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range quoted.FindAllStringSubmatch(string(source), -1) {
			names["orderbridge_"+strings.TrimPrefix(match[1], "orderbridge_")] = true
		}
	}
	return names
}
