package protocol_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"wschat/pkg/chat"
	"wschat/pkg/protocol"
)

func ref(n int64) *int64 { return &n }

// catchUp stands for the part of a joinRoom frame that asks for more than the membership.
const catchUp = "joinRoom and catch up"

// read decodes a body as its action would, and returns what it asks for.
func read(action, body string) (any, error) {
	f, err := protocol.Decode(body)
	if err != nil {
		return nil, err
	}
	switch action {
	case protocol.SendMessage:
		return f.Draft()
	case protocol.GetRecentMessages:
		return f.Query()
	case catchUp:
		return f.CatchUp()
	case protocol.Ping:
		return f.Ref()
	default:
		return f.Membership()
	}
}

func TestAccepted(t *testing.T) {
	for _, tc := range []struct {
		action, body string
		want         any
	}{
		{"sendMessage", `{"action":"sendMessage","room_name":"r","user_name":"u","content":"c"}`,
			chat.Draft{Room: "r", User: "u", Content: "c"}},
		{"sendMessage", `{"room_name":"r","user_name":"u","content":"c","message_id":"m","extra":{"deep":[1]}}`,
			chat.Draft{Room: "r", User: "u", Content: "c", ID: "m"}},
		{"sendMessage", `{"room_name":"r","user_name":"u","content":"c","message_id":null}`,
			chat.Draft{Room: "r", User: "u", Content: "c"}},
		{"sendMessage", `{"room_name":"r","user_name":"u","content":"\ud83d\ude00 \\ud800 \ufffd"}`,
			chat.Draft{Room: "r", User: "u", Content: "😀 \\ud800 \ufffd"}},
		{"getRecentMessages", `{"room_name":"r"}`, chat.Query{Room: "r", Limit: 10}},
		{"getRecentMessages", `{"room_name":"r","limit":100,"after":0}`,
			chat.Query{Room: "r", Limit: 100, After: ref(0)}},
		{"getRecentMessages", `{"room_name":"r","before":9007199254740993}`,
			chat.Query{Room: "r", Limit: 10, Before: ref(9007199254740993)}},
		{"getRecentMessages", `{"room_name":"r","limit":null,"after":null}`, chat.Query{Room: "r", Limit: 10}},
		{"joinRoom", `{"room_name":"r","user_name":"u"}`, protocol.Membership{Room: "r", User: "u"}},
		{catchUp, `{"room_name":"r"}`, chat.CatchUp{}},
		{catchUp, `{"room_name":"r","ref":"7","members":true}`, chat.CatchUp{Members: true, Ref: "7"}},
		{catchUp, `{"limit":50,"members":false}`, chat.CatchUp{Messages: &chat.Query{Limit: 50}}},
		{catchUp, `{"after":0}`, chat.CatchUp{Messages: &chat.Query{Limit: 10, After: ref(0)}}},
		{catchUp, `{"after":7,"limit":100,"members":null}`, chat.CatchUp{Messages: &chat.Query{Limit: 100,
			After: ref(7)}}},
		{"getMembers", `{"room_name":"r","ref":"7"}`, protocol.Membership{Room: "r", Ref: "7"}},
		{"getRecentMessages", `{"room_name":"r","ref":"7"}`, chat.Query{Room: "r", Limit: 10, Ref: "7"}},
		{"leaveRoom", ` {"room_name":"r"} `, protocol.Membership{Room: "r"}},
	} {
		if got, err := read(tc.action, tc.body); err != nil || !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%s %s: got %+v, %v; want %+v", tc.action, tc.body, got, err, tc.want)
		}
	}
}

