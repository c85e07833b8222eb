package whmcs

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"
)

// roundTripFunc makes a function a RoundTripper.
type roundTripFunc func(*http.Request) (*http.Response, error)

func (f roundTripFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// waitUntil returns when the wall clock has passed at.
func waitUntil(at time.Time) {
	<-time.After(time.Until(at) + time.Millisecond)
}

// lateConn stalls the first read of the TLS handshake.
type lateConn struct {
	net.Conn
	until time.Time
}

func (c *lateConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	waitUntil(c.until)
	return n, err
}

func realDial(ctx context.Context, network, address string) (net.Conn, error) {
	return (&net.Dialer{}).DialContext(ctx, network, address)
}

// Whatever holds a request up, it does not leave after NotAfter.
func TestNotAfterHoldsTheRequestBack(t *testing.T) {
	for name, change := range map[string]func(cfg *Config, notAfter time.Time){
		"nothing stalls, it was late before": func(_ *Config, notAfter time.Time) { waitUntil(notAfter) },
		"the dial stalls": func(cfg *Config, notAfter time.Time) {
			cfg.dial = func(ctx context.Context, network, address string) (net.Conn, error) {
				waitUntil(notAfter)
				return realDial(ctx, network, address)
			}
		},
		"the handshake stalls": func(cfg *Config, notAfter time.Time) {
			cfg.dial = func(ctx context.Context, network, address string) (net.Conn, error) {
				conn, err := realDial(ctx, network, address)
				return &lateConn{conn, notAfter}, err
			}
		},
		"a semaphore in the transport stalls": func(cfg *Config, notAfter time.Time) {
			cfg.WrapTransport = func(next http.RoundTripper) http.RoundTripper {
				return roundTripFunc(func(r *http.Request) (*http.Response, error) {
					waitUntil(notAfter)
					return next.RoundTrip(r)
				})
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			fake := newFake(t, says(`{"result":"success","orderid":"1","serviceids":"1"}`))
			r := anOrder()
			r.NotAfter = time.Now().Add(30 * time.Millisecond)
			c := fake.client(t, func(cfg *Config) { change(cfg, r.NotAfter) })
			_, err := c.AddOrder(t.Context(), r)
			if ClassOf(err) != NotSent || CodeOf(err) != DeadlinePassed {
				t.Errorf("got %v (%s, %s), want NotSent, DeadlinePassed", err, ClassOf(err), CodeOf(err))
			}
			fake.Close()
			if n := len(fake.received()) + len(fake.broken); n != 0 {
				t.Errorf("the server saw %d requests, want 0", n)
			}
		})
	}
}

// Between the first check and the body lies the header: it may leave, but not a
// byte of what WHMCS acts on.
func TestNotAfterHoldsTheBodyBack(t *testing.T) {
	fake := newFake(t, says(`{"result":"success","orderid":"1","serviceids":"1"}`))
	r := anOrder()
	r.NotAfter = time.Now().Add(100 * time.Millisecond)
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
		WroteHeaders: func() { waitUntil(r.NotAfter) },
	})
	_, err := fake.client(t).AddOrder(ctx, r)
	if ClassOf(err) != NotSent || CodeOf(err) != DeadlinePassed {
		t.Errorf("got %v (%s, %s), want NotSent, DeadlinePassed", err, ClassOf(err), CodeOf(err))
	}
	fake.Close()
	for _, n := range fake.broken {
		if n != 0 {
			t.Errorf("%d bytes of the body left", n)
		}
	}
	if n := len(fake.received()); n != 0 {
		t.Errorf("the server saw %d requests, want 0", n)
	}
}

func TestNotAfterLetsAnEarlyRequestThrough(t *testing.T) {
	fake := newFake(t, says(`{"result":"success","orderid":"1","serviceids":"1"}`))
	r := anOrder()
	r.NotAfter = time.Now().Add(time.Hour)
	if _, err := fake.client(t).AddOrder(t.Context(), r); err != nil {
		t.Error(err)
	}
}

