package pubsub_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/orderbridge/orderbridge/internal/pubsub"
	sandbox "github.com/orderbridge/orderbridge/internal/sandbox/pubsub"
)

// fast makes the supervisor impatient, for tests in real time.
func fast(cfg *pubsub.Config) {
	cfg.Backoff = pubsub.Backoff{Base: 10 * time.Millisecond, Max: 50 * time.Millisecond}
	cfg.BlockedRetry, cfg.SettleTime = 50*time.Millisecond, 20*time.Millisecond
}

func listen(tb testing.TB) net.Listener {
	tb.Helper()
	listener, err := new(net.ListenConfig).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	return listener
}

// until waits in real time for what happens on a real network.
func until(t *testing.T, what string, condition func() bool) {
	t.Helper()
	deadline, tick := time.After(time.Minute), time.NewTicker(2*time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("timed out waiting until %s", what)
		}
	}
}

func TestNewRefusesWhatCannotWork(t *testing.T) {
	session := func(context.Context) (pubsub.Session, error) { return pubsub.Session{}, nil }
	tests := map[string]struct {
		cfg  pubsub.Config
		want string
	}{
		"no session":    {pubsub.Config{Endpoint: "api.pubsub.salesforce.com:7443"}, "Session"},
		"no endpoint":   {pubsub.Config{Session: session}, "host:port"},
		"no port":       {pubsub.Config{Session: session, Endpoint: "api.pubsub.salesforce.com"}, "host:port"},
		"a URL":         {pubsub.Config{Session: session, Endpoint: "https://api.pubsub.salesforce.com:7443"}, "host:port"},
		"no CA in PEM":  {pubsub.Config{Session: session, Endpoint: "localhost:7443", CABundle: []byte("CA")}, "PEM"},
		"only a port":   {pubsub.Config{Session: session, Endpoint: ":7443"}, "host:port"},
		"host and port": {pubsub.Config{Session: session, Endpoint: "localhost:7443"}, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			client, err := pubsub.New(test.cfg)
			if test.want != "" {
				if err == nil || !strings.Contains(err.Error(), test.want) {
					t.Errorf("New = %v, want an error with %q", err, test.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := client.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestRunRefusesWhatCannotWork(t *testing.T) {
	r := newRig(t, sandbox.Options{}, nil)
	handle := func(context.Context, pubsub.Batch) error { return nil }
	gap := func(context.Context, string) error { return nil }
	for name, sub := range map[string]pubsub.Subscription{
		"no topic":           {Handle: handle, OnGap: gap},
		"no Handle":          {Topic: topic, OnGap: gap},
		"no OnGap":           {Topic: topic, Handle: handle},
		"Custom without one": {Topic: topic, Handle: handle, OnGap: gap, Position: pubsub.Position{Preset: pubsub.Custom}},
	} {
		t.Run(name, func(t *testing.T) {
			if err := r.client.Run(t.Context(), sub); err == nil {
				t.Error("Run accepted it")
			}
		})
	}
}

func TestSessionHidesItsToken(t *testing.T) {
	session := pubsub.Session{AccessToken: "00Dsecret", InstanceURL: "https://x.my.salesforce.com", TenantID: orgID}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "session", session)
	for _, text := range []string{fmt.Sprint(session), fmt.Sprintf("%+v %#v %s", session, session, &session), log.String()} {
		if strings.Contains(text, "secret") || !strings.Contains(text, orgID) {
			t.Errorf("session is written as %q", text)
		}
	}
}

func TestTopic(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, sandbox.Options{}, nil)
		info, err := r.client.Topic(t.Context(), topic)
		if err != nil {
			t.Fatal(err)
		}
		if schema, _, _ := r.bus.Schema(topic); info.Name != topic || info.SchemaID != schema || !info.CanSubscribe || !info.CanPublish {
			t.Errorf("topic %+v", info)
		}
		tests := map[string]struct {
			prepare func()
			topic   string
			reason  string
		}{
			"unknown":       {func() {}, "/event/orderprovisionrequested__e", "TopicNotFound"},
			"not permitted": {func() { _ = r.bus.SetAccess(topic, true, false) }, topic, "SubscribeForbidden"},
			"no login":      {func() { r.session.fail(errors.New("no")) }, topic, "LoginFailed"},
		}
		for _, name := range []string{"unknown", "not permitted", "no login"} {
			test := tests[name]
			test.prepare()
			_, err := r.client.Topic(t.Context(), test.topic)
			if failed, ok := errors.AsType[*pubsub.Error](err); !ok || failed.Reason != test.reason {
				t.Errorf("%s: error %v, want reason %s", name, err, test.reason)
			}
		}
	})
}

func TestTopicThatIsMendedIsFoundByItself(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, sandbox.Options{}, nil)
		_, schema, _ := r.bus.Schema(topic)
		r.bus.RemoveTopic(topic)
		run := r.start(pubsub.Position{})
		synctest.Wait()
		if got := run.last(); got.Phase != pubsub.Blocked || got.Reason != "TopicNotFound" || !strings.Contains(got.Message, "deploy") {
			t.Errorf("state %+v", got)
		}
		if err := r.bus.DefineTopic(topic, schema); err != nil {
			t.Fatal(err)
		}
		if err := r.bus.SetAccess(topic, true, false); err != nil {
			t.Fatal(err)
		}
		pass(90 * time.Second)
		if got := run.last(); got.Phase != pubsub.Blocked || got.Reason != "SubscribeForbidden" || !strings.Contains(got.Message, "Read") {
			t.Errorf("state %+v", got)
		}
		if err := r.bus.SetAccess(topic, true, true); err != nil {
			t.Fatal(err)
		}
		want := r.publishOrders(1)
		pass(90 * time.Second)
		run.same(want)
	})
}