func TestRefused(t *testing.T) {
	for _, tc := range []struct {
		action, body string
		code         chat.Code
		says         string
	}{
		{"sendMessage", ``, chat.CodeInvalidJSON, "the body is not a JSON object"},
		{"sendMessage", `hello`, chat.CodeInvalidJSON, "the body is not a JSON object"},
		{"sendMessage", `[1]`, chat.CodeInvalidJSON, "the body is not a JSON object"},
		{"sendMessage", `"s"`, chat.CodeInvalidJSON, "the body is not a JSON object"},
		{"sendMessage", `null`, chat.CodeInvalidJSON, "the body is not a JSON object"},
		{"sendMessage", `{"a":1} {}`, chat.CodeInvalidJSON, "the body is not a JSON object"},
		{"sendMessage", `{"a":1`, chat.CodeInvalidJSON, "the body is not a JSON object"},
		{"sendMessage", strings.Repeat(`{"a":`, 20000), chat.CodeInvalidJSON, "the body is not a JSON object"},
		{"sendMessage", "{\"content\":\"\xff\"}", chat.CodeInvalidJSON, "the body is not valid UTF-8"},
		{"sendMessage", `{"user_name":"u","content":"c"}`, chat.CodeMissingField, "room_name not in message dict"},
		{"sendMessage", `{"room_name":"r","content":"c"}`, chat.CodeMissingField, "user_name not in message dict"},
		{"sendMessage", `{"room_name":"r","user_name":"u"}`, chat.CodeMissingField, "content not in message dict"},
		{"sendMessage", `{"room_name":"r","user_name":"u","content":null}`, chat.CodeMissingField,
			"content not in message dict"},
		{"sendMessage", `{"Room_Name":"r","user_name":"u","content":"c"}`, chat.CodeMissingField,
			"room_name not in message dict"},
		{"sendMessage", `{"room_name":1,"user_name":"u","content":"c"}`, chat.CodeInvalidField,
			"room_name must be a string"},
		{"sendMessage", `{"room_name":"r","user_name":["u"],"content":"c"}`, chat.CodeInvalidField,
			"user_name must be a string"},
		{"sendMessage", `{"room_name":"r","user_name":"u","content":{}}`, chat.CodeInvalidField,
			"content must be a string"},
		{"sendMessage", `{"room_name":"r","user_name":"u","content":"c","message_id":7}`, chat.CodeInvalidField,
			"message_id must be a string"},
		{"sendMessage", `{"room_name":"r","user_name":"u","content":"c","message_id":""}`, chat.CodeInvalidField,
			"message_id must not be empty"},
		{"sendMessage", `{"room_name":"r","user_name":"u","content":"\ud800"}`, chat.CodeInvalidField,
			"content must be valid Unicode"},
		{"sendMessage", `{"room_name":"r","user_name":"u","content":"\udc00\ud800"}`, chat.CodeInvalidField,
			"content must be valid Unicode"},
		{"sendMessage", `{"room_name":"r","user_name":"u","content":"\ud800x\udc00"}`, chat.CodeInvalidField,
			"content must be valid Unicode"},
		{"sendMessage", `{"room_name":"r","user_name":"u","content":"\ud800\n"}`, chat.CodeInvalidField,
			"content must be valid Unicode"},
		{"getRecentMessages", `{}`, chat.CodeMissingField, "room_name not in message dict"},
		{"getRecentMessages", `{"room_name":"r","limit":1.5}`, chat.CodeInvalidField, "limit must be a whole number"},
		{"getRecentMessages", `{"room_name":"r","limit":"5"}`, chat.CodeInvalidField, "limit must be a whole number"},
		{"getRecentMessages", `{"room_name":"r","limit":1e99}`, chat.CodeInvalidField, "limit must be a whole number"},
		{"getRecentMessages", `{"room_name":"r","after":true}`, chat.CodeInvalidField, "after must be a whole number"},
		{"getRecentMessages", `{"room_name":"r","before":9223372036854775808}`, chat.CodeInvalidField,
			"before must be a whole number"},
		{"joinRoom", `{}`, chat.CodeMissingField, "room_name not in message dict"},
		{"joinRoom", `{"room_name":"r","user_name":false}`, chat.CodeInvalidField, "user_name must be a string"},
		{catchUp, `{"room_name":"r","members":"yes"}`, chat.CodeInvalidField, "members must be true or false"},
		{catchUp, `{"room_name":"r","members":1}`, chat.CodeInvalidField, "members must be true or false"},
		{catchUp, `{"room_name":"r","limit":"5"}`, chat.CodeInvalidField, "limit must be a whole number"},
		{catchUp, `{"room_name":"r","after":{}}`, chat.CodeInvalidField, "after must be a whole number"},
		{"ping", `{"ref":7}`, chat.CodeInvalidField, "ref must be a string"},
		{"leaveRoom", `{"room_name":{}}`, chat.CodeInvalidField, "room_name must be a string"},
	} {
		_, err := read(tc.action, tc.body)
		if err == nil {
			t.Errorf("%s %.80s: accepted", tc.action, tc.body)
			continue
		}
		if e := chat.AsError(err); e.Code != tc.code || !strings.HasPrefix(e.Message, tc.says) {
			t.Errorf("%s %.80s: got %v, want %s %q", tc.action, tc.body, err, tc.code, tc.says)
		}
	}
}

