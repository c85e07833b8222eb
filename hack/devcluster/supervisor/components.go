package supervisor

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"time"
)

func (c *cluster) url() string { return "https://" + address(c.ports.APIServer) }

func (c *cluster) etcdURL() string { return "https://" + address(c.ports.EtcdClient) }

func (c *cluster) etcdArgs() []string {
	peer := "https://" + address(c.ports.EtcdPeer)
	args := []string{
		"--name=devcluster",
		"--data-dir=" + filepath.Join(c.options.DataDir, "etcd"),
		"--listen-client-urls=" + c.etcdURL(),
		"--advertise-client-urls=" + c.etcdURL(),
		"--listen-peer-urls=" + peer,
		"--initial-advertise-peer-urls=" + peer,
		"--initial-cluster=devcluster=" + peer,
		"--client-cert-auth",
		"--trusted-ca-file=" + c.pki.etcdCA.certFile,
		"--cert-file=" + c.pki.etcdServer.certFile,
		"--key-file=" + c.pki.etcdServer.keyFile,
		"--peer-client-cert-auth",
		"--peer-trusted-ca-file=" + c.pki.etcdCA.certFile,
		"--peer-cert-file=" + c.pki.etcdServer.certFile,
		"--peer-key-file=" + c.pki.etcdServer.keyFile,
		"--quota-backend-bytes=8589934592",
		"--log-format=console",
		"--log-level=warn",
	}
	if c.options.UnsafeNoFsync {
		args = append(args, "--unsafe-no-fsync")
	}
	return args
}

func (c *cluster) apiServerArgs() []string {
	return []string{
		"--bind-address=" + loopback,
		"--advertise-address=" + loopback,
		fmt.Sprintf("--secure-port=%d", c.ports.APIServer),
		"--tls-cert-file=" + c.pki.serving.certFile,
		"--tls-private-key-file=" + c.pki.serving.keyFile,
		"--client-ca-file=" + c.pki.authority.certFile,
		"--etcd-servers=" + c.etcdURL(),
		"--etcd-cafile=" + c.pki.etcdCA.certFile,
		"--etcd-certfile=" + c.pki.etcdClient.certFile,
		"--etcd-keyfile=" + c.pki.etcdClient.keyFile,
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + c.pki.account,
		"--service-account-signing-key-file=" + c.pki.account,
		"--service-cluster-ip-range=10.0.0.0/24",
		"--authorization-mode=RBAC",
		// No controller makes the default ServiceAccounts that this plugin would demand of every Pod.
		"--disable-admission-plugins=ServiceAccount",
		// A loopback address may not stand in the endpoints of the service "kubernetes".
		"--endpoint-reconciler-type=none",
		"--profiling=false",
		// Without it open watches hold up a stop for the whole request timeout.
		"--shutdown-watch-termination-grace-period=1s",
	}
}

func (c *cluster) etcdReady(ctx context.Context) error {
	return get(ctx, c.pki.etcdCA, c.pki.etcdClient, c.etcdURL()+"/health")
}

// apiServerReady also waits for the namespace that everybody uses, which the API server makes after it is ready.
func (c *cluster) apiServerReady(ctx context.Context) error {
	for _, path := range []string{"/readyz", "/api/v1/namespaces/default"} {
		if err := get(ctx, c.pki.authority, c.pki.admin, c.url()+path); err != nil {
			return err
		}
	}
	return nil
}

func get(ctx context.Context, authority, pair keyPair, url string) error {
	config, err := client(authority, pair)
	if err != nil {
		return err
	}
	transport := &http.Transport{TLSClientConfig: config}
	defer transport.CloseIdleConnections()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	response, err := (&http.Client{Transport: transport, Timeout: 5 * time.Second}).Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 512))
	if err == nil && response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s: %s", url, response.Status, body)
	}
	return err
}
