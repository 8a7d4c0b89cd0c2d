//go:build !unix

package score

import "os/exec"

// group does nothing: there are no process groups here.
func group(*exec.Cmd) {}

// endGroup ends a command. Its children are on their own where there are no process groups.
func endGroup(cmd *exec.Cmd) {
	if cmd.Process != nil {
		_ = cmd.Process.Kill()
	}
}
