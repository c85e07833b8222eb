package sandbox

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"

	"github.com/orderbridge/orderbridge/internal/sandbox/pubsub"
	"github.com/orderbridge/orderbridge/internal/sandbox/salesforce"
	"github.com/orderbridge/orderbridge/internal/sandbox/whmcs"
)

// Ports are fixed ports on 127.0.0.1; 0 takes a free one.
type Ports struct {
	Salesforce, PubSub, Whmcs, Control int
}

// Options set up a Sandbox. Only Dir is required.
type Options struct {
	// Dir receives ca.pem, the keys, sandbox.json and manifests.yaml. What is there of an earlier run is used again:
	// the authority, the keys and the credentials.
	Dir string
	// Scale is how much faster than real time the clock runs; default 1.
	Scale float64
	// Ports, when fixed, keep the URLs over a restart.
	Ports Ports
	// Namespace of the manifests; default "default".
	Namespace string
	// Seed makes draws and order numbers repeatable.
	Seed uint64
	// Log receives what the servers complain about; default nowhere.
	Log *slog.Logger
	// Whmcs and Salesforce change the servers' own options, if given, before they start.
	Whmcs      func(*whmcs.Options)
	Salesforce func(*salesforce.Options)
	PubSub     func(*pubsub.Options)
}

// Sandbox is the far sides at work.
type Sandbox struct {
	Salesforce *salesforce.Server
	PubSub     *pubsub.Server
	Whmcs      *whmcs.Server
	Clock      *Clock
	Info       Info

	seeder  seeder
	network network
	stop    []func()
}

const (
	apiVersion    = "v66.0"
	appClientID   = "3MVG9OrderbridgeSandbox.Operator"
	username      = "integration@orderbridge.example"
	adminLogin    = "admin"
	firstClientID = 1001
)

// Start starts everything and writes the files that describe it. Close ends it.
func Start(o Options) (*Sandbox, error) {
	if o.Dir == "" {
		return nil, errors.New("the sandbox needs a directory")
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, err
	}
	o.Dir = dir
	o.Namespace = cmp.Or(o.Namespace, "default")
	o.Log = cmp.Or(o.Log, slog.New(slog.DiscardHandler))
	if o.Scale <= 0 {
		o.Scale = 1
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, err
	}
	s := &Sandbox{Clock: NewClock(o.Scale)}
	if err := s.start(o); err != nil {
		s.Close()
		return nil, fmt.Errorf("start the sandbox in %s: %w", o.Dir, err)
	}
	return s, nil
}

func (s *Sandbox) start(o Options) error {
	ca, err := loadAuthority(o.Dir)
	if err != nil {
		return err
	}
	keyFile := filepath.Join(o.Dir, "salesforce.key")
	userKey, err := loadUserKey(keyFile)
	if err != nil {
		return err
	}
	if s.Info, err = credentialsOf(o.Dir); err != nil {
		return err
	}
	s.Info.CAFile = filepath.Join(o.Dir, "ca.pem")
	s.Info.Salesforce.PrivateKeyFile = keyFile

	s.makeWhmcs(o)
	s.makeSalesforce(o, &userKey.PublicKey)
	if err := s.listen(o, ca); err != nil {
		return err
	}
	if err := s.seedProducts(); err != nil {
		return err
	}
	return s.describe(o, ca)
}

// credentialsOf reads the credentials of an earlier run, and makes new ones where there was none.
func credentialsOf(dir string) (Info, error) {
	old, err := ReadInfo(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return Info{}, err
	}
	var info Info
	info.Salesforce = SalesforceInfo{
		ClientID: appClientID, Username: username, APIVersion: apiVersion,
		ClientSecret: cmp.Or(old.Salesforce.ClientSecret, secret()), Password: cmp.Or(old.Salesforce.Password, secret()),
	}
	info.Whmcs = WhmcsInfo{
		Identifier: cmp.Or(old.Whmcs.Identifier, secret()), Secret: cmp.Or(old.Whmcs.Secret, secret()),
		Username: adminLogin, Password: cmp.Or(old.Whmcs.Password, secret()),
		AccessKey: cmp.Or(old.Whmcs.AccessKey, secret()),
	}
	return info, nil
}

