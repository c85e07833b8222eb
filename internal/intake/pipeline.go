package intake

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/internal/pubsub"
)

// stopTime is how long the last positions may take to be written when everything else has stopped.
const stopTime = 10 * time.Second

// pipeline runs the streams and the sweeper of one ProvisioningPipeline. One goroutine, run, starts and stops them.
type pipeline struct {
	*Options
	key     types.NamespacedName
	uid     types.UID
	log     logr.Logger
	meters  *meters
	book    *book
	store   store
	sweeper *sweeper
	// gate is nil while the mapping is not valid, lastGate is the last one that there was.
	gate, lastGate atomic.Pointer[Gate]
	// poke tells run that wanted has changed.
	poke chan struct{}
	// cancel ends run, done is closed when it has ended; nil until it was started.
	cancel context.CancelFunc
	done   chan struct{}
	notify func()

	mu     sync.Mutex
	wanted Wanted
	loaded bool
	// states are what conditions show of the triggers, latest what is true; hiccups counts how often they parted.
	states, latest map[string]TriggerState
	hiccups        map[string]int
	subscriptions  map[*stream]subscription
	loginErr       error

	running running // belongs to run
}

// running is what run has started.
type running struct {
	bus     Bus
	busSpec busSpec
	streams map[string]*activity
	// others are the sweeper and the watch of the org's allowances.
	others []*activity
	org    Org
}

// busSpec is what a connection to the bus is made of. It is connected afresh if any of it changes.
type busSpec struct {
	org      Org
	endpoint string
	ca       string
	idle     time.Duration
}

// activity is a goroutine that can be stopped.
type activity struct {
	trigger v1alpha1.Trigger
	replay  *replay
	cancel  context.CancelFunc
	done    chan struct{}
}

func begin(ctx context.Context, run func(context.Context)) *activity {
	ctx, cancel := context.WithCancel(ctx)
	a := &activity{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(a.done)
		run(ctx)
	}()
	return a
}

// stop ends activities and returns when they have ended.
func stop(activities ...*activity) {
	for _, a := range activities {
		a.cancel()
	}
	for _, a := range activities {
		<-a.done
	}
}

// want takes over what the reconciler wants.
func (p *pipeline) want(w Wanted) {
	p.mu.Lock()
	before := p.wanted
	p.wanted = w
	p.mu.Unlock()
	old := p.gate.Swap(w.Gate)
	if w.Gate != nil {
		p.lastGate.Store(w.Gate)
	}
	if before.Pipeline != nil {
		if w.Gate != nil && (old == nil || *old != *w.Gate) {
			p.sweeper.request(sweepGate)
		}
		if asked := w.Pipeline.Annotations[v1alpha1.SweepRequestedAtAnnotation]; asked != "" && asked != before.Pipeline.Annotations[v1alpha1.SweepRequestedAtAnnotation] {
			p.sweeper.request(sweepDemand)
		}
		p.sweeper.nudge()
	}
	select {
	case p.poke <- struct{}{}:
	default:
	}
}

// orderObject is the object that holds the orders, also while the mapping is broken; empty if it has not been valid yet.
func (p *pipeline) orderObject() string {
	if gate := p.lastGate.Load(); gate != nil {
		return gate.Object
	}
	return ""
}

// run does what is wanted until ctx ends, and then writes the last positions.
func (p *pipeline) run(ctx context.Context) {
	defer close(p.done)
	ctx = logf.IntoContext(ctx, p.log)
	if !p.load(ctx) {
		return
	}
	keeper := begin(ctx, p.book.keep)
	for ctx.Err() == nil {
		p.converge(ctx)
		select {
		case <-p.poke:
		case <-ctx.Done():
		}
	}
	p.stopAll()
	stop(keeper)
	// A stop must not forget what is stored: the next leader would read it all again.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
	defer cancel()
	if err := p.book.flush(ctx); err != nil {
		p.log.Error(err, "Writing the last positions failed, the events since will be read again")
	}
}

