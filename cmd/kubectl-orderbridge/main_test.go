package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/yaml"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/internal/sandbox"
)

// world is a real API server and the far sides. It is started by the first test that asks for it and shared by all; each
// test has a namespace of its own.
type world struct {
	cluster    client.Client
	far        *sandbox.Sandbox
	kubeconfig string
	manifests  string
	stop       []func()
}

var shared struct {
	once sync.Once
	world
	err error
}

func TestMain(m *testing.M) {
	log.SetLogger(logr.Discard()) // as main does
	code := m.Run()
	for _, stop := range slices.Backward(shared.stop) {
		stop()
	}
	os.Exit(code)
}

// inWorld returns the world.
func inWorld(t *testing.T) *world {
	t.Helper()
	shared.once.Do(func() { shared.err = shared.start() })
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return &shared.world
}

func (w *world) start() error {
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		return errors.New("KUBEBUILDER_ASSETS is not set: these tests need a real API server. `make test` builds one and sets it")
	}
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, eventsv1.AddToScheme, rbacv1.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			return err
		}
	}
	server := &envtest.Environment{CRDDirectoryPaths: []string{"../../config/crd/bases"}, ErrorIfCRDPathMissing: true, Scheme: scheme}
	config, err := server.Start()
	if err != nil {
		return fmt.Errorf("starting the API server: %w", err)
	}
	w.stop = append(w.stop, func() {
		if err := server.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, "stopping the API server:", err)
		}
	})
	config.QPS = -1
	if w.cluster, err = client.New(config, client.Options{Scheme: scheme}); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "kubectl-orderbridge-")
	if err != nil {
		return err
	}
	w.stop = append(w.stop, func() { os.RemoveAll(dir) })
	w.kubeconfig = filepath.Join(dir, "kubeconfig")
	if err := os.WriteFile(w.kubeconfig, server.KubeConfig, 0o600); err != nil {
		return err
	}
	if w.far, err = sandbox.Start(sandbox.Options{Dir: filepath.Join(dir, "sandbox"), Seed: 1}); err != nil {
		return err
	}
	w.stop = append(w.stop, w.far.Close)
	text, err := os.ReadFile(filepath.Join(dir, "sandbox", "manifests.yaml"))
	w.manifests = string(text)
	return err
}

// namespace makes a namespace with a pipeline called portal that joins the far sides, as the sandbox describes it.
func (w *world) namespace(t *testing.T) string {
	t.Helper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "test-"}}
	if err := w.cluster.Create(t.Context(), namespace); err != nil {
		t.Fatal(err)
	}
	for text := range strings.SplitSeq(w.manifests, "\n---\n") {
		var object unstructured.Unstructured
		if err := yaml.Unmarshal([]byte(text), &object.Object); err != nil {
			t.Fatal(err)
		}
		object.SetNamespace(namespace.Name)
		if err := w.cluster.Create(t.Context(), &object); err != nil {
			t.Fatal(err)
		}
	}
	return namespace.Name
}

// result is what a command did.
type result struct {
	code        int
	out, errOut string
}

// call is how a test calls a command.
type call struct {
	namespace string
	in        string
	now       time.Time
}

// run runs a command as a person in a namespace would.
func (w *world) run(t *testing.T, c call, args ...string) result {
	t.Helper()
	var out, errOut bytes.Buffer
	env := newEnvironment(streams{In: strings.NewReader(c.in), Out: &out, ErrOut: &errOut})
	if !c.now.IsZero() {
		env.now = func() time.Time { return c.now }
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	code := run(ctx, append(args, "--kubeconfig", w.kubeconfig, "--namespace", c.namespace), env)
	return result{code, out.String(), errOut.String()}
}
