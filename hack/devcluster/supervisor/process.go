package supervisor

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// process is one child: this very binary, called by another name.
type process struct {
	name    string
	args    []string
	grace   time.Duration
	logFile string
	pidFile string

	// cmd, done and began belong to the present life of the child; done is closed when that has ended.
	cmd   *exec.Cmd
	done  chan struct{}
	began time.Time
	ended time.Time
}

func newProcess(name, dataDir string, args []string, grace time.Duration) *process {
	return &process{
		name: name, args: args, grace: grace,
		logFile: filepath.Join(dataDir, name+".log"),
		pidFile: filepath.Join(dataDir, name+".pid"),
	}
}

// spawner runs functions on one OS thread that lives as long as this process: the kernel's parent-death signal is bound
// to the thread that started the child, and Go ends idle threads.
var spawner = sync.OnceValue(func() chan<- func() {
	calls := make(chan func())
	go func() {
		runtime.LockOSThread()
		for call := range calls {
			call()
		}
	}()
	return calls
})

func (p *process) start() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	log, err := os.OpenFile(p.logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close() // the child has its own copy
	cmd := &exec.Cmd{
		Path: self, Args: append([]string{p.name}, p.args...), Env: environment(os.Environ()),
		Dir: filepath.Dir(p.logFile), Stdout: log, Stderr: log, SysProcAttr: childAttributes(),
	}
	started := make(chan error)
	spawner() <- func() { started <- cmd.Start() }
	if err := <-started; err != nil {
		return fmt.Errorf("starting %s: %w", p.name, err)
	}
	p.cmd, p.done, p.began = cmd, make(chan struct{}), time.Now()
	go func(done chan<- struct{}) {
		_ = cmd.Wait() // its outcome is read from ProcessState
		p.ended = time.Now()
		close(done)
	}(p.done)
	return os.WriteFile(p.pidFile, []byte(strconv.Itoa(cmd.Process.Pid)+"\n"), 0o600)
}

// environment leaves out what would change the children behind the back of their command line.
func environment(all []string) []string {
	return slices.DeleteFunc(slices.Clone(all), func(pair string) bool {
		return strings.HasPrefix(pair, "ETCD_") || strings.HasPrefix(pair, "KUBECONFIG=")
	})
}

// stop ends the child if it runs: politely, and by force after its grace.
func (p *process) stop() error {
	if p.cmd == nil {
		return nil
	}
	defer os.Remove(p.pidFile)
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stopping %s: %w", p.name, err)
	}
	select {
	case <-p.done:
		return nil
	case <-time.After(p.grace):
	}
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("killing %s: %w", p.name, err)
	}
	<-p.done
	return nil
}

// lived and end describe a life that is over.
func (p *process) lived() time.Duration { return p.ended.Sub(p.began) }

func (p *process) end() string { return p.cmd.ProcessState.String() }

// rotateLog starts a new log and keeps the one of the last start.
func (p *process) rotateLog() error {
	err := os.Rename(p.logFile, p.logFile+".1")
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

const tailLines = 12

func (p *process) tail() string {
	data, err := os.ReadFile(p.logFile)
	if err != nil {
		return fmt.Sprintf("its log cannot be read: %v", err)
	}
	lines := bytes.Split(bytes.TrimSpace(data), []byte("\n"))
	lines = lines[max(0, len(lines)-tailLines):]
	return fmt.Sprintf("last lines of %s:\n%s", p.logFile, bytes.Join(lines, []byte("\n")))
}
