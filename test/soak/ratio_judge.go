package main

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/internal/sandbox"
)

// compared is what kills cost.
type compared struct {
	orders, kills int
	calm, killed  time.Duration
	// untouched is when the last order was accepted that no kill touched.
	untouched time.Duration
	most      float64
	wrong     []string
}

func (c *compared) ratio() float64 { return c.killed.Seconds() / c.calm.Seconds() }

func (c *compared) summary() string {
	return fmt.Sprintf("%d orders: %.1fs without kills, %.1fs with %d kills of the leading manager (%.1fs for those that no kill touched): ratio %.2f, at most %.2f",
		c.orders, c.calm.Seconds(), c.killed.Seconds(), c.kills, c.untouched.Seconds(), c.ratio(), c.most)
}

// span is the time from an order's first claim to the end of its last call.
type span struct {
	from, to time.Time
	// plain is true if every call was made once and answered.
	plain bool
}

func spanOf(order *v1alpha1.ProvisioningOrder) (span, bool) {
	s := span{plain: true}
	for _, call := range order.Status.Calls {
		if call.SettledAt == nil {
			return s, false
		}
		if s.from.IsZero() {
			s.from = call.ClaimedAt.Time
		}
		s.to = call.SettledAt.Time
		s.plain = s.plain && call.Attempt == 1 && call.Outcome == v1alpha1.SucceededOutcome
	}
	return s, !s.from.IsZero()
}

// touched tells whether a kill fell into the span, or the order lost an answer to one.
func (s span) touched(kills []time.Time) bool {
	return !s.plain || slices.ContainsFunc(kills, func(kill time.Time) bool { return kill.After(s.from) && kill.Before(s.to.Add(time.Second)) })
}

// compareRounds prints what the kills cost, and whom.
func compareRounds(o ratioSettings, calm, killed round, audit sandbox.Audit) compared {
	c := compared{orders: o.orders, kills: len(killed.kills), calm: calm.took, killed: killed.took, most: o.most}
	calm.print("without kills")
	c.untouched = killed.print("with kills")
	killed.slowest(3)
	still := time.Duration(0)
	for n, kill := range killed.kills {
		gap := killed.standstill(kill)
		still += gap
		fmt.Printf("kill %d: the next order was claimed %.2fs later\n", n+1, gap.Seconds())
	}
	fmt.Printf("nothing was claimed for %.1fs in all; the orders took %.1fs beside that\n", still.Seconds(), (killed.took - still).Seconds())
	fmt.Println("audit:", audit.Summary())
	for _, r := range []round{calm, killed} {
		for i := range r.objects {
			if state := r.objects[i].Status.State; state != v1alpha1.ProvisionedState {
				c.wrong = append(c.wrong, fmt.Sprintf("%s is %s", r.objects[i].Name, state))
			}
		}
	}
	for _, finding := range audit.Findings {
		c.wrong = append(c.wrong, finding.String())
	}
	if c.kills != o.kills {
		c.wrong = append(c.wrong, fmt.Sprintf("%d kills, want %d", c.kills, o.kills))
	}
	if c.ratio() > c.most {
		c.wrong = append(c.wrong, fmt.Sprintf("the ratio is %.2f, want at most %.2f", c.ratio(), c.most))
	}
	return c
}

// standstill is the time from a kill to the next claim.
func (r round) standstill(kill time.Time) time.Duration {
	next := r.began.Add(r.took)
	for i := range r.objects {
		for _, call := range r.objects[i].Status.Calls {
			if at := call.ClaimedAt.Time; at.After(kill) && at.Before(next) {
				next = at
			}
		}
	}
	return next.Sub(kill)
}

// print says how long orders took, those that a kill touched apart, and returns when the last of the others was accepted.
func (r round) print(name string) time.Duration {
	var alone, touched []time.Duration
	var last, lastTouched time.Duration
	for i := range r.objects {
		s, ok := spanOf(&r.objects[i])
		if !ok {
			continue
		}
		end := s.to.Sub(r.began)
		if s.touched(r.kills) {
			touched = append(touched, s.to.Sub(s.from))
			lastTouched = max(lastTouched, end)
		} else {
			alone = append(alone, s.to.Sub(s.from))
			last = max(last, end)
		}
	}
	fmt.Printf("%s: %d orders that no kill touched: from claim to accepted p50 %s, p99 %s, most %s; the last was accepted after %.1fs\n",
		name, len(alone), percentile(alone, 50), percentile(alone, 99), percentile(alone, 100), last.Seconds())
	if len(touched) > 0 {
		fmt.Printf("%s: %d orders that a kill touched, or whose answer was lost: p50 %s, p99 %s, most %s; the last was accepted after %.1fs\n",
			name, len(touched), percentile(touched, 50), percentile(touched, 99), percentile(touched, 100), lastTouched.Seconds())
	}
	return last
}

// slowest prints what the slowest orders that a kill touched waited for.
func (r round) slowest(count int) {
	slow := slices.DeleteFunc(slices.Clone(r.objects), func(o v1alpha1.ProvisioningOrder) bool {
		s, ok := spanOf(&o)
		return !ok || !s.touched(r.kills)
	})
	slices.SortFunc(slow, func(a, b v1alpha1.ProvisioningOrder) int {
		one, _ := spanOf(&a)
		other, _ := spanOf(&b)
		return cmp.Compare(other.to.Sub(other.from), one.to.Sub(one.from))
	})
	for i := range slow[:min(count, len(slow))] {
		fmt.Println("slow:", slow[i].Name)
		for _, call := range slow[i].Status.Calls {
			fmt.Printf("      %s %d claimed after %.1fs, settled after %.1fs: %s %s\n", call.Step, call.Attempt,
				call.ClaimedAt.Sub(r.began).Seconds(), call.SettledAt.Sub(r.began).Seconds(), call.Outcome, call.Evidence)
		}
	}
}

// percentile is the smallest value that so many per cent of the values do not exceed.
func percentile(values []time.Duration, percent int) time.Duration {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[max(0, (len(sorted)*percent+99)/100-1)].Round(time.Millisecond)
}
