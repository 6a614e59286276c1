package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"wschat/test/localchat"
)

// Every frame about the rules of a room is one of those in asyncapi.yaml: answers, news, refusals.
func TestFramesOfRules(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds the command")
	}
	schemas := loadSchemas(t)
	local := localchat.Start(t, "-demo-users", "ann,bob")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	people := map[string]socket{}
	for range 2 {
		user, err := local.Printed.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		before, token, _ := strings.Cut(strings.TrimSpace(user), "#token=")
		c, err := dial(local.URL(), "chat", token)
		if err != nil {
			t.Fatal(err)
		}
		defer c.close()
		name := "bob"
		if strings.Contains(before, "ann") {
			name = "ann"
		}
		people[name] = c
	}
	refs, kinds := 0, map[string]bool{}
	take := func(c socket, last func(frame string) bool) string {
		t.Helper()
		for {
			frame, err := c.next(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if err := schemas.check(frame); err != nil {
				t.Error(err)
			}
			for _, kind := range []string{`{"room":`, `"removed":`, `"people":`, `"with":`, `"you":`} {
				kinds[kind] = kinds[kind] || strings.Contains(frame, kind)
			}
			if last(frame) {
				return frame
			}
		}
	}
	do := func(who, frame string) string {
		t.Helper()
		refs++
		ref := fmt.Sprintf(`"ref":"%d"}`, refs)
		frame = strings.TrimSuffix(frame, "}") + "," + ref
		if err := schemas.checkClient(frame); err != nil {
			t.Error(err)
		}
		if err := people[who].send(frame); err != nil {
			t.Fatal(err)
		}
		return take(people[who], func(answer string) bool {
			return strings.HasSuffix(answer, ref) && !strings.Contains(answer, `"part":true`)
		})
	}
	do("bob", `{"action":"getRooms"}`)
	do("ann", `{"action":"createRoom","room_name":"plans","private":true,"title":"Plans","members":["user-bob"]}`)
	invitation := take(people["bob"], func(frame string) bool { return strings.Contains(frame, `"room_name":"plans"`) })
	if !strings.Contains(invitation, `"you":{"role":"member"}`) {
		t.Errorf("bob is told %s", invitation)
	}
	do("bob", `{"action":"joinRoom","room_name":"plans","limit":10,"changes_after":0,"members":true,"rules":true}`)
	do("ann", `{"action":"setRoom","room_name":"plans","topic":"What comes next","slow_mode":0,"read_only":false}`)
	do("ann", `{"action":"muteUser","room_name":"plans","user_id":"user-bob","seconds":60,"reason":"noise"}`)
	do("ann", `{"action":"getRoom","room_name":"plans","people":true}`)
	do("bob", `{"action":"getRoom","room_name":"plans","people":true}`)
	do("ann", `{"action":"unmuteUser","room_name":"plans","user_id":"user-bob"}`)
	do("ann", `{"action":"setRole","room_name":"plans","user_id":"user-bob","role":"moderator"}`)
	do("bob", `{"action":"getChanges","room_name":"plans","after":0}`)
	do("ann", `{"action":"banUser","room_name":"plans","user_id":"user-bob","reason":"enough"}`)
	take(people["bob"], func(frame string) bool { return strings.Contains(frame, `"removed":`) })
	if refusal := do("bob", `{"action":"joinRoom","room_name":"plans"}`); !strings.Contains(refusal, `"forbidden"`) {
		t.Errorf("bob is banned, and joins: %s", refusal)
	}
	do("ann", `{"action":"openDirect","user_id":"user-bob","name":"Bob"}`)
	do("bob", `{"action":"getRooms"}`)
	for _, kind := range []string{`{"room":`, `"removed":`, `"people":`, `"with":`, `"you":`} {
		if !kinds[kind] {
			t.Errorf("no frame had %s", kind)
		}
	}
}
