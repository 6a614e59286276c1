package localgateway_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/gobwas/ws"
)

func TestManagement(t *testing.T) {
	f, _, addr := serve(t, allRoutes, nil)
	c := dial(t, "ws://"+addr+"/dev")
	id := f.next(t).Context.ConnectionID
	base := "http://" + addr + "/dev/@connections/"

	for _, escaped := range []string{id, strings.ReplaceAll(id, "=", "%3D")} {
		for _, prefix := range []string{base, "http://" + addr + "/dev/%40connections/"} {
			if status, _, _ := call(t, "POST", prefix+escaped, "hello é"); status != 200 {
				t.Errorf("POST: %d", status)
			}
			if got := read(t, c); got != "hello é" {
				t.Errorf("got %q", got)
			}
		}
	}
	status, _, body := call(t, "GET", base+id, "")
	var info struct {
		ConnectedAt, LastActiveAt time.Time
		Identity                  struct{ SourceIP, UserAgent string }
	}
	if err := json.Unmarshal([]byte(body), &info); err != nil || status != 200 ||
		info.Identity.SourceIP != "127.0.0.1" ||
		time.Since(info.ConnectedAt) > time.Minute || info.LastActiveAt.Before(info.ConnectedAt) {
		t.Errorf("GET: %d %s, %v", status, body, err)
	}
	for _, tc := range []struct {
		method, id, body string
		status           int
		name             string
	}{
		{"POST", "AAAAAAAAAAAAAAA=", "x", 410, "GoneException"},
		{"GET", "AAAAAAAAAAAAAAA=", "", 410, "GoneException"},
		{"DELETE", "AAAAAAAAAAAAAAA=", "", 410, "GoneException"},
		{"POST", "no~id", "x", 400, "BadRequestException"},
		{"POST", id, strings.Repeat("x", 128<<10+1), 413, "PayloadTooLargeException"},
		{"PUT", id, "", 403, "ForbiddenException"},
	} {
		status, name, body := call(t, tc.method, base+tc.id, tc.body)
		if status != tc.status || name != tc.name || !strings.Contains(body, `"__type":"`+tc.name+`"`) {
			t.Errorf("%s %s: got %d %s %s, want %d %s", tc.method, tc.id, status, name, body, tc.status, tc.name)
		}
	}
	post(t, base+id, strings.Repeat("x", 128<<10))
	if got := read(t, c); len(got) != 128<<10 {
		t.Errorf("got %d bytes", len(got))
	}

	if status, _, _ := call(t, "DELETE", base+id, ""); status != 204 {
		t.Errorf("DELETE: %d", status)
	}
	if status, _, _ := call(t, "POST", base+id, "late"); status != 410 {
		t.Errorf("a post after DELETE: %d", status)
	}
	_, _, err := c.Read(t.Context())
	if websocket.CloseStatus(err) != websocket.StatusNormalClosure {
		t.Errorf("the client saw %v", err)
	}
	if e := f.next(t); e.Context.EventType != "DISCONNECT" || e.Context.DisconnectStatusCode != 1000 ||
		e.Context.DisconnectReason != "Connection Closed Normally" || e.Context.ConnectionID != id {
		t.Errorf("after DELETE came %+v", e.Context)
	}
}

// post posts, again if the gateway does not know yet that the client has read what came before.
func post(t *testing.T, url, body string) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		status, name, _ := call(t, "POST", url, body)
		if status == 200 {
			return
		}
		if status != 429 || time.Now().After(deadline) {
			t.Fatalf("a post of %d bytes: %d %s", len(body), status, name)
		}
	}
}

