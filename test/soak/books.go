package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/internal/sandbox"
	"github.com/orderbridge/orderbridge/internal/stage"
	lostanswers "github.com/orderbridge/orderbridge/test/lost"
)

// outcome is what has become of the orders.
type outcome struct {
	provisioned, stalled, duplicates, lost int
	wrong                                  []string
}

func (o *outcome) summary(orders int) string {
	return fmt.Sprintf("%d orders: %d provisioned, %d stalled with evidence, %d duplicates, %d lost",
		orders, o.provisioned, o.stalled, o.duplicates, o.lost)
}

func (o *outcome) ok(orders int) bool {
	return len(o.wrong) == 0 && o.duplicates == 0 && o.lost == 0 && o.provisioned+o.stalled == orders
}

const (
	// looks is how often the orders are counted while they settle.
	looks = time.Second
	// tells is how often the count is printed at least.
	tells = 15 * time.Second
)

// settle ends all troubles and waits until every order has come to its end.
func (w *world) settle(ctx context.Context) error {
	if err := w.stage.Control.ClearFaults(ctx, "all"); err != nil {
		return err
	}
	if err := w.ignoreNotes(ctx); err != nil {
		return err
	}
	w.pauses.Wait()
	starts := 0
	for i := range w.replicas {
		w.replicas[i].mu.Lock()
		starts += w.replicas[i].starts
		w.replicas[i].mu.Unlock()
	}
	fmt.Printf("%7.1fs no more troubles: %d orders approved, managers killed %d times and started %d times; waiting for the orders\n",
		time.Since(w.began).Seconds(), w.approved, w.kills, starts)
	var told time.Time
	for {
		counts, err := w.count(ctx)
		if time.Since(told) > tells {
			told = time.Now()
			fmt.Printf("%7.1fs %s\n", time.Since(w.began).Seconds(), inWords(counts, err))
		}
		if err == nil && counts[v1alpha1.ProvisionedState]+counts[v1alpha1.StalledState] == len(w.orders) {
			fmt.Printf("%7.1fs %s\n", time.Since(w.began).Seconds(), inWords(counts, nil))
			return nil
		}
		switch {
		case errors.Is(ctx.Err(), context.DeadlineExceeded):
			// The books are compared all the same: they say more than that time is up.
			fmt.Println(context.Cause(ctx))
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		}
		wait(ctx, looks)
	}
}

// count counts the objects by their state.
func (w *world) count(ctx context.Context) (map[v1alpha1.OrderState]int, error) {
	var list v1alpha1.ProvisioningOrderList
	err := w.stage.Client.List(ctx, &list, client.InNamespace(stage.Namespace))
	counts := map[v1alpha1.OrderState]int{}
	for i := range list.Items {
		counts[list.Items[i].Status.State]++
	}
	return counts, err
}

func inWords[Kind ~string](counts map[Kind]int, err error) string {
	if err != nil {
		return err.Error()
	}
	var words []string
	for kind, count := range counts {
		words = append(words, fmt.Sprintf("%d %s", count, cmp.Or(string(kind), "new")))
	}
	slices.Sort(words)
	return strings.Join(words, ", ")
}

// books compares what the cluster says with the books of both far sides.
func (w *world) books(ctx context.Context) (outcome, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	var list v1alpha1.ProvisioningOrderList
	if err := w.stage.Client.List(ctx, &list, client.InNamespace(stage.Namespace)); err != nil {
		return outcome{}, fmt.Errorf("listing orders: %w", err)
	}
	audit, err := w.stage.Control.Audit(ctx)
	if err != nil {
		return outcome{}, fmt.Errorf("auditing: %w", err)
	}
	if w.approved != len(w.orders) || audit.Wanted != len(w.orders) {
		return outcome{}, fmt.Errorf("%d orders approved, %d wanted by the audit, want %d", w.approved, audit.Wanted, len(w.orders))
	}
	counters, err := w.stage.Control.Counters(ctx)
	if err != nil {
		return outcome{}, fmt.Errorf("reading the counters: %w", err)
	}
	for _, step := range []v1alpha1.CallStep{v1alpha1.AddOrderCall, v1alpha1.AcceptOrderCall} {
		fmt.Printf("%s: WHMCS ended the calls with %s; the claims were settled as %s\n",
			step, inWords(counters.Whmcs.Calls[string(step)], nil), inWords(settled(list.Items, step), nil))
	}
	o := compare(w.orders, list.Items, audit)
	o.judgeLost(list.Items, w.notesIgnored)
	return o, nil
}

