package supervisor

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

const patience = 2 * time.Minute

// running is a devcluster process under test.
type running struct {
	t          *testing.T
	cmd        *exec.Cmd
	kubeconfig string
	dataDir    string
	stdout     chan string   // its lines; closed with the process
	stderr     *bytes.Buffer // to be read after it has ended
	ended      chan struct{}
}

func binary(t *testing.T) string {
	t.Helper()
	path, err := filepath.Abs("../../../bin/devcluster")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%v: run make devcluster first", err)
	}
	return path
}

func launch(t *testing.T, dataDir string, args ...string) *running {
	t.Helper()
	r := &running{
		t: t, dataDir: dataDir, kubeconfig: filepath.Join(dataDir, "kubeconfig"),
		stdout: make(chan string, 10), stderr: new(bytes.Buffer), ended: make(chan struct{}),
	}
	args = append([]string{"--data-dir", dataDir, "--kubeconfig", r.kubeconfig, "--unsafe-no-fsync"}, args...)
	r.cmd = exec.Command(binary(t), args...)
	r.cmd.Stderr = r.stderr
	stdout, err := r.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(r.ended)
		defer close(r.stdout)
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			r.stdout <- lines.Text()
		}
		_ = r.cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = r.cmd.Process.Signal(syscall.SIGTERM)
		<-r.ended
	})
	return r
}

func start(t *testing.T, dataDir string, args ...string) *running {
	t.Helper()
	r := launch(t, dataDir, args...)
	select {
	case line, ok := <-r.stdout:
		if !ok || !strings.HasPrefix(line, "devcluster ready: https://127.0.0.1:") {
			<-r.ended
			t.Fatalf("first line on stdout = %q; stderr: %s", line, r.stderr)
		}
	case <-time.After(patience):
		t.Fatal("not ready")
	}
	return r
}

// wait returns the exit code and fails if anything but the first line was printed on standard output.
func (r *running) wait() int {
	r.t.Helper()
	select {
	case <-r.ended:
	case <-time.After(patience):
		r.t.Fatal("the process does not end")
	}
	for line := range r.stdout {
		r.t.Errorf("one more line on stdout: %q", line)
	}
	return r.cmd.ProcessState.ExitCode()
}

func (r *running) signal(s syscall.Signal) {
	r.t.Helper()
	if err := r.cmd.Process.Signal(s); err != nil {
		r.t.Fatal(err)
	}
}

