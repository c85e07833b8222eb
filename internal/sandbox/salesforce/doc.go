// Package salesforce is a Salesforce org on the loopback: OAuth, the REST
// API with SOQL, rows, collections and composite requests, the order Flow and
// change events, over one in-memory database. It answers in the real shapes,
// keeps the real rules of the objects it has, counts what it is asked, and
// fails on demand.
//
// Tests, the demo and cmd/sandbox use it; production code does not.
package salesforce
