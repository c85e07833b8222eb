package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/orderbridge/orderbridge/internal/sandbox"
	"github.com/orderbridge/orderbridge/internal/sandbox/whmcs"
	"github.com/orderbridge/orderbridge/internal/stage"
)

const (
	replicas      = 2
	leaseDuration = 6 * time.Second
	// restartPause is how long a manager that ended stays away otherwise: then it finds the lease still its own.
	restartPause = time.Second
	// longPause is how long it stays away if another is to get the lease.
	longPause = leaseDuration + 3*time.Second
	// killPatience is how long a kill waits for its victim to be alive.
	killPatience = time.Minute
	// approvePatience is how long Salesforce may refuse an approval.
	approvePatience = 30 * time.Second
)

// world is what the actions act on.
type world struct {
	stage    *stage.Stage
	dir      string
	orders   []sandbox.SeededOrder
	approved int
	began    time.Time
	kills    int
	// notesIgnored is true if WHMCS does not store notes: then it stores no marker at all.
	notesIgnored bool
	// lastKilled is the process id of each component of the control plane that was killed last.
	lastKilled map[string]int
	replicas   [replicas]replica
	pauses     sync.WaitGroup
}

// replica is a manager that is started again whenever it ends.
type replica struct {
	mu      sync.Mutex
	process *stage.Process
	starts  int
	// away is how long the manager stays away when it ends the next time.
	away time.Duration
}

func (r *replica) current() *stage.Process {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.process
}

func (r *replica) set(p *stage.Process) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.process = p
	if p != nil {
		r.starts++
	}
}

// goFor sets how long the manager stays away when it ends the next time.
func (r *replica) goFor(away time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.away = away
}

// stayAway tells how long the manager that just ended stays away.
func (r *replica) stayAway() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	away := cmp.Or(r.away, restartPause)
	r.away = 0
	return away
}

// keep starts the manager again and again until ctx ends, with the flags of the Deployment.
func (r *replica) keep(ctx context.Context, s *stage.Stage, name string) {
	for ctx.Err() == nil {
		p, err := s.StartManager(ctx, "--leader-elect", "--leader-election-namespace="+stage.Namespace,
			"--leader-election-identity="+name, "--leader-election-lease-duration="+leaseDuration.String())
		if err == nil {
			r.set(p)
			select {
			case <-ctx.Done():
				return
			case <-p.Ended():
			}
			r.set(nil)
		} else if p != nil {
			err = p.Kill() // one that did not come up in time is given up
		}
		wait(ctx, r.stayAway())
		if err != nil {
			fmt.Println("a manager did not start:", err)
		}
	}
}

// startReplicas keeps the managers alive until the function that it returns is called.
func (w *world) startReplicas(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var keepers sync.WaitGroup
	for i := range w.replicas {
		keepers.Go(func() { w.replicas[i].keep(ctx, w.stage, fmt.Sprintf("manager-%d", i)) })
	}
	return func() {
		cancel()
		keepers.Wait()
		w.pauses.Wait()
	}
}

// ignoreNotes has WHMCS not store notes, if it is to be such a one.
func (w *world) ignoreNotes(ctx context.Context) error {
	if !w.notesIgnored {
		return nil
	}
	_, err := w.stage.Control.SetWhmcsFault(ctx, whmcs.Fault{Kind: whmcs.NotesIgnored})
	return err
}

// wait returns after the time, or when ctx ends.
func wait(ctx context.Context, length time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(length):
	}
}

// perform does each action at its time.
func (w *world) perform(ctx context.Context, actions []action) error {
	for _, a := range actions {
		wait(ctx, time.Until(w.began.Add(a.at)))
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		fmt.Printf("%7.1fs %s\n", a.at.Seconds(), a.what)
		if err := a.do(ctx, w); err != nil {
			return fmt.Errorf("%s: %w", a.what, err)
		}
	}
	return nil
}

// approve approves the next orders, as staff do: when Salesforce refuses, they try again.
func (w *world) approve(ctx context.Context, count int) error {
	for _, order := range w.orders[w.approved : w.approved+count] {
		err := stage.Eventually(ctx, approvePatience, "approving "+order.ID, func() error { return w.stage.Control.Approve(ctx, order.ID) })
		if err != nil {
			return err
		}
		w.approved++
	}
	return nil
}

// victim waits until the manager runs.
func (w *world) victim(ctx context.Context, n int) (*stage.Process, error) {
	var p *stage.Process
	err := stage.Eventually(ctx, killPatience, fmt.Sprintf("manager %d runs", n), func() error {
		if p = w.replicas[n].current(); p == nil || !p.Running() {
			return errors.New("it is being started")
		}
		return nil
	})
	return p, err
}

// kill kills the manager, which stays away for a time.
func (w *world) kill(ctx context.Context, n int, away time.Duration) error {
	p, err := w.victim(ctx, n)
	if err != nil {
		return err
	}
	w.kills++
	w.replicas[n].goFor(away)
	return p.Kill()
}

// pause stops the manager now and lets it go on later, without waiting for that.
func (w *world) pause(ctx context.Context, n int, length time.Duration) error {
	p, err := w.victim(ctx, n)
	if err != nil {
		return err
	}
	if err := send(p.PID(), syscall.SIGSTOP); err != nil {
		return err
	}
	w.pauses.Go(func() {
		select {
		case <-ctx.Done():
		case <-p.Ended(): // killed meanwhile
			return
		case <-time.After(length):
		}
		if err := send(p.PID(), syscall.SIGCONT); err != nil {
			fmt.Println("resuming a manager:", err)
		}
	})
	return nil
}

// killControlPlane kills a component by the process id that its supervisor wrote down.
func (w *world) killControlPlane(name string) error {
	text, err := os.ReadFile(filepath.Join(w.dir, "controlplane", name+".pid"))
	if err != nil {
		return err
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || pid < 2 {
		return fmt.Errorf("no process id in the file of %s: %q", name, text)
	}
	if w.lastKilled[name] == pid {
		return nil // still dead: its supervisor is about to start it again
	}
	w.lastKilled[name] = pid
	return send(pid, syscall.SIGKILL)
}

// send signals a process that may have ended already.
func send(pid int, s syscall.Signal) error {
	if err := syscall.Kill(pid, s); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("signalling process %d: %w", pid, err)
	}
	return nil
}
