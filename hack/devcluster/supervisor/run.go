package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

const (
	etcdName      = "etcd"
	apiServerName = "kube-apiserver"

	etcdGrace      = 10 * time.Second
	apiServerGrace = 20 * time.Second

	// portAttempts is how often a start is tried when a free port was taken by somebody else in between.
	portAttempts = 3
)

var errPortTaken = errors.New("a port is taken")

// Run starts the control plane, writes one line to out when it is ready, and returns when ctx has ended and both children
// have stopped, or when one of them ended by itself and Options.Restart is off.
func Run(ctx context.Context, options Options, out, log io.Writer) error {
	if err := os.MkdirAll(options.DataDir, 0o700); err != nil {
		return err
	}
	held, err := lock(options.DataDir)
	if err != nil {
		return err
	}
	defer held.Close()
	certificates, err := loadPKI(filepath.Join(options.DataDir, "pki"), time.Now())
	if err != nil {
		return err
	}
	for attempt := 1; ; attempt++ {
		ports, err := choosePorts(options.DataDir, options.Port)
		if err != nil {
			return err
		}
		c := newCluster(options, certificates, ports, log)
		err = c.run(ctx, out)
		if !errors.Is(err, errPortTaken) || options.Port != 0 || attempt == portAttempts {
			return err
		}
		fmt.Fprintf(log, "devcluster: %v; trying others\n", errPortTaken)
	}
}

type cluster struct {
	options   Options
	pki       *pki
	ports     ports
	log       io.Writer
	etcd      *process
	apiServer *process
}

func newCluster(options Options, certificates *pki, p ports, log io.Writer) *cluster {
	c := &cluster{options: options, pki: certificates, ports: p, log: log}
	c.etcd = newProcess(etcdName, options.DataDir, c.etcdArgs(), etcdGrace)
	c.apiServer = newProcess(apiServerName, options.DataDir, c.apiServerArgs(), apiServerGrace)
	return c
}

func (c *cluster) run(ctx context.Context, out io.Writer) (err error) {
	defer func() {
		// The API server goes first: without etcd it could only fail the requests it is finishing.
		err = errors.Join(err, c.apiServer.stop(), c.etcd.stop())
	}()
	for _, step := range []struct {
		child *process
		ready func(context.Context) error
	}{{c.etcd, c.etcdReady}, {c.apiServer, c.apiServerReady}} {
		if err := c.bringUp(ctx, step.child, step.ready); err != nil || ctx.Err() != nil {
			return err
		}
	}
	if err := c.ports.save(c.options.DataDir); err != nil {
		return err
	}
	if err := writeKubeconfig(c.options.Kubeconfig, c.url(), c.pki); err != nil {
		return err
	}
	fmt.Fprintf(out, "devcluster ready: %s kubeconfig=%s\n", c.url(), c.options.Kubeconfig)
	return c.keep(ctx)
}

// bringUp starts one child and waits until it serves. A ctx that ends meanwhile is no error.
func (c *cluster) bringUp(ctx context.Context, child *process, ready func(context.Context) error) error {
	if err := child.rotateLog(); err != nil {
		return err
	}
	if err := child.start(); err != nil {
		return err
	}
	deadline := time.After(c.options.ReadyTimeout)
	poll := time.NewTicker(100 * time.Millisecond)
	defer poll.Stop()
	for {
		last := ready(ctx)
		if last == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-child.done:
			return death(child)
		case <-deadline:
			return fmt.Errorf("%s is not ready after %s: %w; %s", child.name, c.options.ReadyTimeout, last, child.tail())
		case <-poll.C:
		}
	}
}

// keep blocks while both children live, or are brought back to life.
func (c *cluster) keep(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var group sync.WaitGroup
	for _, child := range []*process{c.etcd, c.apiServer} {
		group.Go(func() {
			if err := c.keepOne(ctx, child); err != nil {
				cancel(err)
			}
		})
	}
	group.Wait()
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		return cause
	}
	return nil
}

func (c *cluster) keepOne(ctx context.Context, child *process) error {
	var backoff backoff
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-child.done:
		}
		if !c.options.Restart {
			return death(child)
		}
		pause := backoff.next(child.lived())
		fmt.Fprintf(c.log, "devcluster: %s ended by itself (%s), starting it again in %s\n", child.name, child.end(), pause)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
		if err := child.start(); err != nil {
			return err
		}
	}
}

func death(child *process) error {
	tail := child.tail()
	err := fmt.Errorf("%s ended by itself (%s); %s", child.name, child.end(), tail)
	if strings.Contains(tail, "address already in use") {
		return fmt.Errorf("%w: %w", errPortTaken, err)
	}
	return err
}

// backoff spaces the restarts of one child; a child that lived for a while starts afresh.
type backoff struct{ last time.Duration }

const (
	backoffFirst  = 100 * time.Millisecond
	backoffMax    = 5 * time.Second
	backoffForget = 10 * time.Second
)

func (b *backoff) next(lived time.Duration) time.Duration {
	if b.last == 0 || lived >= backoffForget {
		b.last = backoffFirst
	} else {
		b.last = min(2*b.last, backoffMax)
	}
	return b.last
}
