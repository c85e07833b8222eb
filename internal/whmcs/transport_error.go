package whmcs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"syscall"
)

// transportError classes an error of the HTTP exchange. once is the body of a
// mutating call, nil for a read or once an answer has begun.
func (c *Client) transportError(ctx context.Context, action string, err error, once *onceBody) *Error {
	e := &Error{Action: action, Class: Unknown}
	var before bool // nothing reached WHMCS, by the kind of the error
	e.Code, e.Detail, before = c.kindOf(ctx, err)
	e.Err = safeCause(ctx, err)
	switch {
	case once != nil:
		started, late := once.seal()
		switch {
		case late:
			e.Class, e.Code, e.Err = NotSent, DeadlinePassed, errNotAfter
			e.Detail = "its deadline passed while it was waiting to leave"
		case started:
			e.Detail += "; whether it took effect is not known"
		case e.Code == Canceled:
			e.Class = NotSent
		case e.Code == ConnectionLost:
			e.Class, e.Code, e.Detail = Busy, ConnectFailed, "no connection to "+c.host+" could be set up"
		default:
			e.Class = Busy
		}
	case before && !mutating(action):
		e.Class = Busy
	}
	return e
}

// kindOf tells errors apart in words of our own: net/http quotes what servers
// send, and addresses change from call to call.
func (c *Client) kindOf(ctx context.Context, err error) (code Code, detail string, before bool) {
	if errors.Is(err, context.Canceled) {
		return Canceled, "the call was given up", false
	}
	op, isOp := errors.AsType[*net.OpError](err)
	if isOp && op.Op == opProxyConnect {
		return ConnectFailed, c.proxyDetail(op), true
	}
	if code, detail, ok := c.tlsKind(err); ok {
		return code, detail, true
	}
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return NameNotResolved, "the name of " + c.host + " cannot be resolved: check the URL and DNS", true
	}
	before = isOp && op.Op == "dial"
	if isOp && (op.Op == "remote error" || op.Op == "local error") {
		// An alert may also end a connection that is in use: it proves nothing.
		return TLSFailed, "the TLS connection to " + c.host + " was refused", false
	}
	timeout, isNet := errors.AsType[net.Error](err)
	switch {
	case isNet && timeout.Timeout(), errors.Is(err, context.DeadlineExceeded), ctx.Err() != nil:
		if before {
			return Timeout, "no connection to " + c.host + " in time: check the URL, firewalls and network policies", true
		}
		return Timeout, "no answer from " + c.host + " in time", false
	case errors.Is(err, syscall.ECONNREFUSED):
		return ConnectFailed, c.host + " refuses connections: check the URL and whether the web server runs", true
	case before:
		return ConnectFailed, c.host + " cannot be reached: check the URL, firewalls and network policies", true
	}
	return ConnectionLost, "the connection to " + c.host + " broke before an answer was complete", false
}

// opProxyConnect is how net/http calls setting up a connection to a proxy.
const opProxyConnect = "proxyconnect"

// proxyRefusal is the status of a proxy that does not connect to where it is asked to.
type proxyRefusal int

func (r proxyRefusal) Error() string { return "status " + strconv.Itoa(int(r)) }

// refusedByProxy makes an error of such an answer of a proxy. The one that net/http makes of it could not be told from
// that of a connection that broke.
func refusedByProxy(_ context.Context, _ *url.URL, _ *http.Request, answer *http.Response) error {
	if answer.StatusCode == http.StatusOK {
		return nil
	}
	return &net.OpError{Op: opProxyConnect, Err: proxyRefusal(answer.StatusCode)}
}

// proxyDetail says what a proxy failed at.
func (c *Client) proxyDetail(err error) string {
	if refusal, ok := errors.AsType[proxyRefusal](err); ok {
		return "the proxy on the way to " + c.host + " refuses to connect, with " + refusal.Error() + ": check its rules, and HTTPS_PROXY and NO_PROXY"
	}
	return "the proxy on the way to " + c.host + " cannot be reached: check HTTPS_PROXY and NO_PROXY, and whether it runs"
}

func (c *Client) tlsKind(err error) (Code, string, bool) {
	if e, ok := errors.AsType[x509.HostnameError](err); ok {
		return Untrusted, "the certificate of " + c.host + " is not valid for the name " + sanitise(e.Host), true
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return Untrusted, "the certificate of " + c.host + " is signed by an authority that is not trusted: put its CA into caBundle, or check the URL", true
	}
	if e, ok := errors.AsType[x509.CertificateInvalidError](err); ok {
		if e.Reason == x509.Expired {
			return Untrusted, "the certificate of " + c.host + " has expired or is not valid yet", true
		}
		return Untrusted, "the certificate of " + c.host + " is not valid", true
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return Untrusted, "the certificate of " + c.host + " cannot be verified", true
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return TLSFailed, c.host + " does not speak TLS: check the port in the URL", true
	}
	return "", "", false
}

// safeCause keeps of err what callers may want to test for and nothing that
// could quote an answer.
func safeCause(ctx context.Context, err error) error {
	for _, cause := range []error{context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, cause) {
			return cause
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		return errno
	}
	return nil
}
