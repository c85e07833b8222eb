package pubsub

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"

	eventbusv1 "github.com/orderbridge/orderbridge/internal/pubsub/eventbus/v1"
)

const (
	// maxMessage leaves room above the 3 MB that a batch of events can have.
	maxMessage = 8 << 20
	// callTimeout bounds the unary calls, of which GetSchema is known to take more than a second.
	callTimeout = 30 * time.Second
	// pingAfter is the shortest interval that gRPC servers tolerate by default; silence on a stream is noticed by the
	// watchdog, pings only find connections that died under an idle one.
	pingAfter = 5 * time.Minute
)

// Session is what authenticates a call: a Salesforce access token and the org it belongs to.
type Session struct {
	// AccessToken is the bearer token, never logged.
	AccessToken string
	// InstanceURL is the org's https URL without a path.
	InstanceURL string
	// TenantID is the org's 18-character id.
	TenantID string
}

// String names the org and hides the token.
func (s Session) String() string {
	return fmt.Sprintf("session of org %s at %s", s.TenantID, s.InstanceURL)
}

// GoString hides the token as String does.
func (s Session) GoString() string { return s.String() }

// LogValue hides the token as String does.
func (s Session) LogValue() slog.Value { return slog.StringValue(s.String()) }

// Config says where the bus is, how to log in and how patient to be. Zero durations mean the defaults named.
type Config struct {
	// Endpoint is host:port. TLS is the only transport.
	Endpoint string
	// CABundle holds PEM certificates to trust instead of the system's roots.
	CABundle []byte
	// Session returns the current session; it may log in. It is asked once per call and once per stream.
	Session func(ctx context.Context) (Session, error)
	// Invalidate is told which access token the bus refused.
	Invalidate func(accessToken string)

	// IdleTimeout is how long a stream may be silent before it is replaced. Default 300 s: the bus shows life every 270 s.
	IdleTimeout time.Duration
	// SettleTime is how long a stream must live without a message to count as streaming. Default 2 s.
	SettleTime time.Duration
	// Backoff is the pause between attempts.
	Backoff Backoff
	// BlockedRetry is the pause while somebody has to change something in Salesforce. Default 1 min.
	BlockedRetry time.Duration
	// ThrottledRetry is the pause when the bus asks for less load. Default 2 min.
	ThrottledRetry time.Duration
	// LimitRetry is the pause when the 24-hour allowance of deliveries is used up. Default 30 min.
	LimitRetry time.Duration

	// DialOptions are added to those of the connection (metrics).
	DialOptions []grpc.DialOption
}

// Client reads from one endpoint as one user. It is safe for concurrent use.
type Client struct {
	cfg     Config
	creds   credentials.TransportCredentials
	links   links
	schemas *schemaCache
}

// New checks the configuration. It does not connect: the first call does.
func New(cfg Config) (*Client, error) {
	if cfg.Session == nil {
		return nil, errors.New("pubsub: Config.Session is not set")
	}
	host, _, err := net.SplitHostPort(cfg.Endpoint)
	if err != nil || host == "" {
		return nil, fmt.Errorf("pubSubEndpoint %q: want host:port, as api.pubsub.salesforce.com:7443", cfg.Endpoint)
	}
	tlsConfig := &tls.Config{MinVersion: tls.VersionTLS12}
	if len(cfg.CABundle) > 0 {
		tlsConfig.RootCAs = x509.NewCertPool()
		if !tlsConfig.RootCAs.AppendCertsFromPEM(cfg.CABundle) {
			return nil, errors.New("caBundle holds no PEM certificate: paste the CA as -----BEGIN CERTIFICATE-----")
		}
	}
	cfg.setDefaults()
	c := &Client{cfg: cfg, creds: credentials.NewTLS(tlsConfig)}
	c.links.dial = c.dial
	c.schemas = newSchemaCache(c.fetchSchema)
	return c, nil
}

