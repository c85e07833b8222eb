// Package byhand lets tests call Reconcile by hand: on a real API server, against the sandbox over the wire, with every
// write and every call in the test's hands.
package byhand
