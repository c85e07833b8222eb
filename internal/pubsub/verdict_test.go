package pubsub_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"github.com/orderbridge/orderbridge/internal/pubsub"
	sandbox "github.com/orderbridge/orderbridge/internal/sandbox/pubsub"
)

// codeTests has every error code that the service documents. The status is the one that was seen or is likely; none of
// the results may depend on it, so each code is also tried with INTERNAL.
var codeTests = map[string]struct {
	status string
	phase  pubsub.Phase // in which the supervisor rests; none if it goes on at once
	reason string
	action pubsub.Action
}{
	"service.unavailable":                           {"INTERNAL", pubsub.BackingOff, "ServiceUnavailable", pubsub.Resume},
	"service.auth.error":                            {"UNAUTHENTICATED", "", "SessionRefused", pubsub.Relogin},
	"service.auth.headers.invalid":                  {"UNAUTHENTICATED", pubsub.Blocked, "HeadersRejected", pubsub.Block},
	"service.auth.refresh.invalid":                  {"INVALID_ARGUMENT", pubsub.Blocked, "RequestRejected", pubsub.Block},
	"service.tenant.license":                        {"PERMISSION_DENIED", pubsub.Blocked, "LicenseMissing", pubsub.Block},
	"service.protection.triggered":                  {"RESOURCE_EXHAUSTED", pubsub.Throttled, "Throttled", pubsub.Throttle},
	"service.protection.stream.limit.triggered":     {"RESOURCE_EXHAUSTED", pubsub.BackingOff, "StreamThrottled", pubsub.Slower},
	"concurrent.client.limit.exceeded":              {"RESOURCE_EXHAUSTED", pubsub.Blocked, "TooManyClients", pubsub.Block},
	"topic.not.found":                               {"NOT_FOUND", pubsub.Blocked, "TopicNotFound", pubsub.Block},
	"topic.meta.permission":                         {"PERMISSION_DENIED", pubsub.Blocked, "TopicForbidden", pubsub.Block},
	"topic.api.unavailable":                         {"UNAVAILABLE", pubsub.BackingOff, "ServiceUnavailable", pubsub.Resume},
	"topic.validation.empty":                        {"INVALID_ARGUMENT", pubsub.Blocked, "TopicEmpty", pubsub.Block},
	"schema.meta.permission":                        {"PERMISSION_DENIED", pubsub.Blocked, "SchemaForbidden", pubsub.Block},
	"schema.api.unavailable":                        {"UNAVAILABLE", pubsub.BackingOff, "ServiceUnavailable", pubsub.Resume},
	"schema.validation.failed":                      {"INVALID_ARGUMENT", pubsub.BackingOff, "SchemaUnknown", pubsub.Undecodable},
	"subscription.fetch.replayid.corrupted":         {"INVALID_ARGUMENT", "", "ReplayPositionRejected", pubsub.Gap},
	"subscription.fetch.replayid.validation.failed": {"INVALID_ARGUMENT", "", "ReplayPositionRejected", pubsub.Gap},
	"subscription.fetch.replay.repeated":            {"INVALID_ARGUMENT", pubsub.BackingOff, "ReplayRepeated", pubsub.Resume},
	"subscription.limit.exceeded":                   {"RESOURCE_EXHAUSTED", pubsub.LimitExceeded, "DeliveryLimitExceeded", pubsub.Pause},
	"subscription.fetch.overflow":                   {"RESOURCE_EXHAUSTED", pubsub.BackingOff, "CreditOverflow", pubsub.Slower},
	"subscription.fetch.requested.events.invalid":   {"INVALID_ARGUMENT", pubsub.Blocked, "RequestRejected", pubsub.Block},
	"subscription.fetch.topic.mismatch":             {"INVALID_ARGUMENT", pubsub.Blocked, "RequestRejected", pubsub.Block},
	"subscription.fetch.request.invalid":            {"INVALID_ARGUMENT", pubsub.Blocked, "RequestRejected", pubsub.Block},
	"subscription.topic.cannot.subscribe":           {"PERMISSION_DENIED", pubsub.Blocked, "SubscribeForbidden", pubsub.Block},
	"subscription.internal.error":                   {"INTERNAL", pubsub.BackingOff, "ServiceError", pubsub.Resume},
	"publish.stream.sweeper.timeout":                {"UNAVAILABLE", pubsub.BackingOff, "PublishStreamExpired", pubsub.Resume},
	"publish.auth.refresh.invalid":                  {"INVALID_ARGUMENT", pubsub.Blocked, "RequestRejected", pubsub.Block},
	"publish.event.count.invalid":                   {"INVALID_ARGUMENT", pubsub.Blocked, "RequestRejected", pubsub.Block},
	"publish.topic.mismatch":                        {"INVALID_ARGUMENT", pubsub.Blocked, "RequestRejected", pubsub.Block},
	"publish.topic.validation.empty":                {"INVALID_ARGUMENT", pubsub.Blocked, "RequestRejected", pubsub.Block},

	"managed.subscription.already.active":                          {"FAILED_PRECONDITION", pubsub.Throttled, "ManagedSubscriptionBusy", pubsub.Throttle},
	"managed.subscription.config.stopped":                          {"FAILED_PRECONDITION", pubsub.Blocked, "ManagedSubscriptionRejected", pubsub.Block},
	"managed.subscription.config.deleted":                          {"FAILED_PRECONDITION", pubsub.Blocked, "ManagedSubscriptionRejected", pubsub.Block},
	"managed.subscription.developer.name.not.found":                {"NOT_FOUND", pubsub.Blocked, "ManagedSubscriptionRejected", pubsub.Block},
	"managed.subscription.subscription.id.not.found":               {"NOT_FOUND", pubsub.Blocked, "ManagedSubscriptionRejected", pubsub.Block},
	"managed.subscription.subscription.id.invalid":                 {"INVALID_ARGUMENT", pubsub.Blocked, "ManagedSubscriptionRejected", pubsub.Block},
	"managed.subscription.id.or.developer.name.empty":              {"INVALID_ARGUMENT", pubsub.Blocked, "ManagedSubscriptionRejected", pubsub.Block},
	"managed.subscription.fetch.request.events.invalid":            {"INVALID_ARGUMENT", pubsub.Blocked, "ManagedSubscriptionRejected", pubsub.Block},
	"managed.subscription.fetch.request.invalid":                   {"INVALID_ARGUMENT", pubsub.Blocked, "ManagedSubscriptionRejected", pubsub.Block},
	"managed.subscription.fetch.request.commit.request.restricted": {"INVALID_ARGUMENT", pubsub.Blocked, "ManagedSubscriptionRejected", pubsub.Block},
	"managed.subscription.fetch.request.auth.request.restricted":   {"INVALID_ARGUMENT", pubsub.Blocked, "ManagedSubscriptionRejected", pubsub.Block},

	// A code that nobody has heard of yet.
	"service.brand.new": {"DATA_LOSS", pubsub.BackingOff, "UnclearError", pubsub.Resume},
}

