package supervisor

import (
	"bytes"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestCommandLine(t *testing.T) {
	tests := map[string]struct {
		args     []string
		wantCode int
		wantText string
	}{
		"help":                 {args: []string{"--help"}, wantCode: 0, wantText: "Usage: devcluster"},
		"no data folder":       {args: []string{"--kubeconfig", "k"}, wantCode: 2, wantText: "--data-dir is missing"},
		"no kubeconfig":        {args: []string{"--data-dir", "d"}, wantCode: 2, wantText: "--kubeconfig is missing"},
		"impossible port":      {args: []string{"--data-dir", "d", "--kubeconfig", "k", "--port", "70000"}, wantCode: 2, wantText: "--port 70000"},
		"stray argument":       {args: []string{"--data-dir", "d", "--kubeconfig", "k", "x"}, wantCode: 2, wantText: `unexpected argument "x"`},
		"no time to get ready": {args: []string{"--data-dir", "d", "--kubeconfig", "k", "--ready-timeout", "0s"}, wantCode: 2, wantText: "must be positive"},
		"unknown flag":         {args: []string{"--nonsense"}, wantCode: 2, wantText: "-nonsense"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var stderr bytes.Buffer
			if code := Main(test.args, io.Discard, &stderr); code != test.wantCode {
				t.Errorf("exit code = %d, want %d", code, test.wantCode)
			}
			if !strings.Contains(stderr.String(), test.wantText) {
				t.Errorf("stderr lacks %q:\n%s", test.wantText, &stderr)
			}
		})
	}
}

func TestCertificatesAreKeptAndRenewed(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "pki")
	now := time.Now()
	load := func(at time.Time) *pki {
		t.Helper()
		p, err := loadPKI(dir, at)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	first := load(now)
	if again := load(now.Add(24 * time.Hour)); !bytes.Equal(again.admin.certPEM, first.admin.certPEM) {
		t.Error("a valid certificate was replaced")
	}
	late := load(now.Add(certificateLife - renewBefore + time.Hour))
	if bytes.Equal(late.admin.certPEM, first.admin.certPEM) {
		t.Error("a certificate that is about to end was kept")
	}
	if !bytes.Equal(late.authority.certPEM, first.authority.certPEM) {
		t.Error("the authority was replaced with the certificate")
	}
	if err := os.Remove(first.authority.keyFile); err != nil {
		t.Fatal(err)
	}
	other := load(now)
	if err := other.admin.cert.CheckSignatureFrom(other.authority.cert); err != nil {
		t.Errorf("after the authority was replaced: %v", err)
	}
	if err := os.WriteFile(first.admin.certFile, []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := loadPKI(dir, now); err == nil || !strings.Contains(err.Error(), "delete "+dir) {
		t.Errorf("damaged certificate: %v", err)
	}
}

func TestFilesOfKeysArePrivate(t *testing.T) {
	dir := t.TempDir()
	if _, err := loadPKI(dir, time.Now()); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.key"))
	if err != nil || len(files) != 7 {
		t.Fatalf("key files: %v, %v", files, err)
	}
	for _, file := range files {
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != 0o600 {
			t.Errorf("%s has mode %o, want 600", file, got)
		}
	}
}

func TestPortsAreKeptWhileFree(t *testing.T) {
	dir := t.TempDir()
	first, err := choosePorts(dir, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := first.save(dir); err != nil {
		t.Fatal(err)
	}
	if again, err := choosePorts(dir, 0); err != nil || again != first {
		t.Errorf("second start: %+v, %v; want %+v", again, err, first)
	}
	taken, err := net.Listen("tcp", address(first.EtcdPeer))
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	moved, err := choosePorts(dir, 0)
	if err != nil || moved.EtcdPeer == first.EtcdPeer || moved.APIServer != first.APIServer {
		t.Errorf("with the peer port taken: %+v, %v", moved, err)
	}
	if _, err := choosePorts(dir, first.EtcdPeer); err == nil || !strings.Contains(err.Error(), "cannot be used") {
		t.Errorf("a wanted port that is taken: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, portsFile), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := choosePorts(dir, 0); err == nil || !strings.Contains(err.Error(), "delete it") {
		t.Errorf("damaged file: %v", err)
	}
}

func TestBackoff(t *testing.T) {
	var b backoff
	short, long := time.Second, backoffForget
	var got []time.Duration
	for _, lived := range []time.Duration{short, short, short, long, short} {
		got = append(got, b.next(lived))
	}
	want := []time.Duration{backoffFirst, 2 * backoffFirst, 4 * backoffFirst, backoffFirst, 2 * backoffFirst}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("pauses = %v, want %v", got, want)
		}
	}
	for range 10 {
		b.next(short)
	}
	if pause := b.next(short); pause != backoffMax {
		t.Errorf("pause after many deaths = %s, want %s", pause, backoffMax)
	}
}
