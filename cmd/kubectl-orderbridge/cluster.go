package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/controllers"
)

// client is a client of the cluster with the user's rights. It reads from the API server, not from a cache.
func (e *environment) client() (client.Client, error) {
	config, err := e.flags.config().ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("finding the cluster: %w", explain(err))
	}
	// The API server limits clients by itself.
	config.QPS = -1
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			return nil, fmt.Errorf("building the scheme: %w", err)
		}
	}
	c, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		return nil, fmt.Errorf("connecting to the cluster: %w", explain(err))
	}
	return c, nil
}

// namespace is the one that the user asked for, or that of the context.
func (e *environment) namespace() (string, error) {
	namespace, _, err := e.flags.config().Namespace()
	if err != nil {
		return "", fmt.Errorf("finding the namespace: %w", explain(err))
	}
	return namespace, nil
}

// explain says what to do about an error of the API server that people can do something about.
func explain(err error) error {
	switch {
	case err == nil:
		return nil
	case clientcmd.IsEmptyConfig(err):
		return errors.New("there is no kubeconfig: set KUBECONFIG, or use --kubeconfig")
	case apierrors.IsForbidden(err):
		return fmt.Errorf("%w\nThis command works with your own rights: ask an administrator of the cluster for this one, or use --as or --context", err)
	case apierrors.IsUnauthorized(err):
		return fmt.Errorf("the API server does not know you: log in again, or use another --context (%w)", err)
	case meta.IsNoMatchError(err):
		return fmt.Errorf("Orderbridge is not installed in this cluster: install it, or use another --context (%w)", err)
	}
	return err
}

// pipeline reads a pipeline. Without a name it takes the only one of the namespace.
func (e *environment) pipeline(ctx context.Context, reader client.Reader, name string) (*v1alpha1.ProvisioningPipeline, error) {
	namespace, err := e.namespace()
	if err != nil {
		return nil, err
	}
	if name != "" {
		var pipeline v1alpha1.ProvisioningPipeline
		err := reader.Get(ctx, types.NamespacedName{Namespace: namespace, Name: name}, &pipeline)
		if apierrors.IsNotFound(err) {
			return nil, fmt.Errorf("there is no pipeline %s in namespace %s: kubectl get pvp --all-namespaces shows them all; choose with --pipeline and --namespace", name, namespace)
		}
		if err != nil {
			return nil, fmt.Errorf("reading pipeline %s/%s: %w", namespace, name, explain(err))
		}
		return &pipeline, nil
	}
	var list v1alpha1.ProvisioningPipelineList
	if err := reader.List(ctx, &list, client.InNamespace(namespace)); err != nil {
		return nil, fmt.Errorf("listing the pipelines of namespace %s: %w", namespace, explain(err))
	}
	switch len(list.Items) {
	case 0:
		return nil, fmt.Errorf("there is no pipeline in namespace %s: choose another with --namespace", namespace)
	case 1:
		return &list.Items[0], nil
	}
	names := make([]string, len(list.Items))
	for i := range list.Items {
		names[i] = list.Items[i].Name
	}
	return nil, fmt.Errorf("namespace %s has several pipelines: choose one of %s with --pipeline", namespace, strings.Join(names, ", "))
}

// farSides builds a pipeline's clients of Salesforce and WHMCS and its mapping as the manager does, from what the user
// may read. A mapping that is missing or broken is no error here: MappingErr of the result says so.
func farSides(ctx context.Context, reader client.Reader, pipeline *v1alpha1.ProvisioningPipeline) (*controllers.FarSides, error) {
	sides, err := controllers.NewFarSides(ctx, reader, pipeline)
	if err != nil {
		return nil, fmt.Errorf("pipeline %s/%s: %w", pipeline.Namespace, pipeline.Name, explain(err))
	}
	return sides, nil
}
