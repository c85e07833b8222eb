package pubsub_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/test/bufconn"

	"github.com/orderbridge/orderbridge/internal/pubsub"
	sandbox "github.com/orderbridge/orderbridge/internal/sandbox/pubsub"
)

const (
	topic = sandbox.ProvisionTopic
	orgID = "00D5e000000arpqEAA"
)

// certificate makes a self-signed certificate for 127.0.0.1 and returns it with its PEM.
func certificate(tb testing.TB) (tls.Certificate, []byte) {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "bus"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(1000 * time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		tb.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// rig is a bus and a client of it, connected by TLS.
type rig struct {
	t       testing.TB
	bus     *sandbox.Server
	client  *pubsub.Client
	session *session
}

// session hands out tokens as the Salesforce client does.
type session struct {
	mu          sync.Mutex
	token       string
	logins      int
	invalidated []string
	err         error
}

func (s *session) get(context.Context) (pubsub.Session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return pubsub.Session{}, s.err
	}
	if s.token == "" {
		s.logins++
		s.token = orgID[:15] + "!token" + string(rune('0'+s.logins%10))
	}
	return pubsub.Session{AccessToken: s.token, InstanceURL: "https://example.my.salesforce.com", TenantID: orgID}, nil
}

func (s *session) invalidate(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.invalidated = append(s.invalidated, token)
	if s.token == token {
		s.token = ""
	}
}

func (s *session) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

func (s *session) count() (logins, invalidated int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.logins, len(s.invalidated)
}

// newRig starts a bus on an in-memory connection. Within a synctest bubble the clock of both sides is fake.
func newRig(t *testing.T, options sandbox.Options, configure func(*pubsub.Config)) *rig {
	t.Helper()
	listener := bufconn.Listen(1 << 20)
	dialer := grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) })
	return newRigOn(t, listener, options, func(cfg *pubsub.Config) {
		cfg.Endpoint = "127.0.0.1:7443"
		cfg.DialOptions = append(cfg.DialOptions, dialer)
		if configure != nil {
			configure(cfg)
		}
	})
}

func newRigOn(tb testing.TB, listener net.Listener, options sandbox.Options, configure func(*pubsub.Config)) *rig {
	tb.Helper()
	pair, ca := certificate(tb)
	options.OrgID = orgID
	bus := sandbox.New(options)
	server := grpc.NewServer(grpc.Creds(credentials.NewServerTLSFromCert(&pair)))
	bus.Register(server)
	served := make(chan struct{})
	go func() {
		defer close(served)
		// Ends with an error when the server is stopped, which is the only way it ends here.
		_ = server.Serve(bus.WrapListener(listener))
	}()
	r := &rig{t: tb, bus: bus, session: &session{}}
	cfg := pubsub.Config{
		Endpoint: listener.Addr().String(), CABundle: ca, Session: r.session.get, Invalidate: r.session.invalidate,
	}
	if configure != nil {
		configure(&cfg)
	}
	client, err := pubsub.New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	r.client = client
	tb.Cleanup(func() {
		if err := client.Close(); err != nil {
			tb.Errorf("closing the client: %v", err)
		}
		server.Stop()
		<-served
	})
	return r
}

// inBubble runs a test with a fake clock.
func inBubble(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, test)
}

// pass lets fake time pass, and everything happen that is due until then.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func (r *rig) publish(fields map[string]any) string {
	r.t.Helper()
	id, err := r.bus.Publish(topic, fields)
	if err != nil {
		r.t.Fatal(err)
	}
	return id
}

func (r *rig) publishOrders(count int) []string {
	r.t.Helper()
	var ids []string
	for range count {
		ids = append(ids, r.publish(map[string]any{"OrderId__c": "8014x000000ABCDIAZ"}))
	}
	return ids
}

func (r *rig) inject(fault sandbox.Fault) {
	r.t.Helper()
	if err := r.bus.Inject(fault); err != nil {
		r.t.Fatal(err)
	}
}

// follower is a subscription under way, with everything it told.
type follower struct {
	t      testing.TB
	cancel context.CancelFunc
	done   chan error

	mu      sync.Mutex
	batches []pubsub.Batch
	events  []pubsub.Event
	states  []pubsub.StreamState
	gaps    []string
	// hooks, called before recording
	onHandle func(context.Context, pubsub.Batch) error
	onGap    func() error
}

func (r *rig) start(position pubsub.Position, hooks ...func(*follower)) *follower {
	r.t.Helper()
	ctx, cancel := context.WithCancel(r.t.Context())
	result := &follower{t: r.t, cancel: cancel, done: make(chan error, 1)}
	for _, hook := range hooks {
		hook(result)
	}
	go func() {
		result.done <- r.client.Run(ctx, pubsub.Subscription{
			Topic: topic, Position: position, Handle: result.handle, OnGap: result.gap, State: result.state,
		})
	}()
	r.t.Cleanup(func() { result.stop() })
	return result
}

func (r *follower) handle(ctx context.Context, batch pubsub.Batch) error {
	if r.onHandle != nil {
		if err := r.onHandle(ctx, batch); err != nil {
			return err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.batches = append(r.batches, batch)
	r.events = append(r.events, batch.Events...)
	return nil
}

func (r *follower) gap(_ context.Context, cause string) error {
	if r.onGap != nil {
		if err := r.onGap(); err != nil {
			return err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.gaps = append(r.gaps, cause)
	return nil
}

func (r *follower) state(state pubsub.StreamState) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.states = append(r.states, state)
}

// stop ends the run and checks that it ends for the right reason.
func (r *follower) stop() {
	r.t.Helper()
	r.cancel()
	if r.done == nil {
		return
	}
	if err := <-r.done; !errors.Is(err, context.Canceled) {
		r.t.Errorf("Run returned %v, want that it was canceled", err)
	}
	r.done = nil
}

func (r *follower) ids() []string {
	_, events, _ := r.history()
	var ids []string
	for _, event := range events {
		ids = append(ids, event.ID)
	}
	return ids
}

func (r *follower) last() pubsub.StreamState {
	states, _, _ := r.history()
	if len(states) == 0 {
		return pubsub.StreamState{}
	}
	return states[len(states)-1]
}

// history returns copies of everything that was told.
func (r *follower) history() (states []pubsub.StreamState, events []pubsub.Event, gaps []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.states), slices.Clone(r.events), slices.Clone(r.gaps)
}

// event returns one of the events that were handled.
func (r *follower) event(index int) pubsub.Event {
	r.t.Helper()
	_, events, _ := r.history()
	if index >= len(events) {
		r.t.Fatalf("%d events were handled, want more than %d", len(events), index)
	}
	return events[index]
}

// saw tells whether a reason was ever reported.
func (r *follower) saw(reason string) (pubsub.StreamState, bool) {
	states, _, _ := r.history()
	i := slices.IndexFunc(states, func(s pubsub.StreamState) bool { return s.Reason == reason })
	if i < 0 {
		return pubsub.StreamState{}, false
	}
	return states[i], true
}

func (r *follower) gapCount() int {
	_, _, gaps := r.history()
	return len(gaps)
}
