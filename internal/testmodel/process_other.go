//go:build !linux

package testmodel

import (
	"os"
	"syscall"
)

func apart() *syscall.SysProcAttr { return nil }

func kill(p *os.Process) error { return p.Kill() }

// terminate ends the server at once: not every system can ask.
func terminate(p *os.Process) error { return p.Kill() }
