package localgateway_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"wschat/pkg/localgateway"
)

// crowd is how many clients connect in TestTenThousandConnections.
const crowd = 10_000

// gatewayProcess serves a gateway whose handler keeps a row for each connection, as long as its standard input is open. It
// prints its address, and at /test/… tells of itself.
func gatewayProcess() {
	clock := localgateway.NewManualClock(time.Now())
	var rows sync.Map // connection ids
	gw, err := localgateway.New(localgateway.Config{Clock: clock, Handler: handlerFunc(func(_ context.Context, payload []byte) ([]byte, error) {
		var e struct {
			RequestContext struct{ EventType, ConnectionID string }
		}
		if err := json.Unmarshal(payload, &e); err != nil {
			return nil, err
		}
		switch e.RequestContext.EventType {
		case "CONNECT":
			rows.Store(e.RequestContext.ConnectionID, true)
		case "DISCONNECT":
			rows.Delete(e.RequestContext.ConnectionID)
		}
		return []byte(`{"statusCode":200}`), nil
	})})
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/", gw)
	mux.HandleFunc("/test/rows", func(w http.ResponseWriter, _ *http.Request) {
		rows.Range(func(id, _ any) bool { _, _ = fmt.Fprintln(w, id); return true })
	})
	mux.HandleFunc("/test/size", func(w http.ResponseWriter, _ *http.Request) {
		n := heap()
		_, _ = fmt.Fprintln(w, runtime.NumGoroutine(), n)
	})
	mux.HandleFunc("/test/advance", func(w http.ResponseWriter, r *http.Request) {
		d, _ := time.ParseDuration(r.FormValue("by"))
		gw.WaitForInvocations()
		clock.Advance(d)
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(listener.Addr())
	go func() { log.Fatal(http.Serve(listener, mux)) }()
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// clientsProcess connects a crowd of clients, and prints "connected" and, when each has got a frame, "delivered".
func clientsProcess() {
	addr := os.Getenv("LOCALGATEWAY_ADDR")
	var connected, delivered sync.WaitGroup
	for range 64 {
		connected.Add(1)
		go func() {
			defer connected.Done()
			for range crowd / 64 {
				open(addr, &delivered)
			}
		}()
	}
	connected.Wait()
	for range crowd % 64 {
		open(addr, &delivered)
	}
	fmt.Println("connected")
	delivered.Wait()
	fmt.Println("delivered")
	_, _ = io.Copy(io.Discard, os.Stdin)
}

func open(addr string, delivered *sync.WaitGroup) {
	conn, _, _, err := ws.Dial(context.Background(), "ws://"+addr+"/dev")
	if err != nil {
		log.Fatal(err)
	}
	delivered.Add(1)
	go func() {
		if _, payload, err := readFrame(conn); err != nil || string(payload) != "hello, all" {
			log.Fatalf("got %q, %v", payload, err)
		}
		delivered.Done()
		_, _ = io.Copy(io.Discard, conn)
	}()
}

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

// 10,000 clients of another process connect and get a post each; then they fall silent without a close, as they do whose
// network is gone, and after the idle timeout nothing is left of them. They do so twice, because what Go keeps of the
// first crowd for later, as its list of goroutines, looks like something left: what matters is that it does not grow.
func TestTenThousandConnections(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("a process's memory is read from /proc, which only Linux has")
	}
	if raceEnabled {
		t.Skip("this measures memory, of which the race detector takes several times as much")
	}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || limit.Max < crowd+500 {
		t.Skipf("this needs %d open files in a process, and the limit is %d: raise it with ulimit -n", crowd+500, limit.Max)
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
				if status, _, body := call(t, "POST", "http://"+g.addr+"/dev/@connections/"+id, "hello, all"); status != 200 {
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
