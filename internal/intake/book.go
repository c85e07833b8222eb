package intake

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
)

// mostGaps and mostGapOrders are the bounds of status.gaps; mostStopped is how many positions of topics that are no
// longer triggers are kept.
const (
	mostGaps      = 20
	mostGapOrders = 100
	mostStopped   = 8
)

// record is the part of a pipeline's status that intake owns.
type record struct {
	Triggers []v1alpha1.TriggerStatus
	Gaps     []v1alpha1.Gap
	Sweep    *v1alpha1.SweepStatus
	Usage    *v1alpha1.Usage
}

// book keeps one pipeline's record in memory and writes it to the pipeline's status, at most once in a while. What is
// in memory was read from the stored object at start; nobody else writes these fields, so they are patched without
// looking at what is stored.
type book struct {
	key    types.NamespacedName
	client client.Client
	clock  clock.Clock
	every  time.Duration
	// wrote is told of each write of the status.
	wrote func()
	// changed is told of each change that conditions show.
	changed func()

	mu     sync.Mutex
	now    record
	dirty  chan struct{}
	writer sync.Mutex // held while writing
	// stored is what was written last, uid that of the pipeline it was written to; held by writer.
	stored record
	uid    types.UID
}

// load reads the record from the stored object. It must come first.
func (b *book) load(ctx context.Context, reader client.Reader) error {
	pipeline := &v1alpha1.ProvisioningPipeline{}
	if err := reader.Get(ctx, b.key, pipeline); err != nil {
		return fmt.Errorf("reading the positions of pipeline %s: %w", b.key, err)
	}
	stored := record{
		Triggers: pipeline.Status.Triggers,
		Gaps:     pipeline.Status.Gaps,
		Sweep:    pipeline.Status.Sweep,
		Usage:    pipeline.Status.Usage,
	}
	b.writer.Lock()
	defer b.writer.Unlock()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stored, b.now, b.uid = stored, stored.copy(), pipeline.UID
	return nil
}

// read returns a copy of the record.
func (b *book) read() record {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.now.copy()
}

// edit changes the record; it will be written soon. shown says whether conditions show the change.
func (b *book) edit(change func(*record) (shown bool)) {
	b.mu.Lock()
	shown := change(&b.now)
	b.mu.Unlock()
	select {
	case b.dirty <- struct{}{}:
	default:
	}
	if shown {
		b.changed()
	}
}

// keep writes the record whenever it has changed, at most once in every, until ctx ends. The last write is the
// caller's, see flush.
func (b *book) keep(ctx context.Context) {
	wait := newBackoff()
	for {
		select {
		case <-ctx.Done():
			return
		case <-b.dirty:
		}
		err := b.flush(ctx)
		pause := b.every
		if err != nil && ctx.Err() == nil {
			logf.FromContext(ctx).Info("Writing the positions failed, trying again", "error", err.Error())
			b.edit(func(*record) bool { return false })
			if wait.sleep(ctx, b.clock) != nil {
				return
			}
		} else {
			wait = newBackoff()
		}
		if sleep(ctx, b.clock, pause) != nil {
			return
		}
	}
}

// flush writes what has changed since the last write. It is a merge patch of the fields that intake owns: lists as a
// whole, nothing of anybody else.
func (b *book) flush(ctx context.Context) error {
	b.writer.Lock()
	defer b.writer.Unlock()
	now := b.read()
	target := b.object(now)
	base := b.object(b.stored)
	patch := client.MergeFrom(base)
	data, err := patch.Data(target)
	if err != nil {
		return fmt.Errorf("comparing the status of pipeline %s: %w", b.key, err)
	}
	if string(data) == "{}" {
		return nil
	}
	if replaced, err := b.replaced(ctx); err != nil || replaced {
		return err
	}
	if err := b.client.Status().Patch(ctx, target, patch); err != nil {
		// A pipeline that is gone needs no positions.
		if apierrors.IsNotFound(err) {
			return nil
		}
		return fmt.Errorf("writing the status of pipeline %s: %w", b.key, err)
	}
	b.stored = now
	b.wrote()
	return nil
}

// replaced reports whether the pipeline was deleted and made again under the same name: that one begins anew. What tells
// the supervisor so is the same cache that is asked here.
func (b *book) replaced(ctx context.Context) (bool, error) {
	current := &v1alpha1.ProvisioningPipeline{}
	err := b.client.Get(ctx, b.key, current)
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("reading pipeline %s: %w", b.key, err)
	}
	return current.UID != b.uid, nil
}

func (b *book) object(r record) *v1alpha1.ProvisioningPipeline {
	r = r.copy()
	return &v1alpha1.ProvisioningPipeline{
		ObjectMeta: metav1.ObjectMeta{Namespace: b.key.Namespace, Name: b.key.Name},
		Status:     v1alpha1.ProvisioningPipelineStatus{Triggers: r.Triggers, Gaps: r.Gaps, Sweep: r.Sweep, Usage: r.Usage},
	}
}

func (r *record) copy() record {
	status := v1alpha1.ProvisioningPipelineStatus{Triggers: r.Triggers, Gaps: r.Gaps, Sweep: r.Sweep, Usage: r.Usage}
	status = *status.DeepCopy()
	return record{Triggers: status.Triggers, Gaps: status.Gaps, Sweep: status.Sweep, Usage: status.Usage}
}

// trigger returns the status of a topic, made if it is not there.
func (r *record) trigger(topic string) *v1alpha1.TriggerStatus {
	i := slices.IndexFunc(r.Triggers, func(t v1alpha1.TriggerStatus) bool { return t.Topic == topic })
	if i < 0 {
		r.Triggers = append(r.Triggers, v1alpha1.TriggerStatus{Topic: topic})
		i = len(r.Triggers) - 1
	}
	return &r.Triggers[i]
}

// retire marks the topics that are no longer triggers as stopped. Their positions are kept, some of them, in case they
// come back.
func (r *record) retire(wanted []v1alpha1.Trigger) {
	var kept []v1alpha1.TriggerStatus
	stopped := 0
	for _, t := range slices.Backward(r.Triggers) {
		if !slices.ContainsFunc(wanted, func(w v1alpha1.Trigger) bool { return w.Topic == t.Topic }) {
			if stopped++; stopped > mostStopped {
				continue
			}
			t.Phase, t.Message = PhaseStopped, "this topic is no longer a trigger of the pipeline"
		}
		kept = append(kept, t)
	}
	slices.Reverse(kept)
	r.Triggers = kept
}

// openGaps returns the gaps that no sweep has covered yet.
func (r *record) openGaps() []v1alpha1.Gap {
	var open []v1alpha1.Gap
	for _, g := range r.Gaps {
		if g.ClosedAt == nil {
			open = append(open, g)
		}
	}
	return open
}
