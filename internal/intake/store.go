package intake

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
)

// result says what became of something that was to be stored.
type result int

const (
	// created: there was no object, now there is.
	created result = iota
	// known: the order has an object, and nothing more is to be done.
	known
	// requested: the order had stalled, and this event asks to try it again.
	requested
	// malformed: there is a new object that keeps an event which cannot be used.
	malformed
)

// store writes what was announced into the cluster.
type store struct {
	client client.Client
	// reader is not cached: what the cache does not hold may exist all the same.
	reader client.Reader
	clock  clock.Clock
}

// patience is how often something fails before anybody is told.
const patience = 3

// put returns once the object exists, however long the API server is away, or when ctx ends. What the API server refuses
// is kept in the first of the poorer forms that it takes. If it takes none, it is not the event that is at fault: a policy
// of the cluster is, and the event waits until that is mended. If it takes long, trouble hears why.
func (s *store) put(ctx context.Context, order *v1alpha1.ProvisioningOrder, fallback func(problem string) *v1alpha1.ProvisioningOrder, trouble func(error)) (result, error) {
	wait := newBackoff()
	for attempt := 1; ; attempt++ {
		r, err := s.tryForms(ctx, order, fallback)
		if err == nil {
			return r, nil
		}
		if ctx.Err() != nil {
			return known, ctx.Err()
		}
		if attempt >= patience {
			trouble(err)
		}
		logf.FromContext(ctx).Info("Storing an order failed, trying again", "order", order.Name, "error", err.Error())
		if err := wait.sleep(ctx, s.clock); err != nil {
			return known, err
		}
	}
}

// tryForms stores the object or, if the API server refuses it for good, what is left of it.
func (s *store) tryForms(ctx context.Context, order *v1alpha1.ProvisioningOrder, fallback func(problem string) *v1alpha1.ProvisioningOrder) (result, error) {
	r, err := s.tryOnce(ctx, order)
	if !refusedForGood(err) {
		return r, err
	}
	kept := fallback("the API server refuses the object: " + refusal(err))
	if r, err = s.tryOnce(ctx, kept); !refusedForGood(err) {
		return r, err
	}
	return s.tryOnce(ctx, bare(kept, refusal(err)))
}

// bare is what is left of a malformed event when even that is refused: that there was one. Nothing in it is of a size or
// a kind that the publisher chooses.
func bare(malformed *v1alpha1.ProvisioningOrder, refusal string) *v1alpha1.ProvisioningOrder {
	order := malformed.DeepCopy()
	event := malformed.Spec.Event
	order.Spec.Event = &v1alpha1.Event{ID: event.ID, Topic: event.Topic, Problem: cut("the API server refuses the object: "+refusal, longestProblem)}
	return order
}

// tryOnce lets a write that has begun come to its end, even if the manager stops: then its event is not read again.
func (s *store) tryOnce(ctx context.Context, order *v1alpha1.ProvisioningOrder) (result, error) {
	if ctx.Err() != nil {
		return known, ctx.Err()
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
	defer cancel()
	return s.try(ctx, order)
}

func (s *store) try(ctx context.Context, order *v1alpha1.ProvisioningOrder) (result, error) {
	existing, err := s.cached(ctx, client.ObjectKeyFromObject(order))
	if err != nil {
		return known, err
	}
	if existing != nil {
		return s.again(ctx, existing, order)
	}
	err = s.client.Create(ctx, order.DeepCopy())
	switch {
	case err == nil && order.Spec.SalesforceOrderID == "":
		return malformed, nil
	case err == nil:
		return created, nil
	case !apierrors.IsAlreadyExists(err):
		return known, err
	}
	// It exists, but the cache does not show it: it is new, or finished and not kept in memory.
	existing, err = get(ctx, s.reader, client.ObjectKeyFromObject(order))
	if err != nil {
		return known, err
	}
	if existing == nil {
		return known, fmt.Errorf("order %s was deleted just now", order.Name)
	}
	return s.again(ctx, existing, order)
}

// cached returns the object if the cache shows it, else nil.
func (s *store) cached(ctx context.Context, key types.NamespacedName) (*v1alpha1.ProvisioningOrder, error) {
	return get(ctx, s.client, key)
}

// find returns the object if there is one, else nil. It asks the API server about what the cache does not hold.
func (s *store) find(ctx context.Context, key types.NamespacedName) (*v1alpha1.ProvisioningOrder, error) {
	existing, err := s.cached(ctx, key)
	if err != nil || existing != nil {
		return existing, err
	}
	return get(ctx, s.reader, key)
}

// get returns an order, or nil if there is none.
func get(ctx context.Context, reader client.Reader, key types.NamespacedName) (*v1alpha1.ProvisioningOrder, error) {
	existing := &v1alpha1.ProvisioningOrder{}
	err := reader.Get(ctx, key, existing)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return existing, nil
}

// again handles an event for an object that exists.
func (s *store) again(ctx context.Context, existing, incoming *v1alpha1.ProvisioningOrder) (result, error) {
	if incoming.Spec.SalesforceOrderID == "" {
		return s.malformedAgain(ctx, existing, incoming)
	}
	token, ask := retryToken(existing, incoming.Spec.Event)
	if !ask {
		return known, nil
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"annotations":     map[string]string{v1alpha1.RequestedAtAnnotation: token},
		"resourceVersion": existing.ResourceVersion,
	}})
	if err != nil {
		return known, err
	}
	target := &v1alpha1.ProvisioningOrder{ObjectMeta: metav1.ObjectMeta{Namespace: existing.Namespace, Name: existing.Name}}
	if err := s.client.Patch(ctx, target, client.RawPatch(types.MergePatchType, patch)); err != nil {
		return known, fmt.Errorf("asking to try a stalled order again: %w", err)
	}
	return requested, nil
}

