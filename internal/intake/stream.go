package intake

import (
	"context"
	"fmt"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/internal/pubsub"
)

// stream is one trigger of a pipeline: a subscription whose events become objects.
type stream struct {
	announcer
	p       *pipeline
	bus     Bus
	org     Org
	initial v1alpha1.InitialReplay
	replay  *replay

	mu sync.Mutex
	// told is the state that the bus told of last; troubled says that another is shown in its place.
	told     TriggerState
	troubled bool
}

// run keeps the stream going until ctx ends.
func (s *stream) run(ctx context.Context) {
	ctx = logf.IntoContext(ctx, logf.FromContext(ctx).WithValues("topic", s.trigger.Topic))
	s.state(pubsub.StreamState{Phase: pubsub.Connecting, Reason: pubsub.ReasonConnecting})
	// The bus supervises its stream by itself; what comes back is a login that fails, or that leads to another org.
	for wait := newBackoff(); ctx.Err() == nil; {
		err := s.subscribe(ctx)
		if err == nil || ctx.Err() != nil {
			continue
		}
		logf.FromContext(ctx).Info("Subscribing failed, trying again", "error", err.Error())
		s.p.show(failedState(s.trigger.Topic, err))
		if wait.sleep(ctx, s.p.Clock) != nil {
			return
		}
	}
}

// subscribe reads the topic from the stored position on, until ctx ends or the position no longer means anything.
func (s *stream) subscribe(ctx context.Context) error {
	session, err := s.org.Session(ctx)
	if err != nil {
		return err
	}
	position, err := s.position(ctx, session.OrgID)
	if err != nil {
		return err
	}
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	defer s.p.subscribed(s, session.OrgID, end)()
	if err := s.bus.Run(ctx, pubsub.Subscription{
		Topic:    s.trigger.Topic,
		Position: position,
		Handle:   s.handle,
		State:    s.state,
		OnGap:    s.gap,
	}); ctx.Err() == nil {
		return err
	}
	return context.Cause(ctx)
}

// position takes the stored position. If it belongs to another org, the gap is stored before anything is read.
func (s *stream) position(ctx context.Context, org string) (position pubsub.Position, err error) {
	gap := false
	s.p.book.edit(func(r *record) bool {
		position, gap = r.start(s.trigger.Topic, org, s.initial, s.p.Clock.Now())
		return gap
	})
	s.replay.begin()
	if !gap {
		return position, nil
	}
	s.reportGap()
	return position, s.p.book.flush(ctx)
}

// gap notes that the bus rejected the position, and stores that before the stream goes on from the earliest event.
func (s *stream) gap(ctx context.Context, cause string) error {
	opened := false
	s.p.book.edit(func(r *record) bool {
		opened = r.openGap(s.trigger.Topic, cause, s.p.Clock.Now())
		return opened
	})
	s.replay.begin()
	if opened {
		s.reportGap()
	}
	return s.p.book.flush(ctx)
}

func (s *stream) reportGap() {
	r := s.p.book.read()
	open := r.openGaps()
	if len(open) == 0 {
		return // a sweep has closed it already
	}
	gap := open[len(open)-1]
	from := "the beginning"
	if gap.From != nil {
		from = gap.From.UTC().Format(time.RFC3339)
	}
	s.p.meters.gaps.WithLabelValues(s.labels()...).Inc()
	s.p.warn(v1alpha1.GapOpenReason, "Subscribe", "events of %s since %s may have been lost: %s. Reading again from the earliest event that the bus holds; then a sweep looks for the rest", s.trigger.Topic, from, gap.Cause)
	s.p.sweeper.request(sweepGap)
}

// handle stores a batch. The position moves to the end of what is stored, and not beyond.
func (s *stream) handle(ctx context.Context, batch pubsub.Batch) error {
	arrived := s.p.Clock.Now()
	s.replay.handling(true)
	defer s.replay.handling(false)
	if len(batch.Events) == 0 {
		s.replay.drained()
		s.p.book.edit(func(r *record) bool {
			r.commit(s.trigger.Topic, batch.LatestReplayID, arrived)
			return false
		})
		return nil
	}
	items := s.announce(ctx, batch.Events)
	if ctx.Err() != nil {
		// What the org was not asked about must come again.
		return context.Cause(ctx)
	}
	t := s.store(ctx, items, arrived)
	s.count(t)
	if t.stored == len(batch.Events) {
		s.unstuck()
	}
	s.p.book.edit(func(r *record) bool {
		status := r.trigger(s.trigger.Topic)
		status.LastEventAt = new(metav1.NewMicroTime(arrived))
		status.Received += int64(t.stored)
		status.Rejected += int64(t.rejected)
		status.Duplicates += int64(t.duplicates)
		if t.stored > 0 {
			last := batch.Events[t.stored-1]
			r.commit(s.trigger.Topic, last.ReplayID, last.PublishedAt(arrived))
		}
		for _, a := range t.announced {
			r.announced(a.order, a.at)
		}
		return false
	})
	if t.stored < len(batch.Events) {
		return fmt.Errorf("%d of %d events of %s were stored: %w", t.stored, len(batch.Events), s.trigger.Topic, context.Cause(ctx))
	}
	return nil
}

func (s *stream) count(t tally) {
	labels := s.labels()
	s.p.meters.received.WithLabelValues(labels...).Add(float64(t.stored))
	s.p.meters.rejected.WithLabelValues(labels...).Add(float64(t.rejected))
	s.p.meters.duplicates.WithLabelValues(labels...).Add(float64(t.duplicates))
	s.p.meters.requested.WithLabelValues(labels...).Add(float64(t.requested))
}

func (s *stream) labels() []string {
	return []string{s.p.key.Namespace, s.p.key.Name, s.trigger.Topic}
}

// state shows what the stream does, in the status and to the reconciler.
func (s *stream) state(state pubsub.StreamState) {
	s.replay.streaming(state.Phase == pubsub.Streaming)
	if state.Detail != "" {
		// The far side's own words change with every call, so that only the log can have them.
		s.p.log.Info("Stream ended", "topic", s.trigger.Topic, "reason", state.Reason, "code", state.Code, "detail", state.Detail, "attempt", state.Attempt)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.told, s.troubled = streamState(s.trigger.Topic, state, s.p.loginFailure()), false
	s.p.show(s.told)
}

// stuck shows that events arrive and cannot be stored.
func (s *stream) stuck(err error) {
	s.holdUp("Events arrive, but the API server does not take their orders: " + err.Error())
}

// unasked shows that changes of stalled orders arrive, and that nobody says whether these are to be tried again.
func (s *stream) unasked(err error) {
	s.holdUp("Changes of stalled orders arrive, but the org cannot be asked whether these pass the gate: " + err.Error())
}

func (s *stream) holdUp(why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.troubled = true
	s.p.show(TriggerState{
		Topic: s.trigger.Topic, Phase: s.told.Phase, Reason: v1alpha1.StoringFailedReason,
		Message: why + ". The position stays where it is",
	})
}

// unstuck shows the state of the stream again.
func (s *stream) unstuck() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.troubled {
		s.troubled = false
		s.p.show(s.told)
	}
}
