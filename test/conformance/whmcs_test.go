package conformance

import (
	"encoding/pem"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/orderbridge/orderbridge/internal/sandbox/whmcs"
)

func TestWHMCS(t *testing.T) {
	dir := nodeProject(t)
	s := whmcs.New(whmcs.Options{})
	server := httptest.NewTLSServer(s.Handler())
	t.Cleanup(server.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	block := &pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}
	if err := os.WriteFile(ca, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	far := map[string]any{"whmcs": map[string]any{"url": server.URL + whmcs.Path, "identifier": "sandbox-identifier", "secret": "sandbox-secret"}}
	runScript(t, dir, "whmcs.test.mjs", ca, far, whmcsDirections(s))
}

type aboutClient struct {
	ClientID int64  `json:"clientID"`
	Message  string `json:"message"`
}

func whmcsDirections(s *whmcs.Server) directions {
	var made atomic.Int64
	return directions{
		"newWhmcsClient": direction(func(struct{}) (any, error) {
			id, err := s.AddClient(whmcs.Client{FirstName: "Con", LastName: "Formance", Email: fmt.Sprintf("conformance%d@example.com", made.Add(1))})
			return aboutClient{ClientID: id}, err
		}),
		"closeWhmcsClient": direction(func(a aboutClient) (any, error) {
			return nil, s.UpdateClient(a.ClientID, func(c *whmcs.Client) { c.Status = whmcs.StatusClosed })
		}),
		"failNextModule": direction(func(a aboutClient) (any, error) {
			return s.SetFault(whmcs.Fault{Kind: whmcs.ModuleError, ClientID: a.ClientID, Text: a.Message, Count: 1})
		}),
		"answerHTML": direction(func(a aboutClient) (any, error) {
			return s.SetFault(whmcs.Fault{Kind: whmcs.HTMLAfter, Action: "AddOrder", ClientID: a.ClientID, Count: 1})
		}),
	}
}
