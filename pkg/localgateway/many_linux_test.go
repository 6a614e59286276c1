package localgateway_test

import (
	"bufio"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// process starts this test binary as one of the processes, and returns it with the lines that it prints.
func process(t *testing.T, name string, env ...string) (*exec.Cmd, func() string) {
	t.Helper()
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), append(env, "LOCALGATEWAY_PROCESS="+name)...)
	c.Stderr = os.Stderr
	stdin, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stdin.Close()
		_ = c.Process.Kill()
		_ = c.Wait()
	})
	lines := bufio.NewScanner(stdout)
	return c, func() string {
		t.Helper()
		if !lines.Scan() {
			t.Fatalf("the %s process ended", name)
		}
		return lines.Text()
	}
}

// resident is the memory that a process holds, in MB (https://man7.org/linux/man-pages/man5/proc_pid_status.5.html).
func resident(t *testing.T, pid int) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, err := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")))
			if err != nil {
				t.Fatal(err)
			}
			return kb >> 10
		}
	}
	t.Fatal("no VmRSS")
	return 0
}

// 10,000 clients of another process connect and get a post each; then they fall silent without a close, as they do
// whose network is gone, and after the idle timeout nothing is left of them. They do so twice, because what Go keeps
// of the first crowd for later, as its list of goroutines, looks like something left: what matters is that it does
// not grow. It runs on Linux alone, whose /proc tells how much memory a process holds.
func TestTenThousandConnections(t *testing.T) {
	if testing.Short() {
		t.Skip("this connects 10,000 clients twice, which takes tens of seconds")
	}
	if raceEnabled {
		t.Skip("this measures memory, of which the race detector takes several times as much")
	}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || limit.Max < crowd+500 {
		t.Skipf("this needs %d open files in a process, and the limit is %d: raise it with ulimit -n", crowd+500,
			limit.Max)
	}
	gateway, line := process(t, "gateway")
	g := gatewayUnderTest{addr: line(), pid: gateway.Process.Pid}
	goroutines, _ := g.size(t)
	atRest := resident(t, g.pid)
	var left [2]int
	for round := range left {
		clients := g.connectAll(t)
		g.postToAll(t, clients)
		holds := resident(t, g.pid)
		t.Logf("the gateway holds %d MB, and %d MB before: %d KB a connection", holds, atRest, (holds-atRest)<<10/crowd)
		if holds >= 150 {
			t.Errorf("the gateway holds %d MB, want less than 150", holds)
		}
		if err := clients.process.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		if status, _, _ := call(t, "POST", "http://"+g.addr+"/test/advance?by=10m", ""); status != 200 {
			t.Fatalf("advance: %d", status)
		}
		left[round] = g.waitUntilEmpty(t, goroutines)
		_ = clients.process.Kill()
	}
	if left[1] > left[0]+1<<20 {
		t.Errorf("the heap after the first crowd had %d KB, after the second %d KB", left[0]>>10, left[1]>>10)
	}
}

// gatewayUnderTest is the gateway process.
type gatewayUnderTest struct {
	addr string
	pid  int
}

// clientsUnderTest is a clients process.
type clientsUnderTest struct {
	process *os.Process
	line    func() string
}

func (g gatewayUnderTest) rows(t *testing.T) []string {
	t.Helper()
	_, _, rows := call(t, "GET", "http://"+g.addr+"/test/rows", "")
	return strings.Fields(rows)
}

func (g gatewayUnderTest) size(t *testing.T) (goroutines, heapBytes int) {
	t.Helper()
	http.DefaultClient.CloseIdleConnections() // each is two goroutines there
	_, _, text := call(t, "GET", "http://"+g.addr+"/test/size", "")
	if _, err := fmt.Sscan(text, &goroutines, &heapBytes); err != nil {
		t.Fatal(err)
	}
	return goroutines, heapBytes
}

func (g gatewayUnderTest) connectAll(t *testing.T) clientsUnderTest {
	t.Helper()
	began := time.Now()
	c, line := process(t, "clients", "LOCALGATEWAY_ADDR="+g.addr)
	if got := line(); got != "connected" {
		t.Fatal(got)
	}
	t.Logf("%d connects in %v", crowd, time.Since(began))
	return clientsUnderTest{c.Process, line}
}

func (g gatewayUnderTest) postToAll(t *testing.T, clients clientsUnderTest) {
	t.Helper()
	ids := g.rows(t)
	if len(ids) != crowd {
		t.Fatalf("%d connections have a row", len(ids))
	}
	began := time.Now()
	next := make(chan string)
	var posting sync.WaitGroup
	for range 32 {
		posting.Go(func() {
			for id := range next {
				if status, _, body := call(t, "POST", "http://"+g.addr+"/dev/@connections/"+id,
					"hello, all"); status != 200 {
					t.Errorf("a post: %d %s", status, body)
				}
			}
		})
	}
	for _, id := range ids {
		next <- id
	}
	close(next)
	posting.Wait()
	if got := clients.line(); got != "delivered" {
		t.Fatal(got)
	}
	t.Logf("%d posts delivered in %v", crowd, time.Since(began))
}

// waitUntilEmpty waits until no row and no goroutine is left, and returns the bytes in use.
func (g gatewayUnderTest) waitUntilEmpty(t *testing.T, goroutines int) int {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		rows := len(g.rows(t))
		n, bytes := g.size(t)
		if rows == 0 && n <= goroutines {
			t.Logf("left are %d goroutines, as before, and %d KB of heap", n, bytes>>10)
			return bytes
		}
		if time.Now().After(deadline) {
			t.Fatalf("left are %d rows and %d goroutines; before there were %d", rows, n, goroutines)
		}
	}
}
