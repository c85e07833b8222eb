package intake

import (
	"crypto/tls"
	"errors"
	"fmt"
	"testing"
	"time"

	testingclock "k8s.io/utils/clock/testing"

	"github.com/google/go-cmp/cmp"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/internal/pubsub"
	"github.com/orderbridge/orderbridge/internal/salesforce"
)

func TestStreamState(t *testing.T) {
	for name, tc := range map[string]struct {
		state pubsub.StreamState
		login error
		want  TriggerState
	}{
		"streaming":      {pubsub.StreamState{Phase: pubsub.Streaming, Reason: pubsub.ReasonReceiving, Message: "m"}, nil, TriggerState{Phase: "Streaming", Reason: v1alpha1.ConnectedReason, Message: "m"}},
		"quiet":          {pubsub.StreamState{Phase: pubsub.Streaming, Reason: pubsub.ReasonSubscribed}, nil, TriggerState{Phase: "Streaming", Reason: v1alpha1.ConnectedReason}},
		"opening":        {pubsub.StreamState{Phase: pubsub.Connecting, Reason: pubsub.ReasonConnecting}, nil, TriggerState{Phase: "Connecting", Reason: v1alpha1.ConnectingReason}},
		"ended":          {pubsub.StreamState{Phase: pubsub.BackingOff, Reason: "StreamEnded"}, nil, TriggerState{Phase: "BackingOff", Reason: v1alpha1.ConnectingReason}},
		"no such topic":  {pubsub.StreamState{Phase: pubsub.Blocked, Reason: "TopicNotFound"}, nil, TriggerState{Phase: "Blocked", Reason: v1alpha1.TopicUnavailableReason}},
		"limit":          {pubsub.StreamState{Phase: pubsub.LimitExceeded, Reason: "DeliveryLimitExceeded"}, nil, TriggerState{Phase: "LimitExceeded", Reason: v1alpha1.DeliveryLimitReason}},
		"unknown CA":     {pubsub.StreamState{Phase: pubsub.BackingOff, Reason: "UntrustedCertificate"}, nil, TriggerState{Phase: "BackingOff", Reason: v1alpha1.CertificateUntrustedReason}},
		"refused login":  {pubsub.StreamState{Phase: pubsub.BackingOff, Reason: loginFailed}, &salesforce.Error{Class: salesforce.Auth}, TriggerState{Phase: "BackingOff", Reason: v1alpha1.AuthenticationFailedReason}},
		"login is away":  {pubsub.StreamState{Phase: pubsub.BackingOff, Reason: loginFailed}, &salesforce.Error{Class: salesforce.Transient}, TriggerState{Phase: "BackingOff", Reason: v1alpha1.UnreachableReason}},
		"login's limit":  {pubsub.StreamState{Phase: pubsub.BackingOff, Reason: loginFailed}, &salesforce.Error{Class: salesforce.LimitExceeded}, TriggerState{Phase: "BackingOff", Reason: v1alpha1.LimitExceededReason}},
		"login's CA":     {pubsub.StreamState{Phase: pubsub.BackingOff, Reason: loginFailed}, &salesforce.Error{Err: &tls.CertificateVerificationError{Err: errors.New("x")}}, TriggerState{Phase: "BackingOff", Reason: v1alpha1.CertificateUntrustedReason}},
		"login is fixed": {pubsub.StreamState{Phase: pubsub.BackingOff, Reason: loginFailed}, nil, TriggerState{Phase: "BackingOff", Reason: v1alpha1.ConnectingReason}},
	} {
		t.Run(name, func(t *testing.T) {
			tc.want.Topic = eventTopic
			if diff := cmp.Diff(tc.want, streamState(eventTopic, tc.state, tc.login)); diff != "" {
				t.Errorf("streamState (-want +got):\n%s", diff)
			}
		})
	}
}

