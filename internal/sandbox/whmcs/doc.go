// Package whmcs is a stand-in for the external API of WHMCS (includes/api.php): it keeps clients, products, orders and
// services, answers the actions an integration uses with their documented rows, error texts and oddities, and has a
// switch for everything that goes wrong with such an API in practice. It is a real HTTP handler; nothing is mocked.
package whmcs
