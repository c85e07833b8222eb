package salesforce

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// call is one request, also one inside a composite request.
type call struct {
	method   string
	path     string
	endpoint string
	version  string // 66.0
	prefix   string // /services/data/v66.0
	base     string
	query    url.Values
	form     url.Values
	header   http.Header
	body     []byte
	args     []string // what the wildcards of the route matched
	txn      *txn
}

func (c *call) bearer() string {
	scheme, token, _ := strings.Cut(c.header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") && !strings.EqualFold(scheme, "OAuth") {
		return c.form.Get("access_token")
	}
	return strings.TrimSpace(token)
}

func (c *call) basicAuth() (user, password string, ok bool) {
	return (&http.Request{Header: c.header}).BasicAuth()
}

// client is the name that the caller gave itself in Sforce-Call-Options.
func (c *call) client() string {
	for part := range strings.SplitSeq(c.header.Get("Sforce-Call-Options"), ",") {
		if name, value, _ := strings.Cut(strings.TrimSpace(part), "="); strings.EqualFold(name, "client") {
			return value
		}
	}
	return ""
}

const (
	maxBody = 50 << 20
	// gzipFrom is the size below which compression does not pay.
	gzipFrom = 512
	maxURI   = 16384
)

// Handler serves the org: OAuth, identity and REST.
func (s *Server) Handler() http.Handler { return http.HandlerFunc(s.serve) }

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	c, refused := s.read(r)
	if refused == nil {
		c.endpoint = endpointOf(c)
		refused = s.faultBefore(r, c)
	}
	if refused != nil {
		s.write(w, r, c, refused)
		return
	}
	out := s.handle(c)
	s.faultAfter(w, c, out)
	s.write(w, r, c, out)
}

// read takes the request in whole.
func (s *Server) read(r *http.Request) (*call, *response) {
	c := &call{method: r.Method, path: strings.TrimRight(r.URL.EscapedPath(), "/"), query: r.URL.Query(), header: r.Header, base: s.base(r), form: url.Values{}}
	switch override := c.query.Get("_HttpMethod"); {
	case c.method == http.MethodHead:
		c.method = http.MethodGet
	case c.method == http.MethodPost && override != "":
		c.method = strings.ToUpper(override) // for clients that cannot send PATCH
	}
	if len(r.RequestURI) > maxURI {
		return c, failure(http.StatusRequestURITooLong, "URI_TOO_LONG", "the URI exceeds "+strconv.Itoa(maxURI)+" bytes")
	}
	body := bufio.NewReader(http.MaxBytesReader(nil, r.Body, maxBody))
	content := io.Reader(body)
	// Some clients announce gzip on every request, also where there is no body.
	if _, none := body.Peek(1); none == nil && r.Header.Get("Content-Encoding") == "gzip" {
		unzipped, err := gzip.NewReader(body)
		if err != nil {
			return c, failure(http.StatusBadRequest, "JSON_PARSER_ERROR", "the body is not gzip")
		}
		content = io.LimitReader(unzipped, maxBody)
	}
	var err error
	if c.body, err = io.ReadAll(content); err != nil {
		return c, failure(http.StatusRequestEntityTooLarge, "REQUEST_TOO_LARGE", "the body could not be read: "+err.Error())
	}
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		// A broken pair is left out, the rest counts, as with any form.
		c.form, _ = url.ParseQuery(string(c.body))
	}
	return c, nil
}

func (s *Server) base(r *http.Request) string {
	if s.options.BaseURL != "" {
		return strings.TrimRight(s.options.BaseURL, "/")
	}
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	return scheme + "://" + r.Host
}

// faultBefore strikes before anything is done.
func (s *Server) faultBefore(r *http.Request, c *call) *response {
	if f, struck := s.faults.request(FaultLatency, c); struck {
		select {
		case <-time.After(time.Duration(f.Delay)):
		case <-r.Context().Done():
		}
	}
	if _, struck := s.faults.request(FaultDropBefore, c); struck {
		panic(http.ErrAbortHandler)
	}
	if f, struck := s.faults.request(FaultUnavailable, c); struck {
		return outage(f)
	}
	if f, struck := s.faults.request(FaultError, c); struck {
		status := f.Status
		if status == 0 {
			status = http.StatusInternalServerError
		}
		code, message := f.Code, f.Message
		if code == "" {
			code, message = "UNKNOWN_EXCEPTION", "An unexpected error occurred."
		}
		return failure(status, code, message)
	}
	return nil
}

// faultAfter strikes when the work is done but not answered yet.
func (s *Server) faultAfter(w http.ResponseWriter, c *call, out *response) {
	if _, struck := s.faults.request(FaultDropAfter, c); struck {
		panic(http.ErrAbortHandler)
	}
	if _, struck := s.faults.request(FaultTruncate, c); struck {
		body, _ := out.bytes() // a body that cannot be encoded is cut to nothing
		w.Header().Set("Content-Type", "application/json;charset=UTF-8")
		w.Header().Set("Content-Length", strconv.Itoa(len(body)+1))
		w.WriteHeader(out.status)
		// The connection breaks in any case; the client sees it either way.
		_, _ = w.Write(body[:len(body)/2])
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
	if f, struck := s.faults.request(FaultUnavailableAfter, c); struck {
		*out = *outage(f)
	}
}

func outage(f Fault) *response {
	status := f.Status
	if status == 0 {
		status = http.StatusServiceUnavailable
	}
	return &response{status: status, text: fmt.Sprintf(
		"<!DOCTYPE html>\n<html><head><title>%d</title></head><body><h1>%s</h1><p>We are down for maintenance.</p></body></html>\n",
		status, http.StatusText(status))}
}

func (s *Server) write(w http.ResponseWriter, r *http.Request, c *call, out *response) {
	body, err := out.bytes()
	if err != nil {
		out = failure(http.StatusInternalServerError, "UNKNOWN_EXCEPTION", "the answer could not be encoded: "+err.Error())
		body, _ = out.bytes() // three strings always encode
	}
	h := w.Header()
	if c.version != "" {
		used, allowed := s.apiUsage(0)
		h.Set("Sforce-Limit-Info", fmt.Sprintf("api-usage=%d/%d", used, allowed))
	}
	switch {
	case out.text != "":
		h.Set("Content-Type", "text/html;charset=UTF-8")
	case body != nil:
		h.Set("Content-Type", "application/json;charset=UTF-8")
	}
	for name, value := range out.header {
		h.Set(name, value)
	}
	h.Set("Date", s.options.Now().UTC().Format(http.TimeFormat))
	if len(body) >= gzipFrom && acceptsGzip(r) {
		body = zipped(body)
		h.Set("Content-Encoding", "gzip")
	}
	h.Add("Vary", "Accept-Encoding")
	if len(body) > 0 {
		// Old releases of node-fetch take the end of a chunked answer for a broken connection.
		h.Set("Content-Length", strconv.Itoa(len(body)))
	}
	w.WriteHeader(out.status)
	// The client may be gone; there is nobody else to tell.
	_, _ = w.Write(body)
}

func acceptsGzip(r *http.Request) bool {
	for part := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		name, params, _ := strings.Cut(strings.TrimSpace(part), ";")
		if name == "gzip" && strings.TrimSpace(params) != "q=0" {
			return true
		}
	}
	return false
}

func zipped(body []byte) []byte {
	var buf bytes.Buffer
	z, _ := gzip.NewWriterLevel(&buf, gzip.BestSpeed) // the level is valid
	_, _ = z.Write(body)                              // a buffer takes all
	_ = z.Close()
	return buf.Bytes()
}
