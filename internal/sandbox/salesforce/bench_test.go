package salesforce

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// A query of 200 orders must not depend on how many orders there are.
func BenchmarkQueryOfOrders(b *testing.B) {
	for _, stored := range []int{200, 20_000} {
		b.Run(fmt.Sprint(stored), func(b *testing.B) {
			server := New(Options{Now: func() time.Time { return testStart }})
			seed := Seed{Accounts: []Account{{Name: "A"}}, Products: []Product{{Name: "P", Price: 1}}}
			for range stored {
				seed.Orders = append(seed.Orders, SeedOrder{Products: []int{0, 0, 0}})
			}
			seeded, err := server.Seed(seed)
			if err != nil {
				b.Fatal(err)
			}
			text := "SELECT Id, Status, Account.Name, (SELECT Id, Quantity, Product2.WHMCS_Product_Id__c FROM OrderItems) FROM Order WHERE Id IN ('" +
				strings.Join(seeded.Orders[:200], "','") + "')"
			for b.Loop() {
				server.mu.Lock()
				r := server.query(&call{prefix: "/services/data/v66.0", header: http.Header{}, txn: server.begin(server.admin, nil)}, text, false)
				server.mu.Unlock()
				if body, err := r.bytes(); err != nil || r.status != http.StatusOK || len(body) < 200 {
					b.Fatalf("status %d, %v", r.status, err)
				}
			}
		})
	}
}
