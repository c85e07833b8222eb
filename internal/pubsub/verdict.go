package pubsub

import "google.golang.org/grpc/codes"

// Action is what the supervisor does about the end of a stream.
type Action string

const (
	// Resume opens a new stream at the last stored position after a short pause that grows.
	Resume Action = "Resume"
	// Slower is Resume with less credit: the bus was asked for more than it liked.
	Slower Action = "Slower"
	// Relogin drops the session and opens a new stream with a new one, at once the first time.
	Relogin Action = "Relogin"
	// Login tries to log in again after a short pause that grows.
	Login Action = "Login"
	// Gap tells the caller that events may be missing and starts again at Earliest.
	Gap Action = "Gap"
	// Throttle rests for minutes; nobody has to do anything.
	Throttle Action = "Throttle"
	// Block retries every minute or so until somebody has changed something in Salesforce or in the pipeline.
	Block Action = "Block"
	// Pause rests for long: an allowance of 24 hours is used up.
	Pause Action = "Pause"
	// Undecodable hands the event over without fields: its schema cannot be had. The stream goes on.
	Undecodable Action = "Undecodable"
)

// Verdict is the meaning of an error: what to do, a reason for a condition, and words for people.
type Verdict struct {
	Action Action
	// Reason is a PascalCase word that stays the same for the same fault.
	Reason string
	// Message is one sentence, stable for the same fault, that says what to do where somebody has to.
	Message string
}

// Reasons of a stream's state that are not errors.
const (
	// ReasonConnecting is given while a stream is being opened.
	ReasonConnecting = "Connecting"
	// ReasonSubscribed is given when a stream is open and nothing has arrived yet.
	ReasonSubscribed = "Subscribed"
	// ReasonReceiving is given when messages arrive.
	ReasonReceiving = "Receiving"
	// ReasonStopped is given when Run has been told to end.
	ReasonStopped = "Stopped"
)

var (
	streamEnded     = Verdict{Resume, "StreamEnded", "Salesforce ended the stream; resuming at the last stored position."}
	streamSilent    = Verdict{Resume, "StreamSilent", "The stream showed no sign of life within the idle timeout; replacing it."}
	handleFailed    = Verdict{Resume, "StoreFailed", "Received events could not be stored; they will be fetched again."}
	gapNotStored    = Verdict{Resume, "StoreFailed", "A gap in the stream could not be recorded; the stream starts again when it is."}
	connectionLost  = Verdict{Resume, "ConnectionLost", "The connection to the Pub/Sub endpoint was lost; resuming at the last stored position."}
	unreachable     = Verdict{Resume, "Unreachable", "The Pub/Sub endpoint cannot be reached: check pubSubEndpoint and that the network allows its port (7443, or 443 where 7443 is blocked)."}
	unknownHost     = Verdict{Resume, "UnknownHost", "The host of pubSubEndpoint has no address: check the name."}
	untrusted       = Verdict{Resume, "UntrustedCertificate", "The certificate of the Pub/Sub endpoint is not trusted: put the CA that signed it into caBundle, or check pubSubEndpoint."}
	outOfDate       = Verdict{Resume, untrusted.Reason, "The certificate of the Pub/Sub endpoint has expired or is not valid yet: check the clock here and the certificate there."}
	otherHost       = Verdict{Resume, untrusted.Reason, "The certificate of the Pub/Sub endpoint is for another host: check pubSubEndpoint."}
	tlsFailed       = Verdict{Resume, "TLSFailed", "The TLS handshake with the Pub/Sub endpoint failed: check that pubSubEndpoint is a gRPC endpoint with TLS."}
	noAnswer        = Verdict{Resume, "NoAnswer", "The Pub/Sub endpoint did not answer in time."}
	notPubSub       = Verdict{Resume, "NotPubSub", "The endpoint answers gRPC but is no Pub/Sub API: check pubSubEndpoint."}
	denied          = Verdict{Resume, unclearReason, "The Pub/Sub API denied the call and gave no reason that is known here: check that the integration user may read the event, and that no proxy stands before pubSubEndpoint."}
	notThere        = Verdict{Resume, unclearReason, "The Pub/Sub API does not know what was asked for and gave no reason that is known here: check the spelling of the topic (case matters), and that the event is deployed."}
	tooMuch         = Verdict{Slower, "TooMuchAtOnce", "A limit of the Pub/Sub API, or the size that is accepted here for one message, was exceeded; resuming with less."}
	sessionRefused  = Verdict{Relogin, "SessionRefused", "Salesforce refused the session; logging in again. If this lasts, check the user's IP ranges and session policies."}
	loginFailed     = Verdict{Login, "LoginFailed", "Logging in to Salesforce failed"}
	cannotSubscribe = Verdict{Block, "SubscribeForbidden", "The integration user may not subscribe to this topic: give its permission set Read on the event, or View All on the object of a change event."}

	replayRejected = Verdict{Gap, "ReplayPositionRejected", "Salesforce no longer knows the stored position (older than 72 hours, or the stream was reset): starting at the earliest retained event."}
	unavailable    = Verdict{Resume, "ServiceUnavailable", "The Pub/Sub API is temporarily unavailable; resuming at the last stored position."}
	defect         = Verdict{Block, "RequestRejected", "The Pub/Sub API rejected the request as malformed: this is a defect of this program or of the endpoint; please report it with the error code."}
	managedDefect  = Verdict{Block, "ManagedSubscriptionRejected", "The endpoint answered for a managed subscription, which is not used here: check pubSubEndpoint."}
	overflow       = Verdict{Slower, "CreditOverflow", "The Pub/Sub API was asked for more than it would buffer; resuming with less."}
)

