//go:build unix && !linux

package supervisor

import "syscall"

// childAttributes puts a child into its own process group, so that Ctrl-C reaches the supervisor alone and the order of
// stopping holds. Only Linux can end children with their parent.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
