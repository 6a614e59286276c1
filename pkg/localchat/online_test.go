package localchat

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"github.com/coder/websocket"

	"wschat/pkg/chat"
	"wschat/test/issuer"
	"wschat/test/proxy"
)

// chatAt starts the chat and returns it with the options that start it again.
func chatAt(t *testing.T, change func(*Config)) (*Server, Config) {
	t.Helper()
	o := Config{Addr: "127.0.0.1:0", Data: filepath.Join(t.TempDir(), "chat.db"),
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil))}
	if change != nil {
		change(&o)
	}
	s := serveChat(t, o)
	o.Addr = s.Addr
	return s, o
}

// mostlyWaits runs a test that takes half a minute or more beside others, and leaves it out of a short run.
func mostlyWaits(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("it waits for a minute")
	}
	t.Parallel()
}

func stopAtEnd(t *testing.T, s *Server) {
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
}

func say(t *testing.T, s *Server, room, user, content string) int64 {
	t.Helper()
	return store(t, s, chat.Message{Room: room, User: user, Content: content, CreateAt: time.Now().Unix()})
}

// store stores a message, which nobody is sent, and returns its index.
func store(t *testing.T, s *Server, m chat.Message) int64 {
	t.Helper()
	stored, _, err := s.Log.Append(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	return stored.Index
}

// A network that swallows everything closes no socket. The client finds out, within a minute when nothing is said and
// within a quarter of one after a send, says so, and catches up on a connection that works.
func TestAClientOnADeadNetwork(t *testing.T) {
	mostlyWaits(t)
	s, _ := chatAt(t, nil)
	stopAtEnd(t, s)
	for name, limit := range map[string]time.Duration{"silent": time.Minute, "sending": 15 * time.Second} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachNode(t, func(t *testing.T, start func(clientConfig) *nodeClient) {
				room := t.Name()[len(t.Name())-20:]
				p := proxy.Start(t, s.Addr)
				defer p.Close()
				c := start(clientConfig{URL: "ws://" + p.Addr + "/dev", User: "ann"})
				c.do(t, "join", room, "")
				c.waitFor(t, 0, 10*time.Second, "connection", stateIs("online"))
				before := len(c.seen())
				p.Swallow()
				cut := time.Now()
				said := say(t, s, room, "bob", "while ann was away")
				if name == "sending" {
					c.do(t, "send", room, "is anybody there?")
				}
				offline := c.waitFor(t, before, limit+5*time.Second, "word that the network is gone",
					stateIs("offline"))
				if took := offline.at.Sub(cut); took > limit {
					t.Errorf("it took %v until the client was offline", took)
				}
				c.waitFor(t, before, 20*time.Second, "message that was missed", messageIs("while ann was away"))
				if name == "sending" {
					sent := c.waitFor(t, before, 20*time.Second, "acknowledgement",
						func(e clientEvent) bool { return e.Event == "sent" })
					if sent.Index != said+1 {
						t.Errorf("the message has index %d", sent.Index)
					}
				}
				c.waitFor(t, before, 10*time.Second, "connection", stateIs("online"))
			})
		})
	}
}

// A server that is not there, or goes away, does not end the process of a client, whatever its WebSocket; it is back
// when the server is.
func TestAClientWithoutAServer(t *testing.T) {
	eachNode(t, func(t *testing.T, start func(clientConfig) *nodeClient) {
		s, o := chatAt(t, nil)
		if err := s.Stop(); err != nil {
			t.Fatal(err)
		}
		c := start(clientConfig{URL: "ws://" + o.Addr + "/dev", User: "ann"})
		c.do(t, "join", "lobby", "")
		c.do(t, "send", "lobby", "hello")
		failed := c.waitFor(t, 0, 10*time.Second, "failure", func(e clientEvent) bool { return e.Event == "failed" })
		if failed.Code != "handshake_failed" {
			t.Errorf("the client says %+v", failed)
		}
		for range 2 {
			s := serveChat(t, o)
			before := len(c.seen())
			c.waitFor(t, max(0, before-1), 30*time.Second, "connection", stateIs("online"))
			c.waitFor(t, 0, 10*time.Second, "acknowledgement", func(e clientEvent) bool {
				return e.Event == "sent" &&
					e.Index == 1
			})
			if err := s.Stop(); err != nil {
				t.Fatal(err)
			}
			c.waitFor(t, before, 5*time.Second, "word that the server is gone", stateIs("offline"))
		}
	})
}

