package e2e

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/internal/stage"
)

// noticeTime is how long it may take until a mistake, or that it is mended, is noticed. The promise is 10 s, and the log
// says what it was; the rest is for a machine that does three other things. Checks that wait for each other take longer.
const noticeTime = 30 * time.Second

// silentPipelines is how many other pipelines there are whose far sides take connections and say nothing. Each check of
// one takes its full time, and must hold up nobody.
const silentPipelines = 3

// misconfigured is the namespace of these pipelines; the manager of the test looks at no other.
const misconfigured = "misconfigured"

// installation is one pipeline with everything that belongs to it.
type installation struct {
	pipeline   v1alpha1.ProvisioningPipeline
	salesforce corev1.Secret
	whmcs      corev1.Secret
	mapping    corev1.ConfigMap
}

// mistakes are what can be configured wrongly.
var mistakes = map[string]struct {
	// make changes the installation, and returns the object that is to be updated, or deleted if it is gone.
	make      func(*testing.T, *installation) client.Object
	gone      bool
	condition string
	reason    string
	// says are parts of the sentence.
	says []string
}{
	"whmcs-secret": {
		make: func(_ *testing.T, i *installation) client.Object {
			i.whmcs.Data["secret"] = []byte("not-the-secret")
			return &i.whmcs
		},
		condition: v1alpha1.WhmcsReachableCondition, reason: v1alpha1.AuthenticationFailedReason, says: []string{"Authentication Failed"},
	},
	"salesforce-key": {
		make: func(t *testing.T, i *installation) client.Object {
			t.Helper()
			i.salesforce.Data["privateKey"] = otherKey(t)
			return &i.salesforce
		},
		condition: v1alpha1.SalesforceConnectedCondition, reason: v1alpha1.AuthenticationFailedReason, says: []string{"privateKey"},
	},
	"whmcs-ca": {
		make: func(t *testing.T, i *installation) client.Object {
			t.Helper()
			i.pipeline.Spec.Whmcs.CABundle = otherCA(t)
			return &i.pipeline
		},
		condition: v1alpha1.WhmcsReachableCondition, reason: v1alpha1.CertificateUntrustedReason, says: []string{"not trusted: put", "caBundle"},
	},
	"salesforce-ca": {
		make: func(t *testing.T, i *installation) client.Object {
			t.Helper()
			i.pipeline.Spec.Salesforce.CABundle = otherCA(t)
			return &i.pipeline
		},
		condition: v1alpha1.SalesforceConnectedCondition, reason: v1alpha1.CertificateUntrustedReason, says: []string{"caBundle"},
	},
	"topic": {
		make: func(_ *testing.T, i *installation) client.Object {
			i.pipeline.Spec.Salesforce.Triggers[0].Topic = "/event/Nowhere__e"
			return &i.pipeline
		},
		condition: v1alpha1.SalesforceConnectedCondition, reason: v1alpha1.TopicUnavailableReason, says: []string{"/event/Nowhere__e"},
	},
	"whmcs-port": {
		make: func(_ *testing.T, i *installation) client.Object {
			i.pipeline.Spec.Whmcs.URL = "https://127.0.0.1:1/includes/api.php"
			return &i.pipeline
		},
		condition: v1alpha1.WhmcsReachableCondition, reason: v1alpha1.UnreachableReason, says: []string{"127.0.0.1:1"},
	},
	"whmcs-secret-absent": {
		make: func(_ *testing.T, i *installation) client.Object { return &i.whmcs }, gone: true,
		condition: v1alpha1.WhmcsReachableCondition, reason: v1alpha1.SecretMissingReason, says: []string{"whmcs-secret-absent-whmcs", "create it"},
	},
	"salesforce-secret-absent": {
		make: func(_ *testing.T, i *installation) client.Object { return &i.salesforce }, gone: true,
		condition: v1alpha1.SalesforceConnectedCondition, reason: v1alpha1.SecretMissingReason, says: []string{"salesforce-secret-absent-salesforce", "create it"},
	},
	"mapping": {
		make: func(_ *testing.T, i *installation) client.Object {
			i.mapping.Data["mapping.yaml"] = "version: 1\nclient:\n- feild: account.WH_Account__c\n"
			return &i.mapping
		},
		condition: v1alpha1.MappingValidCondition, reason: v1alpha1.MappingInvalidReason, says: []string{"mapping.yaml: 3:3:", "feild"},
	},
}

func TestMistakesShowAndHeal(t *testing.T) {
	s := onStage(t)
	must(t, s.Client.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: misconfigured}}))
	manage(t, s, "--namespace="+misconfigured)
	silent := listen(t)
	for i := range silentPipelines {
		install(t, s, fmt.Sprintf("silent-%d", i)).silence(t, s, silent)
	}
	t.Run("mistakes", func(t *testing.T) {
		for name, mistake := range mistakes {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				good := install(t, s, name)
				condition(t, s, name, time.Minute, v1alpha1.ReadyCondition, metav1.ConditionTrue, v1alpha1.OperationalReason)

				bad := good.copy()
				object := mistake.make(t, bad)
				apply(t, s, object, mistake.gone)
				began := time.Now()
				shown := condition(t, s, name, noticeTime, mistake.condition, metav1.ConditionFalse, mistake.reason)
				took := time.Since(began)
				for _, part := range mistake.says {
					if !strings.Contains(shown.Message, part) {
						t.Errorf("the message does not say %q: %s", part, shown.Message)
					}
				}
				condition(t, s, name, noticeTime, v1alpha1.ReadyCondition, metav1.ConditionFalse, mistake.reason)

				mend(t, s, good, object, mistake.gone)
				began = time.Now()
				condition(t, s, name, noticeTime, v1alpha1.ReadyCondition, metav1.ConditionTrue, v1alpha1.OperationalReason)
				t.Logf("shown after %s, healed after %s: %s: %s", took.Round(time.Millisecond), time.Since(began).Round(time.Millisecond), shown.Reason, shown.Message)
			})
		}
	})
	var orders v1alpha1.ProvisioningOrderList
	must(t, s.Client.List(t.Context(), &orders, client.InNamespace(misconfigured)))
	if n := len(orders.Items); n != 0 {
		t.Errorf("%d orders came in, want none: nothing was approved", n)
	}
}

