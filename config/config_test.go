// Package config_test proves that the manifests are accepted by an API server and ask for no more than they need.
package config_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

const installNamespace = "orderbridge-system"

// assets is the folder with etcd, kube-apiserver and kubectl.
func assets(t *testing.T) string {
	t.Helper()
	folder := os.Getenv("KUBEBUILDER_ASSETS")
	if folder == "" {
		folder = filepath.Join("..", "bin", "k8s")
	}
	if _, err := os.Stat(filepath.Join(folder, "kubectl")); err != nil {
		t.Fatalf("%v: run make devcluster, or set KUBEBUILDER_ASSETS", err)
	}
	return folder
}

// render is what kubectl apply -k would send.
func render(t *testing.T, folder string) []*unstructured.Unstructured {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), filepath.Join(assets(t), "kubectl"), "kustomize", folder)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	output, err := cmd.Output()
	if err != nil {
		t.Fatalf("rendering %s: %v\n%s", folder, err, &stderr)
	}
	if stderr.Len() > 0 {
		t.Errorf("rendering %s warns: %s", folder, &stderr)
	}
	var objects []*unstructured.Unstructured
	for decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(output), 4096); ; {
		object := &unstructured.Unstructured{}
		err := decoder.Decode(object)
		if errors.Is(err, io.EOF) {
			return objects
		}
		if err != nil {
			t.Fatal(err)
		}
		objects = append(objects, object)
	}
}

// only decodes the rendered objects of one kind.
func only[T any](t *testing.T, objects []*unstructured.Unstructured, kind string) []T {
	t.Helper()
	var found []T
	for _, object := range objects {
		if object.GetKind() != kind {
			continue
		}
		var typed T
		if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(object.Object, &typed, true); err != nil {
			t.Fatalf("%s %s: %v", kind, object.GetName(), err)
		}
		found = append(found, typed)
	}
	if len(found) == 0 {
		t.Fatalf("no %s was rendered", kind)
	}
	return found
}

// startCluster is an API server with the CRDs and the namespaces of the objects, and nothing else of them.
func startCluster(t *testing.T, objects []*unstructured.Unstructured) (*envtest.Environment, client.Client) {
	t.Helper()
	environment := &envtest.Environment{
		BinaryAssetsDirectory: assets(t),
		CRDDirectoryPaths:     []string{filepath.Join("crd", "bases")},
		ErrorIfCRDPathMissing: true,
	}
	t.Cleanup(func() { // also after a start that failed half way
		if err := environment.Stop(); err != nil {
			t.Error(err)
		}
	})
	restConfig, err := environment.Start()
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.New(restConfig, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, object := range objects {
		if object.GetKind() == "Namespace" {
			if err := c.Create(t.Context(), object.DeepCopy()); err != nil {
				t.Fatal(err)
			}
		}
	}
	return environment, c
}

// apply sends an object as kubectl apply --server-side would.
func apply(t *testing.T, c client.Client, object *unstructured.Unstructured, options ...client.ApplyOption) {
	t.Helper()
	options = append(options, client.FieldOwner("config-test"), client.ForceOwnership)
	if err := c.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(object), options...); err != nil {
		t.Errorf("%s %s: %v", object.GetKind(), object.GetName(), err)
	}
}

func TestManifestsAreAccepted(t *testing.T) {
	installation, samples := render(t, "default"), render(t, "samples")
	gitops := slices.Concat(render(t, "samples/gitops/overlays/staging"), render(t, "samples/gitops/overlays/production"))
	_, c := startCluster(t, slices.Concat(installation, gitops))
	for _, object := range samples {
		object.SetNamespace(metav1.NamespaceDefault)
	}
	for _, object := range slices.Concat(installation, samples, gitops) {
		t.Run(object.GetKind()+"/"+object.GetName(), func(t *testing.T) {
			apply(t, c, object, client.DryRunAll)
		})
	}
	t.Run("the namespace admits the manager's Pod", func(t *testing.T) {
		deployment := only[appsv1.Deployment](t, installation, "Deployment")[0]
		pod := &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{GenerateName: "manager-", Namespace: installNamespace},
			Spec:       deployment.Spec.Template.Spec,
		}
		if err := c.Create(t.Context(), pod.DeepCopy(), client.DryRunAll); err != nil {
			t.Error(err)
		}
		pod.Spec.Containers[0].SecurityContext = nil
		if err := c.Create(t.Context(), pod, client.DryRunAll); !apierrors.IsForbidden(err) {
			t.Errorf("the namespace admits a Pod without restrictions: %v", err)
		}
	})
}

