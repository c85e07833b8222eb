package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/internal/sandbox"
)

// TestLintLive lints against what both sides sell now.
func TestLintLive(t *testing.T) {
	w := inWorld(t)
	namespace := w.namespace(t)
	tests := map[string]struct {
		mapping  string
		args     []string
		wantCode int
		want     string
	}{
		"the mapping in use": {sandbox.DefaultMapping(), nil, exitOK,
			"<stdin>: no problems, held against 15 products of Salesforce and 14 of WHMCS (live)\n"},
		"the price book by name": {sandbox.DefaultMapping(), []string{"--pricebook", "Standard Price Book"}, exitOK,
			"<stdin>: no problems, held against 15 products of Salesforce and 14 of WHMCS (live)\n"},
		"the price book by id": {sandbox.DefaultMapping(), []string{"--pricebook", w.far.Salesforce.StandardPricebookID()}, exitOK,
			"<stdin>: no problems, held against 15 products of Salesforce and 14 of WHMCS (live)\n"},
		"mistakes": {`version: 1
client: 9
products:
- {sku: INT-HOME-100M, pid: 999}
- {sku: INT-HOME-10G, cycle: quarterly}
- {sku: VPN-US, configOptions: {11: 103, 14: 1}}
- {sku: SIM-5GB, customFields: {302: "x"}}
- {sku: TV-*, skip: true}
`, nil, exitFinding, `<stdin>:4:29: error: products[0].pid: WHMCS has no product 999 (INT-HOME-100M); correct the id, or create the product in WHMCS
<stdin>:5:30: error: products[1].cycle: WHMCS product 188 has no price for quarterly (INT-HOME-10G); WHMCS offers monthly, annually: choose one of them, or set a price in WHMCS
<stdin>:6:37: error: products[2].configOptions.11: config option 11 has no choice 103 (VPN-US); use the id of one of its choices: 101, 102
<stdin>:6:46: error: products[2].configOptions.14: WHMCS product 220 has no config option 14 (VPN-US); correct the id, or assign the option group to the product in WHMCS
<stdin>:7:38: warning: products[3].customFields.302: the order form of WHMCS product 201 shows no custom field 302 (SIM-5GB); correct the id, or tick Show on Order Form for the field in WHMCS
<stdin>:8:3: warning: products[4]: this rule matches no product of the price book; delete it, or correct its sku or when
<stdin>: 4 errors and 2 warnings, held against 15 products of Salesforce and 14 of WHMCS (live)
`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			args := append([]string{"mapping", "lint", "-", "--catalogue", "live", "--pipeline", "portal"}, test.args...)
			got := w.run(t, call{namespace: namespace, in: test.mapping}, args...)
			if diff := cmp.Diff(result{test.wantCode, test.want, ""}, got, cmp.AllowUnexported(result{})); diff != "" {
				t.Errorf("lint (-want +got):\n%s", diff)
			}
		})
	}
	t.Run("the only pipeline need not be named, others must exist", func(t *testing.T) {
		if got := w.run(t, call{namespace: namespace, in: sandbox.DefaultMapping()}, "mapping", "lint", "-", "--catalogue", "live"); got.code != exitOK {
			t.Errorf("exit %d\n%s%s", got.code, got.out, got.errOut)
		}
		for name, args := range map[string][]string{
			"there is no pipeline shop in namespace " + namespace: {"--pipeline", "shop"},
			"Salesforce shows no active products":                 {"--pricebook", "O'Reilly's"},
		} {
			got := w.run(t, call{namespace: namespace, in: sandbox.DefaultMapping()}, append([]string{"mapping", "lint", "-", "--catalogue", "live"}, args...)...)
			if got.code != exitFailure || !strings.Contains(got.errOut, name) {
				t.Errorf("exit %d with %q, want %d and %q", got.code, got.errOut, exitFailure, name)
			}
		}
	})
}

