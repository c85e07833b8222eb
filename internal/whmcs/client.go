package whmcs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// Names of the actions, as WHMCS documents them.
const (
	actionAddOrder           = "AddOrder"
	actionAcceptOrder        = "AcceptOrder"
	actionGetOrders          = "GetOrders"
	actionGetPayMethods      = "GetPayMethods"
	actionGetClientsProducts = "GetClientsProducts"
	actionGetProducts        = "GetProducts"
	actionGetClientsDetails  = "GetClientsDetails"
	actionGetModuleQueue     = "GetModuleQueue"
	actionWhmcsDetails       = "WhmcsDetails"
)

// mutating reports whether an action changes anything in WHMCS.
func mutating(action string) bool {
	return action == actionAddOrder || action == actionAcceptOrder
}

// Config says which WHMCS to talk to, and how.
type Config struct {
	// URL of includes/api.php; https only.
	URL string
	// Identifier and Secret are an API credential of WHMCS.
	Identifier, Secret string
	// AccessKey lets a call pass WHMCS' address restriction; optional.
	AccessKey string
	// CABundle is PEM; it replaces the system's roots unless it is empty.
	CABundle []byte
	// ReadTimeout, AddOrderTimeout and AcceptOrderTimeout bound a call from
	// looking up the name to the last byte. Zero means 30 s, 60 s and 180 s.
	ReadTimeout, AddOrderTimeout, AcceptOrderTimeout time.Duration
	// Proxy chooses a proxy, as in http.Transport; nil means none.
	Proxy func(*http.Request) (*url.URL, error)
	// WrapTransport wraps the transports, for metrics; may be nil. It must not
	// send a request more than once; ActionOf tells the action of a request.
	WrapTransport func(http.RoundTripper) http.RoundTripper
	// OnOddAnswer is told of answers that were understood although they were
	// not clean, for instance with PHP notices before the JSON: once for each
	// action and oddness, since they mostly come with every answer. May be nil.
	OnOddAnswer func(action, text string)

	dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Client calls one WHMCS. It is safe for concurrent use.
type Client struct {
	endpoint    string
	host        string
	credentials func() []Field // a function, so that printing a Client shows nothing
	secrets     func() []string
	timeouts    map[string]time.Duration
	readTimeout time.Duration
	reading     http.RoundTripper
	mutating    http.RoundTripper
	onOdd       func(action, text string)
	oddities    sync.Map // what onOdd was told of
}

// credentialFields is how many form fields every call carries at most beside
// its own: identifier, secret, accesskey, responsetype, action.
const credentialFields = 5

// New returns a client. Its error is a sentence about the configuration.
func New(cfg Config) (*Client, error) {
	endpoint, err := parseURL(cfg.URL)
	if err != nil {
		return nil, err
	}
	if cfg.Identifier == "" || cfg.Secret == "" {
		return nil, errors.New("WHMCS credentials: identifier and secret must both be set")
	}
	roots, err := parseRoots(cfg.CABundle)
	if err != nil {
		return nil, err
	}
	c := &Client{
		endpoint:    endpoint.String(),
		host:        endpoint.Host,
		credentials: cfg.credentials,
		secrets:     func() []string { return []string{cfg.Secret, cfg.AccessKey, cfg.Identifier} },
		readTimeout: withDefault(cfg.ReadTimeout, 30*time.Second),
		timeouts: map[string]time.Duration{
			actionAddOrder:    withDefault(cfg.AddOrderTimeout, 60*time.Second),
			actionAcceptOrder: withDefault(cfg.AcceptOrderTimeout, 180*time.Second),
		},
		onOdd: cfg.OnOddAnswer,
	}
	c.setTransports(cfg, roots)
	return c, nil
}

func (c *Client) setTransports(cfg Config, roots *x509.CertPool) {
	reading, mutating := newTransport(cfg, roots), newTransport(cfg, roots)
	// A kept-alive connection that the server closes at this very moment makes
	// the outcome unknown, and an unknown outcome holds an order up for minutes:
	// a handshake per mutating call is the cheaper price.
	mutating.DisableKeepAlives = true
	c.reading, c.mutating = reading, mutating
	if cfg.WrapTransport != nil {
		c.reading, c.mutating = cfg.WrapTransport(reading), cfg.WrapTransport(mutating)
	}
}

// Endpoint returns the URL in a form that is equal for equal endpoints; clients
// with the same endpoint share one Admission.
func (c *Client) Endpoint() string { return c.endpoint }

// Endpoint returns a URL of spec.whmcs in the form of Client.Endpoint. One that
// no client can be made of is returned as it is.
func Endpoint(raw string) string {
	u, err := parseURL(raw)
	if err != nil {
		return raw
	}
	return u.String()
}

func parseURL(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.Opaque != "" {
		return nil, errors.New("WHMCS URL: not an absolute URL; it should look like https://billing.example.com/includes/api.php")
	}
	switch {
	case u.Scheme == "http":
		return nil, errors.New("WHMCS URL: http would send the credentials in the clear; use https")
	case u.Scheme != "https":
		return nil, errors.New("WHMCS URL: only https is supported")
	case u.User != nil:
		return nil, errors.New("WHMCS URL: it must not hold a user name or password; credentials belong in the Secret")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return nil, errors.New("WHMCS URL: it must end with the path; parameters are sent in the body only")
	case u.Path == "" || u.Path == "/":
		return nil, errors.New("WHMCS URL: the path is missing; it should end in /includes/api.php")
	case u.Hostname() == "":
		return nil, errors.New("WHMCS URL: the host is missing")
	}
	u.Host = strings.ToLower(u.Host)
	if port := u.Port(); port == "443" || port == "" {
		u.Host = strings.TrimSuffix(strings.TrimSuffix(u.Host, ":443"), ":")
	}
	return u, nil
}

func parseRoots(bundle []byte) (*x509.CertPool, error) {
	if strings.TrimSpace(string(bundle)) == "" {
		return nil, nil
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(bundle) {
		return nil, errors.New("WHMCS CA bundle: no certificate found; it must hold PEM blocks of type CERTIFICATE")
	}
	return roots, nil
}

func newTransport(cfg Config, roots *x509.CertPool) *http.Transport {
	dial := cfg.dial
	if dial == nil {
		dial = (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 15 * time.Second}).DialContext
	}
	// HTTP/1.1 only: HTTP/2 brings retries and shared connections of its own.
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &http.Transport{
		Proxy:                  cfg.Proxy,
		OnProxyConnectResponse: refusedByProxy,
		DialContext:            dial,
		Protocols:              protocols,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, ClientSessionCache: tls.NewLRUClientSessionCache(8)},
		TLSHandshakeTimeout:    10 * time.Second,
		MaxIdleConnsPerHost:    32,
		IdleConnTimeout:        30 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
	}
}

func (cfg Config) credentials() []Field {
	f := []Field{{"identifier", cfg.Identifier}, {"secret", cfg.Secret}}
	if cfg.AccessKey != "" {
		f = append(f, Field{"accesskey", cfg.AccessKey})
	}
	return f
}

func withDefault(d, otherwise time.Duration) time.Duration {
	if d <= 0 {
		return otherwise
	}
	return d
}
