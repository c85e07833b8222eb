package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
)

// mostRows is how many orders the table shows; the rest is summed up.
const mostRows = 20

func ready(order v1alpha1.ProvisioningOrder) metav1.Condition {
	if condition := meta.FindStatusCondition(order.Status.Conditions, v1alpha1.ReadyCondition); condition != nil {
		return *condition
	}
	return metav1.Condition{Status: metav1.ConditionUnknown, Reason: "New"}
}

// draw prints the table if it changed: over the old one on a terminal, else one line of sums.
func (d *demo) draw(orders []v1alpha1.ProvisioningOrder) {
	sums := sumUp(orders, len(d.orders))
	if stat, err := os.Stdout.Stat(); err != nil || stat.Mode()&os.ModeCharDevice == 0 {
		if sums != d.last {
			d.last = sums
			fmt.Println(sums)
		}
		return
	}
	text := table(orders) + sums + "\n"
	if text == d.last {
		return
	}
	if d.last != "" {
		fmt.Print("\033[2J\033[H")
	}
	d.last = text
	fmt.Print(text)
}

// sumUp counts the orders by what they show.
func sumUp(orders []v1alpha1.ProvisioningOrder, wanted int) string {
	counts := map[string]int{}
	for _, order := range orders {
		counts[ready(order).Reason]++
	}
	if missing := wanted - len(orders); missing > 0 {
		counts["Approved"] = missing
	}
	var reasons []string
	for reason := range counts {
		reasons = append(reasons, reason)
	}
	slices.Sort(reasons)
	for i, reason := range reasons {
		reasons[i] = fmt.Sprintf("%d %s", counts[reason], reason)
	}
	return strings.Join(reasons, ", ")
}

// table lists the orders that are not finished first.
func table(orders []v1alpha1.ProvisioningOrder) string {
	orders = slices.Clone(orders)
	slices.SortStableFunc(orders, func(a, b v1alpha1.ProvisioningOrder) int {
		switch {
		case unfinished(a) == unfinished(b):
			return strings.Compare(a.Name, b.Name)
		case unfinished(a):
			return -1
		default:
			return 1
		}
	})
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tORDER\tWHMCS\tREADY\tREASON")
	for i, order := range orders {
		if i == mostRows {
			fmt.Fprintf(w, "... and %d more\n", len(orders)-mostRows)
			break
		}
		number, id := "", ""
		if order.Status.Salesforce != nil {
			number = order.Status.Salesforce.OrderNumber
		}
		if order.Status.Whmcs != nil {
			id = fmt.Sprint(order.Status.Whmcs.OrderID)
		}
		condition := ready(order)
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", order.Name, number, id, condition.Status, condition.Reason)
	}
	_ = w.Flush()
	return b.String()
}
