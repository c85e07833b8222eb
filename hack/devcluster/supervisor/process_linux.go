package supervisor

import "syscall"

// childAttributes puts a child into its own process group, so that Ctrl-C reaches the supervisor alone and the order of
// stopping holds, and has the kernel end it should the supervisor be killed.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
