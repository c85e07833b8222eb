package pubsub

import (
	"context"
	"net"
	"sync"

	"google.golang.org/grpc/peer"
)

// conns knows the open connections by the address of the client, so that a fault can break one.
type conns struct {
	mu   sync.Mutex
	open map[string]net.Conn
}

// WrapListener makes connections breakable by FaultReset. The gRPC server has to be served from the result.
func (s *Server) WrapListener(listener net.Listener) net.Listener {
	return &trackingListener{Listener: listener, conns: &s.conns}
}

type trackingListener struct {
	net.Listener
	conns *conns
}

// Accept remembers the connection until it is closed.
func (l *trackingListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.conns.mu.Lock()
	defer l.conns.mu.Unlock()
	if l.conns.open == nil {
		l.conns.open = map[string]net.Conn{}
	}
	l.conns.open[conn.RemoteAddr().String()] = conn
	return &trackedConn{Conn: conn, conns: l.conns}, nil
}

type trackedConn struct {
	net.Conn
	conns *conns
}

// Close forgets the connection.
func (c *trackedConn) Close() error {
	c.conns.mu.Lock()
	address := c.RemoteAddr().String()
	if c.conns.open[address] == c.Conn {
		delete(c.conns.open, address)
	}
	c.conns.mu.Unlock()
	return c.Conn.Close()
}

// abort breaks the connection of a call. It is false if the connection is not known.
func (c *conns) abort(ctx context.Context) bool {
	from, ok := peer.FromContext(ctx)
	if !ok {
		return false
	}
	c.mu.Lock()
	conn := c.open[from.Addr.String()]
	c.mu.Unlock()
	if conn == nil {
		return false
	}
	if tcp, ok := conn.(interface{ SetLinger(seconds int) error }); ok {
		// A reset, not an orderly end. If it fails the connection ends all the same.
		_ = tcp.SetLinger(0)
	}
	return conn.Close() == nil
}