// malformedAgain tells a redelivery from another event with the same id, which a publisher may give.
func (s *store) malformedAgain(ctx context.Context, existing, incoming *v1alpha1.ProvisioningOrder) (result, error) {
	same := existing.Spec.Event != nil && (bytes.Equal(existing.Spec.Event.Payload, incoming.Spec.Event.Payload) || len(existing.Spec.Event.Payload) == 0)
	suffix := "-" + fingerprint(incoming.Spec.Event.Payload)
	if same || strings.HasSuffix(incoming.Name, suffix) {
		return known, nil
	}
	other := incoming.DeepCopy()
	other.Name += suffix
	return s.try(ctx, other)
}

// tokenMark stands in tokens that were made from events, between the time of the event and its id.
const tokenMark = "/event/"

// retryToken decides whether an event for an order that has an object asks to try it again: the order has stalled, and
// the event was published after that, so that a replay of old events asks for nothing. The token is made of the event:
// the same event asks once.
func retryToken(existing *v1alpha1.ProvisioningOrder, e *v1alpha1.Event) (token string, ask bool) {
	if e == nil || e.PublishedAt == nil || !existing.DeletionTimestamp.IsZero() {
		return "", false
	}
	if sameEvent(existing.Spec.Event, e) {
		return "", false
	}
	stalled := meta.FindStatusCondition(existing.Status.Conditions, v1alpha1.StalledCondition)
	if stalled == nil || stalled.Status != metav1.ConditionTrue || !e.PublishedAt.After(stalled.LastTransitionTime.Time) {
		return "", false
	}
	for _, asked := range []string{existing.Annotations[v1alpha1.RequestedAtAnnotation], existing.Status.LastHandledRequest} {
		if at, ok := tokenTime(asked); ok && !e.PublishedAt.After(at) {
			return "", false
		}
	}
	return cut(e.PublishedAt.UTC().Format(time.RFC3339Nano)+tokenMark+e.ID, longestText), true
}

// sameEvent tells a redelivery. A publisher may give several events the same id.
func sameEvent(a, b *v1alpha1.Event) bool {
	return a != nil && a.ID == b.ID && a.PublishedAt.Equal(b.PublishedAt)
}

// tokenTime returns the time of the event that a token was made of.
func tokenTime(token string) (time.Time, bool) {
	text, _, ok := strings.Cut(token, tokenMark)
	if !ok {
		return time.Time{}, false
	}
	at, err := time.Parse(time.RFC3339Nano, text)
	return at, err == nil
}

// refusedForGood reports whether the API server will never take the object as it is.
func refusedForGood(err error) bool {
	return apierrors.IsInvalid(err) || apierrors.IsBadRequest(err) || apierrors.IsRequestEntityTooLargeError(err)
}

// refusal is why the API server refused an object, without the object's name.
func refusal(err error) string {
	status, ok := errors.AsType[*apierrors.StatusError](err)
	if !ok || status.ErrStatus.Details == nil || len(status.ErrStatus.Details.Causes) == 0 {
		return err.Error()
	}
	var causes []string
	for _, cause := range status.ErrStatus.Details.Causes {
		causes = append(causes, strings.TrimSpace(cause.Field+" "+cause.Message))
	}
	return strings.Join(causes, "; ")
}