func TestDeliveryLimitIsWaitedOutWithTheClockShown(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, sandbox.Options{}, nil)
		r.bus.SetDeliveryLimit(40)
		want := r.publishOrders(60)
		began := time.Now()
		run := r.start(pubsub.Position{})
		pass(time.Minute)
		run.same(want[:40])
		got := run.last()
		if got.Phase != pubsub.LimitExceeded || !got.KeptUntil.Equal(began.Add(72*time.Hour)) || !strings.Contains(got.Message, got.KeptUntil.UTC().Format("2006-01-02 15:04")) {
			t.Errorf("state %+v, want the 72-hour clock", got)
		}
		if rest := time.Until(got.NextAttempt); rest < 25*time.Minute || rest > 40*time.Minute {
			t.Errorf("the next attempt is in %s", rest)
		}
		pass(25 * time.Hour)
		run.same(want)
		if got := r.bus.Counters().Subscribes; got > 60 {
			t.Errorf("%d streams in a day", got)
		}
	})
}

func TestOverTheNetwork(t *testing.T) {
	r := newRigOn(t, listen(t), sandbox.Options{Scale: 100, MaxBatch: 9}, func(cfg *pubsub.Config) {
		fast(cfg)
		cfg.IdleTimeout = 3 * time.Second
	})
	run := r.start(pubsub.Position{})
	// Each stream breaks in one way or another after some events.
	for _, kind := range []sandbox.FaultKind{sandbox.FaultReset, sandbox.FaultEnd, sandbox.FaultToken, sandbox.FaultError, sandbox.FaultReset} {
		r.inject(sandbox.Fault{Kind: kind, AfterEvents: 40, Spread: 60, Times: 3})
	}
	var want []string
	for range 20 {
		want = append(want, r.publishOrders(100)...)
		until(t, "the events have arrived", func() bool { return len(run.ids()) >= len(want) })
	}
	run.same(want)
	counters := r.bus.Counters()
	if counters.MaxOutstanding > 100 || counters.FaultsFired[string(sandbox.FaultReset)] == 0 || counters.Subscribes < 15 {
		t.Errorf("counters %+v", counters)
	}
	// A sign of life comes every 2.65 s here.
	until(t, "there is a sign of life", func() bool { return r.bus.Counters().KeepAlives > 0 })
	run.stop()
	until(t, "the bus has no stream left", func() bool { return r.bus.Counters().LiveStreams == 0 })
}

