package whmcs

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptrace"
	"time"
)

const (
	maxReadAnswer   = 32 << 20
	maxMutateAnswer = 1 << 20
)

type actionKey struct{}

// ActionOf returns the WHMCS action that a request passing through
// Config.WrapTransport carries, or "".
func ActionOf(r *http.Request) string {
	action, _ := r.Context().Value(actionKey{}).(string)
	return action
}

// call sends one request and returns WHMCS' answer, which has result "success".
func (c *Client) call(ctx context.Context, action string, payload []Field, notAfter time.Time) (*answer, error) {
	timeout, ok := c.timeouts[action]
	if !ok {
		timeout = c.readTimeout
	}
	ctx, cancel := context.WithTimeout(context.WithValue(ctx, actionKey{}, action), timeout)
	defer cancel()

	fields := append(append(payload, c.credentials()...), tail(action)...)
	resp, err := c.send(ctx, action, []byte(EncodeForm(fields)), notAfter)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	limit := int64(maxReadAnswer)
	if mutating(action) {
		limit = maxMutateAnswer
	}
	body, readErr := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	return c.interpret(ctx, action, resp.StatusCode, body, int64(len(body)) > limit, readErr)
}

// send returns the answer to a request that leaves at most once. It uses the
// round trippers directly: an http.Client would follow redirects.
func (c *Client) send(ctx context.Context, action string, body []byte, notAfter time.Time) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.endpoint, nil)
	if err != nil {
		return nil, &Error{Action: action, Class: Refused, Code: InvalidRequest, Detail: "the URL cannot be used", Err: err}
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "orderbridge")
	req.ContentLength = int64(len(body))
	if !mutating(action) {
		req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
		req.Body, _ = req.GetBody()
		// Present but empty, the header tells net/http that a read may be sent
		// again on a fresh connection; it does not go out.
		req.Header["Idempotency-Key"] = nil
		resp, err := c.reading.RoundTrip(req)
		if err != nil {
			return nil, c.transportError(ctx, action, err, nil)
		}
		return resp, nil
	}
	once := newOnceBody(body, notAfter)
	req.Body = once
	// net/http sends the header before it asks for the body, so a late request
	// loses its connection, which is its own, as soon as it gets it.
	req = req.WithContext(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(got httptrace.GotConnInfo) {
			if !once.ready() {
				_ = got.Conn.Close()
			}
		},
	}))
	resp, err := c.mutating.RoundTrip(req)
	if err != nil {
		return nil, c.transportError(ctx, action, err, once)
	}
	return resp, nil
}