// install copies the working pipeline of the stage under another name.
func install(t *testing.T, s *stage.Stage, name string) *installation {
	t.Helper()
	i := &installation{}
	for source, object := range map[string]client.Object{
		"portal": &i.pipeline, "salesforce": &i.salesforce, "whmcs": &i.whmcs, "portal-mapping": &i.mapping,
	} {
		must(t, s.Client.Get(t.Context(), client.ObjectKey{Namespace: stage.Namespace, Name: source}, object))
	}
	for suffix, object := range map[string]client.Object{"": &i.pipeline, "-salesforce": &i.salesforce, "-whmcs": &i.whmcs, "-mapping": &i.mapping} {
		object.SetNamespace(misconfigured)
		object.SetName(name + suffix)
		fresh(object)
	}
	spec := &i.pipeline.Spec
	spec.Salesforce.CredentialsSecretRef.Name = name + "-salesforce"
	spec.Whmcs.CredentialsSecretRef.Name = name + "-whmcs"
	spec.MappingRef.Name = name + "-mapping"
	// What other tests have approved is none of our business.
	spec.Salesforce.Replay.Initial = v1alpha1.LatestReplay
	for _, object := range i.copy().objects() {
		must(t, s.Client.Create(t.Context(), object))
	}
	// Managers of other tests look at all namespaces, and two pipelines of one org would both take its orders.
	t.Cleanup(func() { must(t, s.Client.Delete(context.WithoutCancel(t.Context()), &i.pipeline)) })
	return i
}

// silence points both far sides of the pipeline to an address that never answers.
func (i *installation) silence(t *testing.T, s *stage.Stage, address string) {
	t.Helper()
	i.pipeline.Spec.Salesforce.LoginURL = "https://" + address
	i.pipeline.Spec.Salesforce.PubSubEndpoint = address
	i.pipeline.Spec.Whmcs.URL = "https://" + address + "/includes/api.php"
	update(t, s, i.copy().objects()[3])
}

// listen takes connections and never says a word.
func listen(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { must(t, listener.Close()) })
	return listener.Addr().String()
}

// fresh takes from an object what belongs to the one it was copied from.
func fresh(object client.Object) {
	object.SetResourceVersion("")
	object.SetUID("")
	object.SetManagedFields(nil)
	object.SetCreationTimestamp(metav1.Time{})
	object.SetGeneration(0)
}

func (i *installation) copy() *installation {
	return &installation{*i.pipeline.DeepCopy(), *i.salesforce.DeepCopy(), *i.whmcs.DeepCopy(), *i.mapping.DeepCopy()}
}

func (i *installation) objects() []client.Object {
	return []client.Object{&i.salesforce, &i.whmcs, &i.mapping, &i.pipeline}
}

// apply makes the object what it is here, or deletes it.
func apply(t *testing.T, s *stage.Stage, object client.Object, gone bool) {
	t.Helper()
	if gone {
		must(t, s.Client.Delete(t.Context(), object))
		return
	}
	update(t, s, object)
}

// update replaces an object whatever its version: nobody else writes more of it than the status.
func update(t *testing.T, s *stage.Stage, object client.Object) {
	t.Helper()
	must(t, retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		current := &metav1.PartialObjectMetadata{}
		gvk, err := s.Client.GroupVersionKindFor(object)
		if err != nil {
			return err
		}
		current.SetGroupVersionKind(gvk)
		if err := s.Client.Get(t.Context(), client.ObjectKeyFromObject(object), current); err != nil {
			return err
		}
		object.SetResourceVersion(current.ResourceVersion)
		return s.Client.Update(t.Context(), object)
	}))
}

// mend puts the good object back.
func mend(t *testing.T, s *stage.Stage, good *installation, bad client.Object, gone bool) {
	t.Helper()
	for _, object := range good.copy().objects() {
		if fmt.Sprintf("%T/%s", object, object.GetName()) != fmt.Sprintf("%T/%s", bad, bad.GetName()) {
			continue
		}
		if gone {
			must(t, s.Client.Create(t.Context(), object))
			return
		}
		update(t, s, object)
		return
	}
	t.Fatalf("nothing is called %s", bad.GetName())
}

// condition waits until a condition of the pipeline has this status and reason.
func condition(t *testing.T, s *stage.Stage, pipeline string, within time.Duration, name string, want metav1.ConditionStatus, reason string) metav1.Condition {
	t.Helper()
	var shown metav1.Condition
	eventually(t, within, fmt.Sprintf("%s of %s is %s/%s", name, pipeline, want, reason), func() error {
		var object v1alpha1.ProvisioningPipeline
		if err := s.Client.Get(t.Context(), client.ObjectKey{Namespace: misconfigured, Name: pipeline}, &object); err != nil {
			return err
		}
		found := meta.FindStatusCondition(object.Status.Conditions, name)
		if found == nil || found.Status != want || found.Reason != reason {
			return fmt.Errorf("the conditions are %+v", object.Status.Conditions)
		}
		shown = *found
		return nil
	})
	return shown
}

// otherKey is a private key that Salesforce does not know.
func otherKey(t *testing.T) []byte {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// otherCA is a certificate that signed nothing.
func otherCA(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	must(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}