func TestRolesNameWhatTheyAllow(t *testing.T) {
	objects := slices.Concat(render(t, "default"), render(t, "namespaced"))
	rules := map[string][]rbacv1.PolicyRule{}
	for _, role := range only[rbacv1.ClusterRole](t, objects, "ClusterRole") {
		rules[role.Name] = role.Rules
	}
	for _, role := range only[rbacv1.Role](t, objects, "Role") {
		rules[role.Name] = role.Rules
	}
	for name, list := range rules {
		for _, rule := range list {
			words := slices.Concat(rule.APIGroups, rule.Resources, rule.Verbs, rule.NonResourceURLs)
			if slices.ContainsFunc(words, func(word string) bool { return strings.Contains(word, "*") }) {
				t.Errorf("%s has a wildcard: %+v", name, rule)
			}
			if slices.Contains(rule.Resources, "secrets") && !slices.Equal(rule.Verbs, []string{"get"}) {
				t.Errorf("%s may %v secrets; getting one by its name is enough", name, rule.Verbs)
			}
		}
	}
}

func TestBindingsPointAtWhatExists(t *testing.T) {
	for _, folder := range []string{"default", "namespaced"} {
		t.Run(folder, func(t *testing.T) { checkBindings(t, render(t, folder)) })
	}
}

func checkBindings(t *testing.T, objects []*unstructured.Unstructured) {
	t.Helper()
	exists := map[string]bool{}
	for _, object := range objects {
		exists[object.GetKind()+"/"+object.GetNamespace()+"/"+object.GetName()] = true
	}
	check := func(binding string, role rbacv1.RoleRef, namespace string, subjects []rbacv1.Subject) {
		t.Helper()
		if role.Kind == "ClusterRole" {
			namespace = ""
		}
		if !exists[role.Kind+"/"+namespace+"/"+role.Name] {
			t.Errorf("%s: there is no %s %s", binding, role.Kind, role.Name)
		}
		for _, subject := range subjects {
			if !exists[subject.Kind+"/"+subject.Namespace+"/"+subject.Name] {
				t.Errorf("%s: there is no %s %s/%s", binding, subject.Kind, subject.Namespace, subject.Name)
			}
		}
	}
	for _, b := range only[rbacv1.ClusterRoleBinding](t, objects, "ClusterRoleBinding") {
		check(b.Name, b.RoleRef, "", b.Subjects)
	}
	for _, b := range only[rbacv1.RoleBinding](t, objects, "RoleBinding") {
		check(b.Name, b.RoleRef, b.Namespace, b.Subjects)
	}
	for _, d := range only[appsv1.Deployment](t, objects, "Deployment") {
		if !exists["ServiceAccount/"+d.Namespace+"/"+d.Spec.Template.Spec.ServiceAccountName] {
			t.Errorf("%s runs as an unknown service account", d.Name)
		}
	}
}

func TestSamplesHoldNoSecret(t *testing.T) {
	for _, secret := range only[corev1.Secret](t, render(t, "samples"), "Secret") {
		for key, value := range secret.StringData {
			if key != "username" && !strings.HasPrefix(value, "REPLACE-WITH-") {
				t.Errorf("%s has a value for %s", secret.Name, key)
			}
		}
		if len(secret.Data) > 0 {
			t.Errorf("%s has encoded values", secret.Name)
		}
	}
}
