package main

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/internal/sandbox/whmcs"
)

// The short form of `make outage`.
func TestOutage(t *testing.T) {
	result, err := runOutage(t.Context(), outageSettings{
		orders: 30, length: 8 * time.Second, perSecond: 30, root: "../..", dir: t.TempDir(), within: 3 * time.Minute,
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range result.wrong {
		t.Error(line)
	}
	for _, line := range result.missed {
		t.Log("not asserted here, for a busy machine misses it: ", line)
	}
	t.Log(result.summary())
}

func TestInverted(t *testing.T) {
	start := time.Unix(1_800_000_000, 0)
	healed := start.Add(time.Second)
	object := func(id int64, age int) v1alpha1.ProvisioningOrder {
		var o v1alpha1.ProvisioningOrder
		o.CreationTimestamp = metav1.NewTime(start.Add(time.Duration(age) * time.Second))
		o.Status.Whmcs = &v1alpha1.WhmcsOrder{OrderID: id}
		o.Status.Plan = &v1alpha1.Plan{ClientID: 100 + id}
		o.Status.Calls = []v1alpha1.Call{{Step: v1alpha1.AddOrderCall, ClaimedAt: metav1.NewMicroTime(healed.Add(time.Second)), SettledAt: new(metav1.NewMicroTime(healed.Add(2 * time.Second)))}}
		return o
	}
	lost := object(6, 5)
	lost.Status.Calls[0].ClaimedAt = metav1.NewMicroTime(start)
	behind := object(7, 5)
	behind.Status.Plan.ClientID = lost.Status.Plan.ClientID
	objects := []v1alpha1.ProvisioningOrder{object(1, 10), object(2, 20), object(3, 30), object(4, 30), lost, behind}
	made := func(ids ...int64) []whmcs.Entry {
		var out []whmcs.Entry
		for _, id := range ids {
			out = append(out, whmcs.Entry{Action: "AddOrder", OrderID: id, Result: "success", At: start.Add(time.Minute)})
		}
		return out
	}
	tests := map[string]struct {
		journal []whmcs.Entry
		want    inversions
	}{
		"oldest first":         {made(1, 2, 3, 4), inversions{pairs: 5}},
		"equals in any order":  {made(1, 2, 4, 3), inversions{pairs: 5}},
		"youngest first":       {made(4, 3, 2, 1), inversions{pairs: 5, inverted: 5}},
		"one out of order":     {made(2, 1, 3, 4), inversions{pairs: 5, inverted: 1}},
		"others do not count":  {append(made(1, 2), whmcs.Entry{Action: "AcceptOrder", OrderID: 3, Result: "success", At: start.Add(time.Hour)}), inversions{pairs: 1}},
		"before the outage":    {append(made(2, 1), whmcs.Entry{Action: "AddOrder", OrderID: 3, Result: "success", At: start}), inversions{pairs: 1, inverted: 1}},
		"its answer was lost":  {made(1, 2, 6), inversions{pairs: 1}},
		"behind such an order": {made(1, 7, 2), inversions{pairs: 1}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := inverted(objects, stillSettling(objects, healed), test.journal, healed)
			if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(inversions{})); diff != "" {
				t.Errorf("inverted (-want +got):\n%s", diff)
			}
		})
	}
}
