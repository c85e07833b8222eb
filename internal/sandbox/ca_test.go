package sandbox

import (
	"bytes"
	"crypto/x509"
	"os"
	"path/filepath"
	"testing"
)

func TestAuthorityIsReused(t *testing.T) {
	dir := t.TempDir()
	first, err := loadAuthority(dir)
	if err != nil {
		t.Fatal(err)
	}
	second, err := loadAuthority(dir)
	if err != nil || !bytes.Equal(first.pem, second.pem) {
		t.Fatalf("a second start made another authority: %v", err)
	}
	conf, err := second.serverConfig("h2")
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(conf.Certificates[0].Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(first.pem)
	for _, name := range []string{"127.0.0.1", "localhost"} {
		if _, err := leaf.Verify(x509.VerifyOptions{Roots: pool, DNSName: name}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	mode(t, filepath.Join(dir, "ca.key"), 0o600)
	if err := os.WriteFile(filepath.Join(dir, "ca.key"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := loadAuthority(dir); err == nil {
		t.Error("a broken key was accepted")
	}
}

func TestUserKeyIsReused(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key.pem")
	first, err := loadUserKey(file)
	if err != nil {
		t.Fatal(err)
	}
	second, err := loadUserKey(file)
	if err != nil || !first.Equal(second) {
		t.Errorf("a second start made another key: %v", err)
	}
	mode(t, file, 0o600)
	if err := os.WriteFile(file, []byte("no key"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := loadUserKey(file); err == nil {
		t.Error("a broken key was accepted")
	}
}

func mode(t *testing.T, file string, want os.FileMode) {
	t.Helper()
	st, err := os.Stat(file)
	if err != nil || st.Mode().Perm() != want {
		t.Errorf("%s: mode %v, %v; want %v", file, st.Mode(), err, want)
	}
}
