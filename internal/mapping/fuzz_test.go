package mapping

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"cel.dev/cel-go/cel"

	"github.com/orderbridge/orderbridge/internal/mapping/file"
)

func FuzzParse(f *testing.F) {
	for _, m := range readMistakes(f) {
		f.Add([]byte(m.text))
	}
	for _, name := range []string{"testdata/portal.yaml", "testdata/full.yaml"} {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	order := fullOrder()
	catalogue := shelf()
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := Parse(data)
		if err == nil {
			checkMapping(t, m, order, catalogue)
			return
		}
		problems, ok := errors.AsType[Problems](err)
		if !ok || len(problems) == 0 {
			t.Fatalf("the error is %T with %d problems", err, len(problems))
		}
		lines := len(file.Lines(data))
		for _, p := range problems {
			if p.Line < 1 || p.Line > lines || p.Column < 1 || p.Message == "" || p.Hint == "" {
				t.Errorf("problem %+v in a file of %d lines", p, lines)
			}
		}
	})
}

// checkMapping holds a mapping that compiles to what every mapping promises.
func checkMapping(t *testing.T, m *Mapping, order map[string]any, catalogue Catalogue) {
	t.Helper()
	if m.GateSOQL() == "" || len(m.SHA256()) != 64 {
		t.Errorf("gate %q, hash %q", m.GateSOQL(), m.SHA256())
	}
	for _, f := range append(m.OrderFields(), m.ItemFields()...) {
		if names, err := apiNames(f); err != nil || len(names) > maxDepth+1 {
			t.Errorf("field %q would not do in SOQL: %v", f, err)
		}
	}
	m.Check(catalogue)
	m.WriteBack(order, Result{Reason: "Provisioned", WHMCSOrderID: 1, Services: map[string][]int64{"802A": {1}}})
	plan, err := m.PlanUngated(order)
	if err != nil {
		if _, ok := errors.AsType[*Miss](err); !ok {
			t.Errorf("the error of Plan is %T: %v", err, err)
		}
		return
	}
	if plan.ClientID < 1 || len(plan.Lines) < 1 || len(plan.Lines) > MaxLines {
		t.Errorf("plan %+v", plan)
	}
	for _, l := range plan.Lines {
		if _, ok := canonicalCycle(l.BillingCycle); !ok || l.PID < 1 || l.Quantity < 1 {
			t.Errorf("line %+v", l)
		}
	}
}

func FuzzPlan(f *testing.F) {
	worked, err := os.ReadFile("testdata/worked-order.json")
	if err != nil {
		f.Fatal(err)
	}
	full, err := json.Marshal(fullOrder())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(worked)
	f.Add(full)
	f.Add([]byte(`{"OrderItems": [null, 5, {"Quantity": "x", "Product2": []}]}`))
	f.Add([]byte(`{"OrderItems": {"records": {"records": []}}, "Account": "x"}`))
	mappings := []*Mapping{parseFile(f, "testdata/portal.yaml"), parseFile(f, "testdata/full.yaml")}
	f.Fuzz(func(t *testing.T, data []byte) {
		dec := json.NewDecoder(strings.NewReader(string(data)))
		dec.UseNumber()
		var order map[string]any
		if dec.Decode(&order) != nil {
			return
		}
		for _, m := range mappings {
			checkMapping(t, m, order, Catalogue{})
		}
	})
}

// FuzzExpression looks for expressions that run over the cost limit: those that are metered must be stopped, those that
// are not must never get there.
func FuzzExpression(f *testing.F) {
	for _, e := range []string{
		"product.Family == 'F3' && product.StockKeepingUnit.endsWith('9')",
		"order.OrderItems.exists(i, i.Quantity > 1)",
		"order.Note__c.split('').map(a, order.Note__c.split('')).size()",
		"product.Name.replace('', product.Name)", "string(order.A__c) + account.Name", "'%s'.format([order.Note__c])",
		"[1,2,3].map(x, [1,2,3].map(y, x*y))", "order.Note__c.matches('(a+)+$')", "int(item.Quantity) / 0", "{'a': 1}[order.Note__c]",
		"timestamp(order.CreatedDate).getFullYear()", "has(order.A__r.B__r) ? 1 : 2", "order.Note__c.reverse()",
	} {
		f.Add(e, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!")
	}
	envs, err := newEnvs(standardNames)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, source, note string) {
		if len(note) > longestField {
			return
		}
		anything := target{kinds: textTarget.kinds}
		e, problems := compileCEL(envs.line, source, anything, standardLines)
		if (e == nil) == (len(problems) == 0) {
			t.Fatalf("%q gives expression %v and problems %v", source, e, problems)
		}
		if e == nil {
			return
		}
		s := &scope{
			order:   map[string]any{"Note__c": note, "Name": note, "OrderItems": []map[string]any{{"Quantity": 2.0}, {"Quantity": 1.0}}},
			item:    map[string]any{"Quantity": 2.0},
			product: map[string]any{"Name": note, "Family": "F3", "StockKeepingUnit": note},
		}
		_, _ = e.run(s)
		if !alwaysCheap(envs.line, e.checked) {
			return
		}
		tracked, err := envs.line.Program(e.checked, cel.EvalOptions(cel.OptTrackCost))
		if err != nil {
			t.Fatal(err)
		}
		if _, details, _ := tracked.Eval(s); details != nil && details.ActualCost() != nil && *details.ActualCost() > costLimit {
			t.Errorf("%q runs without meter and costs %d, more than %d", source, *details.ActualCost(), costLimit)
		}
	})
}
