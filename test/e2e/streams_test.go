package e2e

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/internal/sandbox"
	"github.com/orderbridge/orderbridge/internal/sandbox/pubsub"
	"github.com/orderbridge/orderbridge/internal/sandbox/salesforce"
	"github.com/orderbridge/orderbridge/internal/stage"
)

// ownStage is a stage for one test: what is done to its bus concerns nobody else.
func ownStage(t *testing.T) *stage.Stage {
	t.Helper()
	root, err := repository()
	must(t, err)
	s, err := stage.Start(t.Context(), stage.Options{Repository: root, Dir: t.TempDir(), Pipeline: quick})
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	must(t, err)
	return s
}

// streamStates are the states of a stream: how to bring it there, and what kubectl must say then.
var streamStates = []struct {
	name  string
	fault pubsub.Fault
	// get is the reason that `kubectl get pvp` shows, describe what `kubectl describe pvp` says.
	get      string
	describe []string
}{
	{"being opened", pubsub.Fault{Kind: pubsub.FaultSlow, RPC: "GetTopic", Delay: time.Minute}, "Connecting",
		[]string{"Phase: Connecting", "Opening a stream to " + pubsub.ProvisionTopic}},
	{"resting", pubsub.Fault{Kind: pubsub.FaultError, ErrorCode: "service.unavailable"}, "Connecting",
		[]string{"Phase: BackingOff", "The Pub/Sub API is temporarily unavailable; resuming at the last stored position"}},
	{"ended again and again", pubsub.Fault{Kind: pubsub.FaultEnd}, "Connecting",
		[]string{"Phase: BackingOff", "Salesforce ended the stream; resuming at the last stored position"}},
	{"connection lost", pubsub.Fault{Kind: pubsub.FaultReset}, "Connecting",
		[]string{"Phase: BackingOff", "The connection to the Pub/Sub endpoint was lost; resuming at the last stored position"}},
	{"throttled", pubsub.Fault{Kind: pubsub.FaultError, ErrorCode: "service.protection.triggered", Status: "RESOURCE_EXHAUSTED"}, "Connecting",
		[]string{"Phase: Throttled", "asks for less load; resting before the next attempt"}},
	{"session refused", pubsub.Fault{Kind: pubsub.FaultToken}, "AuthenticationFailed",
		[]string{"Phase: BackingOff", "check the user's IP ranges and session policies"}},
	{"forbidden", pubsub.Fault{Kind: pubsub.FaultError, ErrorCode: "subscription.topic.cannot.subscribe", Status: "PERMISSION_DENIED"}, "TopicUnavailable",
		[]string{"Phase: Blocked", "may not subscribe to this topic: give its permission set Read on the event"}},
	{"no such topic", pubsub.Fault{Kind: pubsub.FaultError, RPC: "GetTopic", ErrorCode: "topic.not.found", Status: "NOT_FOUND"}, "TopicUnavailable",
		[]string{"Phase: Blocked", "The topic does not exist", "check its spelling"}},
	{"no licence", pubsub.Fault{Kind: pubsub.FaultError, ErrorCode: "service.tenant.license", Status: "PERMISSION_DENIED"}, "TopicUnavailable",
		[]string{"Phase: Blocked", "ask the Salesforce administrator"}},
	{"allowance used up", pubsub.Fault{Kind: pubsub.FaultLimit}, "DeliveryLimit",
		[]string{"Phase: LimitExceeded", "allowance of delivered events for 24 hours is used up", "Unread events are kept at least until 20"}},
	{"position rejected", pubsub.Fault{Kind: pubsub.FaultReplay, Times: 1}, "Connected",
		[]string{"Phase: Streaming", "Cause: Salesforce no longer knows the stored position", "Closed At: 20"}},
	{"well", pubsub.Fault{}, "Connected", []string{"Phase: Streaming", "triggers are streaming", "Committed At: 20"}},
}

