package salesforce

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// layout writes column metadata as text: parents and children with what is
// joined below them, aggregates with a plus sign and what they are shown as.
func layout(columns any) string {
	var out []string
	many, _ := columns.([]any)
	for _, c := range many {
		column, _ := c.(map[string]any)
		text := fmt.Sprint(column["columnName"])
		if isTrue(column["aggregate"]) {
			text = "+" + text + "=" + fmt.Sprint(column["displayName"])
		}
		if below := layout(column["joinColumns"]); below != "" {
			text += "(" + below + ")"
		}
		out = append(out, text)
	}
	return strings.Join(out, " ")
}

func TestQueryColumns(t *testing.T) {
	o := newOrg(t)
	for name, test := range map[string]struct{ soql, want string }{
		"fields":   {"SELECT Id, orderNumber FROM Order", "Id OrderNumber"},
		"parents":  {"SELECT Account.Name, Account.Owner.Name FROM Order", "Account(Name Owner(Name))"},
		"children": {"SELECT Id, (SELECT Product2.Name FROM OrderItems) FROM Order", "Id +OrderItems=OrderItems(Product2(Name))"},
		"groups":   {"SELECT Status, COUNT(Id), MAX(Account.Name) newest FROM Order GROUP BY Status", "Status +expr0=count(Id) +newest=max(Account.Name)"},
		"a number": {"SELECT COUNT() FROM Order", ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := o.call("GET", "query?columns=true&q="+url.QueryEscape(test.soql), nil)
			wantStatus(t, r, http.StatusOK)
			if got := layout(r.at(t, "columnMetadata")); got != test.want || r.at(t, "entityName") != "Order" {
				t.Errorf("columns = %q, want %q; answer %s", got, test.want, r.text)
			}
		})
	}
	wantStatus(t, o.call("GET", "query?columns=true&q=SELECT+Nope+FROM+Order", nil), http.StatusBadRequest)
}
