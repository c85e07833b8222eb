package supervisor

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

const (
	authorityLife   = 10 * 365 * 24 * time.Hour
	certificateLife = 365 * 24 * time.Hour
	// renewBefore replaces a certificate at a start when it would end soon.
	renewBefore = 30 * 24 * time.Hour
)

// pki is every key and certificate of one control plane. etcd has an authority of its own: who may talk to the API
// server must not thereby be able to talk to its database.
type pki struct {
	dir        string
	authority  keyPair
	serving    keyPair
	admin      keyPair
	etcdCA     keyPair
	etcdServer keyPair
	etcdClient keyPair
	// account is the key that signs service-account tokens; it has no certificate.
	account string
}

// keyPair is a certificate and its key, in memory and as files.
type keyPair struct {
	certFile, keyFile string
	certPEM, keyPEM   []byte
	cert              *x509.Certificate
	key               *ecdsa.PrivateKey
}

// loadPKI reads the certificates below dir and makes those that are missing or about to end.
func loadPKI(dir string, now time.Time) (*pki, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	p := &pki{dir: dir, account: filepath.Join(dir, "service-account.key")}
	hosts := []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"}
	both := []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	for _, want := range []struct {
		name    string
		into    *keyPair
		issuer  *keyPair
		subject pkix.Name
		usages  []x509.ExtKeyUsage
		hosts   []string
	}{
		{name: "ca", into: &p.authority, subject: pkix.Name{CommonName: "devcluster"}},
		{name: "apiserver", into: &p.serving, issuer: &p.authority, usages: both[:1], hosts: hosts,
			subject: pkix.Name{CommonName: "kube-apiserver"}},
		{name: "admin", into: &p.admin, issuer: &p.authority, usages: both[1:],
			subject: pkix.Name{CommonName: "devcluster-admin", Organization: []string{"system:masters"}}},
		{name: "etcd-ca", into: &p.etcdCA, subject: pkix.Name{CommonName: "devcluster-etcd"}},
		{name: "etcd-server", into: &p.etcdServer, issuer: &p.etcdCA, usages: both, hosts: hosts[:1],
			subject: pkix.Name{CommonName: "etcd"}},
		{name: "etcd-client", into: &p.etcdClient, issuer: &p.etcdCA, usages: both[1:],
			subject: pkix.Name{CommonName: "kube-apiserver-etcd-client"}},
	} {
		template := certificateTemplate(want.subject, want.usages, want.hosts, now)
		var err error
		if *want.into, err = ensure(dir, want.name, template, want.issuer, now); err != nil {
			return nil, fmt.Errorf("certificate %s: %w", want.name, err)
		}
	}
	return p, ensureKey(p.account)
}

func certificateTemplate(subject pkix.Name, usages []x509.ExtKeyUsage, hosts []string, now time.Time) *x509.Certificate {
	t := &x509.Certificate{
		Subject: subject, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(certificateLife),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: usages, BasicConstraintsValid: true, DNSNames: hosts,
	}
	if len(hosts) > 0 {
		// 10.0.0.1 is the first address of the service range: how Pods would call the API server.
		t.IPAddresses = []net.IP{net.ParseIP(loopback), net.ParseIP("10.0.0.1")}
	}
	if usages == nil {
		t.IsCA, t.NotAfter, t.KeyUsage = true, now.Add(authorityLife), x509.KeyUsageCertSign|x509.KeyUsageCRLSign
	}
	return t
}

// ensure returns the stored pair if it is whole, in time and of this issuer, and otherwise makes a new one.
func ensure(dir, name string, template *x509.Certificate, issuer *keyPair, now time.Time) (keyPair, error) {
	pair := keyPair{certFile: filepath.Join(dir, name+".crt"), keyFile: filepath.Join(dir, name+".key")}
	err := pair.load()
	switch {
	case err == nil && pair.usable(issuer, now):
		return pair, nil
	case err != nil && !errors.Is(err, os.ErrNotExist):
		return pair, fmt.Errorf("%w: delete %s to have new certificates made", err, dir)
	}
	err = pair.make(template, issuer)
	return pair, err
}

func (p *keyPair) load() error {
	var err error
	if p.certPEM, err = os.ReadFile(p.certFile); err != nil {
		return err
	}
	if p.keyPEM, err = os.ReadFile(p.keyFile); err != nil {
		return err
	}
	pair, err := tls.X509KeyPair(p.certPEM, p.keyPEM)
	if err != nil {
		return err
	}
	key, ok := pair.PrivateKey.(*ecdsa.PrivateKey)
	if !ok {
		return fmt.Errorf("%s holds no ECDSA key", p.keyFile)
	}
	p.cert, p.key = pair.Leaf, key
	return nil
}

func (p *keyPair) usable(issuer *keyPair, now time.Time) bool {
	if issuer == nil {
		issuer = p
	}
	return now.Before(p.cert.NotAfter.Add(-renewBefore)) && p.cert.CheckSignatureFrom(issuer.cert) == nil
}

func (p *keyPair) make(template *x509.Certificate, issuer *keyPair) error {
	var err error
	if p.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return err
	}
	if template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120)); err != nil {
		return err
	}
	parent, signer := template, p.key
	if issuer != nil {
		parent, signer = issuer.cert, issuer.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, p.key.Public(), signer)
	if err != nil {
		return err
	}
	if p.cert, err = x509.ParseCertificate(der); err != nil {
		return err
	}
	p.certPEM = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if p.keyPEM, err = encodeKey(p.key); err != nil {
		return err
	}
	return errors.Join(writeFile(p.keyFile, p.keyPEM), writeFile(p.certFile, p.certPEM))
}

func ensureKey(file string) error {
	if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	data, err := encodeKey(key)
	if err != nil {
		return err
	}
	return writeFile(file, data)
}

func encodeKey(key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), nil
}

// client is a TLS configuration that trusts authority and presents pair.
func client(authority, pair keyPair) (*tls.Config, error) {
	certificate, err := tls.X509KeyPair(pair.certPEM, pair.keyPEM)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AddCert(authority.cert)
	return &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}, nil
}
