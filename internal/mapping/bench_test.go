package mapping

import (
	"fmt"
	"strings"
	"testing"
)

// largeMapping has rules of every kind: exact SKUs, patterns, and conditions.
func largeMapping(rules int) string {
	var b strings.Builder
	b.WriteString("version: 1\nclient: 9\nproducts:\n")
	for i := range rules {
		switch i % 4 {
		case 0, 1:
			fmt.Fprintf(&b, "- {sku: EXACT-%d, pid: %d, cycle: monthly}\n", i, i+1)
		case 2:
			fmt.Fprintf(&b, "- {sku: \"*-%d-[0-9]*\", pid: %d, cycle: annually, configOptions: {12: 3}}\n", i, i+1)
		case 3:
			fmt.Fprintf(&b, "- {when: \"product.Family == 'F%d' && product.StockKeepingUnit.endsWith('9')\", pid: %d}\n", i, i+1)
		}
	}
	return b.String()
}

func largeCatalogue(products, rules int) Catalogue {
	var c Catalogue
	for i := range products {
		sku := fmt.Sprintf("P-%d-%d", i%rules, i)
		if i%5 == 0 {
			sku = fmt.Sprintf("EXACT-%d", i%rules)
		}
		c.Products = append(c.Products, map[string]any{
			"Id": fmt.Sprintf("01t%d", i), "StockKeepingUnit": sku, "Family": fmt.Sprintf("F%d", i%rules),
			"WHMCS_Product_Id__c": float64(i%rules + 1), "Billing_Cycle__c": "Monthly",
		})
	}
	for i := range rules {
		c.WHMCS = append(c.WHMCS, WHMCSProduct{PID: int64(i + 1), PayType: "recurring", BillingCycles: []string{"monthly", "annually"},
			ConfigOptions: []WHMCSConfigOption{{ID: 12, Type: "4"}}})
	}
	return c
}

func BenchmarkCheck10000Products200Rules(b *testing.B) {
	m := parse(b, largeMapping(200))
	cat := largeCatalogue(10_000, 200)
	b.ReportAllocs()
	for b.Loop() {
		m.Check(cat)
	}
}

func BenchmarkPlanReference(b *testing.B) {
	m := parseFile(b, "testdata/portal.yaml")
	order := readOrder(b, "testdata/worked-order.json")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := m.Plan(order); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPlanEveryPart(b *testing.B) {
	m := parseFile(b, "testdata/full.yaml")
	order := fullOrder()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := m.Plan(order); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPlan200Rules(b *testing.B) {
	m := parse(b, largeMapping(200))
	order := readOrder(b, "testdata/worked-order.json")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := m.Plan(order); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParse200Rules(b *testing.B) {
	text := []byte(largeMapping(200))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(text); err != nil {
			b.Fatal(err)
		}
	}
}
