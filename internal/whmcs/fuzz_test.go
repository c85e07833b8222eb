package whmcs

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
)

// canned answers every request with the same bytes, without a network.
func canned(t *testing.T, status int, body []byte) *Client {
	t.Helper()
	return newClient(t, Config{
		URL: "https://whmcs.invalid/includes/api.php", Identifier: testIdentifier, Secret: testSecret,
		WrapTransport: func(http.RoundTripper) http.RoundTripper {
			return roundTripFunc(func(r *http.Request) (*http.Response, error) {
				if _, err := io.Copy(io.Discard, r.Body); err != nil {
					return nil, err
				}
				return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(body))}, nil
			})
		},
	})
}

var answerSeeds = []string{
	`{"result":"success","orderid":"1","serviceids":"1,2","invoiceid":"7"}`,
	`{"result":"error","message":"Client ID Not Found"}`,
	`{"result":"success","totalresults":1,"orders":{"order":[{"id":1,"userid":"1","notes":"n","lineitems":{"lineitem":[{"type":"product","relid":3}]}}]}}`,
	`{"result":"success","totalresults":"2","orders":{"order":{"1":{"id":1},"5":{"id":"2"}}}}`,
	`{"result":"success","totalresults":0,"orders":""}`,
	`{"result":"success","whmcs":{"version":8}}`,
	`{"result":"success","queue[0][id]":"1","queue[0][serviceId]":"4","queue[x][y":[]}`,
	"\ufeffNotice {x} {}\n{\"status\":\"error\"}{\"result\":\"success\",\"orderid\":3}",
	`<html>{"result":"success","orderid":`,
	`{"warning":"x"}`,
	``,
}

// FuzzAnswers: whatever a server says, nothing panics, a success holds what it
// must, and no mutating call is said to be unsent or unexecuted without proof.
func FuzzAnswers(f *testing.F) {
	for _, seed := range answerSeeds {
		f.Add(200, []byte(seed))
	}
	f.Add(502, []byte(answerSeeds[8]))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		c := canned(t, status, body)
		result, err := c.AddOrder(t.Context(), anOrder())
		checkMutation(t, err, body)
		if err == nil && result.OrderID <= 0 {
			t.Errorf("success without an order: %+v", result)
		}
		checkMutation(t, c.AcceptOrder(t.Context(), AcceptOrderRequest{OrderID: 1}), body)
		for _, action := range []string{actionGetPayMethods, actionGetClientsDetails, actionGetProducts, actionGetModuleQueue, actionWhmcsDetails, actionGetClientsProducts} {
			if err := callAction(t, c, action); err != nil && ClassOf(err) == NotSent {
				t.Errorf("%v: it was sent", err)
			}
		}
	})
}

func checkMutation(t *testing.T, err error, body []byte) {
	t.Helper()
	answered := bytes.Contains(bytes.ToLower(body), []byte("success"))
	switch class := ClassOf(err); class {
	case "":
		if !answered && !bytes.Contains(body, []byte(`\u`)) {
			t.Error("success although the answer does not hold the word")
		}
	case Refused, Denied:
		if !bytes.Contains(bytes.ToLower(body), []byte("error")) && !bytes.Contains(body, []byte(`\u`)) {
			t.Errorf("%s although no answer says error: %v", class, err)
		}
	case Unknown:
	default:
		t.Errorf("%s after the request was read: %v", class, err)
	}
	if err != nil && (strings.Contains(err.Error(), testSecret) || strings.ContainsAny(err.Error(), "\n\x00")) {
		t.Errorf("unfit for a condition: %q", err)
	}
}

// FuzzDecodeOrders: a list of orders is read in full or not at all.
func FuzzDecodeOrders(f *testing.F) {
	for _, seed := range answerSeeds {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		orders, err := canned(t, http.StatusOK, body).GetOrders(t.Context(), OrderFilter{UserID: 1})
		if err != nil && len(orders) > 0 {
			t.Error("orders and an error")
		}
		seen := map[int64]bool{}
		for _, o := range orders {
			if o.ID <= 0 || seen[o.ID] || o.UserID != 0 && o.UserID != 1 {
				t.Errorf("an order without an id, twice, or of another client: %+v", o)
			}
			seen[o.ID] = true
		}
	})
}
