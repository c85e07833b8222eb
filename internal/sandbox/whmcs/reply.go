package whmcs

import (
	"cmp"
	"crypto/tls"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/orderbridge/orderbridge/internal/sandbox/whmcs/php"
)

// reply writes the answer to one request, or whatever a fault puts in its place.
type reply struct {
	w        http.ResponseWriter
	r        *http.Request
	form     *php.Array
	version  string
	hits     hits
	settings settings
	half     string
}

// before reports the fault that ends a request before any work is done.
func (out *reply) before() (Kind, bool) {
	for _, k := range []Kind{Refuse, Outage, Maintenance, DropBefore, ResetBefore, HTMLBefore, LateCommit, HangCommit} {
		if out.hits.has(k) {
			return k, true
		}
	}
	return "", false
}

// after reports the fault that replaces an answer after the work was done.
func (out *reply) after(answer *php.Array) (Kind, bool) {
	for _, k := range []Kind{DropAfter, ResetAfter, HTMLAfter, EmptyBody, TruncatedJSON} {
		if out.hits.has(k) {
			if k == TruncatedJSON {
				_, out.half = out.encode(answer)
			}
			return k, true
		}
	}
	return "", false
}

// end ends the request in the way of the fault.
func (out *reply) end(k Kind) {
	f := out.hits[k]
	switch k {
	case Refuse:
		out.send(cmp.Or(f.Status, http.StatusOK), fail(f.Text))
	case Outage:
		if f.Text == "drop" {
			out.hangUp(false)
			return
		}
		out.html(cmp.Or(f.Status, http.StatusServiceUnavailable), "")
	case Maintenance:
		out.html(cmp.Or(f.Status, http.StatusOK), cmp.Or(f.Text, "Down for Maintenance"))
	case HTMLBefore, HTMLAfter:
		out.html(cmp.Or(f.Status, http.StatusBadGateway), f.Text)
	case EmptyBody:
		out.w.WriteHeader(cmp.Or(f.Status, http.StatusOK))
	case TruncatedJSON:
		out.truncated()
	default:
		out.hangUp(k == ResetBefore || k == ResetAfter)
	}
}

func (out *reply) html(status int, title string) {
	title = cmp.Or(title, strconv.Itoa(status)+" "+http.StatusText(status))
	out.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	out.w.WriteHeader(status)
	fmt.Fprintf(out.w, "<html>\r\n<head><title>%[1]s</title></head>\r\n<body>\r\n<h1>%[1]s</h1>\r\n</body>\r\n</html>\r\n", title)
}

// truncated announces the whole answer and closes the connection after half of it.
func (out *reply) truncated() {
	out.w.Header().Set("Content-Type", "application/json")
	out.w.Header().Set("Content-Length", strconv.Itoa(len(out.half)))
	out.w.WriteHeader(http.StatusOK)
	fmt.Fprint(out.w, out.half[:len(out.half)/2])
	if err := http.NewResponseController(out.w).Flush(); err != nil {
		return
	}
	out.hangUp(false)
}

// hangUp closes the connection without an answer; with reset the peer sees RST instead of an orderly end.
func (out *reply) hangUp(reset bool) {
	conn, _, err := http.NewResponseController(out.w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // HTTP/2 has no connection to take over; this is how net/http ends a stream
	}
	raw := conn
	if secured, ok := conn.(*tls.Conn); ok {
		raw = secured.NetConn()
	}
	if tcp, ok := raw.(interface{ SetLinger(int) error }); ok && reset {
		_ = tcp.SetLinger(0)
	}
	_ = raw.Close()
}

// send writes an answer in the format that was asked for, with the disturbances of the text.
func (out *reply) send(status int, answer *php.Array) {
	if f, ok := out.hits[Warning]; ok && answer.Text("result") == "success" {
		answer.Put("warning", f.Text)
	}
	contentType, text := out.encode(answer)
	var b strings.Builder
	if out.hits.has(ByteOrderMark) {
		b.WriteString("\ufeff")
	}
	if f, ok := out.hits[PHPNotice]; ok {
		b.WriteString(cmp.Or(f.Text, "<br />\n<b>Notice</b>:  Undefined index: domain in <b>/includes/api/addorder.php</b> on line <b>77</b><br />\n"))
	}
	b.WriteString(text)
	if f, ok := out.hits[TrailingText]; ok {
		b.WriteString(cmp.Or(f.Text, "\n<!-- page generated in 0.31 s -->\n"))
	}
	if out.hits.has(HTMLType) {
		contentType = "text/html; charset=utf-8"
	}
	out.w.Header().Set("Content-Type", contentType)
	out.w.WriteHeader(status)
	fmt.Fprint(out.w, b.String())
}

func (out *reply) encode(answer *php.Array) (contentType, text string) {
	plain, _ := out.settings.plain(answer).(*php.Array)
	switch strings.ToLower(out.form.Text("responsetype")) {
	case "xml":
		return "application/xml", encodeXML(out.version, lowerAction(out.form.Text("action")), plain)
	case "nvp":
		return "text/plain; charset=utf-8", encodeNVP(plain)
	}
	return "application/json", php.EncodeJSON(plain)
}