func TestVerdictTableIsTestedInFull(t *testing.T) {
	tested := slices.Sorted(maps.Keys(codeTests))
	tested = slices.DeleteFunc(tested, func(code string) bool { return code == "service.brand.new" })
	if diff := cmp.Diff(slices.Sorted(maps.Keys(pubsub.Verdicts)), tested); diff != "" {
		t.Errorf("codes (-table +tests):\n%s", diff)
	}
	for code, verdict := range pubsub.Verdicts {
		if !unicode.IsUpper(rune(verdict.Reason[0])) || strings.ContainsAny(verdict.Reason, " .") {
			t.Errorf("%s: reason %q is not PascalCase", code, verdict.Reason)
		}
		if !strings.HasSuffix(verdict.Message, ".") {
			t.Errorf("%s: message %q is no sentence", code, verdict.Message)
		}
	}
}

func TestEveryErrorCodeEndsInResumption(t *testing.T) {
	for code, test := range codeTests {
		for _, status := range []string{test.status, "INTERNAL"} {
			t.Run(code+"/"+status, func(t *testing.T) {
				inBubble(t, func(t *testing.T) { endsInResumption(t, code, status) })
			})
		}
	}
}

// endsInResumption lets a stream end with a code after two of five events and follows the supervisor until it has all.
func endsInResumption(t *testing.T, code, status string) {
	test := codeTests[code]
	r := newRig(t, sandbox.Options{}, nil)
	want := r.publishOrders(5)
	r.inject(sandbox.Fault{Kind: sandbox.FaultError, ErrorCode: code, Status: status, AfterEvents: 2})
	run := r.start(pubsub.Position{})
	synctest.Wait()
	if test.phase == "" {
		if got := run.last(); got.Phase != pubsub.Streaming {
			t.Fatalf("state %+v, want that it goes on at once", got)
		}
	} else if got := run.last(); got.Phase != test.phase || got.Reason != test.reason || !strings.Contains(got.Message, code) {
		t.Fatalf("state %+v, want %s/%s and the code in the message", got, test.phase, test.reason)
	}
	pass(time.Hour)
	if test.action == pubsub.Gap {
		want = append(want[:2:2], want...) // read again from the earliest
	}
	if diff := cmp.Diff(want, run.ids()); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	wantGaps, wantLogins := 0, 1
	switch test.action {
	case pubsub.Gap:
		wantGaps = 1
	case pubsub.Relogin:
		wantLogins = 2
	default:
	}
	logins, invalidated := r.session.count()
	if run.gapCount() != wantGaps || logins != wantLogins || invalidated != wantLogins-1 {
		t.Errorf("%d gaps, %d logins, %d invalidated; want %d, %d, %d", run.gapCount(), logins, invalidated, wantGaps, wantLogins, wantLogins-1)
	}
	if got := run.last(); got.Phase != pubsub.Streaming || got.Attempt != 0 || !got.KeptUntil.IsZero() || !got.NextAttempt.IsZero() {
		t.Errorf("state %+v, want streaming again", got)
	}
}

