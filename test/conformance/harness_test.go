package conformance

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/orderbridge/orderbridge/internal/sandbox"
)

// project is the Node.js project with its packages installed, and the reason why there is none.
type project struct {
	dir     string
	absent  string
	failure error
}

var install = sync.OnceValue(installProject)

// nodeProject returns the folder to run scripts in. Without Node.js the test is left out, unless REQUIRE_NODE=1.
func nodeProject(t *testing.T) string {
	t.Helper()
	p := install()
	switch {
	case p.failure != nil:
		t.Fatal(p.failure)
	case p.absent != "" && os.Getenv("REQUIRE_NODE") == "1":
		t.Fatalf("%s, and REQUIRE_NODE=1 asks for it", p.absent)
	case p.absent != "":
		//nolint:forbidigo // the clients are Node.js packages; CI sets REQUIRE_NODE, so it is left out on bare machines only
		t.Skipf("Left out: %s. The third-party clients are Node.js packages: install Node.js 20.18 or later to run them.", p.absent)
	}
	return p.dir
}

// installProject copies the project below the repository's ignored folder, where no Go tool looks, and runs npm ci there
// unless the packages of this lock file are in place already.
func installProject() project {
	for _, program := range []string{"node", "npm"} {
		if _, err := exec.LookPath(program); err != nil {
			return project{absent: program + " is not on this machine"}
		}
	}
	root, err := repositoryRoot()
	if err != nil {
		return project{failure: err}
	}
	dir := filepath.Join(root, ".dev", "conformance")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return project{failure: err}
	}
	lock, err := os.ReadFile("package-lock.json")
	if err != nil {
		return project{failure: err}
	}
	if err := copyProject(dir); err != nil {
		return project{failure: err}
	}
	installed := filepath.Join(dir, "node_modules", ".installed-lock")
	if have, err := os.ReadFile(installed); err == nil && bytes.Equal(have, lock) {
		return project{dir: dir}
	}
	if err := npmCI(dir); err != nil {
		return project{failure: err}
	}
	return project{dir: dir, failure: os.WriteFile(installed, lock, 0o644)}
}

func repositoryRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("no go.mod above the working folder")
		}
	}
}

func copyProject(dir string) error {
	files, err := filepath.Glob("clients/*.mjs")
	if err != nil {
		return err
	}
	for _, name := range append(files, "package.json", "package-lock.json") {
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		to := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(to, data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func npmCI(dir string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 8*time.Minute)
	defer cancel()
	// Scripts of packages are not run: none of these needs one.
	cmd := exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return errors.New("npm ci failed (is a package registry within reach?): " + err.Error() + "\n" + string(out))
	}
	return nil
}

// startSandbox starts the far sides, scale times as fast as real time, and describes them to a script.
func startSandbox(t *testing.T, scale float64) (*sandbox.Sandbox, map[string]any) {
	t.Helper()
	s, err := sandbox.Start(sandbox.Options{Dir: t.TempDir(), Scale: scale})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s, map[string]any{"salesforce": s.Info.Salesforce, "whmcs": s.Info.Whmcs}
}

// directions are what a script may ask of the far sides besides what its client can do.
type directions map[string]func(args json.RawMessage) (any, error)

// direction makes a direction of a function that takes its arguments as a struct.
func direction[A any](do func(A) (any, error)) func(json.RawMessage) (any, error) {
	return func(raw json.RawMessage) (any, error) {
		var args A
		if err := json.Unmarshal(raw, &args); err != nil {
			return nil, err
		}
		return do(args)
	}
}

// serve gives the directions an address on the loopback.
func (d directions) serve(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		do, ok := d[strings.TrimPrefix(r.URL.Path, "/")]
		if !ok {
			http.Error(w, "no such direction", http.StatusNotFound)
			return
		}
		args, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		answer, err := do(args)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		if err := json.NewEncoder(w).Encode(answer); err != nil {
			t.Errorf("answer to %s: %v", r.URL.Path, err)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// outcome is a line of clients/report.mjs.
type outcome struct {
	Name    string `json:"name"`
	Nesting int    `json:"nesting"`
	OK      bool   `json:"ok"`
	Skipped bool   `json:"skipped"`
	Message string `json:"message"`
}

// runScript runs the tests of one script, each as a subtest. The script trusts the CA in caFile and nothing is changed
// about its client.
func runScript(t *testing.T, dir, script, caFile string, far map[string]any, d directions) {
	t.Helper()
	far["stage"] = d.serve(t)
	settings, err := json.Marshal(far)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", "--test-force-exit", "--test-reporter=./clients/report.mjs", "./clients/"+script)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "ORDERBRIDGE_FAR="+string(settings), "NODE_EXTRA_CA_CERTS="+caFile, "NODE_NO_WARNINGS=1")
	cmd.WaitDelay = 5 * time.Second
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	failed := cmd.Run()
	outcomes, other := readOutcomes(stdout.String())
	for _, o := range outcomes {
		t.Run(o.Name, func(t *testing.T) {
			if !o.OK || o.Skipped {
				t.Error(o.Message)
			}
		})
	}
	if failed != nil || len(outcomes) == 0 {
		t.Errorf("%s: %d tests, %v\n%s%s", script, len(outcomes), failed, other, stderr.String())
	}
}

// readOutcomes parts the lines of the reporter from what the client printed.
func readOutcomes(stdout string) (outcomes []outcome, other string) {
	var rest strings.Builder
	lines := bufio.NewScanner(strings.NewReader(stdout))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var o outcome
		if json.Unmarshal(lines.Bytes(), &o) != nil || o.Name == "" {
			rest.WriteString(lines.Text() + "\n")
			continue
		}
		if o.Nesting == 0 {
			outcomes = append(outcomes, o)
		}
	}
	return outcomes, rest.String()
}
