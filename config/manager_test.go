package config_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

// output is what a process prints, readable while it runs.
type output struct {
	mutex sync.Mutex
	text  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	return o.text.String()
}

// startManager runs the manager as its service account, with the arguments of the Deployment.
func startManager(t *testing.T, environment *envtest.Environment, deployment appsv1.Deployment) *output {
	t.Helper()
	folder := t.TempDir()
	program := filepath.Join(folder, "manager")
	if built, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "../cmd/manager").CombinedOutput(); err != nil {
		t.Fatalf("building the manager: %v\n%s", err, built)
	}
	account := "system:serviceaccount:" + deployment.Namespace + ":" + deployment.Spec.Template.Spec.ServiceAccountName
	user, err := environment.AddUser(envtest.User{Name: account, Groups: []string{"system:serviceaccounts"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	kubeconfig, err := user.KubeConfig()
	if err != nil {
		t.Fatal(err)
	}
	kubeconfigFile := filepath.Join(folder, "kubeconfig")
	if err := os.WriteFile(kubeconfigFile, kubeconfig, 0o600); err != nil {
		t.Fatal(err)
	}
	args := slices.Clone(deployment.Spec.Template.Spec.Containers[0].Args)
	for i := range args {
		args[i] = strings.ReplaceAll(args[i], "$(POD_NAMESPACE)", deployment.Namespace)
		args[i] = strings.ReplaceAll(args[i], "address=:", "address=127.0.0.1:0#")
		args[i], _, _ = strings.Cut(args[i], "#") // the ports of the Deployment may be taken here
	}
	var printed output
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+kubeconfigFile)
	cmd.Stdout, cmd.Stderr = &printed, &printed
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			t.Errorf("the manager ended with %v:\n%s", err, &printed)
		}
	})
	return &printed
}

func TestManagerLivesWithItsRole(t *testing.T) {
	t.Run("in all namespaces", func(t *testing.T) { liveWithRole(t, "default", metav1.NamespaceDefault) })
	t.Run("in its own namespace", func(t *testing.T) { liveWithRole(t, "namespaced", installNamespace) })
}

func liveWithRole(t *testing.T, folder, namespace string) {
	t.Helper()
	installation, samples := render(t, folder), render(t, "samples")
	environment, c := startCluster(t, installation)
	for _, object := range installation {
		if object.GetKind() != "CustomResourceDefinition" {
			apply(t, c, object)
		}
	}
	printed := startManager(t, environment, only[appsv1.Deployment](t, installation, "Deployment")[0])

	// Without the Secrets nothing is called outside; what is missing must be read, and then said.
	var pipeline, order *unstructured.Unstructured
	for _, object := range samples {
		object.SetNamespace(namespace)
		switch object.GetKind() {
		case "ProvisioningPipeline":
			pipeline = object
		case "ProvisioningOrder":
			order = object
		case "ConfigMap":
		default:
			continue
		}
		apply(t, c, object)
	}
	eventually(t, printed, "the manager takes the lease", func() error {
		var leases coordinationv1.LeaseList
		if err := c.List(t.Context(), &leases, client.InNamespace(installNamespace)); err != nil {
			return err
		}
		if len(leases.Items) == 0 {
			return fmt.Errorf("no lease in %s", installNamespace)
		}
		return nil
	})
	for _, object := range []*unstructured.Unstructured{pipeline, order} {
		eventually(t, printed, object.GetKind()+" gets a Ready condition", func() error {
			return hasReady(t, c, object)
		})
	}
	eventually(t, printed, "the manager writes an event", func() error {
		var events eventsv1.EventList
		if err := c.List(t.Context(), &events, client.InNamespace(namespace)); err != nil {
			return err
		}
		for _, event := range events.Items {
			if event.Regarding.Kind == pipeline.GetKind() || event.Regarding.Kind == order.GetKind() {
				return nil
			}
		}
		return fmt.Errorf("%d events, none about a pipeline or an order", len(events.Items))
	})
	for line := range strings.Lines(printed.String()) {
		if strings.Contains(line, "forbidden") {
			t.Errorf("the role lacks something: %s", line)
		}
	}
}

func hasReady(t *testing.T, c client.Client, object *unstructured.Unstructured) error {
	t.Helper()
	current := object.DeepCopy()
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(object), current); err != nil {
		return err
	}
	conditions, _, err := unstructured.NestedSlice(current.Object, "status", "conditions")
	if err != nil {
		return err
	}
	for _, condition := range conditions {
		if fields, ok := condition.(map[string]any); ok && fields["type"] == "Ready" {
			return nil
		}
	}
	return fmt.Errorf("conditions: %v", conditions)
}

// eventually waits for a fact, and shows what the manager printed if it does not come.
func eventually(t *testing.T, printed *output, what string, check func() error) {
	t.Helper()
	deadline := time.After(time.Minute)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		err := check()
		if err == nil {
			return
		}
		select {
		case <-deadline:
			t.Fatalf("%s: not within a minute: %v\n%s", what, err, printed)
		case <-tick.C:
		}
	}
}