func (cfg *Config) setDefaults() {
	fallback := func(value *time.Duration, otherwise time.Duration) {
		if *value <= 0 {
			*value = otherwise
		}
	}
	if cfg.Invalidate == nil {
		cfg.Invalidate = func(string) {}
	}
	fallback(&cfg.IdleTimeout, 300*time.Second)
	fallback(&cfg.SettleTime, 2*time.Second)
	fallback(&cfg.Backoff.Base, time.Second)
	fallback(&cfg.Backoff.Max, time.Minute)
	fallback(&cfg.BlockedRetry, time.Minute)
	fallback(&cfg.ThrottledRetry, 2*time.Minute)
	fallback(&cfg.LimitRetry, 30*time.Minute)
}

// Close ends the connections. Streams that still run end with it.
func (c *Client) Close() error { return c.links.close() }

func (c *Client) dial() (*grpc.ClientConn, error) {
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(c.creds),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage)),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: pingAfter, Timeout: 20 * time.Second}),
		// The pause between attempts is the supervisor's business; a second, longer one below it would only hide repairs.
		// It is kept short here, and not cut off by ResetConnectBackoff, which reads its map of connections unlocked.
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 200 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 2 * time.Second},
			MinConnectTimeout: 20 * time.Second,
		}),
		grpc.WithDisableServiceConfig(),
		grpc.WithDisableRetry(),
	}
	// passthrough leaves names to the dialer, which looks them up at each attempt; gRPC's own resolver would rest for up
	// to two minutes after a failed look-up.
	conn, err := grpc.NewClient("passthrough:///"+c.cfg.Endpoint, append(options, c.cfg.DialOptions...)...)
	if err != nil {
		return nil, fmt.Errorf("pubSubEndpoint %s: %w", c.cfg.Endpoint, err)
	}
	return conn, nil
}

// authenticate returns the context of one call together with the token it uses.
func (c *Client) authenticate(ctx context.Context) (context.Context, string, error) {
	session, err := c.cfg.Session(ctx)
	if err != nil {
		return nil, "", &Error{Verdict: loginFailed, Err: err}
	}
	return metadata.AppendToOutgoingContext(ctx,
		"accesstoken", session.AccessToken,
		"instanceurl", session.InstanceURL,
		"tenantid", session.TenantID,
	), session.AccessToken, nil
}

// call runs one unary call. A refused token is replaced once, since nothing but a login can have gone stale there.
func (c *Client) call(ctx context.Context, do func(context.Context, eventbusv1.PubSubClient, ...grpc.CallOption) error) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	link, err := c.links.acquire()
	if err != nil {
		return &Error{Verdict: unreachable, Err: err}
	}
	defer c.links.release(link)
	for attempt := 0; ; attempt++ {
		authenticated, token, err := c.authenticate(ctx)
		if err != nil {
			return err
		}
		var trailer metadata.MD
		err = do(authenticated, eventbusv1.NewPubSubClient(link.conn), grpc.Trailer(&trailer))
		if err == nil {
			return nil
		}
		refused := newError(err, trailer).hide(token)
		if refused.Reason == noAnswer.Reason {
			c.links.retire(link)
		}
		if refused.Action != Relogin {
			return refused
		}
		c.cfg.Invalidate(token)
		if attempt > 0 {
			return refused
		}
	}
}

// TopicInfo is what the bus says about a topic.
type TopicInfo struct {
	Name         string
	TenantGUID   string
	CanPublish   bool
	CanSubscribe bool
	// SchemaID is the current version; received events name their own.
	SchemaID string
}

// Topic asks for a topic. An error is an [*Error]; being forbidden to subscribe is one.
func (c *Client) Topic(ctx context.Context, name string) (TopicInfo, error) {
	var reply *eventbusv1.TopicInfo
	err := c.call(ctx, func(ctx context.Context, client eventbusv1.PubSubClient, options ...grpc.CallOption) (err error) {
		reply, err = client.GetTopic(ctx, &eventbusv1.TopicRequest{TopicName: name}, options...)
		return err
	})
	if err != nil {
		return TopicInfo{}, err
	}
	info := TopicInfo{
		Name: reply.GetTopicName(), TenantGUID: reply.GetTenantGuid(), SchemaID: reply.GetSchemaId(),
		CanPublish: reply.GetCanPublish(), CanSubscribe: reply.GetCanSubscribe(),
	}
	if !info.CanSubscribe {
		return info, &Error{Verdict: cannotSubscribe}
	}
	return info, nil
}
