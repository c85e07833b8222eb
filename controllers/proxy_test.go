package controllers

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"testing"

	"github.com/orderbridge/orderbridge/internal/whmcs"
)

// tunnel is a proxy that leads every CONNECT to one server and tells where it was asked to connect to.
func tunnel(t *testing.T, to string) (proxy *httptest.Server, asked <-chan string) {
	t.Helper()
	hosts := make(chan string, 16)
	proxy = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hosts <- r.Method + " " + r.Host
		there, err := (&net.Dialer{}).DialContext(r.Context(), "tcp", to)
		if err != nil {
			t.Error(err)
			return
		}
		defer there.Close()
		here, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer here.Close()
		_, _ = fmt.Fprint(here, "HTTP/1.1 200 Connection established\r\n\r\n")
		go func() {
			defer there.Close()
			_, _ = io.Copy(there, here)
		}()
		_, _ = io.Copy(here, there)
	}))
	t.Cleanup(proxy.Close)
	return proxy, hosts
}

// caOfProxied has the certificate of the WHMCS behind the proxy for the process that is to use it.
const caOfProxied = "ORDERBRIDGE_TEST_CA"

// TestWhmcsBehindAProxy calls a WHMCS that only a proxy leads to. The environment says which, and a process reads that once,
// so the calls are made by a process of their own. The name is one that the proxy has to look up: no client asks a proxy for
// a loopback address.
func TestWhmcsBehindAProxy(t *testing.T) {
	if ca := os.Getenv(caOfProxied); ca != "" {
		callProxied(t, ca)
		return
	}
	server := answering(t, http.StatusOK, map[string]string{"AddOrder": `{"result":"success","orderid":7}`})
	proxy, asked := tunnel(t, server.Listener.Addr().String())
	self := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestWhmcsBehindAProxy$", "-test.count=1")
	self.Env = append(os.Environ(), "HTTPS_PROXY="+proxy.URL, "NO_PROXY=", "no_proxy=", caOfProxied+"="+string(certificateOf(server)))
	if out, err := self.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	want := []string{"CONNECT billing.example.com:443", "CONNECT billing.example.com:443"} // one for reading, one for each mutating call
	if got := []string{<-asked, <-asked}; !slices.Equal(got, want) || len(asked) != 0 {
		t.Errorf("the proxy was asked for %v and %d more, want %v", got, len(asked), want)
	}
}

// callProxied reads from and orders in WHMCS by a client that is made as for a pipeline.
func callProxied(t *testing.T, ca string) {
	t.Helper()
	l := linkOf(t.Context(), t, "https://billing.example.com/includes/api.php", ca)
	if _, err := l.client.WhmcsDetails(t.Context()); err != nil {
		t.Error(err)
	}
	line := whmcs.OrderLine{PID: 188, BillingCycle: "monthly"}
	result, err := l.client.AddOrder(t.Context(), whmcs.AddOrderRequest{ClientID: 5, PaymentMethod: "mailin", Lines: []whmcs.OrderLine{line}})
	if err != nil || result.OrderID != 7 {
		t.Errorf("order %d, %v, want order 7", result.OrderID, err)
	}
}
