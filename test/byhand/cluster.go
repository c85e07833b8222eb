package byhand

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/internal/mapping"
	"github.com/orderbridge/orderbridge/internal/sandbox"
)

// Cluster is an API server that knows the kinds.
type Cluster struct {
	client.Client
	server *envtest.Environment
}

// StartCluster starts an API server of KUBEBUILDER_ASSETS. Root is the root of the repository. Stop ends it.
func StartCluster(root string) (*Cluster, error) {
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		return nil, errors.New("KUBEBUILDER_ASSETS is not set: these tests need a real API server, which `make devcluster` builds in bin/k8s")
	}
	scheme := runtime.NewScheme()
	utilruntime.Must(corev1.AddToScheme(scheme))
	utilruntime.Must(v1alpha1.AddToScheme(scheme))
	c := &Cluster{server: &envtest.Environment{
		CRDDirectoryPaths:     []string{filepath.Join(root, "config", "crd", "bases")},
		ErrorIfCRDPathMissing: true,
		Scheme:                scheme,
	}}
	config, err := c.server.Start()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("starting the API server: %w", err), c.server.Stop())
	}
	// The tests are about the reconciler, not about the client's own throttle.
	config.QPS = -1
	if c.Client, err = client.New(config, client.Options{Scheme: scheme}); err != nil {
		return nil, errors.Join(fmt.Errorf("making a client: %w", err), c.server.Stop())
	}
	return c, nil
}

// Stop ends the API server.
func (c *Cluster) Stop() error {
	return c.server.Stop()
}

// Far is the far sides, with what is needed to work with them.
type Far struct {
	*sandbox.Sandbox
	// Rules is the sandbox's mapping.
	Rules *mapping.Mapping

	ca, key []byte
}

// StartFar starts the far sides in a directory. Root is the root of the repository; more is added to the sandbox's
// mapping. Close ends them.
func StartFar(root, dir, more string) (*Far, error) {
	box, err := sandbox.Start(sandbox.Options{Dir: dir})
	if err != nil {
		return nil, err
	}
	f := &Far{Sandbox: box}
	if err := f.read(root, more); err != nil {
		box.Close()
		return nil, err
	}
	return f, nil
}

func (f *Far) read(root, more string) (err error) {
	if f.ca, err = os.ReadFile(f.Info.CAFile); err != nil {
		return err
	}
	if f.key, err = os.ReadFile(f.Info.Salesforce.PrivateKeyFile); err != nil {
		return err
	}
	text, err := os.ReadFile(filepath.Join(root, "internal", "sandbox", "mapping.yaml"))
	if err != nil {
		return err
	}
	f.Rules, err = mapping.Parse(append(text, more...))
	return err
}