func TestTheTimesOfAConnectionHaveMilliseconds(t *testing.T) {
	config, clock := withClock()
	clock.Advance(123456 * time.Microsecond)
	f, _, addr := serve(t, config, nil)
	conn, _ := handshake(t, addr, "/dev")
	e := f.next(t)
	url := "http://" + addr + "/dev/@connections/" + e.Context.ConnectionID
	describe := func(connectedAt, lastActiveAt string) {
		t.Helper()
		want := `{"connectedAt":"` + connectedAt + `","identity":{"sourceIp":"127.0.0.1"},"lastActiveAt":"` +
			lastActiveAt + `"}`
		if _, _, got := call(t, "GET", url, ""); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	var got struct {
		RequestContext struct{ ConnectedAt int64 }
	}
	if err := json.Unmarshal(e.raw, &got); err != nil {
		t.Fatal(err)
	}
	connectedAt := time.UnixMilli(got.RequestContext.ConnectedAt).UTC().Format("2006-01-02T15:04:05.000Z")
	if !strings.HasSuffix(connectedAt, ".123Z") {
		t.Errorf("the event says %s", connectedAt)
	}
	describe(connectedAt, "2026-01-02T03:04:05.123Z")
	clock.Advance(7 * time.Millisecond)
	if err := ws.WriteFrame(conn, ws.MaskFrame(ws.NewTextFrame([]byte("hi")))); err != nil {
		t.Fatal(err)
	}
	f.next(t)
	describe(connectedAt, "2026-01-02T03:04:05.130Z")
	clock.Advance(300 * time.Millisecond)
	if status, _, _ := call(t, "POST", url, "hi"); status != 200 {
		t.Errorf("the post: %d", status)
	}
	describe(connectedAt, "2026-01-02T03:04:05.430Z")
}

// A client gets a large post in frames of at most 32 KB.
func TestALargePostIsFragmented(t *testing.T) {
	f, _, addr := serve(t, allRoutes, nil)
	conn, _ := handshake(t, addr, "/dev")
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	url := "http://" + addr + "/dev/@connections/" + f.next(t).Context.ConnectionID
	for _, tc := range []struct {
		size   int
		frames []int
	}{
		{0, []int{0}},
		{1, []int{1}},
		{32 << 10, []int{32 << 10}},
		{32<<10 + 1, []int{32 << 10, 1}},
		{64 << 10, []int{32 << 10, 32 << 10}},
		{128 << 10, []int{32 << 10, 32 << 10, 32 << 10, 32 << 10}},
	} {
		text := strings.Repeat("aé", tc.size/3+1)[:tc.size]
		text = strings.ToValidUTF8(text, "b") // its last letter may be cut
		post(t, url, text)
		var got []int
		var arrived []byte
		for fin := false; !fin; {
			header, payload, err := readFrame(conn)
			if err != nil {
				t.Fatal(err)
			}
			want := map[bool]ws.OpCode{true: ws.OpText, false: ws.OpContinuation}[len(got) == 0]
			if header.OpCode != want {
				t.Errorf("%d bytes: frame %d has the opcode %d, want %d", tc.size, len(got), header.OpCode, want)
			}
			got, arrived, fin = append(got, len(payload)), append(arrived, payload...), header.Fin
		}
		if !slices.Equal(got, tc.frames) || string(arrived) != text {
			t.Errorf("%d bytes came in frames of %d, want %d", tc.size, got, tc.frames)
		}
	}
}

func TestAPostThatIsNotUTF8ArrivesAsText(t *testing.T) {
	f, _, addr := serve(t, allRoutes, nil)
	c := dial(t, "ws://"+addr+"/dev")
	url := "http://" + addr + "/dev/@connections/" + f.next(t).Context.ConnectionID
	for body, want := range map[string]string{
		"\x00é\U0001f600":                       "\x00é\U0001f600",
		"a\xffb":                                "a\ufffdb",
		"\xff\xfe":                              "\ufffd\ufffd",
		"half a letter: \xc3":                   "half a letter: \ufffd",
		"\xed\xa0\x80":                          "\ufffd\ufffd\ufffd", // half a surrogate pair
		"\xc3" + strings.Repeat("x", 128<<10-1): "\ufffd" + strings.Repeat("x", 128<<10-1),
	} {
		post(t, url, body)
		if got := read(t, c); got != want {
			t.Errorf("%.20q arrived as %.20q, want %.20q", body, got, want)
		}
	}
}

func TestAClientThatDoesNotReadCostsNobodyElse(t *testing.T) {
	f, _, addr := serve(t, allRoutes, nil)
	slow := dial(t, "ws://"+addr+"/dev")
	slowID := f.next(t).Context.ConnectionID
	other := dial(t, "ws://"+addr+"/dev")
	otherID := f.next(t).Context.ConnectionID
	frame := strings.Repeat("x", 32<<10)
	full := 0
	for i := range 2000 { // far more than the kernel's buffers hold
		status, name, _ := call(t, "POST", "http://"+addr+"/dev/@connections/"+slowID, frame)
		if status == 429 && name == "LimitExceededException" {
			full++
		} else if status != 200 {
			t.Fatalf("post %d: %d %s", i, status, name)
		}
		if full == 5 {
			break
		}
	}
	if full != 5 {
		t.Error("the buffer was never full")
	}
	if status, _, _ := call(t, "POST", "http://"+addr+"/dev/@connections/"+otherID, "hi"); status != 200 ||
		read(t, other) != "hi" {
		t.Error("the other client was not served")
	}
	read(t, slow) // it is still connected, and gets what was taken
}
