package sandbox

import (
	"fmt"
	"net"
	"slices"
	"sync"
)

// The sides whose network can be cut.
const (
	SystemSalesforce = "salesforce"
	SystemPubSub     = "pubsub"
	SystemWhmcs      = "whmcs"
)

// network knows the listeners of the far sides, to take one off the network.
type network struct {
	mu   sync.Mutex
	taps map[string]*tap
}

// tap is a listener that can be cut: open connections are reset, and new ones before they can say anything.
type tap struct {
	net.Listener

	mu   sync.Mutex
	down bool
	open map[net.Conn]bool
}

func (n *network) wrap(system string, l net.Listener) net.Listener {
	t := &tap{Listener: l, open: map[net.Conn]bool{}}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.taps == nil {
		n.taps = map[string]*tap{}
	}
	n.taps[system] = t
	return t
}

// SetDown takes a side off the network or puts it back: salesforce, pubsub or whmcs. While it is down no TLS handshake
// succeeds, so that a client can be sure that nothing was done.
func (s *Sandbox) SetDown(system string, down bool) error {
	s.network.mu.Lock()
	t := s.network.taps[system]
	s.network.mu.Unlock()
	if t == nil || !slices.Contains([]string{SystemSalesforce, SystemPubSub, SystemWhmcs}, system) {
		return fmt.Errorf("cut the network of %q: use %s, %s or %s", system, SystemSalesforce, SystemPubSub, SystemWhmcs)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.down = down
	if down {
		for conn := range t.open {
			reset(conn)
		}
		clear(t.open)
	}
	return nil
}

// lingerer is a connection that can be told to end in a reset.
type lingerer interface{ SetLinger(seconds int) error }

func reset(conn net.Conn) {
	if tcp, ok := conn.(lingerer); ok {
		_ = tcp.SetLinger(0) // without it the end is orderly, which is an end all the same
	}
	_ = conn.Close()
}

// Accept returns the next connection that comes while the side is up.
func (t *tap) Accept() (net.Conn, error) {
	for {
		conn, err := t.Listener.Accept()
		if err != nil {
			return nil, err
		}
		t.mu.Lock()
		down := t.down
		if !down {
			t.open[conn] = true
		}
		t.mu.Unlock()
		if !down {
			return &tapped{Conn: conn, tap: t}, nil
		}
		reset(conn)
	}
}

// tapped is a connection that is forgotten when it is closed.
type tapped struct {
	net.Conn

	tap *tap
}

// Close closes the connection.
func (c *tapped) Close() error {
	c.tap.mu.Lock()
	delete(c.tap.open, c.Conn)
	c.tap.mu.Unlock()
	return c.Conn.Close()
}

// SetLinger sets how the connection ends, where it can be set.
func (c *tapped) SetLinger(seconds int) error {
	if tcp, ok := c.Conn.(lingerer); ok {
		return tcp.SetLinger(seconds)
	}
	return nil
}
