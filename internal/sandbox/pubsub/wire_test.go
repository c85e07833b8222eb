package pubsub_test

import (
	"context"
	"errors"
	"io"
	"net"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/linkedin/goavro/v2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	eventbusv1 "github.com/orderbridge/orderbridge/internal/pubsub/eventbus/v1"
	"github.com/orderbridge/orderbridge/internal/sandbox/pubsub"
)

const (
	topic = pubsub.ProvisionTopic
	orgID = "00D5e000000arpqEAA"
	token = "00D5e000000arpq!token"
)

// wire is a bus and a bare client of it. It lives in a bubble with a fake clock.
type wire struct {
	t      *testing.T
	bus    *pubsub.Server
	client eventbusv1.PubSubClient
}

func newWire(t *testing.T, options pubsub.Options) *wire {
	t.Helper()
	listener := bufconn.Listen(1 << 20)
	options.OrgID = orgID
	if options.ValidToken == nil {
		options.ValidToken = func(given string) bool { return given == token }
	}
	bus := pubsub.New(options)
	server := grpc.NewServer()
	bus.Register(server)
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(bus.WrapListener(listener)) // ends with the server
	}()
	conn, err := grpc.NewClient("passthrough:///bus", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = conn.Close() // nothing depends on it
		server.Stop()
		<-served
	})
	return &wire{t: t, bus: bus, client: eventbusv1.NewPubSubClient(conn)}
}

// inBubble runs a test with a fake clock.
func inBubble(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, test)
}

// pass lets fake time pass.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func headers(ctx context.Context, pairs ...string) context.Context {
	all := metadata.Pairs("accesstoken", token, "instanceurl", "https://example.my.salesforce.com", "tenantid", orgID)
	for i := 0; i < len(pairs); i += 2 {
		all.Set(pairs[i], pairs[i+1])
	}
	return metadata.NewOutgoingContext(ctx, all)
}

// subscription is one stream with everything it received.
type subscription struct {
	t      *testing.T
	stream grpc.BidiStreamingClient[eventbusv1.FetchRequest, eventbusv1.FetchResponse]
	cancel context.CancelFunc
}

func (w *wire) subscribe(first *eventbusv1.FetchRequest) *subscription {
	w.t.Helper()
	ctx, cancel := context.WithCancel(headers(w.t.Context()))
	w.t.Cleanup(cancel)
	stream, err := w.client.Subscribe(ctx)
	if err != nil {
		w.t.Fatal(err)
	}
	if first.GetTopicName() == "" {
		first.TopicName = topic
	}
	s := &subscription{t: w.t, stream: stream, cancel: cancel}
	s.send(first)
	return s
}

func (s *subscription) send(request *eventbusv1.FetchRequest) {
	s.t.Helper()
	if err := s.stream.Send(request); err != nil {
		s.t.Fatal(err)
	}
}

func (s *subscription) receive() *eventbusv1.FetchResponse {
	s.t.Helper()
	response, err := s.stream.Recv()
	if err != nil {
		s.t.Fatalf("the stream ended: %v", err)
	}
	if response.GetRpcId() == "" {
		s.t.Error("a response has no rpc_id")
	}
	return response
}

// ends waits for the end of the stream and returns gRPC status and error code.
func (s *subscription) ends() (codes.Code, string) {
	s.t.Helper()
	_, err := s.stream.Recv()
	if errors.Is(err, io.EOF) {
		return codes.OK, ""
	}
	if err == nil {
		s.t.Fatal("the stream goes on")
	}
	return outcome(s.t, err, s.stream.Trailer())
}

var rpcIDAtEnd = regexp.MustCompile(` rpcId: ([0-9a-f-]{36})$`)

// outcome checks that an error has the form of the real service's.
func outcome(t *testing.T, err error, trailer metadata.MD) (codes.Code, string) {
	t.Helper()
	code := strings.Join(trailer.Get("error-code"), ",")
	if code == "" {
		return status.Code(err), ""
	}
	suffix, found := strings.CutPrefix(code, "sfdc.platform.eventbus.grpc.")
	match := rpcIDAtEnd.FindStringSubmatch(status.Convert(err).Message())
	if !found || match == nil || strings.Join(trailer.Get("rpc-id"), "") != match[1] {
		t.Errorf("error %v with trailer %v has not the form of the service", err, trailer)
	}
	return status.Code(err), suffix
}

func (w *wire) publish(count int) []string {
	w.t.Helper()
	var ids []string
	for range count {
		id, err := w.bus.Publish(topic, map[string]any{"OrderId__c": "8014x000000ABCDIAZ"})
		if err != nil {
			w.t.Fatal(err)
		}
		ids = append(ids, id)
	}
	return ids
}

func ids(response *eventbusv1.FetchResponse) []string {
	var result []string
	for _, event := range response.GetEvents() {
		result = append(result, event.GetEvent().GetId())
	}
	return result
}

// decode reads a payload with an independent reading of the schema that the bus hands out.
func (w *wire) decode(event *eventbusv1.ConsumerEvent) map[string]any {
	w.t.Helper()
	info, err := w.client.GetSchema(headers(w.t.Context()), &eventbusv1.SchemaRequest{SchemaId: event.GetEvent().GetSchemaId()})
	if err != nil {
		w.t.Fatal(err)
	}
	codec, err := goavro.NewCodec(info.GetSchemaJson())
	if err != nil {
		w.t.Fatal(err)
	}
	native, rest, err := codec.NativeFromBinary(event.GetEvent().GetPayload())
	if err != nil || len(rest) > 0 {
		w.t.Fatalf("%d bytes left over, %v", len(rest), err)
	}
	fields, ok := unwrapped(native).(map[string]any)
	if !ok {
		w.t.Fatalf("decoded %T", native)
	}
	return fields
}

// unwrapped takes the values of unions out of the map with the branch's name that the library puts around them.
func unwrapped(value any) any {
	switch value := value.(type) {
	case map[string]any:
		result := map[string]any{}
		for key, item := range value {
			if len(value) == 1 && (strings.Contains(key, ".") || key == "string" || key == "double" || key == "long" || key == "boolean") {
				return unwrapped(item)
			}
			result[key] = unwrapped(item)
		}
		return result
	case []any:
		result := make([]any, 0, len(value))
		for _, item := range value {
			result = append(result, unwrapped(item))
		}
		return result
	default:
		return value
	}
}
