package mapping

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// standardNames are the names of an org that has the standard objects.
var standardNames = fields{
	objects:     Objects{standardOrder, standardItem, standardLines, standardProduct},
	productPath: []string{"PricebookEntry", "Product2"}, accountPath: []string{"Account"},
}

func TestExpressionsReadTheirFields(t *testing.T) {
	tests := map[string]struct {
		expression  string
		order, item []string
	}{
		"field":                     {"order.A__c", []string{"A__c"}, nil},
		"fields of every record":    {"string(order.A__c) + string(item.B__c) + string(product.C__c) + string(account.D__c)", []string{"A__c", "Account.D__c"}, []string{"B__c", "PricebookEntry.Product2.C__c"}},
		"related record":            {"order.Site__r.Region__r.Name", []string{"Site__r.Region__r.Name"}, nil},
		"presence":                  {"has(order.A__c) ? 'x' : 'y'", []string{"A__c"}, nil},
		"presence of a record":      {"has(order.Site__r) ? 'x' : 'y'", []string{"Site__r.Id"}, nil},
		"comparison of a record":    {"order.Site__r == null ? 'x' : 'y'", []string{"Site__r.Id"}, nil},
		"account through the order": {"order.Account.Name", []string{"Account.Name"}, nil},
		"product through the line":  {"item.Product2.Name", nil, []string{"Product2.Name"}},
		"lines of the order":        {"string(order.OrderItems.filter(i, i.Kind__c == 'x').size())", nil, []string{"Kind__c"}},
		"product of every line":     {"order.OrderItems.map(i, i.PricebookEntry.Product2.Name)[0]", nil, []string{"PricebookEntry.Product2.Name"}},
		"call on a field":           {"order.Name.lowerAscii()", []string{"Name"}, nil},
		"field in a macro":          {"['a', 'b'].exists(x, x == order.A__c) ? 'x' : 'y'", []string{"A__c"}, nil},
		"no field":                  {"'x'", nil, nil},
		"standard record":           {"has(order.Account) ? 'x' : 'y'", []string{"Account.Id"}, nil},
		"record in another case":    {"has(order.account) || order.site__R == null ? 'x' : 'y'", []string{"account.Id", "site__R.Id"}, nil},
		"lines in another case":     {"string(order.orderitems.filter(i, i.Kind__c == 'x').size())", nil, []string{"Kind__c"}},
		"record of a record":        {"order.Site__r.Owner.Manager == null ? 'x' : 'y'", []string{"Site__r.Owner.Manager.Id"}, nil},
	}
	base := parse(t, "version: 1\nclient: 9\n")
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			text, err := json.Marshal(tt.expression) // a JSON string is a YAML string
			if err != nil {
				t.Fatal(err)
			}
			m := parse(t, "version: 1\nclient: 9\nline: {domain: {cel: "+string(text)+"}}\n")
			for _, f := range tt.order {
				if !slices.Contains(m.OrderFields(), f) {
					t.Errorf("the order fields lack %s: %v", f, m.OrderFields())
				}
			}
			for _, f := range tt.item {
				if !slices.Contains(m.ItemFields(), f) {
					t.Errorf("the item fields lack %s: %v", f, m.ItemFields())
				}
			}
			added := len(m.OrderFields()) + len(m.ItemFields()) - len(base.OrderFields()) - len(base.ItemFields())
			if want := len(tt.order) + len(tt.item); added != want {
				t.Errorf("%d fields were added, want %d: %v %v", added, want, m.OrderFields(), m.ItemFields())
			}
		})
	}
}