// TestLiveCommandsOnlyRead counts what the far sides are asked for, and looks for credentials in what is printed.
func TestLiveCommandsOnlyRead(t *testing.T) {
	w := inWorld(t)
	namespace := w.namespace(t)
	w.far.Whmcs.ResetCounters()
	w.far.Salesforce.ResetCounters()
	commands := [][]string{
		{"mapping", "lint", "-", "--catalogue", "live"}, {"mapping", "catalogue", "export"}, {"mapping", "catalogue", "export", "-o", "yaml"},
		{"mapping", "lint", "-", "--catalogue", "live", "-o", "json"}, {"mapping", "lint", "-", "--catalogue", "live", "-o", "yaml"},
	}
	for _, args := range commands {
		got := w.run(t, call{namespace: namespace, in: sandbox.DefaultMapping()}, args...)
		if got.code != exitOK {
			t.Fatalf("%v: exit %d\n%s", args, got.code, got.errOut)
		}
		w.checkSecrets(t, namespace, got.out+got.errOut)
	}
	calls := w.far.Whmcs.Counters().Calls
	for action := range calls {
		if action != "GetProducts" {
			t.Errorf("WHMCS was asked for %s", action)
		}
	}
	if n := w.far.Whmcs.Counters().Total("GetProducts"); n != len(commands) {
		t.Errorf("GetProducts was called %d times, want %d", n, len(commands))
	}
	for request, n := range w.far.Salesforce.Counters() {
		if !slices.Contains([]string{"rest", "query", "login", "userinfo", "row.get"}, request) {
			t.Errorf("Salesforce was asked for %s %d times", request, n)
		}
	}
}

// checkSecrets looks for the values of the namespace's Secrets in a text.
func (w *world) checkSecrets(t *testing.T, namespace, text string) {
	t.Helper()
	var secrets corev1.SecretList
	if err := w.cluster.List(t.Context(), &secrets, client.InNamespace(namespace)); err != nil || len(secrets.Items) == 0 {
		t.Fatalf("%d Secrets, %v", len(secrets.Items), err)
	}
	for _, s := range secrets.Items {
		for key, value := range s.Data {
			if strings.Contains(text, string(value)) {
				t.Errorf("the output has %s of Secret %s", key, s.Name)
			}
		}
	}
}

// TestExportIsWhatLintReads exports the products for the sample's mapping, and holds the catalogues of the sample against
// them.
func TestExportIsWhatLintReads(t *testing.T) {
	w := inWorld(t)
	namespace := w.namespace(t)
	mappingFile := filepath.Join(sample, "base", "mapping.yaml")
	got := w.run(t, call{namespace: namespace}, "mapping", "catalogue", "export", "--pipeline", "portal", "--mapping", mappingFile)
	if got.code != exitOK {
		t.Fatal(got.errOut)
	}
	yaml := w.run(t, call{namespace: namespace}, "mapping", "catalogue", "export", "--mapping", mappingFile, "-o", "yaml")
	for format, text := range map[string]string{"json": got.out, "yaml": yaml.out} {
		lint := offline(t, text, "mapping", "lint", mappingFile, "--catalogue", "-", "--strict")
		want := mappingFile + ": no problems, held against 15 products of Salesforce and 14 of WHMCS (-)\n"
		if lint.code != exitOK || lint.out != want {
			t.Errorf("%s: exit %d, %q%q, want %q", format, lint.code, lint.out, lint.errOut, want)
		}
	}
	exported := withoutIDs(t, []byte(got.out))
	for _, overlay := range []string{"staging", "production"} {
		file := filepath.Join(sample, "overlays", overlay, "catalogue.json")
		if *update {
			if err := os.WriteFile(file, []byte(got.out), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(exported, withoutIDs(t, text)); diff != "" {
			t.Errorf("%s is not what the sandbox sells; go test -update takes it over (-sandbox +file):\n%s", file, diff)
		}
	}
}

// withoutIDs reads a catalogue and leaves out the ids of products, which differ from org to org.
func withoutIDs(t *testing.T, text []byte) catalogue {
	t.Helper()
	var cat catalogue
	if err := json.Unmarshal(text, &cat); err != nil {
		t.Fatal(err)
	}
	for _, p := range cat.Salesforce.Products {
		if p["Id"] == nil {
			t.Errorf("product %v has no Id", p)
		}
		delete(p, "Id")
	}
	return cat
}

// TestRightsOfTheUser runs a live command as people who may read less than it needs.
func TestRightsOfTheUser(t *testing.T) {
	w := inWorld(t)
	namespace := w.namespace(t)
	if err := rbacv1.AddToScheme(w.cluster.Scheme()); err != nil {
		t.Fatal(err)
	}
	may := func(user string, rules ...rbacv1.PolicyRule) {
		meta := metav1.ObjectMeta{Name: user, Namespace: namespace}
		role := &rbacv1.Role{ObjectMeta: meta, Rules: rules}
		binding := &rbacv1.RoleBinding{ObjectMeta: meta, Subjects: []rbacv1.Subject{{Kind: "User", APIGroup: rbacv1.GroupName, Name: user}},
			RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: user}}
		for _, object := range []client.Object{role, binding} {
			if err := w.cluster.Create(t.Context(), object); err != nil {
				t.Fatal(err)
			}
		}
	}
	pipelines := rbacv1.PolicyRule{APIGroups: []string{"orderbridge.dev"}, Resources: []string{"provisioningpipelines"}, Verbs: []string{"get", "list"}}
	secrets := rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"get"}}
	configMaps := rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"configmaps"}, Verbs: []string{"get"}}
	may("viewer", pipelines)
	may("half", pipelines, secrets)
	may("full", pipelines, secrets, configMaps)
	tests := map[string]struct {
		user string
		want string
	}{
		"nothing":               {"nobody", `provisioningpipelines.orderbridge.dev "portal" is forbidden`},
		"no Secrets":            {"viewer", `secrets "salesforce" is forbidden`},
		"Secrets, no ConfigMap": {"half", `configmaps "portal-mapping" is forbidden`},
		"all":                   {"full", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := w.run(t, call{namespace: namespace}, "mapping", "catalogue", "export", "--pipeline", "portal", "--as", test.user)
			if test.want == "" {
				if got.code != exitOK {
					t.Errorf("exit %d: %s", got.code, got.errOut)
				}
				return
			}
			if got.code != exitFailure || !strings.Contains(got.errOut, test.want) || !strings.Contains(got.errOut, "This command works with your own rights") {
				t.Errorf("exit %d with %q, want %d, %q and what to do", got.code, got.errOut, exitFailure, test.want)
			}
		})
	}
}

