package whmcs

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// closeAfterReading ends the connection without an answer; with reset the peer
// sees a TCP reset instead of an orderly end.
func closeAfterReading(w http.ResponseWriter, reset bool) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	secured, ok := conn.(*tls.Conn)
	if !ok {
		panic("the test server speaks TLS")
	}
	inner := secured.NetConn()
	if tcp, ok := inner.(*net.TCPConn); ok && reset {
		_ = tcp.SetLinger(0)
	}
	_ = inner.Close()
}

// htmlPage answers with a status and an HTML page, as proxies do.
func htmlPage(status int) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(status)
		fmt.Fprintf(w, "<html><body><h1>%d</h1>{\"body\": \"private@example.com\"}</body></html>", status)
	}
}

func redirect(status int) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		w.Header().Set("Location", "/includes/api.php")
		w.WriteHeader(status)
	}
}

func cutShort(body string, chunked bool) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		if !chunked {
			w.Header().Set("Content-Length", fmt.Sprint(len(body)+100))
		}
		_, _ = io.WriteString(w, body)
		_ = http.NewResponseController(w).Flush()
		closeAfterReading(w, false)
	}
}

// lostAnswers are the ways in which a request arrives, perhaps takes effect, and
// no clear answer comes back.
var lostAnswers = map[string]struct {
	answer func(http.ResponseWriter)
	code   Code
}{
	"closed without an answer": {func(w http.ResponseWriter) { closeAfterReading(w, false) }, ConnectionLost},
	"reset without an answer":  {func(w http.ResponseWriter) { closeAfterReading(w, true) }, ConnectionLost},
	"200 with a page":          {htmlPage(200), NotJSON},
	"400 with a page":          {htmlPage(400), HTTPStatus},
	"403 with a page":          {htmlPage(403), HTTPStatus},
	"404 with a page":          {htmlPage(404), HTTPStatus},
	"408 with a page":          {htmlPage(408), HTTPStatus},
	"421 with a page":          {htmlPage(421), HTTPStatus},
	"425 with a page":          {htmlPage(425), HTTPStatus},
	"429 with a page":          {htmlPage(429), HTTPStatus},
	"500 with a page":          {htmlPage(500), HTTPStatus},
	"502 with a page":          {htmlPage(502), HTTPStatus},
	"503 with a page":          {htmlPage(503), HTTPStatus},
	"504 with a page":          {htmlPage(504), HTTPStatus},
	"301":                      {redirect(301), Redirected},
	"302":                      {redirect(302), Redirected},
	"303":                      {redirect(303), Redirected},
	"307":                      {redirect(307), Redirected},
	"308":                      {redirect(308), Redirected},
	"empty body":               {func(w http.ResponseWriter) { w.WriteHeader(http.StatusOK) }, NotJSON},
	"no content":               {func(w http.ResponseWriter) { w.WriteHeader(http.StatusNoContent) }, NotJSON},
	"cut JSON":                 {func(w http.ResponseWriter) { _, _ = io.WriteString(w, `{"result":"success","orderid":"1`) }, NotJSON},
	"cut JSON, with length":    {cutShort(`{"result":"success","orderid":`, false), ConnectionLost},
	"cut JSON, chunked":        {cutShort(`{"result":"error","message":"Client`, true), ConnectionLost},
	"a row but no answer":      {func(w http.ResponseWriter) { _, _ = io.WriteString(w, `{"x":{"result":"success","orderid":"1"}`) }, NotJSON},
	"JSON of another kind":     {func(w http.ResponseWriter) { _, _ = io.WriteString(w, `{"error":"bad gateway"}`) }, NotJSON},
	"a JSON text":              {func(w http.ResponseWriter) { _, _ = io.WriteString(w, `"success"`) }, NotJSON},
	"a warning only":           {func(w http.ResponseWriter) { _, _ = io.WriteString(w, `{"warning":"Something"}`) }, UnclearAnswer},
	"result warning":           {func(w http.ResponseWriter) { _, _ = io.WriteString(w, `{"result":"warning","message":"x"}`) }, UnclearAnswer},
	"too large": {func(w http.ResponseWriter) {
		_, _ = io.WriteString(w, `{"result":"success","x":"`+strings.Repeat("x", maxMutateAnswer))
	}, AnswerTooLarge},
	"said gzip, is not": {func(w http.ResponseWriter) {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = io.WriteString(w, `{"result":"success","orderid":"1"}`)
	}, ConnectionLost},
	"malformed header": {func(w http.ResponseWriter) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nsecret private@example.com\r\n\r\n")
		_ = conn.Close()
	}, ConnectionLost},
}

// mutations are the calls that must never be sent twice.
var mutations = map[string]func(t *testing.T, c *Client) error{
	actionAddOrder: func(t *testing.T, c *Client) error {
		t.Helper()
		_, err := c.AddOrder(t.Context(), anOrder())
		return err
	},
	actionAcceptOrder: func(t *testing.T, c *Client) error {
		t.Helper()
		return c.AcceptOrder(t.Context(), AcceptOrderRequest{OrderID: 9, AutoSetup: true})
	},
}