// serveChat starts the chat, which a test stops.
func serveChat(t *testing.T, o Config) *Server {
	t.Helper()
	s, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Tokens end while somebody speaks: with a function that has new ones, nobody notices; a fixed one ends visibly. A
// server that would mute a member does so half a minute after its token's end, so this goes on for longer.
func TestTokensEndWhileSomebodySpeaks(t *testing.T) {
	mostlyWaits(t)
	p := issuer.Start(t)
	d := startDoor(t, p, "")
	const life = 24 * time.Second
	token := func() string {
		return p.Token(map[string]any{"rooms": []string{"*"}, "exp": time.Now().Add(life).Unix()})
	}
	tokens := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_,
			_ = io.WriteString(w, token())
	}))
	defer tokens.Close()
	speaker, status := d.knock(t, "", "chat", p.Token(map[string]any{"rooms": []string{"*"}, "name": "bob"}))
	if status != 101 {
		t.Fatal(status)
	}
	go func() { // what the speaker is sent is of no interest
		for {
			if _, _, err := speaker.Read(t.Context()); err != nil {
				return
			}
		}
	}()
	t.Run("group", func(t *testing.T) {
		eachNode(t, func(t *testing.T, start func(clientConfig) *nodeClient) {
			room := t.Name()[len(t.Name())-20:]
			renewed := start(clientConfig{URL: "ws://" + d.Addr + "/dev", Tokens: tokens.URL})
			fixed := start(clientConfig{URL: "ws://" + d.Addr + "/dev", Token: token()})
			began := time.Now()
			for _, c := range []*nodeClient{renewed, fixed} {
				c.do(t, "join", room, "")
				c.waitFor(t, 0, 10*time.Second, "connection", stateIs("online"))
			}
			n := 0
			for ; time.Since(began) < 62*time.Second; time.Sleep(500 * time.Millisecond) {
				n++
				frame := fmt.Sprintf(`{"action":"sendMessage","room_name":%q,"content":"%d"}`, room, n)
				if err := speaker.Write(t.Context(), websocket.MessageText, []byte(frame)); err != nil {
					t.Fatal(err)
				}
			}
			renewed.waitFor(t, 0, 5*time.Second, "last message",
				func(e clientEvent) bool { return e.Event == "message" && e.Index == int64(n) })
			last := int64(0)
			for _, e := range renewed.seen() {
				if e.Event == "message" {
					if last++; e.Index != last {
						t.Fatalf("message %d came as number %d", e.Index, last)
					}
				}
				if e.Event == "state" && e.State != "online" {
					t.Errorf("%v after the start the client was %s", e.at.Sub(began), e.State)
				}
			}
			over := fixed.waitFor(t, 0, time.Second, "end", func(e clientEvent) bool { return e.Event == "signedout" })
			if took := over.at.Sub(began); over.Code != "token_expired" || took < life-5*time.Second ||
				took > life+10*time.Second {
				t.Errorf("the fixed token ended after %v with %+v", took, over)
			}
		})
	})
}

// A handshake that is refused: ws knows the status, and there is an end; Node's own class and browsers know nothing.
func TestARefusedHandshake(t *testing.T) {
	p := issuer.Start(t)
	d := startDoor(t, p, "")
	eachNode(t, func(t *testing.T, start func(clientConfig) *nodeClient) {
		c := start(clientConfig{URL: "ws://" + d.Addr + "/dev", Token: "no.good.token"})
		c.do(t, "join", "lobby", "")
		failed := c.waitFor(t, 0, 10*time.Second, "failure", func(e clientEvent) bool { return e.Event == "failed" })
		if failed.Code == "handshake_refused" {
			c.waitFor(t, 0, 5*time.Second, "end", func(e clientEvent) bool {
				return e.Event == "signedout" &&
					e.Code == "handshake_refused"
			})
		} else if failed.Code != "handshake_failed" || failed.Message == "" {
			t.Errorf("the client says %+v", failed)
		}
	})
}

