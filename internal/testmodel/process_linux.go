package testmodel

import (
	"os"
	"syscall"
)

// apart gives the server a group of processes of its own, and the kernel's word to end it with the tests. What an Ollama has
// started itself outlives tests that end without ending it, as by a time-out.
func apart() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// kill ends the whole group: a server's children must not go on without it.
func kill(p *os.Process) error { return syscall.Kill(-p.Pid, syscall.SIGKILL) }

func terminate(p *os.Process) error { return p.Signal(syscall.SIGTERM) }
