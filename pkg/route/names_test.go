package route_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"wschat/pkg/broadcast"
	"wschat/pkg/chat"
	"wschat/pkg/localstore"
	"wschat/pkg/protocol"
	"wschat/pkg/route"
	"wschat/pkg/telemetry"
)

// Two forms of the same names.
const (
	roomD, roomC = "cafe\u0301", "caf\u00e9"
	userD, userC = "Rene\u0301", "Ren\u00e9"
)

// frame is a client's frame.
func frame(t *testing.T, fields ...any) string {
	t.Helper()
	f := map[string]any{}
	for i := 0; i < len(fields); i += 2 {
		f[fields[i].(string)] = fields[i+1]
	}
	b, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// presence is the frame about the user in the room.
func presence(event, ref string) string {
	return fmt.Sprintf(`{"presence":{"room_name":%q,"user_name":%q,"event":%q},"ref":%q}`, roomC, userC, event, ref)
}

// A room and a user are the same, whichever form their names have, in every way into the chat and back.
func TestAllFormsOfANameMeet(t *testing.T) {
	for _, enter := range []string{"$connect", "joinRoom"} {
		for _, forms := range [][2]string{{roomD, roomC}, {roomC, roomD}, {roomD, roomD}} {
			t.Run(fmt.Sprintf("%s %+q", enter, forms), func(t *testing.T) {
				f := newFixture(t, nil)
				next := func() []string { // the frames that the connection has got since
					got := f.posts.frames["c="]
					f.posts.frames["c="] = nil
					return got
				}
				ask := func(action, want string, fields ...any) {
					t.Helper()
					status := f.message(action, frame(t, append(fields, "action", action)...)).StatusCode
					got := next()
					for i := range got {
						got[i] = regexp.MustCompile(`"create_at":\d+`).ReplaceAllString(got[i], `"create_at":now`)
					}
					if status != 200 || !slices.Equal(got, []string{want}) {
						t.Errorf("%s: %d, %+q; want %+q", action, status, got, want)
					}
				}
				if enter == "$connect" {
					query := map[string][]string{"room_name": {forms[0]}, "user_name": {userD}}
					if got := f.invoke("$connect", "CONNECT", "", query); got.StatusCode != 200 {
						t.Fatal(got)
					}
				} else {
					ask("joinRoom", presence("joined", "1"), "room_name", forms[0], "user_name", userD, "ref", "1")
				}
				message := `{"room_name":"` + roomC + `","index":1,"user_name":"` + userC + `","content":"` + roomD +
					`","create_at":now,"message_id":"` + roomD + `"}`
				for _, user := range []string{userD, userC} { // the second stores nothing, and is answered
					ask("sendMessage", `{"messages":[`+message+`]}`,
						"room_name", forms[1], "user_name", user, "content", roomD, "message_id", roomD)
				}
				ask("getRecentMessages", `{"messages":[`+message+`],"ref":"`+roomD+`"}`,
					"room_name", forms[0], "ref", roomD)
				users := `[{"user_name":"` + userC + `","connections":1}]`
				ask("getMembers", `{"members":{"room_name":"`+roomC+`","users":`+users+`}}`, "room_name", forms[1])
				if line := f.lastLine(); line["room"] != roomC {
					t.Errorf("the log calls the room %+q", line["room"])
				}
				ask("leaveRoom", presence("left", "2"), "room_name", forms[1], "ref", "2")
				if members, err := f.roster.Members(t.Context(), roomC, 0); err != nil || len(members) > 0 {
					t.Errorf("after it left: %v, %v", members, err)
				}
				if tail, err := f.log.Tail(t.Context(), roomC); err != nil || tail != 1 {
					t.Errorf("%d messages are stored, %v", tail, err)
				}
				if tail, err := f.log.Tail(t.Context(), roomD); err != nil || tail != 0 {
					t.Errorf("%d messages are stored in the other form, %v", tail, err)
				}
			})
		}
	}
}

// What a token allows does not depend on the form of a name, in the token or in what the client asks for.
func TestAccessKnowsOneForm(t *testing.T) {
	if testing.Short() {
		t.Skip("it stores much, and each write waits for the disk")
	}
	log, err := localstore.OpenLog(filepath.Join(t.TempDir(), "chat.db"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = log.Close() })
	sent := &posts{frames: map[string][]string{}}
	h := route.New(route.Config{
		Chat: chat.Service{Log: log, Changes: log, ReadMarkers: log, Roster: &localstore.Roster{},
			Rules:         chat.NewRuleBook(localstore.NewRules(log), time.Now),
			Broadcaster:   broadcast.Broadcaster{Leases: &localstore.Leases{}},
			Announcements: &localstore.Announcements{}, PresenceLimit: 100,
			Encoder: protocol.Encoder{}, Now: time.Now, Workers: 1},
		Poster: func(string, string) chat.Poster { return sent },
		Auth:   true,
		Logger: slog.New(slog.DiscardHandler),
		Meter:  telemetry.New("chat"),
	})
	for _, tc := range []struct {
		pattern, room string
		status        int
	}{
		{roomD, roomC, 200}, {roomC, roomD, 200}, {roomD, roomD, 200},
		{roomD + "*", roomC + "-1", 200}, {roomC + "*", roomD + "-1", 200},
		{"cafe", roomC, 403}, {"cafe", roomD, 403},
		{"cafe*", roomC, 403}, {"cafe*", roomD, 403}, {"cafe*", roomD + "-1", 403},
		{roomC, "cafe", 403}, {roomD + "*", "cafe", 403}, {"*", roomD, 200}, {"caf*", roomD, 200},
		{"\uac00*", "\uac00\u11a8", 403}, {"K", "\u212a", 200}, {"=*", "=\u0338", 403},
	} {
		rooms, _ := json.Marshal([]string{tc.pattern})
		grant := map[string]any{
			"principalId": "u1", "user": `"Rene\u0301"`, "expires": fmt.Sprint(time.Now().Add(time.Hour).Unix()),
			"rooms": string(rooms),
		}
		for _, right := range chat.Rights() {
			action, status := string(right.Action), tc.status
			needsRules := right.Action == chat.ActionCreateRoom || right.Action == chat.ActionRemoveMember
			if needsRules || right.Own.Reaches(chat.RoleModerator) { // nobody has a role here
				status = 403
			}
			for _, user := range []string{userD, userC} {
				sent.frames = map[string][]string{}
				canonical, err := chat.CanonicalRoom(tc.room)
				if err != nil {
					t.Fatal(err)
				}
				// A message of the grant's user, for the actions on one.
				own := chat.Message{Room: canonical, User: "u", UserID: "u1", Content: "hi"}
				m, _, err := log.Append(t.Context(), own)
				if err != nil {
					t.Fatal(err)
				}
				var after any = 0
				if action == protocol.GetRooms || action == protocol.GetRoom {
					after = tc.room
				}
				body := frame(t, "action", action, "room_name", tc.room, "user_name", user, "content", "c",
					"index", m.Index, "reaction", "+", "name", "typing", "after", after, "user_id", "u2",
					"role", "reader")
				if got, text := bareMessage(t, h, "c", action, body, grant); got != status {
					t.Errorf("%+q allow %s of %+q: %d %s", tc.pattern, action, tc.room, got, text)
				}
				if got := fmt.Sprint(sent.frames); strings.Contains(got, "name_ignored") {
					t.Errorf("%+q is another name than %+q: %s", user, userD, got)
				}
			}
		}
		payload, _ := json.Marshal(map[string]any{
			"requestContext": map[string]any{
				"routeKey": "$connect", "eventType": "CONNECT", "connectionId": "d", "authorizer": grant},
			"multiValueQueryStringParameters": map[string][]string{"room_name": {tc.room}, "user_name": {"\x07"}},
		})
		answer, err := h.Invoke(t.Context(), payload)
		var response route.Response
		if err = errors.Join(err, json.Unmarshal(answer, &response)); err != nil || response.StatusCode != tc.status {
			t.Errorf("%+q allow to connect to %+q: %s, %v", tc.pattern, tc.room, answer, err)
		}
		sent.frames = map[string][]string{}
		bareMessage(t, h, "d", "sendMessage", frame(t, "room_name", tc.room, "content", "c"), grant)
		if got := fmt.Sprint(sent.frames); tc.status == 200 && !strings.Contains(got, `"user_name":"`+userC+`"`) {
			t.Errorf("the token's name is not in its canonical form: %+q", got)
		}
	}
}
