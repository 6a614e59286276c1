package localgateway_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/gobwas/ws"

	"wschat/pkg/localgateway"
)

// crowd is how many clients connect in TestTenThousandConnections.
const crowd = 10_000

// gatewayProcess serves a gateway whose handler keeps a row for each connection, as long as its standard input is
// open. It prints its address, and at /test/… tells of itself.
func gatewayProcess() {
	clock := localgateway.NewManualClock(time.Now())
	var rows sync.Map // connection ids
	gw, err := localgateway.New(localgateway.Config{Clock: clock, Handler: handlerFunc(func(_ context.Context,
		payload []byte) ([]byte, error) {
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