func TestExpressionsOverOrders(t *testing.T) {
	order := map[string]any{
		"Status": "Approved", "Activation_Status__c": "Activating", "Name": "Ab", "Number__c": json.Number("3"), "Flag__c": true,
		"Site__r":  record{"Name": "Tokyo", "Region__r": record{"Code__c": "13"}},
		"Empty__r": nil, "Note__c": "x,y",
		"Account": record{"Name": "Acme"},
		"OrderItems": record{"totalSize": 1, "records": []any{record{
			"Id": "802A", "OrderItemNumber": "1", "Quantity": json.Number("2.0"),
			"PricebookEntry": record{"Product2": record{"StockKeepingUnit": "A", "WHMCS_Product_Id__c": "5", "Billing_Cycle__c": "monthly", "Tags__c": "a;b"}},
		}}},
	}
	tests := map[string]struct{ expression, want string }{
		"text":                      {"order.Name + '!'", "Ab!"},
		"whole number":              {"order.Number__c", "3"},
		"arithmetic":                {"item.Quantity * 2.0 + 0.5", "4.5"},
		"comparison with int":       {"item.Quantity > 1 ? 'many' : 'one'", "many"},
		"unknown type equals int":   {"order.Number__c == 3 ? 'three' : 'no'", "three"},
		"checkbox":                  {"order.Flag__c ? 'on' : 'off'", "on"},
		"missing field":             {"order.Nothing__c == null ? 'none' : 'some'", "none"},
		"missing record":            {"order.Empty__r.Name == null ? 'none' : 'some'", "none"},
		"missing deep record":       {"order.Site__r.Nothing__r.Code__c == null ? 'none' : 'some'", "none"},
		"missing standard records":  {"[order.Owner.Manager.Name, order.Asset.Name, order.Site__r.Owner.Name, account.CreatedBy.Name, order.Account.Parent.Owner.Name].all(n, n == null) ? 'none' : 'some'", "none"},
		"lines in another case":     {"order.orderitems.size()", "1"},
		"fields in another case":    {"order.account.name + order.site__r.region__r.code__c", "Acme13"},
		"deep field":                {"order.Site__r.Region__r.Code__c", "13"},
		"presence":                  {"has(order.Nothing__c) || has(order.Empty__r) ? 'some' : 'none'", "none"},
		"account of the order":      {"order.Account.Name == account.Name ? 'same' : 'other'", "same"},
		"number of lines":           {"order.OrderItems.size()", "1"},
		"sum over lines":            {"order.OrderItems.filter(i, i.Quantity > 1).map(i, i.PricebookEntry.Product2.StockKeepingUnit)[0]", "A"},
		"string functions":          {"product.Tags__c.split(';')[1].upperAscii() + order.Note__c.replace(',', '-')", "Bx-y"},
		"nothing":                   {"dyn(null)", ""},
		"time functions of a field": {"timestamp('2026-01-05T10:00:00Z').getFullYear()", "2026"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			text, err := json.Marshal(tt.expression)
			if err != nil {
				t.Fatal(err)
			}
			m := parse(t, "version: 1\nclient: 9\nline: {domain: {cel: "+string(text)+"}}\n")
			plan, err := m.Plan(order)
			if err != nil {
				t.Fatal(err)
			}
			if got := plan.Lines[0].Domain; got != tt.want {
				t.Errorf("%s gives %q, want %q", tt.expression, got, tt.want)
			}
		})
	}
}

// TestFailingExpressionsSayWhy reads what the plan says about an expression that fails for one order.
func TestFailingExpressionsSayWhy(t *testing.T) {
	order := map[string]any{
		"Status": "Approved", "Activation_Status__c": "Activating",
		"OrderItems": []any{record{"Id": "802A", "Quantity": 1.0, "Product2": record{"StockKeepingUnit": "A", "WHMCS_Product_Id__c": "5", "Billing_Cycle__c": "monthly"}}},
	}
	tests := map[string]string{
		"order.Note__c.lowerAscii()":    "it meets an empty field, or a value of another type (has() tells whether a field is filled in)",
		"order.Note__c + 'x'":           "it meets an empty field, or a value of another type (has() tells whether a field is filled in)",
		"{'a': order.Note__c}['b']":     "there is no b in what it looks at (has() tells whether a field is filled in)",
		"order.Something.Whatever.Name": "there is no Whatever in what it looks at (has() tells whether a field is filled in)",
	}
	for expression, want := range tests {
		text, err := json.Marshal(expression)
		if err != nil {
			t.Fatal(err)
		}
		_, err = parse(t, "version: 1\nclient: 9\nline: {domain: {cel: "+string(text)+"}}\n").Plan(order)
		if err == nil || !strings.Contains(err.Error(), "fails: "+want+".") {
			t.Errorf("%s: %v, want %s", expression, err, want)
		}
	}
}

func TestExpressionsHaveNoClockAndNoWayOut(t *testing.T) {
	for _, name := range []string{"now()", "random()", "uuid()", "env('HOME')", "order.now()", "http('x')"} {
		if _, err := Parse([]byte("version: 1\nclient: 9\nline: {domain: {cel: \"" + name + "\"}}\n")); err == nil {
			t.Errorf("%s compiles", name)
		}
	}
}

