// Package php checks how Orderbridge encodes what it sends to WHMCS against PHP
// itself: forms against http_build_query and parse_str, custom fields and
// configurable options against serialize and unserialize.
//
// Without PHP on the machine the tests are left out, and make says so; with
// REQUIRE_PHP=1 they fail instead.
package php
