package e2e

import (
	"encoding/base64"
	"os"
	"strings"
	"testing"
	"time"
)

// TestSecretsAreInNoLog runs a manager at the highest level of its log, where the libraries for Kubernetes would log what
// the API server answers, and lets it log in, provision and fail.
func TestSecretsAreInNoLog(t *testing.T) {
	s := onStage(t)
	manager := manage(t, s, "--zap-log-level=10")
	order := draft(t, s)
	approve(t, s, order)
	provisioned(t, s, time.Minute, order)
	_, err := s.Control.RevokeTokens(t.Context())
	must(t, err)
	another := draft(t, s)
	approve(t, s, another)
	provisioned(t, s, time.Minute, another)

	key, err := os.ReadFile(s.Info.Salesforce.PrivateKeyFile)
	must(t, err)
	log, err := os.ReadFile(manager.Log)
	must(t, err)
	if !strings.Contains(string(log), `"level":"Level(-`) && !strings.Contains(string(log), `"level":"debug"`) {
		t.Fatal("the log is not at a high level")
	}
	for name, secret := range map[string][]byte{
		"the private key": key, "the secret of WHMCS": []byte(s.Info.Whmcs.Secret), "a session of Salesforce": []byte(s.Info.Salesforce.OrgID[:15] + "!"),
	} {
		if strings.Contains(string(log), string(secret)) || strings.Contains(string(log), base64.RawStdEncoding.EncodeToString(secret)[:16]) {
			t.Errorf("%s is in the log", name)
		}
	}
	// The Secrets come in a binary form that is logged as a dump, in which no text can be found.
	if strings.Contains(string(log), "Response Body") {
		t.Error("answers of the API server are in the log")
	}
}
