package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/internal/sandbox"
	"github.com/orderbridge/orderbridge/internal/sandbox/whmcs"
	"github.com/orderbridge/orderbridge/internal/stage"
)

// world is the control plane and the sandbox that all tests share. Each test runs managers of its own, one after the
// other.
var world *stage.Stage

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	repository, err := filepath.Abs("../..")
	if err != nil {
		return 1, err
	}
	for _, program := range []string{"manager", "sandbox", "devcluster"} {
		if _, err := os.Stat(filepath.Join(repository, "bin", program)); err != nil {
			return 1, fmt.Errorf("bin/%s is missing: run make build devcluster first", program)
		}
	}
	dir, err := os.MkdirTemp("", "orderbridge-e2e-")
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	world, err = stage.Start(context.Background(), stage.Options{Repository: repository, Dir: dir, Pipeline: short})
	defer func() { err = errors.Join(err, world.Close()) }()
	if err != nil {
		return 1, err
	}
	return m.Run(), nil
}

// short makes the pipeline decide about lost answers within seconds.
func short(pipeline *v1alpha1.ProvisioningPipeline) {
	timeouts := &pipeline.Spec.Whmcs.Timeouts
	timeouts.AddOrder.Duration = 5 * time.Second
	timeouts.AcceptOrder.Duration = 5 * time.Second
	timeouts.Settle.Duration = 5 * time.Second
}

// manager starts a manager for a test.
func manager(t *testing.T, arguments ...string) *stage.Process {
	t.Helper()
	m, err := world.StartManager(t.Context(), arguments...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Stop(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			if log, err := os.ReadFile(m.Log); err == nil {
				t.Logf("the end of the manager's log:\n%s", log[max(0, len(log)-4000):])
			}
		}
	})
	return m
}

// approved makes a customer of its own with an approved order.
func approved(t *testing.T, faults ...whmcs.Fault) (sandbox.Customer, sandbox.SeededOrder) {
	t.Helper()
	customer, err := world.Control.NewCustomer(t.Context(), true)
	if err != nil {
		t.Fatal(err)
	}
	for _, fault := range faults {
		fault.ClientID = customer.ClientID
		set, err := world.Control.SetWhmcsFault(t.Context(), fault)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = world.Control.ClearFault(context.WithoutCancel(t.Context()), "whmcs", set.ID) })
	}
	order, err := world.Control.NewOrder(t.Context(), sandbox.OrderRequest{
		AccountID: customer.AccountID, Approve: true,
		Lines: []sandbox.OrderLine{{SKU: "INT-HOME-10G"}, {SKU: "INT-INSTALL"}, {SKU: "INT-HOME-PHONE", Quantity: 2}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return customer, order
}

func objectOf(order sandbox.SeededOrder) string {
	return "portal-" + strings.ToLower(order.ID)
}

func get(ctx context.Context, order sandbox.SeededOrder) (v1alpha1.ProvisioningOrder, error) {
	var object v1alpha1.ProvisioningOrder
	err := world.Client.Get(ctx, client.ObjectKey{Namespace: stage.Namespace, Name: objectOf(order)}, &object)
	return object, err
}

// eventually waits for a fact.
func eventually(t *testing.T, within time.Duration, what string, try func() error) {
	t.Helper()
	if err := stage.Eventually(t.Context(), within, what, try); err != nil {
		t.Fatal(err)
	}
}

// provisioned waits until the order is provisioned.
func provisioned(t *testing.T, order sandbox.SeededOrder, within time.Duration) v1alpha1.ProvisioningOrder {
	t.Helper()
	var object v1alpha1.ProvisioningOrder
	eventually(t, within, "the order is provisioned", func() (err error) {
		if object, err = get(t.Context(), order); err != nil {
			return err
		}
		if object.Status.State != v1alpha1.ProvisionedState {
			return fmt.Errorf("the state is %q: %+v", object.Status.State, object.Status.Conditions)
		}
		return nil
	})
	return object
}

// onceInTheBooks checks that the books of both sides show the order exactly once, right in every detail.
func onceInTheBooks(t *testing.T, orders ...sandbox.SeededOrder) {
	t.Helper()
	audit, err := world.Control.Audit(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if audit.Duplicates != 0 {
		t.Errorf("%d duplicates", audit.Duplicates)
	}
	for _, finding := range audit.Findings {
		if slices.ContainsFunc(orders, func(o sandbox.SeededOrder) bool { return o.ID == finding.Order }) {
			t.Error(finding)
		}
	}
	state, err := world.Control.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, order := range orders {
		i := slices.IndexFunc(audit.Orders, func(o sandbox.OrderAudit) bool { return o.ID == order.ID })
		if i < 0 || len(audit.Orders[i].WhmcsOrderIDs) != 1 {
			t.Errorf("order %s does not have exactly one WHMCS order: %+v", order.ID, audit.Orders)
			continue
		}
		for _, theirs := range state.Whmcs.Orders {
			if theirs.ID == audit.Orders[i].WhmcsOrderIDs[0] && theirs.Accepts != 1 {
				t.Errorf("WHMCS order %d was accepted %d times, want once", theirs.ID, theirs.Accepts)
			}
		}
	}
}

// whmcsOrders are the client's orders in the sandbox's books.
func whmcsOrders(ctx context.Context, clientID int64) ([]whmcs.Order, error) {
	state, err := world.Control.State(ctx)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(state.Whmcs.Orders, func(o whmcs.Order) bool { return o.ClientID != clientID }), nil
}

// outcomes are the outcomes of an order's calls, in their order.
func outcomes(order v1alpha1.ProvisioningOrder) string {
	var all []string
	for _, call := range order.Status.Calls {
		all = append(all, string(call.Step)+" "+string(call.Outcome))
	}
	return strings.Join(all, ", ")
}
