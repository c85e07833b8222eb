package pubsub

import (
	"errors"
	"sync"

	"google.golang.org/grpc"
)

// errClosed is what calls get after Close.
var errClosed = errors.New("the Pub/Sub client is closed")

// link is one connection with the number of calls and streams that use it.
type link struct {
	conn    *grpc.ClientConn
	users   int
	retired bool
}

// links shares one connection among all streams. A connection that went silent is retired: new streams get another one
// while those that still work on the old one are left alone.
type links struct {
	dial func() (*grpc.ClientConn, error)

	mu      sync.Mutex
	current *link
	closed  bool
	all     map[*link]bool
}

func (l *links) acquire() (*link, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, errClosed
	}
	if l.current == nil {
		conn, err := l.dial()
		if err != nil {
			return nil, err
		}
		l.current = &link{conn: conn}
		if l.all == nil {
			l.all = map[*link]bool{}
		}
		l.all[l.current] = true
	}
	l.current.users++
	return l.current, nil
}

func (l *links) release(used *link) {
	l.mu.Lock()
	defer l.mu.Unlock()
	used.users--
	l.closeUnused(used)
}

// retire keeps new streams off a connection that does not answer.
func (l *links) retire(silent *link) {
	l.mu.Lock()
	defer l.mu.Unlock()
	silent.retired = true
	if l.current == silent {
		l.current = nil
	}
	l.closeUnused(silent)
}

func (l *links) closeUnused(unused *link) {
	if unused.retired && unused.users == 0 && l.all[unused] {
		delete(l.all, unused)
		// Nothing can be done about a connection that fails to close, and nothing waits for it.
		_ = unused.conn.Close()
	}
}

func (l *links) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed, l.current = true, nil
	var errs []error
	for open := range l.all {
		errs = append(errs, open.conn.Close())
	}
	clear(l.all)
	return errors.Join(errs...)
}
