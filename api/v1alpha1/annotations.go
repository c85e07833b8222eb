package v1alpha1

// Annotations by which people and programs ask for something. Each value is a token: any text that differs from the one
// that was handled last asks again. `kubectl annotate --overwrite` with the current time is the usual way.
const (
	// RequestedAtAnnotation on a ProvisioningOrder asks to try again at once: back-off is forgotten, the order is
	// validated afresh, finished effects are kept. It can never make a second WHMCS order.
	RequestedAtAnnotation = "orderbridge.dev/requestedAt"
	// ForceAtAnnotation allows a call whose earlier outcome is not known to be sent again. It must equal
	// RequestedAtAnnotation, and ForceReasonAnnotation must say why.
	ForceAtAnnotation = "orderbridge.dev/forceAt"
	// ForceReasonAnnotation says why a person forces an order; it is recorded in the status and in an event.
	ForceReasonAnnotation = "orderbridge.dev/forceReason"
	// SweepRequestedAtAnnotation on a ProvisioningPipeline asks for a sweep of Salesforce at once.
	SweepRequestedAtAnnotation = "orderbridge.dev/sweepRequestedAt"
)

// ClaimFinalizer on a ProvisioningOrder delays its deletion while a call to WHMCS may still be under way, so that the
// memory of the call outlives the call.
const ClaimFinalizer = "orderbridge.dev/claim"