func TestPositionsInsideTexts(t *testing.T) {
	tests := map[string]struct{ text, want string }{
		"plain":             {"line:\n  domain:\n    cel: order.Name + nope\n", "5:23"},
		"single quotes":     {"line:\n  domain:\n    cel: 'order.Name + nope'\n", "5:24"},
		"double quotes":     {"line:\n  domain:\n    cel: \"order.Name + nope\"\n", "5:24"},
		"escapes":           {"line:\n  domain:\n    cel: \"order.Name +\\tnope\"\n", "5:10"},
		"literal block":     {"line:\n  domain:\n    cel: |\n      order.Name +\n        nope\n", "7:9"},
		"literal, stripped": {"line:\n  domain:\n    cel: |-\n\n      nope\n", "7:7"},
		"folded block":      {"line:\n  domain:\n    cel: >\n      order.Name +\n      nope\n", "5:10"},
		"plain, two lines":  {"line:\n  domain:\n    cel: order.Name +\n      nope\n", "5:10"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := Parse([]byte("version: 1\nclient: 9\n" + tt.text))
			if err == nil || !strings.HasPrefix(err.Error(), tt.want+": ") {
				t.Errorf("error %v, want it at %s", err, tt.want)
			}
		})
	}
}

func TestValuesAreConverted(t *testing.T) {
	type result struct {
		value any
		ok    bool
	}
	run := func(f func(any) (any, error), v any) result {
		out, err := f(v)
		if err != nil {
			return result{}
		}
		return result{out, true}
	}
	id := func(v any) (any, error) { return toID(v) }
	asText := func(v any) (any, error) { return toText(v) }
	asBool := func(v any) (any, error) { return toBool(v) }
	option := func(v any) (any, error) { return toOption(v) }
	tests := map[string]struct {
		convert func(any) (any, error)
		value   any
		want    result
	}{
		"id of a double":          {id, 188.0, result{int64(188), true}},
		"id of a JSON number":     {id, json.Number("188.0"), result{int64(188), true}},
		"id of a text":            {id, " 188 ", result{int64(188), true}},
		"id of a decimal text":    {id, "188.0", result{int64(188), true}},
		"id with a fraction":      {id, 188.5, result{}},
		"id of a list":            {id, []any{1}, result{}},
		"id beyond exact doubles": {id, 1e17, result{}},
		"id of a hexadecimal":     {id, "0xbc", result{}},
		"text of a double":        {asText, 1e6, result{"1000000", true}},
		"text of a fraction":      {asText, json.Number("0.10"), result{"0.1", true}},
		"text of a checkbox":      {asText, true, result{"true", true}},
		"text of an object":       {asText, map[string]any{}, result{}},
		"text is trimmed":         {asText, " x ", result{"x", true}},
		"bool of a text":          {asBool, "True", result{true, true}},
		"bool of a number":        {asBool, 1.0, result{}},
		"option of a checkbox":    {option, false, result{int64(0), true}},
		"option of a number":      {option, json.Number("34"), result{int64(34), true}},
		"option negative":         {option, -1, result{}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, run(tt.convert, tt.value), cmp.AllowUnexported(result{})); diff != "" {
				t.Errorf("result (-want +got):\n%s", diff)
			}
		})
	}
}

func TestOnlyCheapExpressionsRunWithoutMeter(t *testing.T) {
	tests := map[string]bool{
		"product.Family == 'F3' && product.StockKeepingUnit.endsWith('9')": true,
		"product.Class__c == 'x'":                        true,
		"product.Class__c in ['a', 'b']":                 true,
		"item.Quantity > 1.0 ? 3 : 4":                    true,
		"has(order.A__c) && order.A__c == true":          true,
		"product.Name + product.Name":                    false,
		"(order.Name + 'x').size() > 3":                  false,
		"product.Name.replace('', product.Name)":         false,
		"product.Name.matches('^(a+)+$')":                false,
		"order.OrderItems.exists(i, i.Quantity > 1.0)":   false,
		"[1, 2].map(x, [1, 2].map(y, x * y)).size() > 1": true,
		"order.A__c.map(x, order.A__c).size() > 1":       false,
	}
	envs, err := newEnvs(standardNames)
	if err != nil {
		t.Fatal(err)
	}
	for expression, want := range tests {
		checked, issues := envs.line.Compile(expression)
		if issues.Err() != nil {
			t.Errorf("%s: %v", expression, issues.Err())
			continue
		}
		if got := alwaysCheap(envs.line, checked); got != want {
			t.Errorf("alwaysCheap(%s) = %t, want %t", expression, got, want)
		}
	}
}
