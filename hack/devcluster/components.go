package main

import (
	"go.etcd.io/etcd/server/v3/etcdmain"
	_ "k8s.io/client-go/plugin/pkg/client/auth"
	"k8s.io/component-base/cli"
	"k8s.io/component-base/logs"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	"k8s.io/kubectl/pkg/cmd"
	"k8s.io/kubectl/pkg/cmd/util"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
)

func runEtcd(args []string) {
	etcdmain.Main(args)
}

func runAPIServer() int {
	return cli.Run(app.NewAPIServerCommand())
}

func runKubectl(args []string) int {
	// kubectl logs while its commands are being built, before cobra has parsed any flag.
	if _, err := logs.GlogSetter(cmd.GetLogVerbosity(args)); err != nil {
		return 1
	}
	if err := cli.RunNoErrOutput(cmd.NewDefaultKubectlCommand()); err != nil {
		util.CheckErr(err) // prints and exits as kubectl does
	}
	return 0
}
