//go:build unix

package localruntime_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"wschat/pkg/localruntime"
	"wschat/test/installed"
)

// script is a bootstrap in shell.
func script(t *testing.T, code string) localruntime.Config {
	t.Helper()
	return localruntime.Config{Bootstrap: installed.Program(t, "sh"), Args: []string{"-c", code}, Dir: t.TempDir()}
}

// started begins an invocation, and returns the process ids that the script prints in its first line.
func started(t *testing.T, c localruntime.Config) (p *localruntime.Pool, pids []int, ended chan error) {
	t.Helper()
	output, printed := io.Pipe()
	t.Cleanup(func() { output.Close() })
	c.Output = printed
	p, err := localruntime.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	ended = make(chan error, 1)
	go func() {
		_, err := call(t, p, "{}")
		ended <- err
	}()
	lines := bufio.NewReader(output)
	line, err := lines.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = io.Copy(io.Discard, lines) }()
	for _, field := range strings.Fields(line) {
		pid, err := strconv.Atoi(field)
		if err != nil || pid <= 1 {
			t.Fatalf("%q: %v", line, err)
		}
		pids = append(pids, pid)
	}
	return p, pids, ended
}

// runs reports whether a process is there. One that has ended may still be in the list until its parent has noticed.
func runs(pid int) bool {
	if runtime.GOOS == "linux" {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		_, state, _ := strings.Cut(string(status), ") ")
		return err == nil && !strings.HasPrefix(state, "Z")
	}
	return syscall.Kill(pid, 0) == nil
}

// gone waits for the end of processes that have been killed.
func gone(t *testing.T, pids []int) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if !runs(pids[0]) {
			if pids = pids[1:]; len(pids) == 0 {
				return
			}
		}
	}
	t.Errorf("the processes %v go on", pids)
}

func TestNothingIsLeftOfAProcessGroup(t *testing.T) {
	t.Parallel()
	const family = `trap "" TERM INT HUP; sleep 600 & a=$!; (trap "" TERM; sleep 601 & echo $$ $a $!; wait) & wait`
	p, pids, ended := started(t, script(t, family))
	if len(pids) != 3 || !runs(pids[0]) || !runs(pids[1]) || !runs(pids[2]) {
		t.Fatalf("the processes %v do not run", pids)
	}
	p.Close()
	if err := <-ended; err == nil {
		t.Error("an invocation of a closed pool returns")
	}
	gone(t, pids)
}

func TestNothingIsLeftOfAProcessThatIsTooSlow(t *testing.T) {
	t.Parallel()
	c := script(t, `sleep 600 & echo $$ $!; wait`)
	c.Timeout = time.Second // for a slow start of the shell
	_, pids, ended := started(t, c)
	if err := <-ended; err == nil {
		t.Error("it returns")
	}
	gone(t, pids)
}

// On Lambda nothing outlives the runtime, because the sandbox is gone.
func TestNothingIsLeftOfAProcessThatExits(t *testing.T) {
	t.Parallel()
	c := script(t, `sleep 600 & echo $!; until [ -e go ]; do sleep 0.02; done; exit 3`)
	_, pids, ended := started(t, c)
	if !runs(pids[0]) {
		t.Fatal("the child does not run")
	}
	if err := os.WriteFile(filepath.Join(c.Dir, "go"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("got %v", err)
	}
	gone(t, pids)
}

// An error after the answer ends the process, and another one follows. If the next event comes before the end is
// noticed, its invocation fails, as on Lambda, where the process is frozen until then.
func TestAnErrorAfterTheAnswer(t *testing.T) {
	t.Parallel()
	var out syncBuffer
	p := node().function(t, "app.late", func(c *localruntime.Config) { c.Output = &out })
	for range 3 {
		got, err := call(t, p, "{}")
		failed, ok := errors.AsType[*localruntime.FunctionError](err)
		if ok && failed.ErrorType() == "Runtime.ExitError" {
			got, err = call(t, p, "{}")
		}
		pid, notNumber := strconv.Atoi(got)
		if err != nil || notNumber != nil {
			t.Fatalf("got %s, %v", got, err)
		}
		gone(t, []int{pid})
	}
	p.Close()
	if got := strings.Count(out.String(), "Error: after the answer"); got != 3 {
		t.Errorf("%d times in its output: %s", got, out.String())
	}
}

// A daemon that the function leaves behind is not waited for, though it has the output open.
func TestADaemonThatLeavesTheGroup(t *testing.T) {
	if testing.Short() {
		t.Skip("Close waits a second for the output")
	}
	t.Parallel()
	if _, err := exec.LookPath("setsid"); err != nil {
		t.Skip("setsid is not installed") // macOS has none
	}
	p, pids, ended := started(t, script(t, `setsid sh -c 'echo $$; exec sleep 600' & wait`))
	defer func() { _ = syscall.Kill(pids[0], syscall.SIGKILL) }()
	begun := time.Now()
	p.Close()
	<-ended
	if took := time.Since(begun); took > 20*time.Second {
		t.Errorf("Close took %v", took)
	}
	if !runs(pids[0]) {
		t.Error("the daemon is gone, so this test has not tested it")
	}
}

// Close during invocations, idle processes and starts leaves no goroutine behind.
func TestNoGoroutineIsLeft(t *testing.T) {
	before := runtime.NumGoroutine()
	for range 3 {
		p := pool(t, localruntime.Config{MaxProcesses: 4})
		want(t, p, "hi", "hi 1")
		_, _ = invoke(t, p, "exit")
		ended := make(chan error)
		for range 8 { // four wait for a process
			go func() {
				_, err := invoke(t, p, "hang")
				ended <- err
			}()
		}
		p.Close()
		for range 8 {
			if err := <-ended; err == nil {
				t.Error("an invocation of a closed pool returns")
			}
		}
	}
	deadline := time.Now().Add(10 * time.Second)
	for runtime.NumGoroutine() > before {
		if time.Now().After(deadline) {
			stacks := make([]byte, 1<<16)
			t.Fatalf("%d goroutines, and %d before:\n%s", runtime.NumGoroutine(), before,
				stacks[:runtime.Stack(stacks, true)])
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// A bootstrap in shell runs curl for each event. Close ends the curl that waits for the next one.
func TestCloseEndsTheCurlOfAShell(t *testing.T) {
	t.Parallel()
	installed.Program(t, "curl")
	p, pids, ended := started(t, script(t, `
		api=http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation
		id=$(curl -sS -D - -o /dev/null $api/next | grep -i aws-request-id | tr -d "[:space:]" | cut -d: -f2)
		curl -sS -o /dev/null $api/$id/response -d 1
		curl -sS $api/next & echo $$ $!; wait`))
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	p.Close()
	gone(t, pids)
}