// load reads the stored positions, however long that takes; false if ctx ended before.
func (p *pipeline) load(ctx context.Context) bool {
	for wait := newBackoff(); ; {
		err := p.book.load(ctx, p.Reader)
		if err == nil {
			p.mu.Lock()
			p.loaded = true
			p.mu.Unlock()
			p.notify()
			return true
		}
		if !apierrors.IsNotFound(err) && ctx.Err() == nil {
			p.log.Info("Reading the stored positions failed, trying again", "error", err.Error())
		}
		if wait.sleep(ctx, p.Clock) != nil {
			return false
		}
	}
}

// converge stops what is no longer wanted and starts what is missing. What has not changed goes on.
func (p *pipeline) converge(ctx context.Context) {
	w := p.current()
	spec := w.Pipeline.Spec.Salesforce
	triggers := spec.Triggers
	idle, why := "", ""
	switch {
	case w.Pipeline.Spec.Suspend:
		triggers, idle, why = nil, PhaseSuspended, "the pipeline is suspended; the position is kept"
	case w.Salesforce == nil:
		triggers, idle, why = nil, PhaseStopped, "there is no usable login to Salesforce"
	}
	wanted := busSpec{org: w.Salesforce, endpoint: spec.PubSubEndpoint, ca: spec.CABundle, idle: spec.IdleTimeout.Duration}
	if p.running.bus != nil && (p.running.busSpec != wanted || len(triggers) == 0) {
		p.stopStreams(func(v1alpha1.Trigger) bool { return true })
		_ = p.running.bus.Close()
		p.running.bus = nil
	}
	p.stopStreams(func(t v1alpha1.Trigger) bool { return !slices.Contains(triggers, t) })
	p.book.edit(func(r *record) bool { r.retire(spec.Triggers); return false })
	if len(triggers) == 0 {
		p.stopOthers()
		for _, t := range spec.Triggers {
			reason := v1alpha1.ConnectingReason
			if idle == PhaseSuspended {
				reason = v1alpha1.SuspendedReason
			}
			p.show(TriggerState{Topic: t.Topic, Phase: idle, Reason: reason, Message: why})
		}
		return
	}
	p.startStreams(ctx, w, wanted)
	p.startOthers(ctx, w)
}

func (p *pipeline) startStreams(ctx context.Context, w Wanted, spec busSpec) {
	triggers := w.Pipeline.Spec.Salesforce.Triggers
	if p.running.bus == nil {
		bus, err := p.OpenBus(pubsub.Config{
			Endpoint:    spec.endpoint,
			CABundle:    []byte(spec.ca),
			Session:     func(ctx context.Context) (pubsub.Session, error) { return p.session(ctx, spec.org) },
			Invalidate:  spec.org.Invalidate,
			IdleTimeout: spec.idle,
		})
		if err != nil {
			for _, t := range triggers {
				p.show(TriggerState{Topic: t.Topic, Phase: string(pubsub.Blocked), Reason: v1alpha1.UnreachableReason, Message: err.Error()})
			}
			return
		}
		p.running.bus, p.running.busSpec = bus, spec
	}
	for _, t := range triggers {
		if p.running.streams[t.Topic] != nil {
			continue
		}
		watch := &replay{clock: p.Clock, quiet: p.ReplayQuiet, most: p.ReplayMost}
		watch.begin()
		s := &stream{
			announcer: announcer{pipeline: p.key, trigger: t},
			p:         p, bus: p.running.bus, org: spec.org, replay: watch,
			initial: w.Pipeline.Spec.Salesforce.Replay.Initial,
		}
		a := begin(ctx, s.run)
		a.trigger, a.replay = t, watch
		p.mu.Lock()
		p.running.streams[t.Topic] = a
		p.mu.Unlock()
	}
}

// startOthers starts the sweeper and the watch of the allowances, afresh if the login has changed.
func (p *pipeline) startOthers(ctx context.Context, w Wanted) {
	if p.running.org == w.Salesforce {
		return
	}
	p.stopOthers()
	p.running.org = w.Salesforce
	p.running.others = []*activity{
		begin(ctx, func(ctx context.Context) { p.sweeper.run(ctx, w.Salesforce) }),
		begin(ctx, func(ctx context.Context) { p.watchUsage(ctx, w.Salesforce) }),
	}
}

func (p *pipeline) stopOthers() {
	stop(p.running.others...)
	p.running.others, p.running.org = nil, nil
}

