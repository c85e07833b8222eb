// Package pubsub reads events from Salesforce's Pub/Sub API: gRPC with credit, Avro payloads and durable replay.
//
// [Client.Run] keeps one subscription alive until its context ends. Every end of a stream, error or not, leads to a new
// stream at the last stored position; what happens in between is decided by the error-code string of the call's trailer
// (one table, verdict.go). Nothing is acknowledged before the caller has stored it.
package pubsub