// Busy is claimed only where the server cannot have seen the request.
func TestNothingSent(t *testing.T) {
	otherCA := func(cfg *Config) { cfg.CABundle = nil }
	for name, tc := range map[string]struct {
		change func(t *testing.T, cfg *Config)
		class  Class
		code   Code
		says   string
	}{
		"refused": {func(t *testing.T, cfg *Config) {
			t.Helper()
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			_ = l.Close()
			cfg.URL = "https://" + l.Addr().String() + "/includes/api.php"
		}, Busy, ConnectFailed, "refuses connections"},
		"name": {func(_ *testing.T, cfg *Config) {
			cfg.dial = func(context.Context, string, string) (net.Conn, error) {
				return nil, &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "x", IsNotFound: true}}
			}
		}, Busy, NameNotResolved, "cannot be resolved"},
		"no route": {func(_ *testing.T, cfg *Config) {
			cfg.dial = func(context.Context, string, string) (net.Conn, error) {
				return nil, &net.OpError{Op: "dial", Err: errors.New("no route to host")}
			}
		}, Busy, ConnectFailed, "cannot be reached"},
		"untrusted": {func(_ *testing.T, cfg *Config) { otherCA(cfg) }, Busy, Untrusted, "put its CA into caBundle"},
		"wrong name": {func(_ *testing.T, cfg *Config) {
			address := strings.TrimPrefix(strings.TrimSuffix(cfg.URL, "/includes/api.php"), "https://")
			cfg.URL = "https://billing.invalid/includes/api.php"
			cfg.dial = func(ctx context.Context, network, _ string) (net.Conn, error) { return realDial(ctx, network, address) }
		}, Busy, Untrusted, "not valid for the name"},
		"no TLS": {func(_ *testing.T, cfg *Config) {
			cfg.dial = pipeTo(func(conn net.Conn) { _, _ = conn.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n")) })
		}, Busy, TLSFailed, "does not speak TLS"},
		"closed in the handshake": {func(_ *testing.T, cfg *Config) {
			cfg.dial = pipeTo(func(net.Conn) {})
		}, Busy, ConnectFailed, "could be set up"},
		"handshake alert": {func(_ *testing.T, cfg *Config) {
			cfg.dial = pipeTo(func(conn net.Conn) { _, _ = conn.Write([]byte{21, 3, 3, 0, 2, 2, 40}) })
		}, Busy, TLSFailed, "was refused"},
		"dial takes too long": {func(_ *testing.T, cfg *Config) {
			cfg.AddOrderTimeout = 20 * time.Millisecond
			cfg.dial = func(ctx context.Context, _, _ string) (net.Conn, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			}
		}, Busy, Timeout, "in time"},
		"no proxy can be chosen": {func(_ *testing.T, cfg *Config) {
			cfg.Proxy = func(*http.Request) (*url.URL, error) { return nil, errors.New("secret reason") }
		}, Busy, ConnectFailed, "could be set up"},
		"a proxy refuses": {func(t *testing.T, cfg *Config) {
			t.Helper()
			cfg.Proxy = http.ProxyURL(refusingProxy(t))
		}, Busy, ConnectFailed, "refuses to connect, with status 403"},
		"a proxy is not there": {func(_ *testing.T, cfg *Config) {
			cfg.Proxy = http.ProxyURL(&url.URL{Scheme: "http", Host: "127.0.0.1:1"})
			cfg.dial = func(context.Context, string, string) (net.Conn, error) { return nil, syscall.ECONNREFUSED }
		}, Busy, ConnectFailed, "the proxy on the way to 127.0.0.1"},
	} {
		t.Run(name, func(t *testing.T) {
			fake := newFake(t, says(`{"result":"success","orderid":"1","serviceids":"1"}`))
			c := fake.client(t, func(cfg *Config) { tc.change(t, cfg) })
			_, err := c.AddOrder(t.Context(), anOrder())
			if ClassOf(err) != tc.class || CodeOf(err) != tc.code || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("got %v (%s, %s), want %s, %s, %q", err, ClassOf(err), CodeOf(err), tc.class, tc.code, tc.says)
			}
			fake.Close()
			if n := len(fake.received()); n != 0 {
				t.Errorf("the server saw %d requests, want 0", n)
			}
		})
	}
}

// refusingProxy is a proxy that connects to nothing.
func refusingProxy(t *testing.T) *url.URL {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "secret reason", http.StatusForbidden)
	}))
	t.Cleanup(server.Close)
	proxy, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	return proxy
}

// A read that a proxy refuses says so as well: nobody should look for a fault in WHMCS.
func TestReadRefusedByAProxy(t *testing.T) {
	c := newFake(t, says(`{"result":"success"}`)).client(t, func(cfg *Config) { cfg.Proxy = http.ProxyURL(refusingProxy(t)) })
	_, err := c.WhmcsDetails(t.Context())
	if ClassOf(err) != Busy || CodeOf(err) != ConnectFailed || !strings.Contains(err.Error(), "refuses to connect, with status 403") || strings.Contains(err.Error(), "secret") {
		t.Errorf("got %v (%s, %s), want Busy, ConnectFailed with the proxy's status and nothing else of it", err, ClassOf(err), CodeOf(err))
	}
}

// pipeTo dials a peer in this process that reads once, acts and closes.
func pipeTo(act func(net.Conn)) func(context.Context, string, string) (net.Conn, error) {
	return func(context.Context, string, string) (net.Conn, error) {
		here, there := net.Pipe()
		go func() {
			_, _ = there.Read(make([]byte, 4096))
			act(there)
			_ = there.Close()
		}()
		return here, nil
	}
}

func TestCallerGivesUpBeforeSending(t *testing.T) {
	fake := newFake(t, says(`{"result":"success","orderid":"1","serviceids":"1"}`))
	ctx, cancel := context.WithCancel(t.Context())
	c := fake.client(t, func(cfg *Config) {
		cfg.dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			cancel()
			return realDial(context.WithoutCancel(ctx), network, address)
		}
	})
	_, err := c.AddOrder(ctx, anOrder())
	if ClassOf(err) != NotSent || CodeOf(err) != Canceled || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v (%s, %s), want NotSent, Canceled", err, ClassOf(err), CodeOf(err))
	}
	fake.Close()
	if n := len(fake.received()); n != 0 {
		t.Errorf("the server saw %d requests, want 0", n)
	}
}

// A transport may hand the call back while something of it still runs. After the
// client has said that nothing was sent, nothing may be.
func TestSealedBodyHandsOutNothing(t *testing.T) {
	var body interface{ Read([]byte) (int, error) }
	fake := newFake(t, says(`{}`))
	c := fake.client(t, func(cfg *Config) {
		cfg.WrapTransport = func(http.RoundTripper) http.RoundTripper {
			return roundTripFunc(func(r *http.Request) (*http.Response, error) {
				body = r.Body
				return nil, errors.New("gave up early")
			})
		}
	})
	if _, err := c.AddOrder(t.Context(), anOrder()); ClassOf(err) != Busy {
		t.Fatalf("got %v, want Busy", err)
	}
	if n, err := body.Read(make([]byte, 10)); n != 0 || !errors.Is(err, errSealed) {
		t.Errorf("the body handed out %d bytes, error %v, after the call", n, err)
	}
}
