package stage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// Process is a program of ours that runs beside us.
type Process struct {
	// Name is the program's.
	Name string
	// Log is the file with its output.
	Log string

	command *exec.Cmd
	ended   chan struct{}
	err     error
}

const (
	startTime = 90 * time.Second
	stopTime  = 70 * time.Second
)

// run starts a program of bin/ and waits until its output says that it is ready.
func (s *Stage) run(ctx context.Context, program string, environment []string, ready string, arguments ...string) (*Process, error) {
	file, err := os.CreateTemp(s.options.Dir, program+"-*.log")
	if err != nil {
		return nil, err
	}
	p := &Process{Name: program, Log: file.Name(), ended: make(chan struct{})}
	// Not bound to ctx: a process ends when it is told to, not when the start-up's patience ends.
	p.command = exec.CommandContext(context.WithoutCancel(ctx), filepath.Join(s.options.Repository, "bin", program), arguments...)
	p.command.Stdout, p.command.Stderr = file, file
	p.command.Env = append(p.command.Environ(), environment...)
	// A group of its own, so that an interrupt at the terminal reaches us first; and no life after ours.
	p.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := p.command.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("starting %s: %w (make build devcluster builds it)", program, err), file.Close())
	}
	s.mu.Lock()
	s.processes = append(s.processes, p)
	s.mu.Unlock()
	go func() {
		p.err = p.command.Wait()
		_ = file.Close()
		close(p.ended)
	}()
	err = p.wait(ctx, ready)
	return p, err
}

// wait returns when the output contains the text.
func (p *Process) wait(ctx context.Context, ready string) error {
	return Eventually(ctx, startTime, p.Name+" is ready", func() error {
		output, err := os.ReadFile(p.Log)
		if err != nil {
			return err
		}
		if bytes.Contains(output, []byte(ready)) {
			return nil
		}
		if !p.Running() {
			return fmt.Errorf("%s ended: %w\n%s", p.Name, p.err, tail(output, 2000))
		}
		return fmt.Errorf("see %s", p.Log)
	})
}

func tail(output []byte, most int) []byte {
	return output[max(0, len(output)-most):]
}

// Running tells whether the process has not ended.
func (p *Process) Running() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// Ended is closed when the process has ended.
func (p *Process) Ended() <-chan struct{} {
	return p.ended
}

// PID is the process id.
func (p *Process) PID() int {
	return p.command.Process.Pid
}

// Kill ends the process without a chance to do anything, and waits for its end.
func (p *Process) Kill() error {
	if !p.Running() {
		return nil
	}
	err := p.command.Process.Kill()
	<-p.ended
	return err
}

// Stop asks the process to end and waits for it.
func (p *Process) Stop() error {
	if !p.Running() {
		return nil
	}
	if err := p.command.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-p.ended:
		return nil
	case <-time.After(stopTime):
		return errors.Join(fmt.Errorf("%s did not end within %s of SIGTERM", p.Name, stopTime), p.Kill())
	}
}
