// Package salesforce is a client for the REST API of one Salesforce org: it logs in with a signed JWT, reads orders
// with their lines in one query, and writes results back by collections.
//
// Every failure is an *Error whose Class says what it means (try again, ask an admin, give up); nothing in this package
// retries by itself, except that a call whose session has expired is repeated once after one new login. Updates set
// absolute values, so an update whose answer was lost may be repeated by the caller.
//
// The package knows nothing of Kubernetes. It speaks HTTPS only.
package salesforce