// decodeMessages reads frames as a client does.
func decodeMessages(t testing.TB, frames [][]byte) (page chat.Page) {
	t.Helper()
	for i, frame := range frames {
		var f struct {
			Messages []struct {
				Room     string `json:"room_name"`
				Index    int64  `json:"index"`
				User     string `json:"user_name"`
				UserID   string `json:"user_id"`
				Content  string `json:"content"`
				CreateAt int64  `json:"create_at"`
				ID       string `json:"message_id"`
			} `json:"messages"`
			More, Expired, Part bool
			Tail                *int64
			Ref                 string
		}
		d := json.NewDecoder(bytes.NewReader(frame))
		d.DisallowUnknownFields()
		if err := d.Decode(&f); err != nil || f.Messages == nil {
			t.Fatalf("frame %q: %v", frame, err)
		}
		if i < len(frames)-1 && (f.More || f.Expired || f.Tail != nil || len(f.Messages) == 0) {
			t.Errorf("a frame before the last is empty or says what the last one says")
		}
		if i < len(frames)-1 && f.Part != (f.Ref != "") {
			t.Errorf("frame %d of %d with the ref %q says part: %v", i, len(frames), f.Ref, f.Part)
		}
		page.More, page.Expired, page.Tail, page.Ref, page.Part = f.More, f.Expired, f.Tail, f.Ref, f.Part
		for _, m := range f.Messages {
			page.Messages = append(page.Messages, chat.Message{
				Room: m.Room, Index: m.Index, User: m.User, UserID: m.UserID, Content: m.Content, CreateAt: m.CreateAt,
				ID: m.ID,
			})
		}
	}
	return page
}

func TestMessagesKeepTheirShape(t *testing.T) {
	five := int64(5)
	for want, page := range map[string]chat.Page{
		`{"messages":[]}`:          {},
		`{"messages":[],"tail":0}`: {Tail: new(int64)},
		`{"messages":[],"expired":true,"tail":5,"part":true,"ref":"7"}`: {
			Expired: true, Tail: &five, Part: true, Ref: "7"},
		`{"messages":[],"more":true,"tail":5}`:       {More: true, Tail: &five, Part: true}, // part needs a ref
		`{"messages":[],"more":true}`:                {More: true},
		`{"messages":[],"more":true,"expired":true}`: {More: true, Expired: true},
		`{"messages":[{"room_name":"r","index":1,"user_name":"u","content":"<&> é","create_at":5}]}`: {
			Messages: []chat.Message{{Room: "r", Index: 1, User: "u", Content: "<&> é", CreateAt: 5}}},
		`{"messages":[{"room_name":"r","index":1,"user_name":"u","user_id":"<|\u0000","content":"a","create_at":5}]}`: {
			Messages: []chat.Message{{Room: "r", Index: 1, User: "u", UserID: "<|\x00", Content: "a", CreateAt: 5}}},
		`{"messages":[{"room_name":"r","index":1,"user_name":"u","content":"a","create_at":5,"message_id":"m"},` +
			`{"room_name":"r","index":2,"user_name":"u","content":"b","create_at":6}],"expired":true}`: {
			Expired: true,
			Messages: []chat.Message{{Room: "r", Index: 1, User: "u", Content: "a", CreateAt: 5, ID: "m"},
				{Room: "r", Index: 2, User: "u", Content: "b", CreateAt: 6}}},
	} {
		frames := protocol.Encoder{}.Messages(page)
		if len(frames) != 1 || string(frames[0].Text) != want {
			t.Errorf("got %v\nwant %s", frames, want)
		}
	}
}

