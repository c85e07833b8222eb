package supervisor

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
)

const kubeconfigTemplate = `apiVersion: v1
kind: Config
current-context: devcluster
clusters:
- name: devcluster
  cluster:
    server: %s
    certificate-authority-data: %s
contexts:
- name: devcluster
  context:
    cluster: devcluster
    user: devcluster-admin
    namespace: default
users:
- name: devcluster-admin
  user:
    client-certificate-data: %s
    client-key-data: %s
`

func writeKubeconfig(file, server string, p *pki) error {
	encode := base64.StdEncoding.EncodeToString
	text := fmt.Sprintf(kubeconfigTemplate, server,
		encode(p.authority.certPEM), encode(p.admin.certPEM), encode(p.admin.keyPEM))
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	return writeFile(file, []byte(text))
}

// writeFile replaces a file in one step, readable by its owner only.
func writeFile(file string, data []byte) error {
	temporary, err := os.CreateTemp(filepath.Dir(file), "."+filepath.Base(file)+".*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(temporary.Name()) // after the rename there is nothing left to remove
	if _, err := temporary.Write(data); err != nil {
		temporary.Close()
		return err
	}
	if err := temporary.Close(); err != nil {
		return err
	}
	return os.Rename(temporary.Name(), file)
}
