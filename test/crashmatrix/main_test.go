package crashmatrix

import (
	"flag"
	"fmt"
	"os"
	"testing"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/internal/mapping"
	"github.com/orderbridge/orderbridge/internal/sandbox"
)

// What all cells share. Each cell has a namespace, a customer and an order of its own.
var (
	cluster client.Client
	far     *sandbox.Sandbox
	secrets struct{ ca, key []byte }
	rules   *mapping.Mapping
)

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	flag.Parse()
	logf.SetLogger(logr.Discard())
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		fmt.Fprintln(os.Stderr, "KUBEBUILDER_ASSETS is not set: these tests need a real API server. `make crash-matrix` builds one and sets it.")
		return 1
	}
	stop, err := start()
	defer stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// start starts the API server and the far sides. What it returns stops what was started.
func start() (stop func(), err error) {
	scheme := runtime.NewScheme()
	utilruntime.Must(corev1.AddToScheme(scheme))
	utilruntime.Must(v1alpha1.AddToScheme(scheme))
	server := &envtest.Environment{
		CRDDirectoryPaths:     []string{"../../config/crd/bases"},
		ErrorIfCRDPathMissing: true,
		Scheme:                scheme,
	}
	config, err := server.Start()
	if err != nil {
		return func() {}, fmt.Errorf("starting the API server: %w", err)
	}
	stop = func() {
		if err := server.Stop(); err != nil {
			fmt.Fprintf(os.Stderr, "stopping the API server: %v\n", err)
		}
	}
	// The matrix measures the reconciler, not the client's own throttle.
	config.QPS = -1
	if cluster, err = client.New(config, client.Options{Scheme: scheme}); err != nil {
		return stop, fmt.Errorf("making a client: %w", err)
	}
	dir, err := os.MkdirTemp("", "crashmatrix-")
	if err != nil {
		return stop, err
	}
	if far, err = sandbox.Start(sandbox.Options{Dir: dir}); err != nil {
		return stop, err
	}
	stopServer := stop
	stop = func() {
		far.Close()
		os.RemoveAll(dir)
		stopServer()
	}
	return stop, readFiles()
}

func readFiles() (err error) {
	if secrets.ca, err = os.ReadFile(far.Info.CAFile); err != nil {
		return err
	}
	if secrets.key, err = os.ReadFile(far.Info.Salesforce.PrivateKeyFile); err != nil {
		return err
	}
	text, err := os.ReadFile("../../internal/sandbox/mapping.yaml")
	if err != nil {
		return err
	}
	rules, err = mapping.Parse(text)
	return err
}