// Whatever a page holds, its frames say just that, and none is too large for API Gateway.
func TestPagesSurviveTheirFrames(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		page := chat.Page{More: rapid.Bool().Draw(r, "more"), Expired: rapid.Bool().Draw(r, "expired"),
			Ref: rapid.SampledFrom([]string{"", "7", strings.Repeat(`"`, chat.MaxNameBytes)}).Draw(r, "ref")}
		if rapid.Bool().Draw(r, "tail") {
			tail := rapid.Int64Range(0, 1<<60).Draw(r, "at")
			page.Tail = &tail
		}
		page.Part = page.Ref != "" && rapid.Bool().Draw(r, "part")
		for i := range rapid.IntRange(0, 100).Draw(r, "messages") {
			content := rapid.String().Draw(r, "content")
			if rapid.Bool().Draw(r, "large") {
				content += strings.Repeat(rapid.SampledFrom([]string{"x", "é", `"`}).Draw(r, "letter"),
					rapid.IntRange(1, 7000).Draw(r, "length"))
			}
			page.Messages = append(page.Messages, chat.Message{Room: "r", Index: int64(i + 1), User: "u",
				UserID: rapid.SampledFrom([]string{"", "u1"}).Draw(r, "user"), Content: content, ID: fmt.Sprint(i)})
		}
		var frames [][]byte
		last := int64(0)
		for _, frame := range (protocol.Encoder{}).Messages(page) {
			if len(frame.Text) > chat.MaxFrameBytes {
				r.Fatalf("a frame of %d bytes", len(frame.Text))
			}
			frames = append(frames, frame.Text)
			var f struct{ Messages []struct{ Index int64 } }
			if err := json.Unmarshal(frame.Text, &f); err != nil || frame.Last != last+int64(len(f.Messages)) {
				r.Fatalf("a frame of %d messages after %d says that the last is %d; %v", len(f.Messages), last,
					frame.Last, err)
			}
			last = frame.Last
		}
		if got := decodeMessages(t, frames); !reflect.DeepEqual(got, page) {
			r.Fatalf("got %+v, want %+v", got, page)
		}
	})
}

// However many there are in a room, the frames of its members say just that, and none is too large.
func TestMembersSurviveTheirFrames(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		a := chat.Attendance{Room: rapid.String().Draw(r, "room"), Ref: rapid.SampledFrom([]string{"", "7"}).Draw(r,
			"ref")}
		for i := range rapid.IntRange(0, 2000).Draw(r, "users") {
			u := chat.User{Name: fmt.Sprint("user<", i, strings.Repeat(`"`, i%120)), Connections: i}
			if i%2 == 0 {
				u.ID = strings.Repeat("\x01", i%256)
			}
			a.Users = append(a.Users, u)
		}
		var got chat.Attendance
		a.Version = rapid.Int64Range(0, 3).Draw(r, "version")
		most := rapid.IntRange(1, 9).Draw(r, "most")
		frames := protocol.Encoder{}.Members(a, most)
		more := false
		for i, frame := range frames {
			var f struct {
				Members struct {
					Room    string `json:"room_name"`
					Version int64
					Users   []struct {
						Name        string `json:"user_name"`
						ID          string `json:"user_id"`
						Connections int    `json:"connections"`
						Read        int64  `json:"read"`
					} `json:"users"`
				} `json:"members"`
				Part, More bool
				Ref        string
			}
			d := json.NewDecoder(bytes.NewReader(frame))
			d.DisallowUnknownFields()
			if err := d.Decode(&f); err != nil || len(frame) > chat.MaxFrameBytes || f.Members.Users == nil ||
				f.Part != (i < len(frames)-1) || f.Ref != a.Ref {
				r.Fatalf("frame %d of %d: %v, %d bytes, part %v, ref %q", i, len(frames), err, len(frame), f.Part,
					f.Ref)
			}
			got.Room, got.Ref, got.Version, more = f.Members.Room, f.Ref, f.Members.Version, f.More
			for _, u := range f.Members.Users {
				got.Users = append(got.Users, chat.User(u))
			}
		}
		if more {
			next := len(protocol.Encoder{}.Members(chat.Attendance{Users: a.Users[len(got.Users):][:1]}, 1)[0])
			if len(frames) != most || len(frames[most-1])+next < chat.MaxFrameBytes-100 {
				r.Fatalf("%d of %d users are in %d of %d frames, and the last has %d bytes",
					len(got.Users), len(a.Users), len(frames), most, len(frames[len(frames)-1]))
			}
			a.Users = a.Users[:len(got.Users)]
		}
		if !reflect.DeepEqual(got, a) {
			r.Fatalf("got %d users of %d", len(got.Users), len(a.Users))
		}
	})
}