func (p *pipeline) stopStreams(unwanted func(v1alpha1.Trigger) bool) {
	var ending []*activity
	p.mu.Lock()
	for topic, a := range p.running.streams {
		if unwanted(a.trigger) {
			ending = append(ending, a)
			delete(p.running.streams, topic)
			delete(p.states, topic)
			delete(p.latest, topic)
		}
	}
	p.mu.Unlock()
	stop(ending...)
}

func (p *pipeline) stopAll() {
	p.stopStreams(func(v1alpha1.Trigger) bool { return true })
	p.stopOthers()
	if p.running.bus != nil {
		_ = p.running.bus.Close()
		p.running.bus = nil
	}
}

// catchingUp is how long to wait before asking again whether all streams have caught up; zero if they have.
func (p *pipeline) catchingUp() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	var wait time.Duration
	for _, a := range p.running.streams {
		wait = max(wait, a.replay.remaining())
	}
	return wait
}

func (p *pipeline) current() Wanted {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.wanted
}

func (p *pipeline) spec() v1alpha1.SalesforceSpec {
	return p.current().Pipeline.Spec.Salesforce
}

func (p *pipeline) sweepToken() string {
	return p.current().Pipeline.Annotations[v1alpha1.SweepRequestedAtAnnotation]
}

// show makes the state of a trigger visible: in the status at once, in conditions unless it may be over in a moment.
func (p *pipeline) show(s TriggerState) {
	s.Message = cut(s.Message, longestProblem)
	p.mu.Lock()
	before, shown := p.latest[s.Topic], p.states[s.Topic]
	p.latest[s.Topic] = s
	// A stream ends now and then, and is open again in a second or two. Nobody needs to know.
	hiccup := shown.Reason == v1alpha1.ConnectedReason && s.Reason == v1alpha1.ConnectingReason
	if !hiccup {
		p.states[s.Topic] = s
	}
	if before.Reason == v1alpha1.ConnectedReason && hiccup {
		p.hiccups[s.Topic]++
		go p.showLater(s.Topic, p.hiccups[s.Topic])
	}
	p.mu.Unlock()
	if before == s {
		return
	}
	p.log.V(1).Info("Stream state changed", "topic", s.Topic, "phase", s.Phase, "reason", s.Reason, "message", s.Message)
	p.book.edit(func(r *record) bool {
		t := r.trigger(s.Topic)
		t.Phase, t.Message = s.Phase, s.Message
		return !hiccup && shown != s
	})
}

// showLater shows conditions that a stream is not connected, if it has not been since a hiccup began.
func (p *pipeline) showLater(topic string, hiccup int) {
	timer := p.Clock.NewTimer(p.Patience)
	defer timer.Stop()
	select {
	case <-timer.C():
	case <-p.done:
		return
	}
	p.mu.Lock()
	now, running := p.latest[topic]
	lasts := running && p.hiccups[topic] == hiccup && now.Reason == v1alpha1.ConnectingReason
	if lasts {
		p.states[topic] = now
	}
	p.mu.Unlock()
	if lasts {
		p.notify()
	}
}

func (p *pipeline) snapshot() Snapshot {
	r := p.book.read()
	p.mu.Lock()
	defer p.mu.Unlock()
	s := Snapshot{Loaded: p.loaded, OpenGaps: r.openGaps(), Sweep: r.Sweep, Usage: r.Usage}
	for _, t := range p.wanted.Pipeline.Spec.Salesforce.Triggers {
		state, ok := p.states[t.Topic]
		if !ok {
			state = TriggerState{Topic: t.Topic, Phase: string(pubsub.Connecting), Reason: v1alpha1.ConnectingReason, Message: "The stream is being started."}
		}
		s.Triggers = append(s.Triggers, state)
	}
	return s
}

func (p *pipeline) warn(reason, action, note string, args ...any) {
	p.Recorder.Eventf(p.current().Pipeline, nil, corev1.EventTypeWarning, reason, action, note, args...)
}

func (p *pipeline) normal(reason, action, note string, args ...any) {
	p.Recorder.Eventf(p.current().Pipeline, nil, corev1.EventTypeNormal, reason, action, note, args...)
}
