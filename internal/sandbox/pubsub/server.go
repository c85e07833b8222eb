// Package pubsub stands in for Salesforce's Pub/Sub API: the real protocol with retention, credit, signs of life, replay
// errors and schema versions, and a switch for everything that can go wrong with it.
package pubsub

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"

	eventbusv1 "github.com/orderbridge/orderbridge/internal/pubsub/eventbus/v1"
)

const (
	// Retention is how long an event can be replayed.
	Retention = 72 * time.Hour
	// MaxCredit is the most that a subscriber may have outstanding; more is cut off without a word.
	MaxCredit = 100

	zeroCreditAfter = 60 * time.Second
	keepAliveAfter  = 265 * time.Second // the documentation promises 270
	publishHold     = 70 * time.Second
	maxBatchBytes   = 3 << 20
	maxEventBytes   = 1 << 20
)

// Options sets up a Server. The zero value is usable.
type Options struct {
	// Now is the clock of retention and of the delivery allowance. Default time.Now.
	Now func() time.Time
	// Scale makes time-outs shorter: 10 is ten times faster. Default 1.
	Scale float64
	// ValidToken tells whether an access token is good. Default: every token that is not empty.
	ValidToken func(token string) bool
	// OrgID is the org that tenantid must name, 15 or 18 characters. Default: any.
	OrgID string
	// CreatedByID is the user that events are published by. Default: a made-up one.
	CreatedByID string
	// ZeroCreditError ends a stream without credit by an error instead of a normal end of stream.
	ZeroCreditError bool
	// MaxBatch bounds the events of one response. Default: all there is credit for.
	MaxBatch int
}

// Server is one org's event bus.
type Server struct {
	options Options
	conns   conns

	mu       sync.Mutex
	topics   map[string]*topic
	schemas  map[string]*schema
	sequence uint64 // number of the newest replay id
	faults   []*Fault
	counters Counters
	streams  map[*subscriber]bool
	limit    int64 // deliveries allowed in 24 hours; 0 = no limit
	delivery []delivered
}

// New returns a bus with the two topics that Orderbridge reads by default.
func New(options Options) *Server {
	if options.Now == nil {
		options.Now = time.Now
	}
	if options.Scale <= 0 {
		options.Scale = 1
	}
	if options.ValidToken == nil {
		options.ValidToken = func(token string) bool { return token != "" }
	}
	if options.CreatedByID == "" {
		options.CreatedByID = "0055e000001mFqSAAU"
	}
	s := &Server{
		options: options, topics: map[string]*topic{}, schemas: map[string]*schema{},
		streams: map[*subscriber]bool{}, sequence: 5_935_344,
	}
	for name, text := range defaultTopics {
		if err := s.DefineTopic(name, text); err != nil {
			panic(err) // only a typing error in this package's own constants
		}
	}
	return s
}

// Register adds the service to a gRPC server.
func (s *Server) Register(server *grpc.Server) {
	eventbusv1.RegisterPubSubServer(server, service{bus: s})
}

// service is the wire side of a Server.
type service struct {
	eventbusv1.UnimplementedPubSubServer
	bus *Server
}

// scaled is a real-time duration for one that the far side documents.
func (s *Server) scaled(d time.Duration) time.Duration {
	return max(time.Millisecond, time.Duration(float64(d)/s.options.Scale))
}

// caller is who makes a call.
type caller struct{ token string }

// authenticate checks the three metadata keys as the real service does.
func (s *Server) authenticate(ctx context.Context, rpc string) (caller, error) {
	headers, _ := metadata.FromIncomingContext(ctx)
	value := func(key string) string {
		if values := headers.Get(key); len(values) > 0 {
			return values[0]
		}
		return ""
	}
	token, instance, tenant := value("accesstoken"), value("instanceurl"), value("tenantid")
	var problem string
	switch {
	case token == "" || instance == "" || tenant == "":
		problem = "One of the headers accesstoken, instanceurl and tenantid is missing."
	case !validInstance(instance):
		problem = "The instanceurl header is not an https URL without a path."
	case !s.validTenant(tenant):
		problem = "The tenantid header does not name this org."
	}
	if problem != "" {
		s.count(func(c *Counters) { c.AuthErrors++ })
		return caller{}, fail(ctx, rpc, codes.Unauthenticated, "service.auth.headers.invalid", problem)
	}
	who := caller{token: token}
	return who, s.authorize(ctx, who, rpc)
}

