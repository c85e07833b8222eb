package sandbox

import (
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Info is the content of sandbox.json: everything a client needs.
type Info struct {
	Salesforce SalesforceInfo `json:"salesforce"`
	Whmcs      WhmcsInfo      `json:"whmcs"`
	ControlURL string         `json:"controlURL"`
	CAFile     string         `json:"caFile"`
}

// SalesforceInfo is how to reach the Salesforce org and its event bus.
type SalesforceInfo struct {
	LoginURL       string `json:"loginURL"`
	InstanceURL    string `json:"instanceURL"`
	PubSubEndpoint string `json:"pubSubEndpoint"`
	OrgID          string `json:"orgID"`
	ClientID       string `json:"clientID"`
	ClientSecret   string `json:"clientSecret"`
	Username       string `json:"username"`
	Password       string `json:"password"`
	PrivateKeyFile string `json:"privateKeyFile"`
	APIVersion     string `json:"apiVersion"`
}

// WhmcsInfo is how to reach WHMCS. Username and Password are an administrator's login, for clients without API credentials;
// AccessKey passes the address rule.
type WhmcsInfo struct {
	URL        string `json:"url"`
	Identifier string `json:"identifier"`
	Secret     string `json:"secret"`
	Username   string `json:"username"`
	Password   string `json:"password"`
	AccessKey  string `json:"accessKey"`
}

// ReadInfo reads DIR/sandbox.json of a running sandbox.
func ReadInfo(dir string) (Info, error) {
	var info Info
	file := filepath.Join(dir, "sandbox.json")
	data, err := os.ReadFile(file)
	if err != nil {
		return info, fmt.Errorf("read the sandbox's description (is a sandbox running with --dir %s?): %w", dir, err)
	}
	if err := json.Unmarshal(data, &info); err != nil {
		return info, fmt.Errorf("%s: %w", file, err)
	}
	return info, nil
}

func writeInfo(dir string, info Info) error {
	data, err := json.MarshalIndent(info, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(dir, "sandbox.json"), append(data, '\n'), 0o600)
}

//go:embed mapping.yaml
var mappingYAML string

// DefaultMapping is the mapping file of the manifests.
func DefaultMapping() string { return mappingYAML }

// manifestData is what the manifests are made from.
type manifestData struct {
	Info
	Namespace  string
	PrivateKey []byte
	CA         []byte
	Scale      float64
}

// manifests are the Secrets, the mapping and the pipeline that join a manager to this sandbox, ready to apply.
func manifests(d manifestData) string {
	secret := func(name string, pairs ...string) string {
		var b strings.Builder
		fmt.Fprintf(&b, "apiVersion: v1\nkind: Secret\nmetadata:\n  name: %s\n  namespace: %s\ntype: Opaque\ndata:\n", name, d.Namespace)
		for i := 0; i < len(pairs); i += 2 {
			fmt.Fprintf(&b, "  %s: %s\n", pairs[i], base64.StdEncoding.EncodeToString([]byte(pairs[i+1])))
		}
		return b.String()
	}
	return strings.Join([]string{
		secret("salesforce", "clientId", d.Salesforce.ClientID, "username", d.Salesforce.Username, "privateKey", string(d.PrivateKey)),
		secret("whmcs", "identifier", d.Whmcs.Identifier, "secret", d.Whmcs.Secret),
		fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: portal-mapping\n  namespace: %s\ndata:\n  mapping.yaml: |\n%s",
			d.Namespace, indent(mappingYAML, "    ")),
		pipeline(d),
	}, "---\n")
}

// pipeline is the ProvisioningPipeline: short time-outs, since everything is near, and the bus's silence in scaled time.
func pipeline(d manifestData) string {
	idle := max(time.Duration(float64(300*time.Second)/d.Scale), 2*time.Second).Round(time.Second)
	return fmt.Sprintf(`apiVersion: orderbridge.dev/v1alpha1
kind: ProvisioningPipeline
metadata:
  name: portal
  namespace: %s
spec:
  salesforce:
    loginURL: %s
    audience: %s
    pubSubEndpoint: %s
    apiVersion: %s
    credentialsSecretRef:
      name: salesforce
    caBundle: |
%s    triggers:
    - topic: /event/OrderProvisionRequested__e
      orderIdField: OrderId__c
    - topic: /data/OrderChangeEvent
    replay:
      initial: Earliest
    sweep:
      interval: 1m
      lookback: 96h
    idleTimeout: %s
  whmcs:
    url: %s
    credentialsSecretRef:
      name: whmcs
    caBundle: |
%s    paymentMethod: mailin
    markers:
    - Notes
    maxConcurrentRequests: 16
    requestsPerSecond: 200
    timeouts:
      read: 10s
      addOrder: 10s
      acceptOrder: 30s
      settle: 20s
      services: 5m
  mappingRef:
    name: portal-mapping
`, d.Namespace, d.Salesforce.LoginURL, d.Salesforce.LoginURL, d.Salesforce.PubSubEndpoint, d.Salesforce.APIVersion,
		indent(string(d.CA), "      "), idle, d.Whmcs.URL, indent(string(d.CA), "      "))
}

func indent(text, by string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if strings.TrimSpace(line) != "" {
			b.WriteString(by)
		}
		b.WriteString(line)
	}
	if !strings.HasSuffix(text, "\n") {
		b.WriteByte('\n')
	}
	return b.String()
}