func TestMutationsAreSentOnceWhateverComesBack(t *testing.T) {
	for name, tc := range lostAnswers {
		for action, mutate := range mutations {
			for _, keptAlive := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/%s/on a kept-alive connection=%t", name, action, keptAlive), func(t *testing.T) {
					fake := newFake(t, func(w http.ResponseWriter, form url.Values) {
						if form.Get("action") == actionWhmcsDetails {
							says(`{"result":"success"}`)(w, form)
							return
						}
						tc.answer(w)
					})
					c := fake.client(t)
					if keptAlive {
						// Not what the client does: it proves that the body,
						// too, keeps net/http from sending it again.
						c.mutating = c.reading
					}
					if _, err := c.WhmcsDetails(t.Context()); err != nil {
						t.Fatal(err)
					}
					err := mutate(t, c)
					checkUnknown(t, err, tc.code)
					fake.Close()
					if n := len(fake.received()) - 1; n != 1 {
						t.Errorf("the server saw %d requests, want 1", n)
					}
				})
			}
		}
	}
}

func checkUnknown(t *testing.T, err error, code Code) {
	t.Helper()
	if ClassOf(err) != Unknown || CodeOf(err) != code {
		t.Errorf("got %v (%s, %s), want Unknown, %s", err, ClassOf(err), CodeOf(err), code)
	}
	if text := fmt.Sprintf("%v %+v", err, err); strings.Contains(text, "private") || strings.Contains(text, testSecret) {
		t.Errorf("the error quotes the answer: %s", text)
	}
}

// overdue is a context whose deadline passes when the test wants it to.
type overdue struct {
	context.Context
	passed chan struct{}
}

func (c overdue) Done() <-chan struct{} { return c.passed }

func (c overdue) Err() error {
	select {
	case <-c.passed:
		return context.DeadlineExceeded
	default:
		return nil
	}
}

func TestMutationWithoutAnswerTimesOut(t *testing.T) {
	for action := range mutations {
		t.Run(action, func(t *testing.T) {
			release := make(chan struct{})
			ctx := overdue{t.Context(), make(chan struct{})}
			fake := newFake(t, func(http.ResponseWriter, url.Values) {
				close(ctx.passed)
				<-release
			})
			c := fake.client(t)
			var err error
			if action == actionAddOrder {
				_, err = c.AddOrder(ctx, anOrder())
			} else {
				err = c.AcceptOrder(ctx, AcceptOrderRequest{OrderID: 9})
			}
			close(release)
			checkUnknown(t, err, Timeout)
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%v hides its cause", err)
			}
			fake.Close()
			if n := len(fake.received()); n != 1 {
				t.Errorf("the server saw %d requests, want 1", n)
			}
		})
	}
}

// A read may be sent again when its kept-alive connection turns out to be dead:
// it changes nothing, and most such failures are no failures at all.
func TestReadsSurviveAStaleConnection(t *testing.T) {
	var conns int
	fake := newFake(t, func(w http.ResponseWriter, form url.Values) {
		if conns++; conns == 2 {
			closeAfterReading(w, false)
			return
		}
		says(`{"result":"success","whmcs":{"version":"8.13.1"}}`)(w, form)
	})
	c := fake.client(t)
	for range 2 {
		if _, err := c.WhmcsDetails(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(fake.received()); n != 3 {
		t.Errorf("the server saw %d requests, want 3", n)
	}
	if fake.received()[2].Get("action") != actionWhmcsDetails {
		t.Error("the repeated read lost its body")
	}
}

func TestReadsOverBrokenAnswers(t *testing.T) {
	for name, tc := range map[string]struct {
		answer func(http.ResponseWriter)
		class  Class
		code   Code
	}{
		"redirect":      {redirect(301), Unknown, Redirected},
		"404":           {htmlPage(404), Unknown, HTTPStatus},
		"502":           {htmlPage(502), Unknown, HTTPStatus},
		"a page":        {htmlPage(200), Unknown, NotJSON},
		"429":           {htmlPage(429), Busy, HTTPStatus},
		"503":           {htmlPage(503), Busy, HTTPStatus},
		"401":           {htmlPage(401), Denied, HTTPStatus},
		"403 of a wall": {htmlPage(403), Denied, HTTPStatus},
	} {
		t.Run(name, func(t *testing.T) {
			fake := newFake(t, func(w http.ResponseWriter, _ url.Values) { tc.answer(w) })
			_, err := fake.client(t).GetOrders(t.Context(), OrderFilter{UserID: 1})
			if ClassOf(err) != tc.class || CodeOf(err) != tc.code {
				t.Errorf("got %v (%s, %s), want %s, %s", err, ClassOf(err), CodeOf(err), tc.class, tc.code)
			}
			if n := len(fake.received()); n != 1 {
				t.Errorf("the server saw %d requests, want 1: reads are not retried by the client either", n)
			}
		})
	}
}