func (s *Server) authorize(ctx context.Context, who caller, rpc string) error {
	if s.options.ValidToken(who.token) {
		return nil
	}
	s.count(func(c *Counters) { c.AuthErrors++ })
	return fail(ctx, rpc, codes.Unauthenticated, "service.auth.error", "An authentication exception occurred. The session is expired or not valid.")
}

func validInstance(text string) bool {
	parsed, err := url.Parse(text)
	return err == nil && parsed.Scheme == "https" && parsed.Host != "" && (parsed.Path == "" || parsed.Path == "/")
}

// validTenant takes 15 characters, 18 characters and core/<subdomain>/<either>.
func (s *Server) validTenant(text string) bool {
	if rest, found := strings.CutPrefix(text, "core/"); found {
		_, text, _ = strings.Cut(rest, "/")
	}
	if (len(text) != 15 && len(text) != 18) || !strings.HasPrefix(text, "00D") {
		return false
	}
	return len(s.options.OrgID) < 15 || text[:15] == s.options.OrgID[:15]
}

// GetTopic describes a topic.
func (w service) GetTopic(ctx context.Context, request *eventbusv1.TopicRequest) (*eventbusv1.TopicInfo, error) {
	const rpc = "GetTopic"
	s := w.bus
	s.count(func(c *Counters) { c.Topics++ })
	if _, err := s.authenticate(ctx, rpc); err != nil {
		return nil, err
	}
	if err := s.faultOnCall(ctx, rpc, request.GetTopicName()); err != nil {
		return nil, err
	}
	found, err := s.topic(ctx, rpc, request.GetTopicName())
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return &eventbusv1.TopicInfo{
		TopicName: found.name, TenantGuid: "EMR:" + s.options.OrgID, SchemaId: found.current.id,
		CanPublish: found.canPublish, CanSubscribe: found.canSubscribe, RpcId: uuid(),
	}, nil
}

// GetSchema returns a version of a schema.
func (w service) GetSchema(ctx context.Context, request *eventbusv1.SchemaRequest) (*eventbusv1.SchemaInfo, error) {
	const rpc = "GetSchema"
	s := w.bus
	s.count(func(c *Counters) { c.Schemas++ })
	if _, err := s.authenticate(ctx, rpc); err != nil {
		return nil, err
	}
	if err := s.faultOnCall(ctx, rpc, ""); err != nil {
		return nil, err
	}
	s.mu.Lock()
	found := s.schemas[request.GetSchemaId()]
	s.mu.Unlock()
	if found == nil {
		return nil, fail(ctx, rpc, codes.InvalidArgument, "schema.validation.failed", "The schema ID is not valid.")
	}
	return &eventbusv1.SchemaInfo{SchemaId: found.id, SchemaJson: found.text, RpcId: uuid()}, nil
}

// topic finds a topic or fails as the real service does.
func (s *Server) topic(ctx context.Context, rpc, name string) (*topic, error) {
	if name == "" {
		return nil, fail(ctx, rpc, codes.InvalidArgument, "topic.validation.empty", "The topic name is empty.")
	}
	s.mu.Lock()
	found := s.topics[name]
	s.mu.Unlock()
	if found == nil {
		return nil, fail(ctx, rpc, codes.NotFound, "topic.not.found", "The topic "+name+" cannot be found.")
	}
	return found, nil
}

// uuid returns a random UUID of version 4.
func uuid() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// schemaID is a hash of the text, 22 characters long like the real ones.
func schemaID(sum []byte) string { return base64.RawURLEncoding.EncodeToString(sum[:16]) }
