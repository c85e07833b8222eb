package supervisor

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
)

// ports are where the children listen, always on loopback.
type ports struct {
	APIServer  int `json:"apiServer"`
	EtcdClient int `json:"etcdClient"`
	EtcdPeer   int `json:"etcdPeer"`
}

const (
	loopback  = "127.0.0.1"
	portsFile = "ports.json"

	// Free ports are sought below the range from which systems take the ports of outgoing connections, so that nobody
	// gets one by chance while a child is being restarted.
	lowestPort, highestPort = 20000, 32767
)

// choosePorts takes the ports of the last start where they are still free, so that clients find the server again.
func choosePorts(dataDir string, fixed int) (ports, error) {
	chosen, err := savedPorts(dataDir)
	if err != nil {
		return ports{}, err
	}
	if fixed != 0 {
		if err := listenable(fixed); err != nil {
			return ports{}, fmt.Errorf("--port %d cannot be used: %w", fixed, err)
		}
		chosen.APIServer = fixed
	}
	used := map[int]bool{}
	for _, port := range []*int{&chosen.APIServer, &chosen.EtcdClient, &chosen.EtcdPeer} {
		if *port == 0 || used[*port] || listenable(*port) != nil {
			if *port, err = freePort(used); err != nil {
				return ports{}, err
			}
		}
		used[*port] = true
	}
	return chosen, nil
}

func savedPorts(dataDir string) (ports, error) {
	var saved ports
	data, err := os.ReadFile(filepath.Join(dataDir, portsFile))
	switch {
	case errors.Is(err, os.ErrNotExist):
		return ports{}, nil
	case err != nil:
		return ports{}, err
	}
	if err := json.Unmarshal(data, &saved); err != nil {
		return ports{}, fmt.Errorf("%s is damaged (%w): delete it", filepath.Join(dataDir, portsFile), err)
	}
	return saved, nil
}

func (p ports) save(dataDir string) error {
	data, err := json.Marshal(p)
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(dataDir, portsFile), append(data, '\n'))
}

func freePort(used map[int]bool) (int, error) {
	for range 200 {
		port := lowestPort + rand.IntN(highestPort-lowestPort+1)
		if !used[port] && listenable(port) == nil {
			return port, nil
		}
	}
	return 0, fmt.Errorf("no free port between %d and %d on %s", lowestPort, highestPort, loopback)
}

func listenable(port int) error {
	listener, err := net.Listen("tcp", address(port))
	if err != nil {
		return err
	}
	return listener.Close()
}

func address(port int) string { return net.JoinHostPort(loopback, strconv.Itoa(port)) }