func secret() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // crypto/rand ends the program rather than fail
	return hex.EncodeToString(b)
}

// listen opens the four listeners.
func (s *Sandbox) listen(o Options, ca *authority) error {
	const http1, http2 = "http/1.1", "h2"
	salesforceURL, err := s.serveHTTP(o, ca, SystemSalesforce, o.Ports.Salesforce, s.Salesforce.Handler(), http2, http1)
	if err != nil {
		return err
	}
	// Web servers with PHP behind them are spoken to in HTTP/1.1, and only there a connection can be dropped by itself.
	whmcsURL, err := s.serveHTTP(o, ca, SystemWhmcs, o.Ports.Whmcs, s.Whmcs.Handler(), http1)
	if err != nil {
		return err
	}
	controlURL, err := s.serveHTTP(o, ca, "control", o.Ports.Control, s.control(), http1)
	if err != nil {
		return err
	}
	endpoint, err := s.serveBus(o, ca)
	if err != nil {
		return err
	}
	s.Info.Salesforce.LoginURL, s.Info.Salesforce.InstanceURL = salesforceURL, salesforceURL
	s.Info.Salesforce.OrgID = s.Salesforce.OrgID()
	s.Info.Salesforce.PubSubEndpoint = endpoint
	s.Info.Whmcs.URL = whmcsURL + whmcs.Path
	s.Info.ControlURL = controlURL
	return nil
}

func listenOn(port int) (net.Listener, error) {
	return new(net.ListenConfig).Listen(context.Background(), "tcp", fmt.Sprintf("127.0.0.1:%d", port))
}

func (s *Sandbox) serveHTTP(o Options, ca *authority, system string, port int, h http.Handler, protocols ...string) (url string, err error) {
	conf, err := ca.serverConfig(protocols...)
	if err != nil {
		return "", err
	}
	l, err := listenOn(port)
	if err != nil {
		return "", err
	}
	server := &http.Server{Handler: h, TLSConfig: conf, ErrorLog: slog.NewLogLogger(o.Log.Handler(), slog.LevelWarn), ReadHeaderTimeout: 30 * time.Second}
	server.Protocols = new(http.Protocols)
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetHTTP2(len(protocols) > 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := server.Serve(tls.NewListener(s.network.wrap(system, l), conf)); !errors.Is(err, http.ErrServerClosed) {
			o.Log.Error("Listener ended", "address", l.Addr().String(), "error", err)
		}
	}()
	s.stop = append(s.stop, func() { _ = server.Close(); <-done })
	return "https://" + l.Addr().String(), nil
}

func (s *Sandbox) serveBus(o Options, ca *authority) (endpoint string, err error) {
	conf, err := ca.serverConfig("h2")
	if err != nil {
		return "", err
	}
	l, err := listenOn(o.Ports.PubSub)
	if err != nil {
		return "", err
	}
	server := grpc.NewServer(grpc.Creds(credentials.NewTLS(conf)),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: time.Second, PermitWithoutStream: true}))
	s.PubSub.Register(server)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := server.Serve(s.network.wrap(SystemPubSub, s.PubSub.WrapListener(l))); err != nil {
			o.Log.Error("Listener ended", "address", l.Addr().String(), "error", err)
		}
	}()
	s.stop = append(s.stop, func() { server.Stop(); <-done })
	return l.Addr().String(), nil
}

// describe writes sandbox.json and manifests.yaml, the last step: who finds them finds everything at work.
func (s *Sandbox) describe(o Options, ca *authority) error {
	key, err := os.ReadFile(s.Info.Salesforce.PrivateKeyFile)
	if err != nil {
		return err
	}
	text := manifests(manifestData{Info: s.Info, Namespace: o.Namespace, PrivateKey: key, CA: ca.pem, Scale: o.Scale})
	if err := writeFile(filepath.Join(o.Dir, "manifests.yaml"), []byte(text), 0o600); err != nil {
		return err
	}
	return writeInfo(o.Dir, s.Info)
}

// Close ends all servers. It may be called more than once.
func (s *Sandbox) Close() {
	for _, stop := range s.stop {
		stop()
	}
	s.stop = nil
}