func TestConnected(t *testing.T) {
	state := func(topic, reason string) TriggerState { return TriggerState{Topic: topic, Reason: reason} }
	for name, tc := range map[string]struct {
		triggers []TriggerState
		want     string
	}{
		"none":                 {nil, ""},
		"all are connected":    {[]TriggerState{state("a", v1alpha1.ConnectedReason), state("b", v1alpha1.ConnectedReason)}, "a"},
		"one is connecting":    {[]TriggerState{state("a", v1alpha1.ConnectedReason), state("b", v1alpha1.ConnectingReason)}, "b"},
		"one needs somebody":   {[]TriggerState{state("a", v1alpha1.ConnectingReason), state("b", v1alpha1.TopicUnavailableReason)}, "b"},
		"the first of several": {[]TriggerState{state("a", v1alpha1.DeliveryLimitReason), state("b", v1alpha1.TopicUnavailableReason)}, "a"},
	} {
		t.Run(name, func(t *testing.T) {
			got, ok := Snapshot{Triggers: tc.triggers}.Connected()
			if got.Topic != tc.want || ok != (tc.want != "") {
				t.Errorf("Connected = %s, %t, want %s", got.Topic, ok, tc.want)
			}
		})
	}
}

func TestLoginReason(t *testing.T) {
	failed := func(class salesforce.Class, cause error) error {
		return fmt.Errorf("logging in: %w", &salesforce.Error{Class: class, Err: cause})
	}
	for name, tc := range map[string]struct {
		err  error
		want string
	}{
		"user not approved":        {failed(salesforce.Auth, nil), v1alpha1.AuthenticationFailedReason},
		"too many logins":          {failed(salesforce.LimitExceeded, nil), v1alpha1.LimitExceededReason},
		"unknown CA":               {failed(salesforce.Misconfigured, &tls.CertificateVerificationError{}), v1alpha1.CertificateUntrustedReason},
		"not a host of Salesforce": {failed(salesforce.Misconfigured, nil), v1alpha1.UnreachableReason},
		"no connection":            {failed(salesforce.Transient, nil), v1alpha1.UnreachableReason},
	} {
		t.Run(name, func(t *testing.T) {
			if got := LoginReason(tc.err); got != tc.want {
				t.Errorf("LoginReason = %s, want %s", got, tc.want)
			}
		})
	}
}

func TestReplayIsDrained(t *testing.T) {
	const second = time.Second
	for name, tc := range map[string]struct {
		story func(*replay, *testingclock.FakeClock)
		want  time.Duration
	}{
		"just begun":       {func(*replay, *testingclock.FakeClock) {}, 5 * second},
		"not open yet":     {func(_ *replay, c *testingclock.FakeClock) { c.Step(10 * second) }, 5 * second},
		"never opens":      {func(_ *replay, c *testingclock.FakeClock) { c.Step(30 * second) }, 0},
		"about to give up": {func(_ *replay, c *testingclock.FakeClock) { c.Step(28 * second) }, 2 * second},
		"open and silent":  {func(r *replay, c *testingclock.FakeClock) { c.Step(10 * second); r.streaming(true); c.Step(3 * second) }, 2 * second},
		"silent for long":  {func(r *replay, c *testingclock.FakeClock) { r.streaming(true); c.Step(5 * second) }, 0},
		"events arrive": {func(r *replay, c *testingclock.FakeClock) {
			r.streaming(true)
			c.Step(4 * second)
			r.handling(true)
			r.handling(false)
			c.Step(4 * second)
		}, second},
		"a batch takes long": {func(r *replay, c *testingclock.FakeClock) { r.streaming(true); r.handling(true); c.Step(20 * second) }, 5 * second},
		"nothing more":       {func(r *replay, _ *testingclock.FakeClock) { r.streaming(true); r.drained() }, 0},
		"it begins again":    {func(r *replay, _ *testingclock.FakeClock) { r.streaming(true); r.drained(); r.begin() }, 5 * second},
		"an endless stream":  {func(r *replay, c *testingclock.FakeClock) { r.streaming(true); c.Step(30 * second); r.handling(true) }, 0},
		"it stays drained": {func(r *replay, c *testingclock.FakeClock) {
			r.streaming(true)
			c.Step(5 * second)
			r.remaining()
			r.handling(true)
		}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			c := testingclock.NewFakeClock(noon)
			r := &replay{clock: c, quiet: 5 * second, most: 30 * second}
			r.begin()
			tc.story(r, c)
			if got := r.remaining(); got != tc.want {
				t.Errorf("remaining = %s, want %s", got, tc.want)
			}
		})
	}
}
