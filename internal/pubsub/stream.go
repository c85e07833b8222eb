package pubsub

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"golang.org/x/sync/semaphore"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	eventbusv1 "github.com/orderbridge/orderbridge/internal/pubsub/eventbus/v1"
)

// maxCredit is the most that may be outstanding on one stream. The bus cuts off what is above it without a word.
const maxCredit = 100

// stream opens one stream and reads it to its end, which is always an error; nothing it started outlives it.
func (r *runner) stream(ctx context.Context) error {
	c := r.client
	r.settled = false
	if err := r.reportGap(ctx); err != nil {
		return err
	}
	if !r.checked {
		if _, err := c.Topic(ctx, r.sub.Topic); err != nil {
			return err
		}
		r.checked = true
	}
	link, err := c.links.acquire()
	if err != nil {
		return &Error{Verdict: unreachable, Err: err}
	}
	defer c.links.release(link)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	authenticated, token, err := c.authenticate(ctx)
	if err != nil {
		return err
	}
	stream, err := eventbusv1.NewPubSubClient(link.conn).Subscribe(authenticated)
	if err != nil {
		return newError(err, nil).hide(token)
	}
	end := r.read(ctx, open(ctx, stream))
	classified, ok := errors.AsType[*Error](end)
	if !ok {
		return end
	}
	switch {
	case classified.Action == Relogin:
		c.cfg.Invalidate(token)
	case classified.Reason == streamSilent.Reason:
		c.links.retire(link)
	}
	return classified.hide(token)
}

// openStream is a stream whose messages come through a channel, so that waiting for one can be given up.
type openStream struct {
	grpc.BidiStreamingClient[eventbusv1.FetchRequest, eventbusv1.FetchResponse]
	messages chan *eventbusv1.FetchResponse
	// room bounds the bytes of the messages that wait or are handled, by what one message may have.
	room *semaphore.Weighted
	// end is closed after err is set; no message follows those that wait.
	end chan struct{}
	err error
}

// waiting returns the next message and those behind it that have arrived as well.
func (s *openStream) waiting(next *eventbusv1.FetchResponse) []*eventbusv1.FetchResponse {
	messages := []*eventbusv1.FetchResponse{next}
	for {
		select {
		case next := <-s.messages:
			messages = append(messages, next)
		default:
			return messages
		}
	}
}

// sizeOf is the room that a message takes. None is larger than what is accepted.
func sizeOf(message *eventbusv1.FetchResponse) int64 {
	return min(int64(proto.Size(message)), maxMessage)
}

// merged puts the events of messages that follow each other into one message: what the bus has sent one by one while
// others were stored is stored together.
func merged(messages []*eventbusv1.FetchResponse) []*eventbusv1.FetchResponse {
	var result []*eventbusv1.FetchResponse
	for _, m := range messages {
		last := len(result) - 1
		if last < 0 || len(m.GetEvents()) == 0 || len(result[last].GetEvents()) == 0 {
			result = append(result, m)
			continue
		}
		result[last] = &eventbusv1.FetchResponse{Events: slices.Concat(result[last].GetEvents(), m.GetEvents()), LatestReplayId: m.GetLatestReplayId()}
	}
	return result
}

// open starts reading. The reader ends with ctx at the latest.
func open(ctx context.Context, stream grpc.BidiStreamingClient[eventbusv1.FetchRequest, eventbusv1.FetchResponse]) *openStream {
	s := &openStream{
		// Each message that waits here has events, which credit bounds, or is a sign of life, which comes every few minutes.
		BidiStreamingClient: stream, messages: make(chan *eventbusv1.FetchResponse, maxCredit), end: make(chan struct{}),
		room: semaphore.NewWeighted(maxMessage),
	}
	go func() {
		defer close(s.end)
		for {
			message, err := stream.Recv()
			if err != nil {
				s.err = newError(err, stream.Trailer())
				return
			}
			if err := s.room.Acquire(ctx, sizeOf(message)); err != nil {
				s.err = err
				return
			}
			select {
			case s.messages <- message:
			case <-ctx.Done():
				s.err = ctx.Err()
				return
			}
		}
	}()
	return s
}

