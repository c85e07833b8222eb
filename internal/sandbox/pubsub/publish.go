package pubsub

import (
	"context"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	eventbusv1 "github.com/orderbridge/orderbridge/internal/pubsub/eventbus/v1"
)

// Payloads are not checked against the schema, as the real service does not.

// RPCs of publishing share their checks; the names only go into errors.
const (
	rpcPublish       = "Publish"
	rpcPublishStream = "PublishStream"
)

func (s *Server) publish(ctx context.Context, rpc, topicName string, request *eventbusv1.PublishRequest) (*eventbusv1.PublishResponse, error) {
	s.count(func(c *Counters) { c.PublishCalls++ })
	if err := s.faultOnPublish(ctx, rpc, topicName); err != nil {
		return nil, err
	}
	if topicName == "" {
		return nil, fail(ctx, rpc, codes.InvalidArgument, "publish.topic.validation.empty", "The topic name is empty.")
	}
	found, err := s.topic(ctx, rpc, topicName)
	if err != nil {
		return nil, err
	}
	if len(request.GetEvents()) == 0 {
		return nil, fail(ctx, rpc, codes.InvalidArgument, "publish.event.count.invalid", "The request holds no event.")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !found.canPublish {
		return nil, fail(ctx, rpc, codes.PermissionDenied, "topic.meta.permission", "The user has no permission to publish on this topic.")
	}
	response := &eventbusv1.PublishResponse{SchemaId: found.current.id, RpcId: uuid()}
	for _, event := range request.GetEvents() {
		response.Results = append(response.Results, s.publishOne(found, event))
	}
	return response, nil
}

// publishOne stores one event. The caller holds the lock.
func (s *Server) publishOne(to *topic, event *eventbusv1.ProducerEvent) *eventbusv1.PublishResult {
	id := orElse(event.GetId(), uuid())
	refuse := func(text string) *eventbusv1.PublishResult {
		return &eventbusv1.PublishResult{CorrelationKey: id, Error: &eventbusv1.Error{Code: eventbusv1.ErrorCode_PUBLISH, Msg: text}}
	}
	switch {
	case len(event.GetPayload()) > maxEventBytes:
		return refuse("The event is larger than 1 MB.")
	case s.schemas[event.GetSchemaId()] == nil:
		return refuse("The schema ID is not valid.")
	}
	stored := &eventbusv1.ProducerEvent{Id: id, SchemaId: event.GetSchemaId(), Payload: event.GetPayload(), Headers: event.GetHeaders()}
	return &eventbusv1.PublishResult{CorrelationKey: id, ReplayId: replayID(s.store(to, stored))}
}

// faultOnPublish lets the faults happen that are about the call; those about the event happen when it is stored.
func (s *Server) faultOnPublish(ctx context.Context, rpc, topicName string) error {
	s.mu.Lock()
	fault := s.take(func(f *Fault) bool {
		return f.RPC == rpcPublish && f.Kind != FaultDuplicate && f.Kind != FaultGarbled && (f.Topic == "" || f.Topic == topicName)
	})
	s.mu.Unlock()
	if fault == nil {
		return nil
	}
	return s.happen(ctx, rpc, *fault)
}

// Publish stores the events of one request.
func (w service) Publish(ctx context.Context, request *eventbusv1.PublishRequest) (*eventbusv1.PublishResponse, error) {
	if _, err := w.bus.authenticate(ctx, rpcPublish); err != nil {
		return nil, err
	}
	return w.bus.publish(ctx, rpcPublish, request.GetTopicName(), request)
}

// PublishStream answers each request of a stream in turn.
func (w service) PublishStream(stream grpc.BidiStreamingServer[eventbusv1.PublishRequest, eventbusv1.PublishResponse]) error {
	s, ctx := w.bus, stream.Context()
	if _, err := s.authenticate(ctx, rpcPublishStream); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	requests, ended := receivePublish(ctx, stream)
	topicName := ""
	for {
		select {
		case request := <-requests:
			if name := request.GetTopicName(); name != "" && topicName != "" && name != topicName {
				return fail(ctx, rpcPublishStream, codes.InvalidArgument, "publish.topic.mismatch", "The topic of a later request differs from that of the first.")
			}
			topicName = orElse(topicName, request.GetTopicName())
			response, err := s.publish(ctx, rpcPublishStream, topicName, request)
			if err != nil {
				return err
			}
			if err := stream.Send(response); err != nil {
				return err
			}
		case err := <-ended:
			return err
		case <-time.After(s.scaled(publishHold)):
			return fail(ctx, rpcPublishStream, codes.Unavailable, "publish.stream.sweeper.timeout", "Nothing was published on the stream in time.")
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func receivePublish(ctx context.Context, stream grpc.BidiStreamingServer[eventbusv1.PublishRequest, eventbusv1.PublishResponse]) (<-chan *eventbusv1.PublishRequest, <-chan error) {
	requests, ended := make(chan *eventbusv1.PublishRequest), make(chan error, 1)
	go func() {
		for {
			request, err := stream.Recv()
			if err != nil {
				ended <- endOfRequests(err)
				return
			}
			select {
			case requests <- request:
			case <-ctx.Done():
				return
			}
		}
	}()
	return requests, ended
}
