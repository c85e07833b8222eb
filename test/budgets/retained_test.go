package budgets

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/internal/salesforce"
	"github.com/orderbridge/orderbridge/internal/stage"
)

// retained is 100,000 in the budget; the API server takes a quarter of an hour to store as many.
var retained = flag.Int("retained", 5000, "finished orders that the manager's memory is measured with")

// BenchmarkMemoryOfRetainedOrders compares the memory of a manager with many finished orders to that of one with none.
func BenchmarkMemoryOfRetainedOrders(b *testing.B) {
	for b.Loop() {
		s := onStage(b, fast)
		without := peakMemory(b, s)
		manager := manage(b, s)
		orders := seed(b, s, 1)
		provision(b, s, orders)
		check(b, manager.Stop())
		finish(b, s, orders[0].ID, *retained)
		with := peakMemory(b, s)
		b.ReportMetric(with/without, "ratio")
		say(b, "memory of a manager that has nothing to do", without, "MiB", "")
		say(b, fmt.Sprintf("the same with %d finished orders", *retained), with, "MiB", fmt.Sprintf("at most %.1f MiB, with 100,000 (-retained)", 1.1*without))
	}
}

// settled is how long a manager runs before its memory is read: it has gone through the finished orders by then.
const settled = 30 * time.Second

// peakMemory is the most memory in MiB that a manager holds from its start until it has gone through the finished orders.
func peakMemory(b *testing.B, s *stage.Stage) float64 {
	b.Helper()
	p := manage(b, s)
	<-time.After(settled)
	peak, err := memory(p.PID())
	check(b, err)
	check(b, p.Stop())
	return peak
}

// memory is the peak of a process's resident memory in MiB.
func memory(pid int) (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range bytes.Lines(text) {
		if fields := bytes.Fields(line); len(fields) == 3 && string(fields[0]) == "VmHWM:" {
			kib, err := strconv.ParseFloat(string(fields[1]), 64)
			return kib / 1024, err
		}
	}
	return 0, errors.New("the kernel does not tell VmHWM")
}

// processorTime is what a process has used of the processors.
func processorTime(b *testing.B, p *stage.Process) time.Duration {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.PID()))
	check(b, err)
	_, after, _ := bytes.Cut(text, []byte(") "))
	fields := bytes.Fields(after)
	var ticks int
	for _, field := range fields[11:13] { // utime and stime of proc(5), in hundredths of a second
		n, err := strconv.Atoi(string(field))
		check(b, err)
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

// finish stores orders that look like one that was provisioned just now.
func finish(b *testing.B, s *stage.Stage, like string, count int) {
	b.Helper()
	var model v1alpha1.ProvisioningOrder
	check(b, s.Client.Get(b.Context(), client.ObjectKey{Namespace: stage.Namespace, Name: objectName(like)}, &model))
	group, ctx := errgroup.WithContext(b.Context())
	group.SetLimit(16)
	for n := range count {
		group.Go(func() error {
			id, err := salesforce.ParseID(fmt.Sprintf("801Ret%09d", n))
			if err != nil {
				return err
			}
			order := model.DeepCopy()
			order.ObjectMeta = metav1.ObjectMeta{Namespace: stage.Namespace, Name: objectName(id.String())}
			order.Spec.SalesforceOrderID = id.String()
			if err := s.Client.Create(ctx, order); err != nil {
				return err
			}
			order.Status = *model.Status.DeepCopy()
			order.Status.Salesforce.SyncedAt = new(metav1.NewMicroTime(time.Now()))
			return s.Client.Status().Update(ctx, order)
		})
	}
	check(b, group.Wait())
}