func TestTooManyMembersForAList(t *testing.T) {
	got := protocol.Encoder{}.Members(chat.Attendance{Room: "r", Version: 7, OverLimit: true}, 1)
	if len(got) != 1 || string(got[0]) != `{"members":{"room_name":"r","version":7,"over_limit":true}}` {
		t.Errorf("got %q", got)
	}
}

func TestPresenceAndPongFrames(t *testing.T) {
	e := protocol.Encoder{}
	p := chat.Presence{Room: "r", User: "u", Event: chat.Joined}
	for want, got := range map[string][]byte{
		`{"presence":{"room_name":"r","user_name":"u","event":"joined"}}`: e.Presence(p),
		`{"presence":{"room_name":"r","user_name":"u","event":"joined"},"part":true,"ref":"7"}`: e.Presence(
			chat.Presence{Room: "r", User: "u", Event: chat.Joined, Ref: "7", Part: true}),
		`{"presence":{"room_name":"r","user_name":"u","user_id":"auth0|1","event":"left"}}`: e.Presence(
			chat.Presence{Room: "r", User: "u", UserID: "auth0|1", Event: chat.Left}),
		`{"pong":{"time":1795515136}}`:           e.Pong(time.Unix(1795515136, 999_999_999), ""),
		`{"pong":{"time":1795515136},"ref":"7"}`: e.Pong(time.Unix(1795515136, 0), "7"),
	} {
		if string(got) != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestErrorFrames(t *testing.T) {
	got := string(protocol.EncodeError(protocol.ErrorFrame{Code: chat.CodeInvalidField, Message: "a <b>",
		RequestID: "r="}))
	if want := `{"error":{"code":"invalid_field","message":"a <b>","request_id":"r="}}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// FuzzDecode: no bytes crash the decoders, what they refuse they refuse with a code, and what they accept is valid
// UTF-8.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{"", "null", `{"room_name":"r","user_name":"u","content":"\ud83d\ude00"}`,
		`{"limit":1,"after":2}`, `{"content":"\ud800\"}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, body string) {
		for _, action := range []string{protocol.SendMessage, protocol.GetRecentMessages, protocol.JoinRoom, catchUp,
			protocol.GetMembers, protocol.Ping} {
			got, err := read(action, body)
			if err != nil {
				if chat.AsError(err).Code == chat.CodeInternal {
					t.Errorf("%s: %v", action, err)
				}
				continue
			}
			if d, ok := got.(chat.Draft); ok && !(utf8.ValidString(d.Content) && utf8.ValidString(d.Room)) {
				t.Errorf("invalid UTF-8 came through: %+v", d)
			}
		}
		if frame, err := protocol.Decode(body); err == nil {
			for name := range frame {
				if len(frame.Text(name)) > chat.MaxNameBytes {
					t.Errorf("Text(%q) is too long", name)
				}
			}
			// Access is decided on the room that the action will use, and the name is what it was set to, whatever
			// was there.
			room := frame.Room()
			frame.SetUser("ann")
			if m, err := frame.Membership(); err == nil && (m.Room != room || m.User != "ann") {
				t.Errorf("access is decided on %q, and the action uses %+v", room, m)
			}
			if d, err := frame.Draft(); err == nil && (d.Room != room || d.User != "ann") {
				t.Errorf("access is decided on %q, and the action uses %+v", room, d)
			}
			if q, err := frame.Query(); err == nil && q.Room != room {
				t.Errorf("access is decided on %q, and the action uses %+v", room, q)
			}
		}
	})
}
