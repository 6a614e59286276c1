// Command load puts a chat under load and checks what its members get: it opens connections in rooms of its own or in
// one that -room names, sends at a rate, and says whether every member got every message, once and in the order of
// its index. It works against the chat on this machine and against a deployed one.
//
//	go run ./test/load -url ws://127.0.0.1:8080/dev -connections 200 -rooms 1 -rate 100 -duration 20s
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"
)

func main() {
	var o options
	flag.StringVar(&o.url, "url", "ws://127.0.0.1:8080/dev", "the `URL` that WebSocket clients connect to")
	flag.StringVar(&o.token, "token", "", "a `TOKEN`, where one must sign in")
	flag.IntVar(&o.connections, "connections", 100, "how many connections to open, the same number in every room")
	flag.IntVar(&o.rooms, "rooms", 1, "how many rooms to spread them over")
	flag.StringVar(&o.room, "room", "",
		"the `NAME` of the room, in which others may be; with more rooms, NAME-1, NAME-2 and so on (default a name "+
			"that nobody uses)")
	flag.Float64Var(&o.rate, "rate", 10, "messages a second, all rooms together")
	flag.DurationVar(&o.duration, "duration", 10*time.Second, "how long to send")
	flag.DurationVar(&o.patience, "patience", 30*time.Second, "how long to wait for the last messages")
	flag.IntVar(&o.connecting, "connecting", 32, "how many handshakes may be under way at once")
	flag.IntVar(&o.size, "size", 100, "bytes of a message's content")
	flag.BoolVar(&o.typing, "typing", false, "every connection also says, every five seconds, that its user types")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	report, err := run(ctx, o)
	if err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
	fmt.Print(report)
	if !report.good() {
		os.Exit(2)
	}
}
