package pubsub

import (
	"context"
	"errors"
	"io"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	eventbusv1 "github.com/orderbridge/orderbridge/internal/pubsub/eventbus/v1"
)

type subscribeStream = grpc.BidiStreamingServer[eventbusv1.FetchRequest, eventbusv1.FetchResponse]

// errEnd ends a stream normally.
var errEnd = errors.New("end of stream")

// subscriber is one open subscription.
type subscriber struct {
	server *Server
	stream subscribeStream
	who    caller
	topic  *topic

	position  uint64
	credit    int32
	delivered int
	fault     *Fault // to happen once enough is delivered
	cut       chan Fault
	timer     *time.Timer
}

// Subscribe serves one subscription until it ends.
func (w service) Subscribe(stream subscribeStream) error {
	const rpc = "Subscribe"
	s, ctx := w.bus, stream.Context()
	s.count(func(c *Counters) { c.Subscribes++ })
	who, err := s.authenticate(ctx, rpc)
	if err != nil {
		return err
	}
	first, err := stream.Recv()
	if err != nil {
		return endOfRequests(err)
	}
	sub, err := s.open(ctx, stream, who, first)
	if err != nil {
		return err
	}
	defer s.forget(sub)
	err = sub.serve(ctx, first)
	if errors.Is(err, errEnd) {
		return nil
	}
	return err
}

// open checks the first request and finds the starting point.
func (s *Server) open(ctx context.Context, stream subscribeStream, who caller, first *eventbusv1.FetchRequest) (*subscriber, error) {
	const rpc = "Subscribe"
	found, err := s.topic(ctx, rpc, first.GetTopicName())
	if err != nil {
		return nil, err
	}
	sub := &subscriber{server: s, stream: stream, who: who, topic: found, cut: make(chan Fault, 1)}
	if first.GetReplayPreset() == eventbusv1.ReplayPreset_CUSTOM {
		if err := s.refuseReplay(ctx, found, first.GetReplayId()); err != nil {
			return nil, err
		}
		sub.position, _ = parseReplayID(first.GetReplayId())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !found.canSubscribe {
		return nil, fail(ctx, rpc, codes.PermissionDenied, "subscription.topic.cannot.subscribe", "The user has no permission to subscribe to this topic.")
	}
	if s.limit > 0 && s.deliveredIn24h() >= s.limit {
		return nil, limitExceeded(ctx, rpc)
	}
	if first.GetReplayPreset() == eventbusv1.ReplayPreset_LATEST {
		sub.position = s.tip(found)
	}
	sub.fault = s.take(func(f *Fault) bool {
		return f.RPC == rpc && f.Kind != FaultReplay && (f.Topic == "" || f.Topic == found.name)
	})
	s.streams[sub] = true
	return sub, nil
}

func (s *Server) refuseReplay(ctx context.Context, of *topic, id []byte) error {
	const rpc = "Subscribe"
	if len(id) == 0 {
		return fail(ctx, rpc, codes.InvalidArgument, "subscription.fetch.replayid.validation.failed", "The Replay ID is missing for the CUSTOM preset.")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	number, ok := parseReplayID(id)
	if ok && s.known(of, number) && s.takeFault(FaultReplay, rpc, of.name) == nil {
		return nil
	}
	s.counters.ReplayRejected++
	return replayCorrupted(ctx, rpc)
}

func (s *Server) forget(sub *subscriber) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.streams, sub)
}

// serve runs the subscription: requests add credit, events use it up, silence is broken by signs of life.
func (sub *subscriber) serve(ctx context.Context, first *eventbusv1.FetchRequest) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	requests, ended := sub.receive(ctx)
	sub.timer = time.NewTimer(time.Hour)
	defer sub.timer.Stop()
	if err := sub.grant(ctx, first); err != nil {
		return err
	}
	for {
		changed, err := sub.deliver(ctx)
		if err != nil {
			return err
		}
		select {
		case request := <-requests:
			err = sub.grant(ctx, request)
		case err = <-ended:
			if err == nil {
				err = errEnd // the client closed its side
			}
		case <-changed:
		case fault := <-sub.cut:
			sub.fault = &fault
			sub.fault.AfterEvents = 0
		case <-sub.timer.C:
			err = sub.idle(ctx)
		case <-ctx.Done():
			return ctx.Err()
		}
		if err != nil {
			return err
		}
	}
}

