package intake

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/internal/pubsub"
)

// Options are what a Supervisor works with. Client, Reader and Recorder are required; zero values of the others mean
// the defaults named.
type Options struct {
	// Client creates orders and writes status. Its reads of ProvisioningOrders should come from a cache; what the cache
	// does not hold is found out otherwise.
	Client client.Client
	// Reader reads without a cache.
	Reader client.Reader
	// Recorder records events on pipelines.
	Recorder events.EventRecorder
	// Clock is the time. Default: the real one.
	Clock clock.Clock
	// OpenBus connects to an event bus. Default: pubsub.New.
	OpenBus func(pubsub.Config) (Bus, error)
	// Registerer is where metrics are registered. Default: nowhere.
	Registerer prometheus.Registerer

	// Parallel is how many objects of one batch are written at a time. Default 16.
	Parallel int
	// CheckpointEvery is the shortest time between two writes of a pipeline's positions. Default 1 s.
	CheckpointEvery time.Duration
	// SweepPerSecond is how many orders a sweep creates in a second. Default 50.
	SweepPerSecond int
	// SweepGrace is how long a sweep leaves a changed order to its event. Default 10 s.
	SweepGrace time.Duration
	// SweepSoon is the shortest time between two sweeps that change events ask for. Default 30 s.
	SweepSoon time.Duration
	// ReplayQuiet is how long a stream must be silent to count as caught up. Default 5 s.
	ReplayQuiet time.Duration
	// ReplayMost is how long a sweep waits for streams to catch up. Default 30 s.
	ReplayMost time.Duration
	// Patience is how long a stream that mends itself may be away before conditions show it. Default 5 s.
	Patience time.Duration
	// UsageEvery is the time between two looks at the org's allowances. Default 10 min.
	UsageEvery time.Duration
}

func (o *Options) setDefaults() {
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	if o.OpenBus == nil {
		o.OpenBus = openBus
	}
	o.Parallel = cmp.Or(o.Parallel, 16)
	o.CheckpointEvery = cmp.Or(o.CheckpointEvery, time.Second)
	o.SweepPerSecond = cmp.Or(o.SweepPerSecond, 50)
	o.SweepGrace = cmp.Or(o.SweepGrace, 10*time.Second)
	o.SweepSoon = cmp.Or(o.SweepSoon, 30*time.Second)
	o.ReplayQuiet = cmp.Or(o.ReplayQuiet, 5*time.Second)
	o.ReplayMost = cmp.Or(o.ReplayMost, 30*time.Second)
	o.Patience = cmp.Or(o.Patience, 5*time.Second)
	o.UsageEvery = cmp.Or(o.UsageEvery, 10*time.Minute)
}

// Wanted is what the reconciler wants of one pipeline.
type Wanted struct {
	// Pipeline is the object; it must not be changed afterwards.
	Pipeline *v1alpha1.ProvisioningPipeline
	// Salesforce is the org. As long as it is the same, streams go on. Nil (the interface itself) while there are no
	// usable credentials.
	Salesforce Org
	// Gate says which orders to look for; nil while the mapping is not valid.
	Gate *Gate
}

// Supervisor runs the streams and sweeps of all pipelines. It is a manager.Runnable of the leader.
type Supervisor struct {
	options Options
	meters  *meters
	changes chan event.GenericEvent
	changed *pending

	mu sync.Mutex
	// launch starts a pipeline; nil until Start.
	launch    func(*pipeline)
	pipelines map[types.NamespacedName]*pipeline
	// ending are pipelines that were removed and have not ended yet.
	ending map[types.NamespacedName]*pipeline
}

