package mapping

import (
	"encoding/json"
	"testing"
)

func TestGate(t *testing.T) {
	const gate = "version: 1\nclient: 9\ngate:\n  order.Status: [Approved, Reactivate]\n  order.Activation_Status__c: Activating\n  order.Hold__c: [false, null]\n  account.Tier__c: [1, 2.5]\n"
	open := map[string]any{"Status": "Approved", "Activation_Status__c": "Activating", "Account": map[string]any{"Tier__c": json.Number("1.0")}}
	tests := map[string]struct {
		changes map[string]any
		own     []string
		want    bool
	}{
		"open":                       {nil, nil, true},
		"in another case, as SOQL":   {map[string]any{"Status": "APPROVED"}, nil, true},
		"the other value":            {map[string]any{"Status": "Reactivate"}, nil, true},
		"checkbox":                   {map[string]any{"Hold__c": false}, nil, true},
		"checkbox set":               {map[string]any{"Hold__c": true}, nil, false},
		"fraction":                   {map[string]any{"Account": map[string]any{"Tier__c": 2.5}}, nil, true},
		"other number":               {map[string]any{"Account": map[string]any{"Tier__c": 3}}, nil, false},
		"no account":                 {map[string]any{"Account": nil}, nil, false},
		"empty text is empty":        {map[string]any{"Status": ""}, nil, false},
		"failed":                     {map[string]any{"Activation_Status__c": "Failed"}, nil, false},
		"failed by ourselves":        {map[string]any{"Activation_Status__c": "Failed"}, []string{"Failed"}, true},
		"ours says nothing of Draft": {map[string]any{"Status": "Draft", "Activation_Status__c": "Failed"}, []string{"Failed", "Draft"}, false},
		"empty is never ours":        {map[string]any{"Activation_Status__c": nil}, []string{""}, false},
	}
	m := parse(t, gate)
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			err := m.Gate(with(open, tt.changes), tt.own...)
			if (err == nil) != tt.want {
				t.Errorf("Gate() = %v, want open: %t", err, tt.want)
			}
		})
	}
	const want = "Status IN ('Approved', 'Reactivate') AND Activation_Status__c = 'Activating' AND (Hold__c = false OR Hold__c = null) AND Account.Tier__c IN (1, 2.5)"
	if got := m.GateSOQL(); got != want {
		t.Errorf("GateSOQL() =\n%s\nwant\n%s", got, want)
	}
}

// TestEmptyTextInGateIsAnEmptyField proves that the gate and its SOQL mean the same by a text without a visible character.
func TestEmptyTextInGateIsAnEmptyField(t *testing.T) {
	for _, empty := range []string{`""`, `" "`, "null"} {
		m := parse(t, "version: 1\nclient: 9\ngate: {order.Activation_Status__c: [Activating, "+empty+"]}\n")
		for _, value := range []any{nil, "", " ", "Activating"} {
			if err := m.Gate(map[string]any{"Activation_Status__c": value}); err != nil {
				t.Errorf("%s: a status of %#v closes the gate: %v", empty, value, err)
			}
		}
		const want = "(Activation_Status__c = 'Activating' OR Activation_Status__c = null)"
		if got := m.GateSOQL(); got != want {
			t.Errorf("%s: GateSOQL() = %s, want %s", empty, got, want)
		}
	}
}

func TestGateSOQLEscapes(t *testing.T) {
	m := parse(t, "version: 1\nclient: 9\ngate: {order.Status: [\"O'Brien \\\\ x\\n\"]}\n")
	const want = `Status = 'O\'Brien \\ x\n'`
	if got := m.GateSOQL(); got != want {
		t.Errorf("GateSOQL() = %s, want %s", got, want)
	}
}

func TestAlreadyOrdered(t *testing.T) {
	m := parse(t, "version: 1\nclient: 9\n")
	tests := map[string]struct {
		value any
		want  int64
		bad   bool
	}{
		"empty":    {value: nil},
		"blank":    {value: " "},
		"text":     {value: "4711", want: 4711},
		"number":   {value: json.Number("4711.0"), want: 4711},
		"zero":     {value: "0"},
		"negative": {value: "-1", bad: true},
		"words":    {value: "#4711", bad: true},
		"two":      {value: "4711, 4712", bad: true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := m.AlreadyOrdered(map[string]any{"WHMCS_Order_ID__c": tt.value})
			if got != tt.want || (err != nil) != tt.bad {
				t.Errorf("AlreadyOrdered() = %d, %v, want %d, error %t", got, err, tt.want, tt.bad)
			}
		})
	}
}
