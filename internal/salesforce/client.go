package salesforce

import (
	"bytes"
	"context"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/sync/singleflight"
	"golang.org/x/time/rate"
)

// DefaultAPIVersion is used where Config names none.
const DefaultAPIVersion = "v66.0"

// ClientName is how this program calls itself in every REST call. Change events of what it wrote carry it.
const ClientName = "orderbridge"

// Operations, as they stand in Error.Op and as Operation reports them.
const (
	opLogin    = "login"
	opUserinfo = "userinfo"
	opQuery    = "query"
	opRow      = "row"
	opUpdate   = "update"
	opLimits   = "limits"
)

const (
	loginTimeout  = 30 * time.Second
	queryTimeout  = 130 * time.Second // Salesforce itself gives a query 120 s
	updateTimeout = 120 * time.Second
	readTimeout   = 30 * time.Second

	// longestAnswer bounds a page of 2,000 records and what triggers say of 200 rows; longestSmallAnswer everything else.
	longestAnswer      = 64 << 20
	longestSmallAnswer = 1 << 20
)

// Config says which org to talk to, as whom.
type Config struct {
	// LoginURL is the https address of the login host, such as https://login.salesforce.com or a My Domain host.
	LoginURL string
	// Audience is the aud claim of the login; empty means LoginURL.
	Audience string
	// ClientID is the consumer key of the connected app or external client app.
	ClientID string
	// Username is the integration user.
	Username string
	// APIVersion is written as v66.0; empty means DefaultAPIVersion.
	APIVersion string
	// PrivateKey is the RSA key, in PEM, whose certificate the app holds.
	PrivateKey []byte
	// CABundle holds the trusted roots in PEM; empty means those of the system.
	CABundle []byte
	// WrapTransport may put a RoundTripper (metrics) around the one that sends; Operation names the operation.
	WrapTransport func(http.RoundTripper) http.RoundTripper
}

// Client talks to one org. It is safe for concurrent use and needs no closing.
type Client struct {
	loginURL, loginHost, audience string
	clientID, username            string
	apiPath                       string
	key                           *rsa.PrivateKey
	http                          *http.Client
	now                           func() time.Time

	flight singleflight.Group
	logins *rate.Limiter

	mu        sync.Mutex
	session   Session
	lastLogin error
	// refusals counts the logins in a row that Salesforce refused; none is tried before noLoginBefore.
	refusals      int
	noLoginBefore time.Time
	usage         apiUsage
}

var apiVersionShape = regexp.MustCompile(`^v[1-9][0-9]{1,2}\.0$`)

// New checks the configuration and makes a client. It does not talk to Salesforce. Its errors are of class Misconfigured.
func New(cfg Config) (*Client, error) {
	login, err := parseHTTPS(cfg.LoginURL)
	if err != nil {
		return nil, misconfigured("spec.salesforce.loginURL "+err.Error(), "write it like https://login.salesforce.com")
	}
	key, err := jwt.ParseRSAPrivateKeyFromPEM(cfg.PrivateKey)
	if err != nil {
		return nil, misconfigured("privateKey is no RSA private key in PEM", "put the unencrypted key of the app's certificate into the credentials Secret")
	}
	if cfg.ClientID == "" || cfg.Username == "" {
		return nil, misconfigured("clientId and username must not be empty", "add them to the credentials Secret")
	}
	version := cfg.APIVersion
	if version == "" {
		version = DefaultAPIVersion
	}
	if !apiVersionShape.MatchString(version) {
		return nil, misconfigured("spec.salesforce.apiVersion is no API version", "write it like "+DefaultAPIVersion)
	}
	transport, err := newTransport(cfg.CABundle)
	if err != nil {
		return nil, err
	}
	wrapped := http.RoundTripper(transport)
	if cfg.WrapTransport != nil {
		wrapped = cfg.WrapTransport(wrapped)
	}
	audience := cfg.Audience
	if audience == "" {
		audience = strings.TrimRight(cfg.LoginURL, "/")
	}
	return &Client{
		loginURL: login.String(), loginHost: login.Host, audience: audience,
		clientID: cfg.ClientID, username: cfg.Username,
		apiPath: "/services/data/" + version,
		key:     key,
		http:    &http.Client{Transport: wrapped, CheckRedirect: refuseRedirect},
		now:     time.Now,
		// Sessions that are refused as soon as they are begun must not use up the hourly login allowance of the user.
		logins: rate.NewLimiter(rate.Every(2*time.Second), 10),
	}, nil
}

func misconfigured(message, advice string) *Error {
	return &Error{Op: "setup", Class: Misconfigured, Message: message, Advice: advice}
}

func parseHTTPS(s string) (*url.URL, error) {
	u, err := url.Parse(strings.TrimRight(s, "/"))
	switch {
	case err != nil || u.Host == "":
		return nil, errors.New("is no URL with a host")
	case u.Scheme != "https":
		return nil, errors.New("does not begin with https://: credentials are sent over TLS only")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("must hold neither user, query nor fragment")
	}
	return u, nil
}

