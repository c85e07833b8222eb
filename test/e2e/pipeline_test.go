package e2e

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/internal/stage"
)

// shownWithin is how soon a fault must show as a condition; the bar is 10 s.
const shownWithin = 10 * time.Second

// fault is something wrong with a pipeline.
type fault struct {
	begin     func(context.Context) error
	condition string
	reasons   []string
	says      string
}

func changeSecret(name, key, value string) func(context.Context) error {
	return func(ctx context.Context) error {
		var secret corev1.Secret
		if err := world.Client.Get(ctx, client.ObjectKey{Namespace: stage.Namespace, Name: name}, &secret); err != nil {
			return err
		}
		secret.Data[key] = []byte(value)
		return world.Client.Update(ctx, &secret)
	}
}

func changePipeline(change func(*v1alpha1.ProvisioningPipelineSpec)) func(context.Context) error {
	return func(ctx context.Context) error {
		pipeline, err := thePipeline(ctx)
		if err != nil {
			return err
		}
		before := pipeline.DeepCopy()
		change(&pipeline.Spec)
		return world.Client.Patch(ctx, &pipeline, client.MergeFrom(before))
	}
}

func thePipeline(ctx context.Context) (v1alpha1.ProvisioningPipeline, error) {
	var pipeline v1alpha1.ProvisioningPipeline
	err := world.Client.Get(ctx, client.ObjectKey{Namespace: stage.Namespace, Name: "portal"}, &pipeline)
	return pipeline, err
}

// otherCA is a certificate that signed nothing here.
const otherCA = `-----BEGIN CERTIFICATE-----
MIIBdjCCAR2gAwIBAgIBATAKBggqhkjOPQQDAjATMREwDwYDVQQDDAhub2JvZHkg
-----END CERTIFICATE-----
`

var pipelineFaults = map[string]fault{
	"WHMCS secret is wrong": {
		begin: changeSecret("whmcs", "secret", "wrong"), condition: v1alpha1.WhmcsReachableCondition,
		reasons: []string{v1alpha1.AuthenticationFailedReason}, says: "credential",
	},
	"Salesforce user is wrong": {
		begin: changeSecret("salesforce", "username", "nobody@example.com"), condition: v1alpha1.SalesforceConnectedCondition,
		reasons: []string{v1alpha1.AuthenticationFailedReason},
	},
	"Salesforce key is no key": {
		begin: changeSecret("salesforce", "privateKey", "no key"), condition: v1alpha1.SalesforceConnectedCondition,
		reasons: []string{v1alpha1.SecretInvalidReason}, says: "salesforce",
	},
	"Secret is absent": {
		begin:     changePipeline(func(spec *v1alpha1.ProvisioningPipelineSpec) { spec.Whmcs.CredentialsSecretRef.Name = "absent" }),
		condition: v1alpha1.WhmcsReachableCondition, reasons: []string{v1alpha1.SecretMissingReason}, says: "absent",
	},
	"WHMCS CA is not given": {
		begin:     changePipeline(func(spec *v1alpha1.ProvisioningPipelineSpec) { spec.Whmcs.CABundle = "" }),
		condition: v1alpha1.WhmcsReachableCondition, reasons: []string{v1alpha1.CertificateUntrustedReason},
	},
	"Salesforce CA is not given": {
		begin:     changePipeline(func(spec *v1alpha1.ProvisioningPipelineSpec) { spec.Salesforce.CABundle = "" }),
		condition: v1alpha1.SalesforceConnectedCondition, reasons: []string{v1alpha1.CertificateUntrustedReason},
	},
	"CA bundle is no certificate": {
		begin:     changePipeline(func(spec *v1alpha1.ProvisioningPipelineSpec) { spec.Whmcs.CABundle = otherCA }),
		condition: v1alpha1.WhmcsReachableCondition, reasons: []string{v1alpha1.SecretInvalidReason}, says: "spec.whmcs",
	},
	"WHMCS is unreachable": {
		begin:     changePipeline(func(spec *v1alpha1.ProvisioningPipelineSpec) { spec.Whmcs.URL = "https://127.0.0.1:1/includes/api.php" }),
		condition: v1alpha1.WhmcsReachableCondition, reasons: []string{v1alpha1.UnreachableReason, v1alpha1.BreakerOpenReason},
	},
	"topic is unknown": {
		begin: changePipeline(func(spec *v1alpha1.ProvisioningPipelineSpec) {
			spec.Salesforce.Triggers = []v1alpha1.Trigger{{Topic: "/event/Nothing__e", OrderIDField: "OrderId__c"}}
		}),
		condition: v1alpha1.SalesforceConnectedCondition, reasons: []string{v1alpha1.TopicUnavailableReason}, says: "/event/Nothing__e",
	},
	"mapping is broken": {
		begin: func(ctx context.Context) error {
			var config corev1.ConfigMap
			if err := world.Client.Get(ctx, client.ObjectKey{Namespace: stage.Namespace, Name: "portal-mapping"}, &config); err != nil {
				return err
			}
			config.Data["mapping.yaml"] = "version: 1\nclients: []\n"
			return world.Client.Update(ctx, &config)
		},
		condition: v1alpha1.MappingValidCondition, reasons: []string{v1alpha1.MappingInvalidReason}, says: "line 2",
	},
}