// Twenty clients in fifteen rooms each are cut off at once, where the account takes 1,000 requests a second: every
// one is in every room again, with what was missed, and knows all who are there.
func TestManyClientsComeBack(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes half a minute")
	}
	mostlyWaits(t)
	const clients, rooms = 20, 15
	s, _ := chatAt(t, func(o *Config) { o.RequestsPerSecond = 1000 })
	stopAtEnd(t, s)
	c := startNodeClient(t, nodes(t)["Node 22 by itself"].node,
		clientConfig{URL: "ws://" + s.Addr + "/dev", User: "user", Clients: clients})
	for r := range rooms {
		c.do(t, "join", fmt.Sprint("room", r), "")
	}
	// complete waits until every client has the message in every room, and every list has everybody: a minute at
	// most, as that is when a list is read again, and longer where the machine is busy.
	complete := func(message string) {
		t.Helper()
		began := time.Now()
		for missing, wrong := 1, 1; missing+wrong > 0; time.Sleep(100 * time.Millisecond) {
			missing, wrong = clients*rooms, clients*rooms
			type place struct {
				client int
				room   string
			}
			lists := map[place]int{}
			for _, e := range c.seen() {
				if messageIs(message)(e) {
					missing--
				}
				if e.Event == "members" {
					lists[place{e.Client, e.Room}] = e.Members
				}
			}
			for _, n := range lists {
				if n == clients {
					wrong--
				}
			}
			if took := time.Since(began); took > 80*time.Second {
				t.Fatalf("%q: %d messages are missing and %d lists of members are wrong, of %d, after %v",
					message, missing, wrong, clients*rooms, took)
			}
		}
		t.Logf("%q: %d clients are in %d rooms each, and know everybody, after %v", message, clients, rooms,
			time.Since(began))
	}
	speak := func(message string) {
		for r := range rooms {
			say(t, s, fmt.Sprint("room", r), "bob", message)
		}
	}
	speak("at first")
	complete("at first")
	members, err := s.Roster.Members(t.Context(), "room0", 0)
	if err != nil || len(members) != clients {
		t.Fatal(len(members), err)
	}
	speak("while they were away") // before they are: nobody is sent it, and nobody can be back before it is stored
	for _, m := range members {
		s.Gateway.Drop(m.ConnectionID)
	}
	complete("while they were away")
}

// Of 110 members, 50 leave, in a room too large for it to be told: the list is right within a minute, while it is
// looked at.
func TestAListOfMembersHeals(t *testing.T) {
	mostlyWaits(t)
	const members, leave = 110, 50
	s, _ := chatAt(t, nil)
	stopAtEnd(t, s)
	var conns []*websocket.Conn
	for i := range members {
		c, _, err := websocket.Dial(t.Context(), fmt.Sprintf("ws://%s/dev?room_name=lobby&user_name=user%d", s.Addr, i),
			nil)
		if err != nil {
			t.Fatal(err)
		}
		defer c.CloseNow()
		conns = append(conns, c)
	}
	c := startNodeClient(t, nodes(t)["Node 22 by itself"].node, clientConfig{URL: "ws://" + s.Addr + "/dev",
		User: "ann"})
	c.do(t, "join", "lobby", "")
	list := func(n int) func(clientEvent) bool {
		return func(e clientEvent) bool { return e.Event == "members" && e.Members == n }
	}
	c.waitFor(t, 0, 10*time.Second, "list of all", list(members+1))
	for _, conn := range conns[:leave] {
		_ = conn.Close(websocket.StatusNormalClosure, "")
	}
	c.waitFor(t, 0, 65*time.Second, "list of the rest", list(members-leave+1))
}
