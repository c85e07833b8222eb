package e2e

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/internal/salesforce"
	"github.com/orderbridge/orderbridge/internal/sandbox"
	"github.com/orderbridge/orderbridge/internal/sandbox/pubsub"
	"github.com/orderbridge/orderbridge/internal/stage"
)

// TestManagerKilledWhileEventsArrive kills the process in the middle of storing, again and again, while streams are cut,
// tokens revoked and events delivered twice. The orders are none that Salesforce knows: this is about their objects.
func TestManagerKilledWhileEventsArrive(t *testing.T) {
	const (
		kills = 5
		share = 400 // events that are published for each kill, or more
	)
	s := ownStage(t)
	for n := range kills * share / 200 {
		fault := []pubsub.Fault{
			{Kind: pubsub.FaultEnd}, {Kind: pubsub.FaultReset}, {Kind: pubsub.FaultToken}, {Kind: pubsub.FaultError, ErrorCode: "service.unavailable"},
		}[n%4]
		fault.AfterEvents, fault.Spread = 50, 200
		must(t, s.Control.InjectPubSubFault(t.Context(), fault))
	}
	manager := manage(t, s)
	began := time.Now()
	events := 0
	for kill := range kills {
		events = killedWhilePublishing(t, s, manager, events, share)
		if kill%2 == 0 {
			_, err := s.Control.RevokeTokens(t.Context())
			must(t, err)
		}
		manager = manage(t, s)
	}
	eventually(t, 4*time.Minute, "all objects exist", func() error {
		if n := stored(t, s); n < events {
			return fmt.Errorf("%d of %d do", n, events)
		}
		return nil
	})
	took := time.Since(began)
	must(t, manager.Stop())
	compareStored(t, s, events)

	var pipeline v1alpha1.ProvisioningPipeline
	must(t, s.Client.Get(t.Context(), client.ObjectKey{Namespace: stage.Namespace, Name: "portal"}, &pipeline))
	if len(pipeline.Status.Gaps) > 0 {
		t.Errorf("gaps were reported where there was none: %+v", pipeline.Status.Gaps)
	}
	counters, err := s.Control.Counters(t.Context())
	must(t, err)
	t.Logf("%d events, %d kills: %d objects after %s; %d deliveries on %d streams; faults: %v", events, kills, events,
		took.Round(time.Second), counters.PubSub.Delivered, counters.PubSub.Subscribes, counters.PubSub.FaultsFired)
}

// killedWhilePublishing kills the manager while events from a number on are published, at least so many and fifty of them
// when it is dead. It returns the number of the next event.
func killedWhilePublishing(t *testing.T, s *stage.Stage, manager *stage.Process, from, least int) int {
	t.Helper()
	next, dead := from, make(chan struct{})
	var publisher sync.WaitGroup
	publisher.Go(func() {
		rate := time.NewTicker(6 * time.Millisecond) // a manager can be killed between two
		defer rate.Stop()
		for last := 50; next < from+least || last > 0; next++ {
			<-rate.C
			select {
			case <-dead:
				last--
			default:
				if next == from+least {
					rate.Reset(100 * time.Millisecond) // enough to move the position until the kill
				}
			}
			if err := publish(t, s, next); err != nil {
				t.Errorf("publishing event %d: %v", next, err)
				return
			}
		}
	})
	die := sync.OnceFunc(func() {
		close(dead)
		publisher.Wait()
	})
	defer die()

	aim := stored(t, s) + least/8 + rand.IntN(least/4)
	eventually(t, time.Minute, fmt.Sprintf("%d objects are stored", aim), func() error {
		if n := stored(t, s); n < aim {
			return fmt.Errorf("%d are", n)
		}
		return nil
	})
	// The moment when most would be lost: a position was written that is ahead of what is stored.
	positionMoves(t, s)
	must(t, manager.Kill())
	die()
	t.Logf("killed: %d objects stored of %d events published until the next start", stored(t, s), next)
	return next
}

// positionMoves returns as soon as the position of the platform event's stream is another.
func positionMoves(t *testing.T, s *stage.Stage) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	watcher, err := s.Client.Watch(ctx, &v1alpha1.ProvisioningPipelineList{}, client.InNamespace(stage.Namespace))
	must(t, err)
	defer watcher.Stop()
	first, known := []byte(nil), false
	for event := range watcher.ResultChan() {
		pipeline, ok := event.Object.(*v1alpha1.ProvisioningPipeline)
		if !ok {
			continue
		}
		for _, trigger := range pipeline.Status.Triggers {
			switch {
			case trigger.Topic != pubsub.ProvisionTopic:
			case !known:
				first, known = trigger.ReplayID, true
			case !bytes.Equal(first, trigger.ReplayID):
				return
			}
		}
	}
	t.Fatal("the position did not move within a minute")
}

// publish puts an event of an order on the bus, every fiftieth twice.
func publish(t *testing.T, s *stage.Stage, n int) error {
	id, err := announced(n)
	if err != nil {
		return err
	}
	if _, err = s.Control.Publish(t.Context(), sandbox.EventRequest{Topic: pubsub.ProvisionTopic, Fields: map[string]any{"OrderId__c": string(id)}}); err != nil || n%50 != 0 {
		return err
	}
	_, err = s.Control.Publish(t.Context(), sandbox.EventRequest{Topic: pubsub.ProvisionTopic, Duplicate: true})
	return err
}

// announced is the id of an order that exists in events only.
func announced(n int) (salesforce.ID, error) {
	return salesforce.ParseOrderID(fmt.Sprintf("8014x000%07d", n), salesforce.OrderObject)
}

// stored counts the objects without fetching them.
func stored(t *testing.T, s *stage.Stage) int {
	t.Helper()
	list := objects()
	must(t, s.Client.List(t.Context(), list, client.InNamespace(stage.Namespace), client.Limit(1)))
	count := len(list.Items)
	if list.RemainingItemCount != nil {
		count += int(*list.RemainingItemCount)
	}
	return count
}

func objects() *metav1.PartialObjectMetadataList {
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("ProvisioningOrderList"))
	return list
}

// compareStored checks that each event has its object, and that there is no other.
func compareStored(t *testing.T, s *stage.Stage, events int) {
	t.Helper()
	list := objects()
	must(t, s.Client.List(context.WithoutCancel(t.Context()), list, client.InNamespace(stage.Namespace)))
	names := map[string]bool{}
	for _, item := range list.Items {
		names[item.Name] = true
	}
	for n := range events {
		id, err := announced(n)
		must(t, err)
		if name := "portal-" + strings.ToLower(string(id)); !names[name] {
			t.Errorf("%s is missing", name)
		}
	}
	if len(names) != events {
		t.Errorf("there are %d objects, want %d", len(names), events)
	}
}