// TestFaultsShowAndHeal gives the pipeline one fault after the other, and mends each.
func TestFaultsShowAndHeal(t *testing.T) {
	manager(t)
	healthy(t)
	for _, name := range slices.Sorted(maps.Keys(pipelineFaults)) {
		f := pipelineFaults[name]
		t.Run(name, func(t *testing.T) {
			began := time.Now()
			if err := f.begin(t.Context()); err != nil {
				t.Fatal(err)
			}
			var message string
			eventually(t, shownWithin, "the fault shows", func() error {
				pipeline, err := thePipeline(t.Context())
				if err != nil {
					return err
				}
				is := meta.FindStatusCondition(pipeline.Status.Conditions, f.condition)
				if is == nil || is.Status != metav1.ConditionFalse || !slices.Contains(f.reasons, is.Reason) {
					return fmt.Errorf("%s is %+v", f.condition, is)
				}
				message = is.Message
				return nil
			})
			shown := time.Since(began)
			if message == "" || !strings.Contains(strings.ToLower(message), strings.ToLower(f.says)) {
				t.Errorf("the message %q does not say %q", message, f.says)
			}
			began = time.Now()
			if err := world.Reapply(t.Context()); err != nil {
				t.Fatal(err)
			}
			healthy(t)
			t.Logf("shown after %s, healed after %s: %s", shown.Round(100*time.Millisecond), time.Since(began).Round(100*time.Millisecond), message)
		})
	}
}

// healthy waits until the pipeline is Ready.
func healthy(t *testing.T) {
	t.Helper()
	eventually(t, 60*time.Second, "the pipeline is ready", func() error {
		pipeline, err := thePipeline(t.Context())
		if err == nil && (!meta.IsStatusConditionTrue(pipeline.Status.Conditions, v1alpha1.ReadyCondition) || pipeline.Status.ObservedGeneration != pipeline.Generation) {
			err = errors.New("not ready")
		}
		return err
	})
}

// TestRequestOnProvisioned asks a finished order to try again: Salesforce is written afresh, WHMCS is left alone.
func TestRequestOnProvisioned(t *testing.T) {
	manager(t)
	customer, order := approved(t)
	provisioned(t, order, 30*time.Second)
	if err := world.Control.UpdateRecord(t.Context(), order.ID, map[string]any{"WHMCS_Order_ID__c": nil}); err != nil {
		t.Fatal(err)
	}
	if err := world.Annotate(t.Context(), objectOf(order), map[string]string{v1alpha1.RequestedAtAnnotation: "again"}); err != nil {
		t.Fatal(err)
	}
	eventually(t, 20*time.Second, "Salesforce shows the WHMCS order again", func() error {
		audit, err := world.Control.Audit(t.Context())
		if err != nil {
			return err
		}
		for _, finding := range audit.Findings {
			if finding.Order == order.ID {
				return errors.New(finding.String())
			}
		}
		return nil
	})
	onceInTheBooks(t, order)
	if orders, err := whmcsOrders(t.Context(), customer.ClientID); err != nil || len(orders) != 1 {
		t.Errorf("the client has %d orders (%v), want 1", len(orders), err)
	}
	deleteAndWait(t, objectOf(order))
}

// deleteAndWait deletes a finished order, whose finalizer must not hold it.
func deleteAndWait(t *testing.T, name string) {
	t.Helper()
	object := &v1alpha1.ProvisioningOrder{}
	object.Namespace, object.Name = stage.Namespace, name
	if err := world.Client.Delete(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	eventually(t, 20*time.Second, "the order is gone", func() error {
		err := world.Client.Get(t.Context(), client.ObjectKeyFromObject(object), object)
		if err == nil {
			return errors.New("it is still there")
		}
		return client.IgnoreNotFound(err)
	})
}
