package stories

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

var update = flag.Bool("update", false, "write the golden files anew")

// root is the root of the repository.
const root = "../.."

// cluster is shared: each story has a namespace of its own.
var cluster *byhand.Cluster

func TestMain(m *testing.M) {
	flag.Parse()
	logf.SetLogger(logr.Discard())
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	if cluster, err = byhand.StartCluster(root); err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, cluster.Stop()) }()
	return m.Run(), nil
}
