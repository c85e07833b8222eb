// Command devcluster is a Kubernetes control plane for development and tests in one file: it acts as etcd,
// kube-apiserver or kubectl when called by that name, and otherwise runs an etcd and a kube-apiserver on loopback.
package main

import (
	"os"
	"path/filepath"

	"github.com/orderbridge/orderbridge/hack/devcluster/supervisor"
)

func main() {
	switch filepath.Base(os.Args[0]) {
	case "etcd":
		runEtcd(os.Args)
	case "kube-apiserver":
		os.Exit(runAPIServer())
	case "kubectl":
		os.Exit(runKubectl(os.Args))
	default:
		os.Exit(supervisor.Main(os.Args[1:], os.Stdout, os.Stderr))
	}
}
