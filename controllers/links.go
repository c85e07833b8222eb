package controllers

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/internal/intake"
	"github.com/orderbridge/orderbridge/internal/mapping"
	"github.com/orderbridge/orderbridge/internal/salesforce"
	"github.com/orderbridge/orderbridge/internal/whmcs"
)

// This file builds a pipeline's clients from its spec, its Secrets and its mapping, and tells what is wrong with them in
// words for the conditions.

// problem is what a condition says when something is wrong.
type problem struct {
	reason  string
	message string
}

func (p *problem) String() string {
	return p.message
}

// link is a pipeline's client of a far side with what it was built from. A client is kept while that stays the same.
type link[C any] struct {
	client C
	digest [sha256.Size]byte
	// problem is what is wrong with the Secret or the settings, so that there is no client.
	problem *problem
	// checked is when the far side last answered, or failed to.
	checked time.Time
	// failed is what the last check showed.
	failed *problem
}

// trouble is what is wrong with the link, or nil.
func (l *link[C]) trouble() *problem {
	if l.problem != nil {
		return l.problem
	}
	return l.failed
}

// digestOf identifies what a client was built from.
func digestOf(parts ...any) [sha256.Size]byte {
	data, err := json.Marshal(parts)
	if err != nil {
		// Strings and bytes always marshal; a digest of nothing would keep a stale client.
		panic(fmt.Sprintf("digest: %v", err))
	}
	return sha256.Sum256(data)
}

// secret reads a Secret and checks that it has the keys.
func secret(ctx context.Context, reader client.Reader, namespace, name string, keys ...string) (map[string][]byte, *problem, error) {
	var s corev1.Secret
	err := reader.Get(ctx, types.NamespacedName{Namespace: namespace, Name: name}, &s)
	if apierrors.IsNotFound(err) {
		return nil, &problem{v1alpha1.SecretMissingReason, fmt.Sprintf("There is no Secret %s in namespace %s: create it with the keys %s", name, namespace, words(keys))}, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("reading Secret %s/%s: %w", namespace, name, err)
	}
	for _, key := range keys {
		if len(s.Data[key]) == 0 {
			return nil, &problem{v1alpha1.SecretMissingReason, fmt.Sprintf("Secret %s has no key %s: add it", name, key)}, nil
		}
	}
	return s.Data, nil, nil
}

// words joins names for a sentence.
func words(names []string) string {
	text := ""
	for i, name := range names {
		switch {
		case i == 0:
			text = name
		case i == len(names)-1:
			text += " and " + name
		default:
			text += ", " + name
		}
	}
	return text
}

// salesforceLink brings the client of Salesforce up to date.
func salesforceLink(ctx context.Context, reader client.Reader, pipeline *v1alpha1.ProvisioningPipeline, l *link[*salesforce.Client]) error {
	spec := &pipeline.Spec.Salesforce
	data, missing, err := secret(ctx, reader, pipeline.Namespace, spec.CredentialsSecretRef.Name, "clientId", "username", "privateKey")
	if err != nil {
		return err
	}
	if missing != nil {
		*l = link[*salesforce.Client]{problem: missing}
		return nil
	}
	digest := digestOf(spec.LoginURL, spec.Audience, spec.APIVersion, spec.CABundle, data)
	if digest == l.digest {
		return nil
	}
	c, err := salesforce.New(salesforce.Config{
		LoginURL:   spec.LoginURL,
		Audience:   spec.Audience,
		ClientID:   string(data["clientId"]),
		Username:   string(data["username"]),
		APIVersion: spec.APIVersion,
		PrivateKey: data["privateKey"],
		CABundle:   []byte(spec.CABundle),
		WrapTransport: func(next http.RoundTripper) http.RoundTripper {
			return measured("salesforce", next, salesforce.Operation)
		},
	})
	*l = link[*salesforce.Client]{client: c, digest: digest}
	if err != nil {
		l.problem = &problem{v1alpha1.SecretInvalidReason, fmt.Sprintf("Secret %s or the settings of spec.salesforce cannot be used: %v", spec.CredentialsSecretRef.Name, err)}
	}
	return nil
}

// checkTime is how long a check of a far side may take.
const checkTime = 5 * time.Second