// unclearReason is the reason of errors that came without a code of the bus that is known here.
const unclearReason = "UnclearError"

// unclear is the verdict on an error of which nothing is known but its gRPC status.
func unclear(status codes.Code) Verdict {
	return Verdict{Resume, unclearReason, "The Pub/Sub API answered with an error that is not known here (gRPC status " + status.String() + "); resuming at the last stored position."}
}

// verdicts has one row per error code of the bus, without the common prefix. A code that is not here resumes.
var verdicts = map[string]Verdict{
	"service.unavailable":                       unavailable,
	"service.auth.error":                        sessionRefused,
	"service.auth.headers.invalid":              {Block, "HeadersRejected", "The Pub/Sub API rejected the call's org id or instance URL: check that loginURL belongs to the org of this endpoint."},
	"service.auth.refresh.invalid":              defect,
	"service.tenant.license":                    {Block, "LicenseMissing", "The org has no licence for the Pub/Sub API: ask the Salesforce administrator."},
	"service.protection.triggered":              {Throttle, "Throttled", "The Pub/Sub API asks for less load; resting before the next attempt."},
	"service.protection.stream.limit.triggered": {Slower, "StreamThrottled", "The Pub/Sub API was asked too often on one stream; resuming with less."},
	"concurrent.client.limit.exceeded":          {Block, "TooManyClients", "The org has no free slot for another Pub/Sub client: stop another subscriber, or ask Salesforce for a higher limit."},

	"topic.not.found":        {Block, "TopicNotFound", "The topic does not exist, or the integration user may not see it: check its spelling (case matters), deploy the event, and give the user Read on it."},
	"topic.meta.permission":  {Block, "TopicForbidden", "The integration user may not see this topic: give its permission set Read on the event, or View All on the object of a change event."},
	"topic.api.unavailable":  unavailable,
	"topic.validation.empty": {Block, "TopicEmpty", "The topic name is empty: set it in the trigger."},

	"schema.meta.permission":   {Block, "SchemaForbidden", "The integration user may not read the event's schema: give its permission set Read on the event."},
	"schema.api.unavailable":   unavailable,
	"schema.validation.failed": {Undecodable, "SchemaUnknown", "The event names a schema that the Pub/Sub API does not know."},

	"subscription.fetch.replayid.corrupted":         replayRejected,
	"subscription.fetch.replayid.validation.failed": replayRejected,
	"subscription.fetch.replay.repeated":            {Resume, "ReplayRepeated", "The Pub/Sub API saw a position twice on one stream; resuming at the last stored position."},
	"subscription.limit.exceeded":                   {Pause, "DeliveryLimitExceeded", "The org's allowance of delivered events for 24 hours is used up: find the other subscribers, filter the channel, or buy more. Nothing is lost as long as reading resumes within 72 hours of publishing."},
	"subscription.fetch.overflow":                   overflow,
	"subscription.fetch.requested.events.invalid":   defect,
	"subscription.fetch.topic.mismatch":             defect,
	"subscription.fetch.request.invalid":            defect,
	"subscription.topic.cannot.subscribe":           cannotSubscribe,
	"subscription.internal.error":                   {Resume, "ServiceError", "The Pub/Sub API failed internally; resuming at the last stored position."},

	"publish.stream.sweeper.timeout": {Resume, "PublishStreamExpired", "The publish stream was closed because nothing was published on it."},
	"publish.auth.refresh.invalid":   defect,
	"publish.event.count.invalid":    defect,
	"publish.topic.mismatch":         defect,
	"publish.topic.validation.empty": defect,

	"managed.subscription.already.active":                          {Throttle, "ManagedSubscriptionBusy", "Another client holds the managed subscription; waiting."},
	"managed.subscription.config.stopped":                          managedDefect,
	"managed.subscription.config.deleted":                          managedDefect,
	"managed.subscription.developer.name.not.found":                managedDefect,
	"managed.subscription.subscription.id.not.found":               managedDefect,
	"managed.subscription.subscription.id.invalid":                 managedDefect,
	"managed.subscription.id.or.developer.name.empty":              managedDefect,
	"managed.subscription.fetch.request.events.invalid":            managedDefect,
	"managed.subscription.fetch.request.invalid":                   managedDefect,
	"managed.subscription.fetch.request.commit.request.restricted": managedDefect,
	"managed.subscription.fetch.request.auth.request.restricted":   managedDefect,
}