// TestStreamStatesAreVisible asks kubectl about each state of a stream. Between two states the pipeline is suspended, which
// is a state too.
func TestStreamStatesAreVisible(t *testing.T) {
	s := ownStage(t)
	manage(t, s)
	// The position that is rejected later has to be stored first.
	_, err := s.Control.Publish(t.Context(), sandbox.EventRequest{Topic: pubsub.ProvisionTopic, Fields: map[string]any{"OrderId__c": "none"}})
	must(t, err)
	kubectlShows(t, s, "Connected", "Phase: Streaming", "Received: 1", "Rejected: 1")
	t.Run("event without an order", func(t *testing.T) {
		eventually(t, time.Minute, "the event is an order that says what is wrong", func() error {
			text, err := kubectl(t, s, "get", "pvo", "-o", "wide", "--no-headers")
			if err == nil && (!strings.Contains(text, "MalformedEvent") || !strings.Contains(text, "OrderId__c")) {
				err = fmt.Errorf("kubectl get pvo: %s", text)
			}
			return err
		})
	})
	for _, state := range streamStates {
		t.Run(state.name, func(t *testing.T) {
			suspend(t, s, true)
			kubectlShows(t, s, "Suspended", "Phase: Suspended", "the pipeline is suspended; the position is kept")
			if state.fault.Kind != "" {
				if state.fault.Times == 0 {
					state.fault.Times = -1
				}
				must(t, s.Control.InjectPubSubFault(t.Context(), state.fault))
				t.Cleanup(func() { must(t, s.Control.ClearFaults(context.WithoutCancel(t.Context()), "pubsub")) })
			}
			suspend(t, s, false)
			t.Log(kubectlShows(t, s, state.get, state.describe...))
		})
	}
	t.Run("gap", func(t *testing.T) {
		// The gap stays open as long as no sweep can look for what is missing.
		suspend(t, s, true)
		kubectlShows(t, s, "Suspended")
		fault, err := s.Control.SetSalesforceFault(t.Context(), salesforce.Fault{Name: salesforce.FaultUnavailable, Endpoint: "query"})
		must(t, err)
		must(t, s.Control.InjectPubSubFault(t.Context(), pubsub.Fault{Kind: pubsub.FaultReplay}))
		suspend(t, s, false)
		t.Log(kubectlShows(t, s, "GapOpen", "Events may be missing: "+pubsub.ProvisionTopic+" until 20", "The sweep is looking for their orders"))
		must(t, s.Control.ClearFault(t.Context(), "salesforce", strconv.Itoa(fault.ID)))
		kubectlShows(t, s, "NoGap", "No events are known to be missing")
	})
	t.Run("no longer a trigger", func(t *testing.T) {
		changePipeline(t, s, func(p *v1alpha1.ProvisioningPipeline) {
			p.Spec.Salesforce.Triggers = []v1alpha1.Trigger{{Topic: pubsub.OrderChangeTopic}}
		})
		kubectlShows(t, s, "Connected", "Phase: Stopped", "this topic is no longer a trigger of the pipeline", "Phase: Streaming")
	})
}

// kubectlShows waits until `kubectl get pvp` has the reason and `kubectl describe pvp` the texts. It returns the line of the former.
func kubectlShows(t *testing.T, s *stage.Stage, reason string, texts ...string) string {
	t.Helper()
	var line string
	eventually(t, time.Minute, "kubectl shows "+reason, func() error {
		row, err := kubectl(t, s, "get", "pvp", "portal", "-o", "wide", "--no-headers")
		if err != nil {
			return err
		}
		// Spaces within messages and columns are kubectl's business.
		line = strings.Join(strings.Fields(row), " ")
		if !strings.Contains(line, " "+reason+" ") {
			return fmt.Errorf("get: %s", line)
		}
		text, err := kubectl(t, s, "describe", "pvp", "portal")
		if err != nil {
			return err
		}
		text = strings.Join(strings.Fields(text), " ")
		for _, want := range texts {
			if !strings.Contains(text, want) {
				return fmt.Errorf("describe does not say %q: %s", want, text)
			}
		}
		return nil
	})
	return line
}

// kubectl is what a person would type.
func kubectl(t *testing.T, s *stage.Stage, arguments ...string) (string, error) {
	t.Helper()
	root, err := repository()
	must(t, err)
	command := exec.CommandContext(t.Context(), filepath.Join(root, "bin", "k8s", "kubectl"), append([]string{"--kubeconfig", s.Kubeconfig}, arguments...)...)
	output, err := command.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("kubectl %s: %w: %s", strings.Join(arguments, " "), err, output)
	}
	return string(output), nil
}

func suspend(t *testing.T, s *stage.Stage, suspended bool) {
	t.Helper()
	changePipeline(t, s, func(p *v1alpha1.ProvisioningPipeline) { p.Spec.Suspend = suspended })
}

func changePipeline(t *testing.T, s *stage.Stage, change func(*v1alpha1.ProvisioningPipeline)) {
	t.Helper()
	var pipeline v1alpha1.ProvisioningPipeline
	must(t, s.Client.Get(t.Context(), client.ObjectKey{Namespace: stage.Namespace, Name: "portal"}, &pipeline))
	before := pipeline.DeepCopy()
	change(&pipeline)
	must(t, s.Client.Patch(t.Context(), &pipeline, client.MergeFrom(before)))
}
