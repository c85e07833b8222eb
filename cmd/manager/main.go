// Command manager is the operator: it takes approved Salesforce orders and provisions each exactly once in WHMCS.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	clientconfig "sigs.k8s.io/controller-runtime/pkg/client/config"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/controller-runtime/pkg/metrics/filters"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/controllers"
	"github.com/orderbridge/orderbridge/internal/intake"
)

// options are the manager's flags.
type options struct {
	metricsAddress string
	secureMetrics  bool
	healthAddress  string
	leaderElect    bool
	leaseNamespace string
	leaseIdentity  string
	leaseDuration  time.Duration
	namespace      string
	concurrency    int
}

// version is set by the build.
var version = "unknown"

// leaseName is the name of the lease.
const leaseName = "manager.orderbridge.dev"

// wakeQueue is how many orders may wait to be looked at out of turn.
const wakeQueue = 4096

// gracefulStop is how long calls under way may take to be answered and written down when the manager is told to stop.
// The Deployment's terminationGracePeriodSeconds is longer.
const gracefulStop = 55 * time.Second

func main() {
	os.Exit(run(os.Args[1:]))
}

func run(arguments []string) int {
	o, logging, err := parse(arguments)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	}
	ctrl.SetLogger(zap.New(zap.UseFlagOptions(&logging)))
	// The libraries for Kubernetes log in our name, but not at our level: from level 8 on they log what the API server
	// answers, and with it the Secrets.
	klog.SetLogger(ctrl.Log.WithName("kubernetes"))
	klog.EnableContextualLogging(false)
	ctrl.Log.Info("Starting the manager", "version", version)
	if err := start(ctrl.SetupSignalHandler(), o); err != nil {
		ctrl.Log.Error(err, "Stopping")
		return 1
	}
	return 0
}

// parse reads the flags and prints what is wrong with them.
func parse(arguments []string) (o options, logging zap.Options, err error) {
	flags := flag.NewFlagSet("manager", flag.ContinueOnError)
	flags.StringVar(&o.metricsAddress, "metrics-bind-address", ":8443", "Address of the metrics endpoint; 0 turns it off.")
	flags.BoolVar(&o.secureMetrics, "metrics-secure", true, "Serve metrics over TLS, to clients that the API server authorises.")
	flags.StringVar(&o.healthAddress, "health-probe-bind-address", ":8081", "Address of /healthz and /readyz; 0 turns them off.")
	flags.BoolVar(&o.leaderElect, "leader-elect", false, "Work only while holding the lease; needed with more than one replica.")
	flags.StringVar(&o.leaseNamespace, "leader-election-namespace", "", "Namespace of the lease; by default the namespace the manager runs in.")
	flags.StringVar(&o.leaseIdentity, "leader-election-identity", "", "Name under which the lease is held, such as the Pod's: a restarted manager takes up its own lease at once. "+
		"No two managers may run under one name. By default a new name is made at each start; needs --leader-election-namespace.")
	flags.DurationVar(&o.leaseDuration, "leader-election-lease-duration", 15*time.Second, "How long after its last renewal another replica may take the lease; whole seconds, at least 1s.")
	flags.StringVar(&o.namespace, "namespace", "", "The only namespace to work in; by default all.")
	flags.IntVar(&o.concurrency, "max-concurrent-orders", 512, "Orders that are worked on at the same time. Most of them wait for their turn at WHMCS, whose limits the pipelines set.")
	logging.BindFlags(flags)
	clientconfig.RegisterFlags(flags)
	if err := flags.Parse(arguments); err != nil {
		return o, logging, err
	}
	if err := o.check(flags.Args()); err != nil {
		fmt.Fprintln(flags.Output(), err)
		return o, logging, err
	}
	return o, logging, nil
}

// check refuses what would be taken for something else in silence.
func (o options) check(others []string) error {
	switch {
	case len(others) > 0:
		// What follows was not read as flags: after "--leader-elect false", no --namespace counts.
		return fmt.Errorf("unexpected argument %q: write flags as --name=value", others[0])
	case o.leaseDuration < time.Second || o.leaseDuration%time.Second != 0:
		// The lease holds whole seconds: others would take it before this one gives it up.
		return fmt.Errorf("--leader-election-lease-duration is %s: it must be whole seconds, and at least 1s", o.leaseDuration)
	case o.concurrency < 1:
		return fmt.Errorf("--max-concurrent-orders is %d: it must be at least 1", o.concurrency)
	}
	return nil
}

// start runs the manager until ctx ends.
func start(ctx context.Context, o options) error {
	config, err := ctrl.GetConfig()
	if err != nil {
		return fmt.Errorf("finding the cluster: %w", err)
	}
	// The API server limits clients by priority and fairness; a second limit here would only delay answers being written.
	config.QPS = -1
	scheme, err := newScheme()
	if err != nil {
		return err
	}
	managed := managerOptions(o, scheme)
	if managed.LeaderElectionResourceLockInterface, err = ownLease(config, o); err != nil {
		return err
	}
	mgr, err := ctrl.NewManager(config, managed)
	if err != nil {
		return fmt.Errorf("creating the manager: %w", err)
	}
	if err := setUp(ctx, mgr, config, o); err != nil {
		return err
	}
	if err := mgr.Start(ctx); err != nil {
		return fmt.Errorf("running the manager: %w", err)
	}
	return nil
}

func newScheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			return nil, fmt.Errorf("building the scheme: %w", err)
		}
	}
	return scheme, nil
}

func managerOptions(o options, scheme *runtime.Scheme) ctrl.Options {
	metricsOptions := metricsserver.Options{BindAddress: o.metricsAddress, SecureServing: o.secureMetrics}
	if o.secureMetrics {
		metricsOptions.FilterProvider = filters.WithAuthenticationAndAuthorization
	}
	caches := cache.Options{
		DefaultTransform: cache.TransformStripManagedFields(),
		ByObject: map[client.Object]cache.ByObject{
			// Finished orders are most of all orders, and need no memory.
			&v1alpha1.ProvisioningOrder{}: {Field: controllers.Unfinished()},
		},
	}
	if o.namespace != "" {
		caches.DefaultNamespaces = map[string]cache.Config{o.namespace: {}}
	}
	return ctrl.Options{
		Scheme:                  scheme,
		Metrics:                 metricsOptions,
		HealthProbeBindAddress:  o.healthAddress,
		LeaderElection:          o.leaderElect,
		LeaderElectionID:        leaseName,
		LeaderElectionNamespace: o.leaseNamespace,
		LeaseDuration:           &o.leaseDuration,
		RenewDeadline:           new(o.leaseDuration * 2 / 3),
		// Another replica sees the last renewal up to one period late, and looks for its end up to another late: so it has the
		// lease within two seconds of its end.
		RetryPeriod: new(o.leaseDuration / 20),
		// Safe since start returns, and with it the process ends, as soon as the manager has stopped.
		LeaderElectionReleaseOnCancel: true,
		GracefulShutdownTimeout:       new(gracefulStop),
		Cache:                         caches,
		Client: client.Options{Cache: &client.CacheOptions{
			DisableFor: []client.Object{&corev1.Secret{}, &corev1.ConfigMap{}},
		}},
	}
}

// ownLease is the lease, held under the name of this replica, or nil if it has none.
func ownLease(config *rest.Config, o options) (resourcelock.Interface, error) {
	switch {
	case !o.leaderElect || o.leaseIdentity == "":
		return nil, nil
	case o.leaseNamespace == "":
		return nil, errors.New("--leader-election-identity needs --leader-election-namespace")
	}
	lock, err := resourcelock.NewFromKubeconfig(resourcelock.LeasesResourceLock, o.leaseNamespace, leaseName,
		resourcelock.ResourceLockConfig{Identity: o.leaseIdentity}, config, o.leaseDuration*2/3)
	if err != nil {
		return nil, fmt.Errorf("preparing the lease: %w", err)
	}
	return lock, nil
}

// setUp registers everything that runs in the manager.
func setUp(ctx context.Context, mgr manager.Manager, config *rest.Config, o options) error {
	backends := controllers.NewBackends()
	wake := make(chan event.GenericEvent, wakeQueue)
	recorder := mgr.GetEventRecorder("orderbridge")
	supervisor, err := intake.NewSupervisor(intake.Options{
		Client: mgr.GetClient(), Reader: mgr.GetAPIReader(), Recorder: recorder, Registerer: metrics.Registry,
	})
	if err != nil {
		return err
	}
	if err := mgr.Add(supervisor); err != nil {
		return fmt.Errorf("adding the intake: %w", err)
	}
	pipelines := &controllers.PipelineReconciler{
		Client: mgr.GetClient(), Reader: mgr.GetAPIReader(), Recorder: recorder, Clock: clock.RealClock{},
		Backends: backends, Wake: wake, Intake: supervisor,
	}
	if err := pipelines.SetupWithManager(ctx, mgr); err != nil {
		return fmt.Errorf("setting up the pipeline controller: %w", err)
	}
	orders := &controllers.OrderReconciler{
		Client: mgr.GetClient(), Reader: mgr.GetAPIReader(), Recorder: recorder, Clock: clock.RealClock{},
		Backends: backends, Namespace: o.namespace, Wake: wake, Learnt: pipelines.Learnt,
	}
	if err := orders.SetupWithManager(ctx, mgr, o.concurrency); err != nil {
		return fmt.Errorf("setting up the order controller: %w", err)
	}
	watcher, err := client.NewWithWatch(config, client.Options{Scheme: mgr.GetScheme(), Mapper: mgr.GetRESTMapper(), HTTPClient: mgr.GetHTTPClient()})
	if err != nil {
		return fmt.Errorf("creating the client for finished orders: %w", err)
	}
	finished := &controllers.Finished{Client: watcher, Namespace: o.namespace, Clock: clock.RealClock{}, Backends: backends, Wake: wake}
	if err := mgr.Add(finished); err != nil {
		return fmt.Errorf("adding the watch of finished orders: %w", err)
	}
	for _, add := range []func(string, healthz.Checker) error{mgr.AddHealthzCheck, mgr.AddReadyzCheck} {
		if err := add("ping", healthz.Ping); err != nil {
			return fmt.Errorf("adding a probe: %w", err)
		}
	}
	return nil
}
