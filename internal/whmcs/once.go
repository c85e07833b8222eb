package whmcs

import (
	"errors"
	"io"
	"sync"
	"time"
)

var (
	errNotAfter = errors.New("the request's deadline passed before it left")
	errSealed   = errors.New("the request's body may be read only once")
)

// onceBody is the body of a mutating call. All that WHMCS acts on is in the
// body, so as long as none of it was handed out, nothing can have been done.
//
// It can be read once, never rewound; it refuses to start after notAfter; and
// once sealed it hands out nothing more. Sealing matters because net/http may
// return from a cancelled call while its writer has yet to begin.
//
// The deadline is checked twice: in ready, before net/http sends the header, so
// that normally not even a connection is wasted, and when reading begins.
type onceBody struct {
	notAfter time.Time
	now      func() time.Time

	mu      sync.Mutex
	rest    []byte
	started bool
	late    bool
	sealed  bool
}

func newOnceBody(body []byte, notAfter time.Time) *onceBody {
	return &onceBody{rest: body, notAfter: notAfter.Round(0), now: time.Now}
}

// Read hands out the body.
func (b *onceBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.sealed {
		return 0, errSealed
	}
	if !b.started {
		if !b.inTime() {
			return 0, errNotAfter
		}
		// From here on it is sent to its end, late or not: PHP might act on
		// half a form.
		b.started = true
	}
	if len(b.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, b.rest)
	b.rest = b.rest[n:]
	return n, nil
}

// ready reports whether the request may still leave.
func (b *onceBody) ready() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.inTime()
}

// inTime checks the deadline; a body that was late once stays late. Round strips
// the monotonic reading, which stands still while the machine sleeps.
func (b *onceBody) inTime() bool {
	b.late = b.late || !b.notAfter.IsZero() && b.now().Round(0).After(b.notAfter)
	return !b.late
}

// Close ends the reading for good.
func (b *onceBody) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sealed = true
	return nil
}

// seal ends the reading and reports whether any of the body was handed out, and
// whether it was held back because of its deadline.
func (b *onceBody) seal() (started, late bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sealed = true
	return b.started, b.late
}
