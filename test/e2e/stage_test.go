package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/internal/stage"
)

// shared is the one stage of all tests. It is started by the first test that needs it.
var shared struct {
	once  sync.Once
	dir   string
	stage *stage.Stage
	err   error
}

func TestMain(m *testing.M) {
	m.Run()
	if shared.stage != nil {
		if err := shared.stage.Close(); err != nil {
			fmt.Fprintln(os.Stderr, "closing the stage:", err)
		}
	}
	if shared.dir != "" {
		_ = os.RemoveAll(shared.dir)
	}
}

// onStage returns the stage. No manager runs on it unless the test starts one.
func onStage(t *testing.T) *stage.Stage {
	t.Helper()
	shared.once.Do(func() { shared.err = raise() })
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.stage
}

func raise() (err error) {
	root, err := repository()
	if err != nil {
		return err
	}
	if shared.dir, err = os.MkdirTemp("", "orderbridge-e2e-"); err != nil {
		return err
	}
	// The processes outlive the test that happens to be the first.
	shared.stage, err = stage.Start(context.Background(), stage.Options{Repository: root, Dir: shared.dir, Pipeline: quick})
	return err
}

// repository finds the root of the repository and checks that the programs were built.
func repository() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "PROJECT")); err == nil {
			break
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", fmt.Errorf("no folder above the tests holds PROJECT, the mark of the repository's root")
		}
		dir = parent
	}
	for _, program := range []string{"manager", "sandbox", "devcluster", "k8s/kube-apiserver", "k8s/etcd"} {
		if _, err := os.Stat(filepath.Join(dir, "bin", program)); err != nil {
			return "", fmt.Errorf("bin/%s is missing: run `make build devcluster` first: %w", program, err)
		}
	}
	return dir, nil
}

// quick makes the pipeline decide about a lost answer soon: nothing in the sandbox takes longer than it is told to.
func quick(pipeline *v1alpha1.ProvisioningPipeline) {
	timeouts := &pipeline.Spec.Whmcs.Timeouts
	timeouts.AddOrder.Duration = 5 * time.Second
	timeouts.AcceptOrder.Duration = 10 * time.Second
	timeouts.Settle.Duration = 10 * time.Second
	pipeline.Spec.Salesforce.Sweep.Interval.Duration = 30 * time.Second
}

// manage starts a manager, which ends with the test at the latest.
func manage(t *testing.T, s *stage.Stage, arguments ...string) *stage.Process {
	t.Helper()
	p, err := s.StartManager(t.Context(), arguments...)
	if p != nil {
		t.Cleanup(func() {
			if err := p.Stop(); err != nil {
				t.Error(err)
			}
			if t.Failed() {
				t.Logf("the end of %s:\n%s", filepath.Base(p.Log), logTail(p.Log))
			}
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func logTail(file string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-25):], "\n")
}

// must fails the test on an error.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// eventually fails the test unless try works in time.
func eventually(t *testing.T, within time.Duration, what string, try func() error) {
	t.Helper()
	must(t, stage.Eventually(t.Context(), within, what, try))
}

// forgetMarkers takes from the pipeline what it has learnt about what WHMCS stores. No manager may run.
func forgetMarkers(ctx context.Context, t *testing.T, s *stage.Stage) {
	t.Helper()
	var pipeline v1alpha1.ProvisioningPipeline
	must(t, s.Client.Get(ctx, client.ObjectKey{Namespace: stage.Namespace, Name: "portal"}, &pipeline))
	before := pipeline.DeepCopy()
	pipeline.Status.Markers = nil
	must(t, s.Client.Status().Patch(ctx, &pipeline, client.MergeFrom(before)))
}