// TestBrokenPipelines runs live commands where something is missing.
func TestBrokenPipelines(t *testing.T) {
	w := inWorld(t)
	change := func(object client.Object, edit func()) func(t *testing.T, namespace string) {
		return func(t *testing.T, namespace string) {
			t.Helper()
			if err := w.cluster.Get(t.Context(), types.NamespacedName{Namespace: namespace, Name: object.GetName()}, object); err != nil {
				t.Fatal(err)
			}
			edit()
			if err := w.cluster.Update(t.Context(), object); err != nil {
				t.Fatal(err)
			}
		}
	}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "whmcs"}}
	config := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "portal-mapping"}}
	pipeline := &v1alpha1.ProvisioningPipeline{ObjectMeta: metav1.ObjectMeta{Name: "portal"}}
	tests := map[string]struct {
		change func(t *testing.T, namespace string)
		want   string
	}{
		"no key in the Secret": {change(secret, func() { delete(secret.Data, "identifier") }), "Secret whmcs has no key identifier: add it"},
		"no mapping":           {change(config, func() { config.Data = nil }), "ConfigMap portal-mapping has no key mapping.yaml: add it"},
		"a broken mapping":     {change(config, func() { config.Data["mapping.yaml"] = "version: 1\n" }), "ConfigMap portal-mapping, mapping.yaml: 1:1: client"},
		"no WHMCS there":       {change(pipeline, func() { pipeline.Spec.Whmcs.URL = "https://127.0.0.1:1/includes/api.php" }), "reading the products of WHMCS"},
		"wrong credentials": {change(secret, func() { secret.Data["secret"] = []byte("other") }),
			"reading the products of WHMCS"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			namespace := w.namespace(t)
			test.change(t, namespace)
			got := w.run(t, call{namespace: namespace}, "mapping", "catalogue", "export")
			if got.code != exitFailure || got.out != "" || !strings.Contains(got.errOut, test.want) {
				t.Errorf("exit %d with %q and %q, want %d, nothing and %q", got.code, got.out, got.errOut, exitFailure, test.want)
			}
		})
	}
	t.Run("several pipelines", func(t *testing.T) {
		namespace := w.namespace(t)
		second := &v1alpha1.ProvisioningPipeline{}
		if err := w.cluster.Get(t.Context(), types.NamespacedName{Namespace: namespace, Name: "portal"}, second); err != nil {
			t.Fatal(err)
		}
		second.ObjectMeta = metav1.ObjectMeta{Namespace: namespace, Name: "shop"}
		if err := w.cluster.Create(t.Context(), second); err != nil {
			t.Fatal(err)
		}
		got := w.run(t, call{namespace: namespace}, "mapping", "catalogue", "export")
		if want := "choose one of portal, shop with --pipeline"; got.code != exitFailure || !strings.Contains(got.errOut, want) {
			t.Errorf("exit %d with %q, want %q", got.code, got.errOut, want)
		}
	})
}