// receive passes requests on until the client ends, or breaks, its side.
func (sub *subscriber) receive(ctx context.Context) (<-chan *eventbusv1.FetchRequest, <-chan error) {
	requests, ended := make(chan *eventbusv1.FetchRequest), make(chan error, 1)
	go func() {
		for {
			request, err := sub.stream.Recv()
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

func endOfRequests(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// grant adds the credit of a request.
func (sub *subscriber) grant(ctx context.Context, request *eventbusv1.FetchRequest) error {
	const rpc = "Subscribe"
	s := sub.server
	if request.GetTopicName() != "" && request.GetTopicName() != sub.topic.name {
		return fail(ctx, rpc, codes.InvalidArgument, "subscription.fetch.topic.mismatch", "The topic of a later request differs from that of the first.")
	}
	if request.GetNumRequested() <= 0 {
		return fail(ctx, rpc, codes.InvalidArgument, "subscription.fetch.requested.events.invalid", "The number of requested events must be greater than zero.")
	}
	asked := int64(sub.credit) + int64(request.GetNumRequested())
	sub.credit = int32(min(asked, MaxCredit))
	s.count(func(c *Counters) {
		c.Fetches++
		c.MaxOutstanding = max(c.MaxOutstanding, int32(min(asked, 1<<30)))
	})
	sub.rearm()
	return nil
}

// rearm starts the clock that applies now: signs of life while there is credit, the end of patience while there is none.
func (sub *subscriber) rearm() {
	after := keepAliveAfter
	if sub.credit == 0 {
		after = zeroCreditAfter
	}
	sub.timer.Reset(sub.server.scaled(after))
}

// idle acts when the clock of rearm has run out.
func (sub *subscriber) idle(ctx context.Context) error {
	s := sub.server
	if sub.credit == 0 {
		s.mu.Lock()
		s.counters.ZeroCreditEnds++
		withError := s.options.ZeroCreditError
		s.mu.Unlock()
		if withError {
			return fail(ctx, "Subscribe", codes.Unavailable, "service.unavailable", "The stream was closed: no request for events arrived in time.")
		}
		return errEnd
	}
	if err := s.authorize(ctx, sub.who, "Subscribe"); err != nil {
		return err
	}
	s.mu.Lock()
	position := s.tip(sub.topic)
	s.counters.KeepAlives++
	s.mu.Unlock()
	return sub.send(&eventbusv1.FetchResponse{LatestReplayId: replayID(position)})
}

// deliver sends what there is credit for. It returns a channel that closes when there is more.
func (sub *subscriber) deliver(ctx context.Context) (<-chan struct{}, error) {
	for {
		if sub.fault != nil && sub.delivered >= sub.fault.AfterEvents {
			fault := *sub.fault
			sub.fault = nil
			if err := sub.happen(ctx, fault); err != nil {
				return nil, err
			}
		}
		batch, changed, err := sub.next(ctx)
		if err != nil || len(batch) == 0 {
			return changed, err
		}
		if err := sub.server.authorize(ctx, sub.who, "Subscribe"); err != nil {
			return nil, err
		}
		response := &eventbusv1.FetchResponse{}
		for _, entry := range batch {
			response.Events = append(response.Events, &eventbusv1.ConsumerEvent{Event: entry.event, ReplayId: replayID(entry.number)})
		}
		sub.position = batch[len(batch)-1].number
		sub.credit -= int32(len(batch))
		sub.delivered += len(batch)
		response.LatestReplayId = replayID(sub.position)
		if err := sub.send(response); err != nil {
			return nil, err
		}
	}
}

// happen lets a fault happen to the stream; only slowness lets it go on.
func (sub *subscriber) happen(ctx context.Context, fault Fault) error {
	err := sub.server.happen(ctx, "Subscribe", fault)
	if err == nil && fault.Kind != FaultSlow {
		return errEnd
	}
	return err
}

// next takes the events to send now.
func (sub *subscriber) next(ctx context.Context) ([]entry, <-chan struct{}, error) {
	s := sub.server
	s.mu.Lock()
	defer s.mu.Unlock()
	limit := int(sub.credit)
	if s.options.MaxBatch > 0 {
		limit = min(limit, s.options.MaxBatch)
	}
	if sub.fault != nil {
		limit = min(limit, sub.fault.AfterEvents-sub.delivered)
	}
	if limit <= 0 {
		return nil, sub.topic.changed, nil
	}
	s.expire(sub.topic)
	batch := s.after(sub.topic, sub.position, limit)
	if s.limit > 0 && len(batch) > 0 {
		left := s.limit - s.deliveredIn24h()
		if left <= 0 {
			return nil, nil, limitExceeded(ctx, "Subscribe")
		}
		batch = batch[:min(int64(len(batch)), left)]
	}
	s.delivers(int64(len(batch)))
	return batch, sub.topic.changed, nil
}

func (sub *subscriber) send(response *eventbusv1.FetchResponse) error {
	response.RpcId = uuid()
	response.PendingNumRequested = sub.credit
	sub.rearm()
	return sub.stream.Send(response)
}