// checkSalesforce logs in, unless there is a session.
func checkSalesforce(ctx context.Context, l *link[*salesforce.Client]) (orgID string) {
	if l.problem != nil {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	session, err := l.client.Session(ctx)
	l.failed = nil
	if err != nil {
		l.failed = &problem{intake.LoginReason(err), err.Error()}
	}
	return session.OrgID
}

// whmcsLink brings the client of WHMCS up to date.
func whmcsLink(ctx context.Context, reader client.Reader, pipeline *v1alpha1.ProvisioningPipeline, l *link[*whmcs.Client]) error {
	spec := &pipeline.Spec.Whmcs
	data, missing, err := secret(ctx, reader, pipeline.Namespace, spec.CredentialsSecretRef.Name, "identifier", "secret")
	if err != nil {
		return err
	}
	if missing != nil {
		*l = link[*whmcs.Client]{problem: missing}
		return nil
	}
	digest := digestOf(spec.URL, spec.CABundle, spec.Timeouts, data)
	if digest == l.digest {
		return nil
	}
	logger := log.FromContext(ctx)
	c, err := whmcs.New(whmcs.Config{
		URL:                spec.URL,
		Identifier:         string(data["identifier"]),
		Secret:             string(data["secret"]),
		AccessKey:          string(data["accessKey"]),
		CABundle:           []byte(spec.CABundle),
		ReadTimeout:        spec.Timeouts.Read.Duration,
		AddOrderTimeout:    spec.Timeouts.AddOrder.Duration,
		AcceptOrderTimeout: spec.Timeouts.AcceptOrder.Duration,
		Proxy:              http.ProxyFromEnvironment,
		OnOddAnswer: func(action, text string) {
			logger.Info("WHMCS gave an odd answer", "action", action, "problem", text)
		},
		WrapTransport: func(next http.RoundTripper) http.RoundTripper {
			return measured("whmcs", next, whmcs.ActionOf)
		},
	})
	*l = link[*whmcs.Client]{client: c, digest: digest}
	if err != nil {
		l.problem = &problem{v1alpha1.SecretInvalidReason, fmt.Sprintf("Secret %s or the settings of spec.whmcs cannot be used: %v", spec.CredentialsSecretRef.Name, err)}
	}
	return nil
}

// probeInterval is the shortest time between two looks for a sign of life of WHMCS. It is a little below lookInterval, so
// that a look that comes by itself makes one, and one that something brought early mostly does not.
const probeInterval = 4 * time.Second

// heldBack is what is wrong with a WHMCS that failed repeatedly.
func heldBack(err error) *problem {
	return &problem{
		v1alpha1.BreakerOpenReason,
		"WHMCS failed repeatedly: calls are held back, one probe at a time is sent, and orders go on by themselves when it answers" + lastFailure(err),
	}
}

// checkWhmcs looks for a sign of life of WHMCS now and then.
func checkWhmcs(ctx context.Context, l *link[*whmcs.Client], gate admission, now time.Time) (version string) {
	if l.problem != nil {
		return ""
	}
	held := gate.State() == whmcs.AdmissionOpen || l.failed != nil && l.failed.reason == v1alpha1.BreakerOpenReason
	if !held && now.Sub(l.checked) < probeInterval {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	l.checked = now
	release, err := gate.Acquire(ctx, time.Time{})
	if err != nil {
		if errors.Is(err, whmcs.ErrOpen) {
			l.failed = heldBack(err)
		}
		return ""
	}
	version, err = signOfLife(ctx, l.client)
	release(err)
	l.failed = nil
	if err != nil {
		l.failed = &problem{whmcsReason(err), err.Error()}
	}
	return version
}

// signOfLife asks WHMCS for its version. WHMCS before 8.0 has no such action, and a role of the credential can leave it out;
// no order needs it. Then a read that every order needs tells whether this WHMCS serves these credentials.
func signOfLife(ctx context.Context, c *whmcs.Client) (version string, err error) {
	details, err := c.WhmcsDetails(ctx)
	switch whmcs.CodeOf(err) {
	case whmcs.ActionNotAllowed, whmcs.CommandNotFound, whmcs.InternalOnly:
		_, err = c.GetOrders(ctx, whmcs.OrderFilter{ID: 1})
	}
	return details.Version, err
}

func whmcsReason(err error) string {
	switch {
	case whmcs.CodeOf(err) == whmcs.Untrusted:
		return v1alpha1.CertificateUntrustedReason
	case whmcs.ClassOf(err) == whmcs.Denied:
		return v1alpha1.AuthenticationFailedReason
	default:
		return v1alpha1.UnreachableReason
	}
}

// mappingLink is the compiled mapping with what it was compiled from.
type mappingLink struct {
	mapping *mapping.Mapping
	// last is the newest mapping that compiled: orders that have their plan are reported by it while a later one is broken.
	last    *mapping.Mapping
	version v1alpha1.MappingVersion
	problem *problem
}

// mappingKey is the key of the mapping in its ConfigMap.
const mappingKey = "mapping.yaml"

// refresh reads the ConfigMap and compiles it if it changed. It tells whether the mapping in use changed.
func (l *mappingLink) refresh(ctx context.Context, reader client.Reader, pipeline *v1alpha1.ProvisioningPipeline) (changed bool, err error) {
	name := pipeline.Spec.MappingRef.Name
	var config corev1.ConfigMap
	err = reader.Get(ctx, types.NamespacedName{Namespace: pipeline.Namespace, Name: name}, &config)
	if err != nil && !apierrors.IsNotFound(err) {
		return false, fmt.Errorf("reading ConfigMap %s/%s: %w", pipeline.Namespace, name, err)
	}
	text, ok := config.Data[mappingKey]
	switch {
	case err != nil:
		changed = l.lose(&problem{v1alpha1.MappingMissingReason, fmt.Sprintf("There is no ConfigMap %s in namespace %s: create it with the key %s", name, pipeline.Namespace, mappingKey)})
	case !ok:
		changed = l.lose(&problem{v1alpha1.MappingMissingReason, fmt.Sprintf("ConfigMap %s has no key %s: add it", name, mappingKey)})
	case l.version.Name == name && l.version.ResourceVersion == config.ResourceVersion:
	default:
		changed = l.compile(name, config.ResourceVersion, text)
	}
	return changed, nil
}

func (l *mappingLink) lose(why *problem) bool {
	changed := l.mapping != nil || l.problem == nil || *l.problem != *why
	*l = mappingLink{problem: why, last: l.last}
	return changed
}

func (l *mappingLink) compile(name, resourceVersion, text string) bool {
	m, err := mapping.Parse([]byte(text))
	next := mappingLink{last: l.last, version: v1alpha1.MappingVersion{Name: name, ResourceVersion: resourceVersion}}
	if err != nil {
		next.problem = &problem{v1alpha1.MappingInvalidReason, fmt.Sprintf("ConfigMap %s, %s: %v", name, mappingKey, err)}
	} else {
		next.mapping, next.last, next.version.SHA256 = m, m, m.SHA256()
	}
	changed := l.mapping == nil || next.mapping == nil || l.version.SHA256 != next.version.SHA256
	*l = next
	return changed
}