func (r *running) childPID(name string) int {
	r.t.Helper()
	data, err := os.ReadFile(filepath.Join(r.dataDir, name+".pid"))
	if err != nil {
		r.t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil {
		r.t.Fatal(err)
	}
	return pid
}

func (r *running) kill(name string) {
	r.t.Helper()
	if err := syscall.Kill(r.childPID(name), syscall.SIGKILL); err != nil {
		r.t.Fatal(err)
	}
}

// field is the decoded value of a key of the kubeconfig.
func (r *running) field(key string) []byte {
	r.t.Helper()
	data, err := os.ReadFile(r.kubeconfig)
	if err != nil {
		r.t.Fatal(err)
	}
	match := regexp.MustCompile(key + `: (\S+)`).FindSubmatch(data)
	if match == nil {
		r.t.Fatalf("no %s in the kubeconfig", key)
	}
	if !strings.HasSuffix(key, "-data") {
		return match[1]
	}
	decoded, err := base64.StdEncoding.DecodeString(string(match[1]))
	if err != nil {
		r.t.Fatal(err)
	}
	return decoded
}

// request does one call as the administrator of the kubeconfig.
func (r *running) request(method, path, body string) (int, string, error) {
	r.t.Helper()
	pair, err := tls.X509KeyPair(r.field("client-certificate-data"), r.field("client-key-data"))
	if err != nil {
		r.t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(r.field("certificate-authority-data")) {
		r.t.Fatal("no certificate authority in the kubeconfig")
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{
		RootCAs: roots, Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12,
	}}
	defer transport.CloseIdleConnections()
	url := string(r.field("server")) + path
	request, err := http.NewRequestWithContext(r.t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := (&http.Client{Transport: transport, Timeout: 10 * time.Second}).Do(request)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	return response.StatusCode, string(answer), err
}

// eventually repeats a call until it answers with the wanted status.
func (r *running) eventually(want int, method, path, body string) {
	r.t.Helper()
	var last string
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		status, answer, err := r.request(method, path, body)
		if err == nil && status == want {
			return
		}
		last = fmt.Sprintf("%d %s %v", status, answer, err)
		<-time.After(100 * time.Millisecond)
	}
	r.t.Fatalf("%s %s: want %d, last: %s", method, path, want, last)
}

const namespaceBody = `{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kept"}}`

// gone waits until no process of this id is left.
func gone(t *testing.T, pid int) {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		if syscall.Kill(pid, 0) != nil {
			return
		}
		<-time.After(50 * time.Millisecond)
	}
	t.Fatalf("process %d still lives", pid)
}

func TestStopAndStartAgainKeepsData(t *testing.T) {
	dataDir := t.TempDir()
	first := start(t, dataDir)
	info, err := os.Stat(first.kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != 0o600 {
		t.Errorf("kubeconfig mode = %o, want 600", got)
	}
	first.eventually(http.StatusCreated, http.MethodPost, "/api/v1/namespaces", namespaceBody)
	server, certificate := first.field("server"), first.field("client-certificate-data")
	children := []int{first.childPID(etcdName), first.childPID(apiServerName)}
	first.signal(syscall.SIGTERM)
	if code := first.wait(); code != 0 {
		t.Fatalf("exit code after SIGTERM = %d, want 0; stderr: %s", code, first.stderr)
	}
	if first.stderr.Len() != 0 {
		t.Errorf("stderr of a clean run: %s", first.stderr)
	}
	for _, pid := range children {
		gone(t, pid)
	}

	second := start(t, dataDir)
	second.eventually(http.StatusOK, http.MethodGet, "/api/v1/namespaces/kept", "")
	if got := second.field("server"); !bytes.Equal(got, server) {
		t.Errorf("server after the second start = %s, want %s", got, server)
	}
	if !bytes.Equal(second.field("client-certificate-data"), certificate) {
		t.Error("the administrator's certificate was not kept")
	}
	third := launch(t, dataDir)
	if code := third.wait(); code != 1 || !strings.Contains(third.stderr.String(), "another devcluster is running") {
		t.Errorf("a second process on the same data: exit code %d, stderr %q", code, third.stderr)
	}
}

func TestDeathOfAChildEndsEverything(t *testing.T) {
	r := start(t, t.TempDir())
	etcd := r.childPID(etcdName)
	r.kill(apiServerName)
	if code := r.wait(); code != 1 {
		t.Errorf("exit code = %d, want 1", code)
	}
	for _, want := range []string{"kube-apiserver ended by itself (signal: killed)", "last lines of", "kube-apiserver.log"} {
		if !strings.Contains(r.stderr.String(), want) {
			t.Errorf("stderr lacks %q:\n%s", want, r.stderr)
		}
	}
	gone(t, etcd)
}

func TestRestartBringsChildrenBack(t *testing.T) {
	r := start(t, t.TempDir(), "--restart")
	r.eventually(http.StatusCreated, http.MethodPost, "/api/v1/namespaces", namespaceBody)
	for _, name := range []string{apiServerName, etcdName, apiServerName} {
		before := r.childPID(name)
		r.kill(name)
		gone(t, before)
		r.eventually(http.StatusOK, http.MethodGet, "/readyz", "")
		r.eventually(http.StatusOK, http.MethodGet, "/api/v1/namespaces/kept", "")
		if r.childPID(name) == before {
			t.Errorf("the process id of %s was not updated", name)
		}
	}
	r.signal(syscall.SIGINT)
	if code := r.wait(); code != 0 {
		t.Errorf("exit code after SIGINT = %d, want 0; stderr: %s", code, r.stderr)
	}
}

func TestChildrenDieWithAKilledSupervisor(t *testing.T) {
	r := start(t, t.TempDir())
	children := []int{r.childPID(etcdName), r.childPID(apiServerName)}
	r.signal(syscall.SIGKILL)
	r.wait()
	for _, pid := range children {
		gone(t, pid)
	}
}
