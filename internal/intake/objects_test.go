package intake

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	sandboxsalesforce "github.com/orderbridge/orderbridge/internal/sandbox/salesforce"
)

// TestOrdersOfACustomObject hears of orders that are no Orders by change events, and finds by a sweep those that it did not.
func TestOrdersOfACustomObject(t *testing.T) {
	t.Parallel()
	const topic = "/data/Provision__ChangeEvent"
	r, box := overTheWire(t, nil, topic, changeTopic)
	r.gate = &Gate{Object: "Provision__c", Where: "Activation_Status__c = 'Activating'"}
	_, schema, _ := box.PubSub.Schema(changeTopic)
	if err := box.PubSub.DefineTopic(topic, strings.Replace(schema, `"OrderChangeEvent"`, `"Provision__ChangeEvent"`, 1)); err != nil {
		t.Fatal(err)
	}
	if err := box.Salesforce.DefineObject(sandboxsalesforce.Object{Name: "Provision__c", KeyPrefix: "a0X", Fields: []sandboxsalesforce.Field{
		{Name: "Activation_Status__c", Type: sandboxsalesforce.TypeString, Length: 40},
	}}); err != nil {
		t.Fatal(err)
	}
	create := func(status string) string {
		id, err := box.Salesforce.Create("Provision__c", map[string]any{"Activation_Status__c": status})
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	silent := create("Activating")
	box.Salesforce.SetChangeEvents("Provision__c", "Order")
	r.start()
	r.eventually("the sweep has found the first", func() bool { return len(r.orders()) == 1 })
	create("Draft")
	heard := create("Activating")
	approved(t, box, 2)
	r.eventually("all changes have arrived", func() bool { return r.trigger(topic).Received >= 2 && r.trigger(changeTopic).Received >= 2 })
	got := map[string]v1alpha1.Origin{}
	for _, o := range r.orders() {
		got[o.Spec.SalesforceOrderID] = o.Spec.Origin
	}
	if diff := cmp.Diff(map[string]v1alpha1.Origin{silent: v1alpha1.SweepOrigin, heard: v1alpha1.ChangeEventOrigin}, got); diff != "" {
		t.Errorf("orders (-want +got):\n%s", diff)
	}
}
