//go:build !unix

package localruntime

import "os/exec"

// setGroup does nothing: there are no process groups.
func setGroup(*exec.Cmd) {}

// killGroup ends the command. Its descendants go on.
func killGroup(cmd *exec.Cmd) { _ = cmd.Process.Kill() }
