package intake

import (
	"flag"
	"fmt"
	"os"
	"testing"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	logf "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
)

// cluster is a client of the API server that all tests share. Each test has a namespace of its own.
var cluster client.WithWatch

// config is how to reach the API server.
var config *rest.Config

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	flag.Parse()
	logger := logr.Discard()
	if testing.Verbose() {
		logger = zap.New(zap.UseDevMode(true), zap.WriteTo(os.Stderr))
	}
	logf.SetLogger(logger)
	if flag.Lookup("test.fuzz").Value.String() != "" {
		// What is fuzzed is pure, and each of the fuzzer's processes comes through here.
		return m.Run()
	}
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		fmt.Fprintln(os.Stderr, "KUBEBUILDER_ASSETS is not set: these tests need a real API server. `make test` builds one and sets it.")
		return 1
	}
	scheme := runtime.NewScheme()
	utilruntime.Must(corev1.AddToScheme(scheme))
	utilruntime.Must(v1alpha1.AddToScheme(scheme))
	server := &envtest.Environment{
		CRDDirectoryPaths:     []string{"../../config/crd/bases"},
		ErrorIfCRDPathMissing: true,
		Scheme:                scheme,
	}
	var err error
	config, err = server.Start()
	// A start that fails half-way leaves processes too.
	defer func() {
		if err := server.Stop(); err != nil {
			fmt.Fprintf(os.Stderr, "stopping the API server: %v\n", err)
		}
	}()
	if err != nil {
		fmt.Fprintf(os.Stderr, "starting the API server: %v\n", err)
		return 1
	}
	// The tests measure the intake, not the client's own throttle.
	config.QPS = -1
	cluster, err = client.NewWithWatch(config, client.Options{Scheme: scheme})
	if err != nil {
		fmt.Fprintf(os.Stderr, "making a client: %v\n", err)
		return 1
	}
	return m.Run()
}

// namespace makes a namespace for the test.
func namespace(t testing.TB) string {
	t.Helper()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "intake-"}}
	if err := cluster.Create(t.Context(), ns); err != nil {
		t.Fatalf("making a namespace: %v", err)
	}
	return ns.Name
}
