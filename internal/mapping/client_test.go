package mapping

import (
	"errors"
	"testing"
)

// TestClientSources tries each kind of source for the client, and their order.
func TestClientSources(t *testing.T) {
	m := parse(t, `
version: 1
salesforce: {account: {path: BillTo__r}}
client:
- field: account.Client__c
- {field: account.WH_Account__c, pattern: '^#(\d+) - '}
- {field: account.Number__c, table: {C-000017: 4711, "0018": 4712}}
- {field: account.Contract__c, pattern: '^(\w+)/', table: {GOLD: 7}}
- cel: "order.Type == 'Group' ? 99 : dyn(null)"
`)
	tests := map[string]struct {
		account map[string]any
		kind    string
		want    int64
		reason  string
	}{
		"field, number":                    {account: map[string]any{"Client__c": 12.0}, want: 12},
		"field, text":                      {account: map[string]any{"Client__c": " 12 "}, want: 12},
		"pattern":                          {account: map[string]any{"WH_Account__c": "#1234 - Yamada"}, want: 1234},
		"pattern of another form":          {account: map[string]any{"WH_Account__c": "1234 Yamada", "Number__c": "C-000017"}, want: 4711},
		"table":                            {account: map[string]any{"Number__c": "C-000017"}, want: 4711},
		"table, leading zeros":             {account: map[string]any{"Number__c": "0018"}, want: 4712},
		"table is letter by letter":        {account: map[string]any{"Number__c": "c-000017"}, reason: AccountUnmapped},
		"pattern, then table":              {account: map[string]any{"Contract__c": "GOLD/2026"}, want: 7},
		"expression":                       {kind: "Group", want: 99},
		"the first that gives one decides": {account: map[string]any{"Client__c": 12.0, "WH_Account__c": "#1234 - Yamada"}, kind: "Group", want: 12},
		"a wrong one is not passed over":   {account: map[string]any{"Client__c": "none", "WH_Account__c": "#1234 - Yamada"}, reason: AccountUnmapped},
		"zero is not passed over":          {account: map[string]any{"Client__c": 0.0, "WH_Account__c": "#1234 - Yamada"}, reason: AccountUnmapped},
		"none":                             {reason: AccountUnmapped},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			plan, err := m.Plan(with(oneLine(nil, nil), map[string]any{"BillTo__r": tt.account, "Type": tt.kind}))
			got := ""
			if miss, ok := errors.AsType[*Miss](err); ok {
				got = miss.Reason
			}
			if plan.ClientID != tt.want || got != tt.reason {
				t.Errorf("client %d, miss %v, want client %d, reason %q", plan.ClientID, err, tt.want, tt.reason)
			}
		})
	}
}
