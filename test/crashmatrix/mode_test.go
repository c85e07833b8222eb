package crashmatrix

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	whmcsbox "github.com/orderbridge/orderbridge/internal/sandbox/whmcs"
)

// point is a place in an order's life: the n-th time, counted from 1, that something is written or called.
type point struct {
	what string
	n    int
}

func (p point) String() string { return fmt.Sprintf("%s #%d", p.what, p.n) }

// writePrefix stands before the names of writes at the API server. Everything else at which an order can be interrupted is
// a call to a far side.
const writePrefix = "write: "

const (
	addOrder    = "AddOrder"
	acceptOrder = "AcceptOrder"
	moduleQueue = "GetModuleQueue"
)

func (p point) isMutating() bool { return p.what == addOrder || p.what == acceptOrder }

// deed is what happens at a point.
type deed int

const (
	nothing deed = iota
	// stop: the process ends, and another one takes over at once.
	stop
	// pause: the process stands still while another one takes over, and goes on later.
	pause
	// lose: the answer does not arrive, or not as it was sent.
	lose
	// late: WHMCS works on although nobody waits for the answer any more.
	late
	// forget: the process ends, and the cluster has never heard of the order when another one takes over.
	forget
)

// loss is how an answer is lost.
type loss string

const (
	byTimeout   loss = "timeout"
	byReset     loss = "connection reset"
	byHTML      loss = "502 HTML"
	byTruncated loss = "truncated JSON"
)

// mode is a way of being interrupted.
type mode struct {
	class string
	deed  deed
	// after is true if the write or call has taken effect by then.
	after bool
	// stale is by how many writes the cache of the process that takes over is behind.
	stale int
	// soon lets a paused process go on shortly after another one began; else it goes on after the other is done.
	soon bool
	loss loss
	// kind and delay are the fault of the sandbox that makes a commit late.
	kind  whmcsbox.Kind
	delay time.Duration
	// rival places an order of the customer's own with the same line.
	rival bool
}

var modes = []mode{
	{class: "stopped before it", deed: stop},
	{class: "stopped after it took effect", deed: stop, after: true},
	{class: "second manager, cache 1 write behind", deed: stop, stale: 1},
	{class: "second manager, cache 1 write behind", deed: stop, after: true, stale: 1},
	{class: "second manager, cache 2 writes behind", deed: stop, stale: 2},
	{class: "second manager, cache 2 writes behind", deed: stop, after: true, stale: 2},
	{class: "request lost", deed: lose, loss: byReset},
	{class: "answer lost: timeout", deed: lose, after: true, loss: byTimeout},
	{class: "answer lost: connection reset", deed: lose, after: true, loss: byReset},
	{class: "answer lost: 502 HTML", deed: lose, after: true, loss: byHTML},
	{class: "answer lost: truncated JSON", deed: lose, after: true, loss: byTruncated},
	{class: "old leader resumes during the new one's work", deed: pause, soon: true},
	{class: "old leader resumes during the new one's work", deed: pause, after: true, soon: true},
	{class: "old leader resumes after the new one's work", deed: pause, stale: 1},
	{class: "old leader resumes after the new one's work", deed: pause, after: true, stale: 1},
	{class: "cluster restored, order forgotten", deed: forget},
	{class: "cluster restored, order forgotten", deed: forget, after: true},
	{class: "commit lands late", deed: late, kind: whmcsbox.LateCommit, delay: lateBy},
	{class: "commit lands late", deed: late, kind: whmcsbox.HangCommit, delay: lateBy / 2},
}

// fits tells whether a mode makes sense at a point. A cluster that forgot an order can know it again by a marker only.
func (m mode) fits(p point, s setting) bool {
	return (m.deed != late || p.isMutating()) && (m.deed != forget || s.stored)
}

var errStopped = errors.New("the process has ended")

// writeError is what the client of the API server returns when the answer to a write is lost.
func (l loss) writeError(name string) error {
	switch l {
	case byTimeout:
		return &url.Error{Op: "Put", URL: name, Err: os.ErrDeadlineExceeded}
	case byHTML:
		return apierrors.NewGenericServerResponse(http.StatusBadGateway, "PUT", schema.GroupResource{Resource: "provisioningorders"}, name, "<html>502</html>", 0, true)
	case byTruncated:
		return fmt.Errorf("decoding: %w", io.ErrUnexpectedEOF)
	default:
		return &url.Error{Op: "Put", URL: name, Err: resetError()}
	}
}

func resetError() error {
	return &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ECONNRESET)}
}

// answer is what is left of an answer. It takes over its body.
func (l loss) answer(request *http.Request, whole *http.Response, mutating bool) (*http.Response, error) {
	body, err := io.ReadAll(whole.Body)
	whole.Body.Close()
	if err != nil {
		return nil, err
	}
	switch l {
	case byTimeout:
		if mutating {
			<-request.Context().Done()
			return nil, request.Context().Err()
		}
		return nil, &net.OpError{Op: "read", Net: "tcp", Err: os.ErrDeadlineExceeded}
	case byHTML:
		whole.StatusCode, whole.Status = http.StatusBadGateway, "502 Bad Gateway"
		whole.Header = http.Header{"Content-Type": {"text/html"}}
		whole.Body = io.NopCloser(strings.NewReader("<html><h1>502 Bad Gateway</h1></html>"))
		whole.ContentLength = -1
		return whole, nil
	case byTruncated:
		whole.Body = io.NopCloser(io.MultiReader(strings.NewReader(string(body[:len(body)/2])), brokenReader{}))
		return whole, nil
	default:
		return nil, resetError()
	}
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }
