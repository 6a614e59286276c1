package protocol_test

import (
	"reflect"
	"strings"
	"testing"

	"wschat/pkg/chat"
	"wschat/pkg/protocol"
)

// Names come out of frames in one form, whatever form they have there. What is no name comes out as it was sent.
func TestNamesAreCanonical(t *testing.T) {
	const nfd, nfc = `Cafe\u0301`, "Caf\u00e9"
	const raw = "Cafe\u0301"
	for action, tc := range map[string]struct {
		body string
		want any
	}{
		"sendMessage": {
			`{"room_name":"` + nfd + `","user_name":"` + nfd + `","content":"` + nfd + `","message_id":"` + nfd + `"}`,
			chat.Draft{Room: nfc, User: nfc, Content: raw, ID: raw},
		},
		"getRecentMessages": {
			`{"room_name":"` + nfd + `","ref":"` + nfd + `"}`,
			chat.Query{Room: nfc, Limit: 10, Ref: raw},
		},
		"joinRoom": {
			`{"room_name":"` + nfd + `","user_name":"` + nfd + `","ref":"` + nfd + `"}`,
			protocol.Membership{Room: nfc, User: nfc, Ref: raw},
		},
	} {
		got, err := read(action, tc.body)
		if err != nil || !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%s: got %+q, %v; want %+q", action, got, err, tc.want)
		}
		frame, err := protocol.Decode(tc.body)
		if err != nil || frame.Room() != nfc {
			t.Errorf("%s: access is decided on %+q, %v", action, frame.Room(), err)
		}
		if ref := frame.Text("ref"); ref != "" && ref != raw {
			t.Errorf("%s: a refusal repeats the ref %+q", action, ref)
		}
	}
	for _, tc := range []struct{ fields, says string }{
		{`"room_name":"#cafe\u0301"`, "room_name must not begin with #"},
		{`"room_name":"` + strings.Repeat(`e\u0301`, 65) + `"`, "room_name must be at most 128 bytes, not 130"},
		{`"user_name":"` + strings.Repeat(`\u0958`, 22) + `"`, "user_name must be at most 128 bytes, not 132"},
		{`"user_name":"x` + strings.Repeat(`\u0315`, 31) + `"`, "user_name must be in Unicode's normal form C"},
		{`"user_name":"a\u0007b"`, "user_name must not contain control characters"},
		{`"user_name":"a\u0007b","\u0000vouched":true`, "user_name must not contain control characters"},
	} {
		_, err := read("joinRoom", `{"room_name":"r",`+tc.fields+`}`)
		e := chat.AsError(err)
		if err == nil || e.Code != chat.CodeInvalidField || !strings.HasPrefix(e.Message, tc.says) {
			t.Errorf("%s: got %v, want %q", tc.fields, err, tc.says)
		}
	}
}

func TestSetUser(t *testing.T) {
	for _, tc := range []struct {
		name, body string
		other      bool
	}{
		{"ann", `{}`, false},
		{"ann", `{"user_name":null}`, false},
		{"ann", `{"user_name":"ann"}`, false},
		{"ann", `{"user_name":"Ann"}`, true},
		{"ann", `{"user_name":""}`, true},
		{"ann", `{"user_name":7}`, true},
		{"ann", `{"user_name":"a\u0007"}`, true},
		{"ann", `{"user_name":"` + strings.Repeat("x", 600) + `"}`, true},
		{"Ren\u00e9", `{"user_name":"Ren\u00e9"}`, false},
		{"Ren\u00e9", `{"user_name":"Rene\u0301"}`, false},
		{"Ren\u00e9", `{"user_name":"Rene"}`, true},
		{"\u05d3\u05e0\u05d9\u200f", `{"user_name":"\u05d3\u05e0\u05d9\u200f"}`, false},
		{"\u05d3\u05e0\u05d9\u200f", `{"user_name":"\u05d3\u05e0\u05d9"}`, true},
		{"a\u0007", `{"user_name":"a"}`, true}, // a name in a token is checked before, and by another rule
	} {
		f, err := protocol.Decode(tc.body)
		if err != nil {
			t.Fatal(err)
		}
		f["room_name"] = []byte(`"r"`)
		if got := f.SetUser(tc.name); got != tc.other {
			t.Errorf("%s beside %+q is another name: %v", tc.body, tc.name, got)
		}
		if m, err := f.Membership(); err != nil || m.User != tc.name {
			t.Errorf("%s: the name is %+q, %v; want %+q", tc.body, m.User, err, tc.name)
		}
	}
}
