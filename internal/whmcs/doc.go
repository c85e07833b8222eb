// Package whmcs speaks the external API of WHMCS (includes/api.php), as far as
// Orderbridge needs it: it reads clients' payment methods, orders, services and
// products, and it places and accepts orders.
//
// WHMCS has no idempotency key: every AddOrder that reaches it can make an
// order. Three promises of this package follow from that:
//
//   - A mutating call (AddOrder, AcceptOrder) leaves this process at most once.
//     Nothing below it retries, follows a redirect or reuses a connection.
//   - Its error says what is known. Refused, Denied, Busy and NotSent mean that
//     nothing was done; everything that is not proved is Unknown.
//   - A request whose NotAfter has passed does not leave any more, however long
//     it had to wait for a connection.
//
// The package has no Kubernetes in it and imports nothing else of Orderbridge.
// Secrets and personal data never appear in its errors or printed values.
package whmcs