// leastResolved is the share of lost answers that must be resolved without a person where a marker is stored.
const leastResolved = 0.99

// judgeLost counts the lost answers and what became of them.
func (o *outcome) judgeLost(objects []v1alpha1.ProvisioningOrder, notesIgnored bool) {
	var tally lostanswers.Tally
	for i := range objects {
		tally.Add(&objects[i])
	}
	where, least := "notes are stored", leastResolved
	if notesIgnored {
		where, least = "no marker is stored", 0
	}
	fmt.Printf("answers lost where %s: %s\n", where, &tally)
	if tally.Share() < least {
		o.wrong = append(o.wrong, fmt.Sprintf("%.2f %% of the lost answers were resolved without a person, want %.0f %%", 100*tally.Share(), 100*least))
	}
	if n := tally.Unresolved(); n > 0 {
		o.wrong = append(o.wrong, fmt.Sprintf("%d lost answers were neither resolved nor parked with evidence", n))
	}
}

// settled counts what became of the calls of a step.
func settled(objects []v1alpha1.ProvisioningOrder, step v1alpha1.CallStep) map[v1alpha1.CallOutcome]int {
	counts := map[v1alpha1.CallOutcome]int{}
	for i := range objects {
		for _, call := range objects[i].Status.Calls {
			if call.Step == step {
				counts[call.Outcome]++
			}
		}
	}
	return counts
}

// compare judges every order: its object, and what the audit found.
func compare(orders []sandbox.SeededOrder, objects []v1alpha1.ProvisioningOrder, audit sandbox.Audit) outcome {
	o := outcome{duplicates: audit.Duplicates}
	byID := map[string]v1alpha1.ProvisioningOrder{}
	for _, object := range objects {
		if _, twice := byID[object.Spec.SalesforceOrderID]; twice {
			o.wrong = append(o.wrong, object.Name+" is a second object for Salesforce order "+object.Spec.SalesforceOrderID)
		}
		byID[object.Spec.SalesforceOrderID] = object
	}
	var excused []string
	lost := map[string]bool{}
	for _, order := range orders {
		object, known := byID[order.ID]
		delete(byID, order.ID)
		switch {
		case !known:
			lost[order.ID] = true
			o.wrong = append(o.wrong, "Salesforce order "+order.ID+" has no object")
		case object.Status.State == v1alpha1.StalledState:
			excused = append(excused, order.ID)
			o.judgeStalled(object)
		case object.Status.State == v1alpha1.ProvisionedState:
			o.provisioned++
		default:
			o.wrong = append(o.wrong, object.Name+" is neither provisioned nor stalled but "+string(object.Status.State))
		}
	}
	for id := range byID {
		o.wrong = append(o.wrong, "there is an object for "+id+", which was never approved")
	}
	for _, finding := range audit.Excuse(excused...).Findings {
		if finding.Kind == sandbox.Missing {
			lost[finding.Order] = true
		}
		o.wrong = append(o.wrong, finding.String())
	}
	o.lost = len(lost)
	return o
}

// judgeStalled wants the evidence of a stalled order: its reason in words and, for a call whose outcome is not known, what
// is known of it.
func (o *outcome) judgeStalled(object v1alpha1.ProvisioningOrder) {
	if err := evidence(object); err != nil {
		o.wrong = append(o.wrong, object.Name+" is stalled without evidence: "+err.Error())
		return
	}
	o.stalled++
	condition := meta.FindStatusCondition(object.Status.Conditions, v1alpha1.StalledCondition)
	fmt.Printf("stalled: %s %s: %s\n", object.Name, condition.Reason, condition.Message)
	for _, call := range object.Status.Calls {
		fmt.Printf("         %s %d claimed %s: %s %s\n", call.Step, call.Attempt, call.ClaimedAt.Format(time.TimeOnly), call.Outcome, call.Evidence)
	}
}

func evidence(object v1alpha1.ProvisioningOrder) error {
	condition := meta.FindStatusCondition(object.Status.Conditions, v1alpha1.StalledCondition)
	if condition == nil || condition.Reason == "" || condition.Message == "" {
		return errors.New("it has no condition Stalled with reason and message")
	}
	for _, call := range object.Status.Calls {
		if call.SettledAt == nil && call.Evidence == "" {
			return fmt.Errorf("the call %s %d is open and nothing is said about it", call.Step, call.Attempt)
		}
	}
	return nil
}