func TestTransportFaultsAreShownInWordsAndHeal(t *testing.T) {
	_, otherCA := certificate(t)
	t.Run("certificate of another CA", func(t *testing.T) {
		r := newRigOn(t, listen(t), sandbox.Options{}, func(cfg *pubsub.Config) {
			fast(cfg)
			cfg.CABundle = otherCA
		})
		run := r.start(pubsub.Position{})
		until(t, "it is shown", func() bool { return run.last().Reason == "UntrustedCertificate" })
		if got := run.last(); !strings.Contains(got.Message, "caBundle") || got.Phase != pubsub.BackingOff {
			t.Errorf("state %+v", got)
		}
	})
	t.Run("certificate unknown to the system", func(t *testing.T) {
		r := newRigOn(t, listen(t), sandbox.Options{}, func(cfg *pubsub.Config) {
			fast(cfg)
			cfg.CABundle = nil
		})
		run := r.start(pubsub.Position{})
		until(t, "it is shown", func() bool { return run.last().Reason == "UntrustedCertificate" })
	})
	t.Run("server without TLS", func(t *testing.T) {
		listener := listen(t)
		server := grpc.NewServer()
		go func() { _ = server.Serve(listener) }()
		t.Cleanup(server.Stop)
		r := newRigOn(t, listen(t), sandbox.Options{}, func(cfg *pubsub.Config) {
			fast(cfg)
			cfg.Endpoint = listener.Addr().String()
		})
		run := r.start(pubsub.Position{})
		until(t, "it is shown", func() bool { return run.last().Reason == "TLSFailed" })
	})
	t.Run("gRPC server of something else", func(t *testing.T) {
		listener := listen(t)
		pair, ca := certificate(t)
		server := grpc.NewServer(grpc.Creds(credentials.NewServerTLSFromCert(&pair)))
		go func() { _ = server.Serve(listener) }()
		t.Cleanup(server.Stop)
		r := newRigOn(t, listen(t), sandbox.Options{}, func(cfg *pubsub.Config) {
			fast(cfg)
			cfg.Endpoint, cfg.CABundle = listener.Addr().String(), ca
		})
		run := r.start(pubsub.Position{})
		until(t, "it is shown", func() bool { return run.last().Reason == "NotPubSub" })
	})
	t.Run("host without an address", func(t *testing.T) {
		r := newRigOn(t, listen(t), sandbox.Options{}, func(cfg *pubsub.Config) {
			fast(cfg)
			cfg.Endpoint = "bus.invalid:7443"
		})
		run := r.start(pubsub.Position{})
		until(t, "it is shown", func() bool {
			reason := run.last().Reason
			return reason == "UnknownHost" || reason == "Unreachable" // depends on whether a name server answers
		})
	})
	t.Run("nobody listens, then somebody does", func(t *testing.T) {
		listener := listen(t)
		var down atomic.Bool
		down.Store(true)
		r := newRigOn(t, listener, sandbox.Options{}, func(cfg *pubsub.Config) {
			fast(cfg)
			cfg.DialOptions = append(cfg.DialOptions, grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) {
				if down.Load() {
					address = "127.0.0.1:1"
				}
				return new(net.Dialer).DialContext(ctx, "tcp", address)
			}))
		})
		want := r.publishOrders(1)
		run := r.start(pubsub.Position{})
		until(t, "it is shown", func() bool { return run.last().Reason == "Unreachable" })
		if got := run.last(); !strings.Contains(got.Message, "pubSubEndpoint") {
			t.Errorf("state %+v", got)
		}
		down.Store(false)
		until(t, "the event has arrived", func() bool { return len(run.ids()) > 0 })
		run.same(want)
	})
}

func TestSilentConnectionIsReplacedForNewStreamsOnly(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		var dials atomic.Int32
		r := newRig(t, sandbox.Options{}, func(cfg *pubsub.Config) {
			cfg.DialOptions = append(cfg.DialOptions, grpc.WithStatsHandler(connCounter{&dials}))
		})
		silent := r.start(pubsub.Position{})
		synctest.Wait()
		r.bus.Cut(sandbox.Fault{Kind: sandbox.FaultStall})
		healthy := r.start(pubsub.Position{})
		synctest.Wait()
		if got := dials.Load(); got != 1 {
			t.Errorf("%d connections for two streams, want one", got)
		}
		pass(10 * time.Minute)
		want := r.publishOrders(3)
		pass(time.Second)
		silent.same(want)
		healthy.same(want)
		if got := dials.Load(); got != 2 {
			t.Errorf("%d connections after one stream fell silent, want two", got)
		}
		if _, ok := healthy.saw("StreamSilent"); ok || r.bus.Counters().Subscribes != 3 {
			t.Error("the healthy stream was replaced too")
		}
	})
}
