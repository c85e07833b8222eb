// Package intake makes sure that every Salesforce order that asks for provisioning becomes exactly one ProvisioningOrder.
//
// Three sources feed it: platform events, change events of Order, and a query (the sweep) that finds what no event
// announced. All three end in the same place: an object whose name is made of the pipeline and the order's id, so that
// creating it is the de-duplication. A replay position is written only when every event up to it is stored, an event
// that cannot be used becomes an object too, and a window in which events may have been lost is a gap that stays open
// until a sweep has covered it.
//
// The Supervisor runs the streams and sweeps of all pipelines of the manager. It alone writes status.triggers,
// status.gaps, status.sweep and status.usage of a ProvisioningPipeline; conditions are for the reconciler, which makes
// them from a Snapshot.
package intake