func TestErrorsWithoutCodeAreClassedByStatus(t *testing.T) {
	tests := map[string]struct {
		phase  pubsub.Phase
		reason string
	}{
		"UNAVAILABLE":         {pubsub.BackingOff, "ConnectionLost"},
		"INTERNAL":            {pubsub.BackingOff, "UnclearError"},
		"UNKNOWN":             {pubsub.BackingOff, "UnclearError"},
		"INVALID_ARGUMENT":    {pubsub.BackingOff, "UnclearError"},
		"NOT_FOUND":           {pubsub.BackingOff, "UnclearError"},
		"PERMISSION_DENIED":   {pubsub.BackingOff, "UnclearError"},
		"RESOURCE_EXHAUSTED":  {pubsub.BackingOff, "TooMuchAtOnce"},
		"FAILED_PRECONDITION": {pubsub.BackingOff, "UnclearError"},
		"ABORTED":             {pubsub.BackingOff, "UnclearError"},
		"CANCELLED":           {pubsub.BackingOff, "UnclearError"},
		"DATA_LOSS":           {pubsub.BackingOff, "UnclearError"},
		"DEADLINE_EXCEEDED":   {pubsub.BackingOff, "NoAnswer"},
		"UNIMPLEMENTED":       {pubsub.BackingOff, "NotPubSub"},
		"UNAUTHENTICATED":     {"", ""},
	}
	for status, test := range tests {
		t.Run(status, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				r := newRig(t, sandbox.Options{}, nil)
				want := r.publishOrders(3)
				r.inject(sandbox.Fault{Kind: sandbox.FaultError, Status: status, AfterEvents: 1})
				run := r.start(pubsub.Position{})
				synctest.Wait()
				if got := run.last(); test.phase != "" && (got.Phase != test.phase || got.Reason != test.reason) {
					t.Errorf("state %+v, want %s/%s", got, test.phase, test.reason)
				}
				pass(time.Minute)
				if diff := cmp.Diff(want, run.ids()); diff != "" {
					t.Errorf("events (-want +got):\n%s", diff)
				}
				if run.gapCount() != 0 {
					t.Error("an error without a code was taken for a rejected position")
				}
			})
		})
	}
}
