package intake

import (
	"crypto/tls"
	"errors"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/internal/pubsub"
	"github.com/orderbridge/orderbridge/internal/salesforce"
)

// Phases of a trigger that no stream has. The others are those of package pubsub.
const (
	// PhaseSuspended: the pipeline is suspended, the position is kept.
	PhaseSuspended = "Suspended"
	// PhaseStopped: the topic is no longer a trigger, or there is no usable login yet.
	PhaseStopped = string(pubsub.Stopped)
	// PhaseStreaming: the stream delivers.
	PhaseStreaming = string(pubsub.Streaming)
)

// TriggerState is what a trigger's stream does, in the words of conditions.
type TriggerState struct {
	// Topic of the trigger.
	Topic string
	// Phase is the phase that status.triggers shows.
	Phase string
	// Reason is the reason for SalesforceConnected: ConnectedReason if all is well.
	Reason string
	// Message says it in words, with what an admin must do where that is needed.
	Message string
}

// Snapshot is what the reconciler needs to know of a pipeline's intake.
type Snapshot struct {
	// Loaded is false until the stored positions were read.
	Loaded bool
	// Triggers has one state for each trigger of the spec, in the order of the spec.
	Triggers []TriggerState
	// OpenGaps are the gaps that no sweep has covered yet.
	OpenGaps []v1alpha1.Gap
	// Sweep is the last sweep; nil before the first.
	Sweep *v1alpha1.SweepStatus
	// Usage is nil until it is known.
	Usage *v1alpha1.Usage
}

// Connected returns the state that decides SalesforceConnected: the first trigger that is not streaming and needs a
// person, else the first that is not streaming, else one that is; false if there is none.
func (s Snapshot) Connected() (TriggerState, bool) {
	if len(s.Triggers) == 0 {
		return TriggerState{}, false
	}
	worst := s.Triggers[0]
	for _, t := range s.Triggers[1:] {
		if severity(t) > severity(worst) {
			worst = t
		}
	}
	return worst, true
}

func severity(t TriggerState) int {
	switch t.Reason {
	case v1alpha1.ConnectedReason:
		return 0
	case v1alpha1.ConnectingReason, v1alpha1.SuspendedReason:
		return 1
	default:
		return 2
	}
}

// reasons are the reasons of conditions by those of streams. What is not here mends itself: Connecting.
var reasons = map[string]string{
	pubsub.ReasonSubscribed:       v1alpha1.ConnectedReason,
	pubsub.ReasonReceiving:        v1alpha1.ConnectedReason,
	"Unreachable":                 v1alpha1.UnreachableReason,
	"UnknownHost":                 v1alpha1.UnreachableReason,
	"TLSFailed":                   v1alpha1.UnreachableReason,
	"NotPubSub":                   v1alpha1.UnreachableReason,
	"NoAnswer":                    v1alpha1.UnreachableReason,
	"UntrustedCertificate":        v1alpha1.CertificateUntrustedReason,
	"SessionRefused":              v1alpha1.AuthenticationFailedReason,
	"HeadersRejected":             v1alpha1.AuthenticationFailedReason,
	"LicenseMissing":              v1alpha1.TopicUnavailableReason,
	"TopicNotFound":               v1alpha1.TopicUnavailableReason,
	"TopicForbidden":              v1alpha1.TopicUnavailableReason,
	"TopicEmpty":                  v1alpha1.TopicUnavailableReason,
	"SubscribeForbidden":          v1alpha1.TopicUnavailableReason,
	"SchemaForbidden":             v1alpha1.TopicUnavailableReason,
	"RequestRejected":             v1alpha1.TopicUnavailableReason,
	"TooManyClients":              v1alpha1.TopicUnavailableReason,
	"ManagedSubscriptionRejected": v1alpha1.UnreachableReason,
	"DeliveryLimitExceeded":       v1alpha1.DeliveryLimitReason,
}

// loginFailed is the reason of a stream that gets no session.
const loginFailed = "LoginFailed"

// streamState puts the state of a stream into the words of conditions. login is why the last login failed.
func streamState(topic string, s pubsub.StreamState, login error) TriggerState {
	state := TriggerState{Topic: topic, Phase: string(s.Phase), Reason: v1alpha1.ConnectingReason, Message: s.Message}
	if reason, ok := reasons[s.Reason]; ok {
		state.Reason = reason
	}
	if s.Reason == loginFailed && login != nil {
		state.Reason = LoginReason(login)
	}
	return state
}

// failedState is the state of a trigger whose stream could not be started.
func failedState(topic string, err error) TriggerState {
	state := TriggerState{Topic: topic, Phase: string(pubsub.BackingOff), Reason: v1alpha1.ConnectingReason, Message: err.Error()}
	if _, ok := errors.AsType[*salesforce.Error](err); ok {
		state.Reason = LoginReason(err)
	}
	return state
}

// LoginReason is the reason for SalesforceConnected when a login has failed.
func LoginReason(err error) string {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return v1alpha1.CertificateUntrustedReason
	}
	switch salesforce.ClassOf(err) {
	case salesforce.Auth, salesforce.Denied:
		return v1alpha1.AuthenticationFailedReason
	case salesforce.LimitExceeded:
		return v1alpha1.LimitExceededReason
	default:
		return v1alpha1.UnreachableReason
	}
}