func newTransport(caBundle []byte) (*http.Transport, error) {
	tlsConfig := &tls.Config{MinVersion: tls.VersionTLS12}
	if len(caBundle) > 0 {
		tlsConfig.RootCAs = x509.NewCertPool()
		if !tlsConfig.RootCAs.AppendCertsFromPEM(caBundle) {
			return nil, misconfigured("spec.salesforce.caBundle holds no certificate", "put PEM certificates into it, or leave it empty for the system's roots")
		}
	}
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSClientConfig:     tlsConfig,
		TLSHandshakeTimeout: 10 * time.Second,
		ForceAttemptHTTP2:   true,
		// Without pings, requests wait on a connection that died in silence until their own deadline.
		HTTP2:               &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 10 * time.Second},
		MaxIdleConnsPerHost: 8,
		IdleConnTimeout:     90 * time.Second,
	}, nil
}

// refuseRedirect: a token must not travel to a host that the configuration does not name.
func refuseRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

type operationKey struct{}

// Operation names the operation of a request seen by Config.WrapTransport: login, userinfo, query, row, update or limits.
func Operation(r *http.Request) string {
	op, _ := r.Context().Value(operationKey{}).(string)
	return op
}

// request is one REST call on the instance host.
type request struct {
	op, method, path string // path begins with a slash and holds the query
	body             []byte
	timeout          time.Duration
	longest          int64
	ofRecord         bool // 404 means the record
}

// do sends a request with the shared session. If the session turns out to have expired, it logs in and sends once more:
// the only repetition in this package.
func (c *Client) do(ctx context.Context, r request) ([]byte, error) {
	s, err := c.Session(ctx)
	if err != nil {
		return nil, err
	}
	answer, err := c.send(ctx, s, r)
	if !isSessionExpired(err) {
		return answer, err
	}
	c.Invalidate(s.AccessToken)
	if s, err = c.Session(ctx); err != nil {
		return nil, err
	}
	return c.send(ctx, s, r)
}

// isSessionExpired tells the 401 that a new login mends from those that it does not. Its body does not matter: without
// a new login, a session whose end is told in other words would be used for ever.
func isSessionExpired(err error) bool {
	e, ok := errors.AsType[*Error](err)
	if !ok || e.HTTPStatus != http.StatusUnauthorized && e.Code != "INVALID_SESSION_ID" {
		return false
	}
	_, dead := deadEnd(e.Message)
	return !dead
}

func (c *Client) send(ctx context.Context, s Session, r request) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.WithValue(ctx, operationKey{}, r.op), r.timeout)
	defer cancel()
	var body io.Reader
	if r.body != nil {
		body = bytes.NewReader(r.body)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, s.InstanceURL+r.path, body)
	if err != nil {
		return nil, &Error{Op: r.op, Class: Misconfigured, Message: "the address of the instance is no URL", Err: err}
	}
	req.Header.Set("Authorization", "Bearer "+s.AccessToken)
	req.Header.Set("Sforce-Call-Options", "client="+ClientName)
	req.Header.Set("Sforce-Mru", "updateMru=false")
	if r.body != nil {
		req.Header.Set("Content-Type", "application/json; charset=UTF-8")
	}
	status, header, answer, err := c.roundTrip(req, r.op, r.longest)
	if err != nil {
		return nil, err
	}
	c.observeUsage(header.Get("Sforce-Limit-Info"))
	if status < 200 || status > 299 {
		return nil, withoutSecret(statusError(r.op, status, answer, r.ofRecord), s.AccessToken)
	}
	return answer, nil
}

// roundTrip sends a request and reads its whole answer, up to longest bytes.
func (c *Client) roundTrip(req *http.Request, op string, longest int64) (int, http.Header, []byte, error) {
	req.Header.Set("User-Agent", "orderbridge")
	req.Header.Set("Accept", "application/json")
	resp, err := c.http.Do(req)
	if err != nil {
		return 0, nil, nil, transportError(op, req.URL.Host, err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, longest+1))
	if err != nil {
		return 0, nil, nil, transportError(op, req.URL.Host, err)
	}
	if int64(len(answer)) > longest {
		return 0, nil, nil, &Error{Op: op, Class: Transient, HTTPStatus: resp.StatusCode, Message: fmt.Sprintf("the answer of %s is longer than %s bytes", req.URL.Host, strconv.FormatInt(longest, 10))}
	}
	return resp.StatusCode, resp.Header, answer, nil
}

// withoutSecret guards against a far side that repeats the token in its error text.
func withoutSecret(e *Error, token string) *Error {
	if token != "" {
		e.Message = strings.ReplaceAll(e.Message, token, "[redacted]")
		e.Code = strings.ReplaceAll(e.Code, token, "[redacted]")
	}
	return e
}

// notJSON is the answer of an outage page or a proxy: status 200 and a body that is not what was asked for.
func notJSON(op string, err error) *Error {
	return &Error{Op: op, Class: Transient, HTTPStatus: http.StatusOK, Message: "the answer is not the JSON that was asked for", Advice: adviceOutage, Err: err}
}
