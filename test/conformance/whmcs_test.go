package conformance

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/orderbridge/orderbridge/internal/sandbox/whmcs"
)

func TestWHMCS(t *testing.T) {
	dir := nodeProject(t)
	s, far := startSandbox(t, 1)
	runScript(t, dir, "whmcs.test.mjs", s.Info.CAFile, far, whmcsDirections(s.Whmcs))
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