// NewSupervisor returns a Supervisor that does nothing until it is started. It registers its metrics.
func NewSupervisor(o Options) (*Supervisor, error) {
	if o.Client == nil || o.Reader == nil || o.Recorder == nil {
		return nil, errors.New("intake: Client, Reader and Recorder must be set")
	}
	o.setDefaults()
	s := &Supervisor{
		options:   o,
		meters:    newMeters(),
		changes:   make(chan event.GenericEvent),
		changed:   newPending(),
		pipelines: map[types.NamespacedName]*pipeline{},
		ending:    map[types.NamespacedName]*pipeline{},
	}
	if o.Registerer != nil {
		if err := o.Registerer.Register(s); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// NeedLeaderElection makes the manager start the supervisor only while it is the leader: two subscribers would use up
// the org's deliveries twice.
func (s *Supervisor) NeedLeaderElection() bool { return true }

// Start runs what was and will be applied until ctx ends. It returns when all streams have ended and their positions
// are written.
func (s *Supervisor) Start(ctx context.Context) error {
	s.mu.Lock()
	if s.launch != nil {
		s.mu.Unlock()
		return errors.New("intake: the supervisor was started twice")
	}
	s.launch = func(p *pipeline) { s.begin(ctx, p) }
	for _, p := range s.pipelines {
		s.launch(p)
	}
	s.mu.Unlock()
	s.tell(ctx)
	for _, p := range s.launched() {
		<-p.done
	}
	return nil
}

// launched returns every pipeline that may still be running.
func (s *Supervisor) launched() []*pipeline {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.AppendSeq(slices.Collect(maps.Values(s.pipelines)), maps.Values(s.ending))
}

// tell sends what has changed to the reconciler until ctx ends.
func (s *Supervisor) tell(ctx context.Context) {
	for {
		key, ok := s.changed.next(ctx)
		if !ok {
			return
		}
		object := &v1alpha1.ProvisioningPipeline{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}}
		select {
		case s.changes <- event.GenericEvent{Object: object}:
		case <-ctx.Done():
			return
		}
	}
}

// Changes delivers a pipeline whenever its Snapshot has changed in a way that conditions show.
func (s *Supervisor) Changes() <-chan event.GenericEvent { return s.changes }

// Apply makes a pipeline run as wanted. It is cheap, may be called at any time and as often as one likes, and restarts
// only what has changed.
func (s *Supervisor) Apply(w Wanted) {
	w.Pipeline = w.Pipeline.DeepCopy()
	key := client.ObjectKeyFromObject(w.Pipeline)
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.pipelines[key]
	if p != nil && p.uid != w.Pipeline.UID {
		// Deleted and created again in between: nothing of the old one counts.
		s.remove(key)
		p = nil
	}
	if p != nil {
		p.want(w)
		return
	}
	p = s.newPipeline(key, w)
	s.pipelines[key] = p
	if s.launch != nil {
		s.launch(p)
	}
}

// Remove ends the streams of a pipeline that is gone. Its orders stay.
func (s *Supervisor) Remove(key types.NamespacedName) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remove(key)
}

func (s *Supervisor) remove(key types.NamespacedName) {
	p := s.pipelines[key]
	delete(s.pipelines, key)
	s.meters.forget(key)
	if p == nil || p.cancel == nil {
		return
	}
	p.cancel()
	s.ending[key] = p
	go func() {
		<-p.done
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.ending[key] == p {
			delete(s.ending, key)
		}
	}()
}

// Snapshot returns what is known of a pipeline; the zero value if it was never applied.
func (s *Supervisor) Snapshot(key types.NamespacedName) Snapshot {
	s.mu.Lock()
	p := s.pipelines[key]
	s.mu.Unlock()
	if p == nil {
		return Snapshot{}
	}
	return p.snapshot()
}

func (s *Supervisor) all() []*pipeline {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Values(s.pipelines))
}

func (s *Supervisor) newPipeline(key types.NamespacedName, w Wanted) *pipeline {
	o := &s.options
	p := &pipeline{
		Options:       o,
		key:           key,
		uid:           w.Pipeline.UID,
		log:           logr.Discard(),
		meters:        s.meters,
		store:         store{client: o.Client, reader: o.Reader, clock: o.Clock},
		poke:          make(chan struct{}, 1),
		notify:        func() { s.changed.add(key) },
		states:        map[string]TriggerState{},
		latest:        map[string]TriggerState{},
		hiccups:       map[string]int{},
		subscriptions: map[*stream]subscription{},
		running:       running{streams: map[string]*activity{}},
	}
	p.book = &book{
		key: key, client: o.Client, clock: o.Clock, every: o.CheckpointEvery,
		wrote:   func() { s.meters.writes.WithLabelValues(key.Namespace, key.Name).Inc() },
		changed: p.notify,
		dirty:   make(chan struct{}, 1),
	}
	p.sweeper = &sweeper{p: p, wake: make(chan struct{}, 1)}
	p.want(w)
	return p
}

// begin starts a pipeline, once the one of the same name that was removed before has ended. The caller holds the lock.
func (s *Supervisor) begin(ctx context.Context, p *pipeline) {
	ctx, p.cancel = context.WithCancel(ctx)
	p.done, p.log = make(chan struct{}), logf.FromContext(ctx).WithName("intake").WithValues("pipeline", p.key)
	before := s.ending[p.key]
	delete(s.ending, p.key)
	go func() {
		if before != nil {
			<-before.done
		}
		p.run(ctx)
	}()
}

// pending is a set of pipelines to tell of. Adding never blocks, and adding twice tells once.
type pending struct {
	mu   sync.Mutex
	keys []types.NamespacedName
	wake chan struct{}
}

func newPending() *pending { return &pending{wake: make(chan struct{}, 1)} }

func (q *pending) add(key types.NamespacedName) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !slices.Contains(q.keys, key) {
		q.keys = append(q.keys, key)
	}
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// next returns a pipeline to tell of; false if ctx has ended.
func (q *pending) next(ctx context.Context) (types.NamespacedName, bool) {
	for {
		q.mu.Lock()
		if len(q.keys) > 0 {
			key := q.keys[0]
			q.keys = q.keys[1:]
			q.mu.Unlock()
			return key, true
		}
		q.mu.Unlock()
		select {
		case <-q.wake:
		case <-ctx.Done():
			return types.NamespacedName{}, false
		}
	}
}
