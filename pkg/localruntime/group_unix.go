//go:build unix

package localruntime

import (
	"os/exec"
	"syscall"
)

// setGroup makes a command the leader of a process group of its own.
func setGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// killGroup ends the command and its descendants, but those that have made a group of their own.
func killGroup(cmd *exec.Cmd) { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
