package crashmatrix

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"testing"

	"github.com/go-logr/logr"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/orderbridge/orderbridge/test/byhand"
)

// What all cells share. Each cell has a namespace, a customer and an order of its own.
var (
	cluster *byhand.Cluster
	far     *byhand.Far
)

// root is the root of the repository.
const root = "../.."

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) (code int) {
	flag.Parse()
	logf.SetLogger(logr.Discard())
	dir, err := os.MkdirTemp("", "crashmatrix-")
	if err == nil {
		defer os.RemoveAll(dir)
		err = start(m, dir, &code)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// start runs the tests between the start and the end of the API server and the far sides.
func start(m *testing.M, dir string, code *int) (err error) {
	if cluster, err = byhand.StartCluster(root); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cluster.Stop()) }()
	if far, err = byhand.StartFar(root, dir, ""); err != nil {
		return err
	}
	defer far.Close()
	*code = m.Run()
	return nil
}
