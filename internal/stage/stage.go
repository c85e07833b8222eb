// Package stage runs the processes of Orderbridge on loopback, the way they run for users: a control plane, the sandbox
// and one or more managers, each a process of its own that can be stopped, killed and started again. The demo, the
// end-to-end tests and the soak stand on it.
package stage

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/internal/sandbox"
)

// Options say what to run.
type Options struct {
	// Repository is the folder with bin/ and config/.
	Repository string
	// Dir takes the data, the logs and the kubeconfig.
	Dir string
	// Restart lets the control plane start a dead etcd or kube-apiserver again.
	Restart bool
	// Pipeline changes the pipeline before it is applied; may be nil.
	Pipeline func(*v1alpha1.ProvisioningPipeline)
}

// Stage is a running control plane and sandbox.
type Stage struct {
	// Client talks to the API server as an admin.
	Client client.WithWatch
	// Control steers the sandbox.
	Control *sandbox.Control
	// Info is what the sandbox says of itself.
	Info sandbox.Info
	// Kubeconfig is the admin's.
	Kubeconfig string

	options Options
	// mu guards processes: managers may be started side by side.
	mu        sync.Mutex
	processes []*Process
}

// Namespace is where the pipeline and its orders are.
const Namespace = "default"

// Start runs control plane and sandbox, and applies the kinds and the sandbox's manifests. The stage must be closed,
// also after an error.
func Start(ctx context.Context, o Options) (*Stage, error) {
	s := &Stage{options: o, Kubeconfig: filepath.Join(o.Dir, "kubeconfig")}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return s, err
	}
	for _, step := range []func(context.Context) error{s.startControlPlane, s.startSandbox, s.connect, s.applyKinds, s.applyManifests} {
		if err := step(ctx); err != nil {
			return s, err
		}
	}
	return s, nil
}

func (s *Stage) startControlPlane(ctx context.Context) error {
	arguments := []string{"--data-dir", filepath.Join(s.options.Dir, "controlplane"), "--kubeconfig", s.Kubeconfig}
	if s.options.Restart {
		arguments = append(arguments, "--restart")
	}
	_, err := s.run(ctx, "devcluster", nil, "ready", arguments...)
	return err
}

func (s *Stage) startSandbox(ctx context.Context) error {
	dir := filepath.Join(s.options.Dir, "sandbox")
	if _, err := s.run(ctx, "sandbox", nil, "ready", "--dir", dir, "--namespace", Namespace); err != nil {
		return err
	}
	var err error
	if s.Info, err = sandbox.ReadInfo(dir); err != nil {
		return err
	}
	ca, err := os.ReadFile(s.Info.CAFile)
	if err != nil {
		return err
	}
	s.Control, err = sandbox.NewControl(s.Info.ControlURL, ca)
	return err
}

func (s *Stage) connect(context.Context) error {
	config, err := clientcmd.BuildConfigFromFlags("", s.Kubeconfig)
	if err != nil {
		return fmt.Errorf("reading the kubeconfig: %w", err)
	}
	config.QPS = -1
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		return err
	}
	s.Client, err = client.NewWithWatch(config, client.Options{Scheme: scheme})
	return err
}

// applyKinds applies the CRDs and waits until the API server serves them.
func (s *Stage) applyKinds(ctx context.Context) error {
	files, err := filepath.Glob(filepath.Join(s.options.Repository, "config", "crd", "bases", "*.yaml"))
	if err != nil || len(files) == 0 {
		return fmt.Errorf("no CRDs in config/crd/bases: %w", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if err := s.Apply(ctx, string(text)); err != nil {
			return err
		}
	}
	return Eventually(ctx, time.Minute, "the API server serves the kinds", func() error {
		return errors.Join(
			s.Client.List(ctx, &v1alpha1.ProvisioningOrderList{}, client.Limit(1)),
			s.Client.List(ctx, &v1alpha1.ProvisioningPipelineList{}, client.Limit(1)))
	})
}

// applyManifests applies the sandbox's Secrets, mapping and pipeline.
func (s *Stage) applyManifests(ctx context.Context) error {
	text, err := os.ReadFile(filepath.Join(s.options.Dir, "sandbox", "manifests.yaml"))
	if err != nil {
		return err
	}
	return s.Apply(ctx, string(text))
}

// Apply applies manifests. A pipeline is changed as Options say.
func (s *Stage) Apply(ctx context.Context, manifests string) error {
	for text := range strings.SplitSeq(manifests, "\n---\n") {
		var object unstructured.Unstructured
		if err := yaml.Unmarshal([]byte(text), &object.Object); err != nil {
			return fmt.Errorf("reading a manifest: %w", err)
		}
		if len(object.Object) == 0 {
			continue
		}
		if err := s.changed(&object); err != nil {
			return err
		}
		err := s.Client.Apply(ctx, client.ApplyConfigurationFromUnstructured(&object), client.FieldOwner("stage"), client.ForceOwnership)
		if err != nil {
			return fmt.Errorf("applying %s %s: %w", object.GetKind(), object.GetName(), err)
		}
	}
	return nil
}

func (s *Stage) changed(object *unstructured.Unstructured) error {
	if object.GetKind() != "ProvisioningPipeline" || s.options.Pipeline == nil {
		return nil
	}
	var pipeline v1alpha1.ProvisioningPipeline
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &pipeline); err != nil {
		return err
	}
	s.options.Pipeline(&pipeline)
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&pipeline)
	if err != nil {
		return err
	}
	object.Object["spec"] = content["spec"]
	return nil
}

// StartManager starts a manager. It works, or waits for the lease, soon after.
func (s *Stage) StartManager(ctx context.Context, arguments ...string) (*Process, error) {
	arguments = append([]string{"--metrics-bind-address=0", "--health-probe-bind-address=0"}, arguments...)
	return s.run(ctx, "manager", []string{"KUBECONFIG=" + s.Kubeconfig}, `"msg"`, arguments...)
}

// Close ends everything that was started, the last first.
func (s *Stage) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []error
	for _, process := range slices.Backward(s.processes) {
		all = append(all, process.Stop())
	}
	s.processes = nil
	return errors.Join(all...)
}

// Eventually tries until it works, and else says what did not and why.
func Eventually(ctx context.Context, within time.Duration, what string, try func() error) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	for {
		err := try()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("not within %s: %s: %w", within, what, err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// Annotate sets annotations of an order.
func (s *Stage) Annotate(ctx context.Context, order string, annotations map[string]string) error {
	var object v1alpha1.ProvisioningOrder
	if err := s.Client.Get(ctx, client.ObjectKey{Namespace: Namespace, Name: order}, &object); err != nil {
		return err
	}
	before := object.DeepCopy()
	if object.Annotations == nil {
		object.Annotations = map[string]string{}
	}
	maps.Copy(object.Annotations, annotations)
	err := s.Client.Patch(ctx, &object, client.MergeFrom(before))
	if apierrors.IsConflict(err) {
		return s.Annotate(ctx, order, annotations)
	}
	return err
}
