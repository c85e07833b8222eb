package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/internal/sandbox"
	"github.com/orderbridge/orderbridge/internal/stage"
)

// portalMapping is the ConfigMap of the pipeline portal.
const portalMapping = "portal-mapping"

// stageWith is ownStage with a pipeline of another kind: hundreds of its orders would disturb the tests that count calls on the shared one.
func stageWith(t *testing.T, pipeline func(*v1alpha1.ProvisioningPipeline)) *stage.Stage {
	t.Helper()
	root, err := repository()
	must(t, err)
	s, err := stage.Start(t.Context(), stage.Options{Repository: root, Dir: t.TempDir(), Pipeline: pipeline})
	t.Cleanup(func() { must(t, s.Close()) })
	must(t, err)
	return s
}

// customers makes customers until there are so many whose account passes.
func customers(t *testing.T, s *stage.Stage, n int, payMethod bool, passes func(sandbox.Customer) bool) []sandbox.Customer {
	t.Helper()
	var list []sandbox.Customer
	for len(list) < n {
		customer, err := s.Control.NewCustomer(t.Context(), payMethod)
		must(t, err)
		if passes(customer) {
			list = append(list, customer)
		}
	}
	return list
}

// orderEach makes an order of one product for each customer.
func orderEach(t *testing.T, s *stage.Stage, customers []sandbox.Customer, sku string, fields map[string]any) []sandbox.SeededOrder {
	t.Helper()
	var list []sandbox.SeededOrder
	for _, customer := range customers {
		order, err := s.Control.NewOrder(t.Context(), sandbox.OrderRequest{
			AccountID: customer.AccountID, Lines: []sandbox.OrderLine{{SKU: sku}}, Fields: fields,
		})
		must(t, err)
		order.ClientID = customer.ClientID
		list = append(list, order)
	}
	return list
}

// writeMapping replaces mapping.yaml in a ConfigMap and returns the ConfigMap as it is stored.
func writeMapping(t *testing.T, s *stage.Stage, name, text string) *corev1.ConfigMap {
	t.Helper()
	config := &corev1.ConfigMap{}
	must(t, s.Client.Get(t.Context(), client.ObjectKey{Namespace: stage.Namespace, Name: name}, config))
	config.Data = map[string]string{"mapping.yaml": text}
	must(t, s.Client.Update(t.Context(), config))
	return config
}

// validated is the condition Validated of an order, or an empty one.
func validated(order *v1alpha1.ProvisioningOrder) (status, reason, message string) {
	condition := meta.FindStatusCondition(order.Status.Conditions, v1alpha1.ValidatedCondition)
	if condition == nil {
		return "", "", ""
	}
	return string(condition.Status), condition.Reason, condition.Message
}

// says fails the test unless a text has all the parts.
func says(t *testing.T, what, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%s does not say %q: %s", what, part, text)
		}
	}
}

// sumOf is what an order records of the mapping that it was planned with.
func sumOf(config *corev1.ConfigMap) v1alpha1.MappingVersion {
	sum := sha256.Sum256([]byte(config.Data["mapping.yaml"]))
	return v1alpha1.MappingVersion{Name: config.Name, ResourceVersion: config.ResourceVersion, SHA256: hex.EncodeToString(sum[:])}
}