// read asks for events, hands them over and asks for more, until the stream ends.
func (r *runner) read(ctx context.Context, stream *openStream) error {
	credit := credit{}
	first := &eventbusv1.FetchRequest{TopicName: r.sub.Topic, NumRequested: r.window}
	switch r.position.Preset {
	case Earliest:
		first.ReplayPreset = eventbusv1.ReplayPreset_EARLIEST
	case Latest:
		first.ReplayPreset = eventbusv1.ReplayPreset_LATEST
	case Custom:
		first.ReplayPreset, first.ReplayId = eventbusv1.ReplayPreset_CUSTOM, r.position.ReplayID
	}
	if err := r.request(stream, &credit, first); err != nil {
		return err
	}
	silence := time.NewTimer(r.client.cfg.IdleTimeout)
	defer silence.Stop()
	settle := time.NewTimer(r.client.cfg.SettleTime)
	defer settle.Stop()
	for {
		select {
		case message := <-stream.messages:
			settle.Stop()
			r.received()
			if err := r.take(ctx, stream, &credit, stream.waiting(message)); err != nil {
				return err
			}
			// Handling counts as life: the bus may have spoken meanwhile.
			silence.Reset(r.client.cfg.IdleTimeout)
		case <-stream.end:
			if len(stream.messages) > 0 {
				continue
			}
			return stream.err
		case <-silence.C:
			return &Error{Verdict: streamSilent}
		case <-settle.C:
			r.accepted()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// take counts what has arrived and handles it.
func (r *runner) take(ctx context.Context, stream *openStream, credit *credit, messages []*eventbusv1.FetchResponse) error {
	var size int64
	for _, message := range messages {
		size += sizeOf(message)
		credit.received(len(message.GetEvents()), message.GetPendingNumRequested())
	}
	defer stream.room.Release(size)
	for _, message := range merged(messages) {
		if err := r.handle(ctx, stream, credit, message); err != nil {
			return err
		}
	}
	return nil
}

// handle stores a message, moves the position and asks for more.
func (r *runner) handle(ctx context.Context, stream *openStream, credit *credit, message *eventbusv1.FetchResponse) error {
	arrived := time.Now()
	batch, err := r.store(ctx, message)
	if err != nil {
		// One event at a time until storing works again: what is fetched again counts against the org's allowance.
		r.window = 1
		r.unstored++
		return err
	}
	r.unstored = 0
	if id := batch.ReplayID(); len(id) > 0 {
		r.position = Position{Preset: Custom, ReplayID: id}
		until := arrived
		if !batch.Empty() {
			until = batch.Events[len(batch.Events)-1].PublishedAt(arrived)
		}
		if until.After(r.aliveAt) {
			r.aliveAt = until
		}
	}
	if !batch.Empty() {
		r.window = min(maxCredit, r.window*2)
	}
	if more := credit.refill(r.window); more > 0 {
		return r.request(stream, credit, &eventbusv1.FetchRequest{TopicName: r.sub.Topic, NumRequested: more})
	}
	return nil
}

func (r *runner) store(ctx context.Context, message *eventbusv1.FetchResponse) (Batch, error) {
	batch, err := r.client.batch(ctx, message)
	if err != nil {
		return Batch{}, err
	}
	if err := r.sub.Handle(ctx, batch); err != nil {
		return Batch{}, &Error{Verdict: handleFailed, Err: fmt.Errorf("storing events of %s: %w", r.sub.Topic, err), Detail: cut(err.Error())}
	}
	return batch, nil
}

func (r *runner) request(stream *openStream, credit *credit, request *eventbusv1.FetchRequest) error {
	// io.EOF says that the stream has ended. Why, and what still came before, only the receiving side knows.
	if err := stream.Send(request); err != nil && !errors.Is(err, io.EOF) {
		return newError(err, nil)
	}
	credit.requested(request.GetNumRequested())
	return nil
}

// credit knows how many events the bus may still send.
type credit struct {
	pending  int32 // as the bus last said
	inFlight int32 // asked for, and not yet counted in pending
}

func (c *credit) requested(count int32) { c.inFlight += count }

// received takes over the bus' own count. It exceeds what is left of the last count exactly by the requests that have
// reached the bus in between.
func (c *credit) received(events int, pending int32) {
	pending = min(max(0, pending), maxCredit)
	if reached := int(pending-c.pending) + events; reached > 0 {
		c.inFlight = max(0, c.inFlight-int32(min(reached, maxCredit)))
	}
	c.pending = pending
}

// refill is how much to ask for. It waits until half is used up, because the bus also limits the number of requests.
func (c *credit) refill(window int32) int32 {
	outstanding := c.pending + c.inFlight
	if outstanding > window/2 {
		return 0
	}
	return window - outstanding
}
