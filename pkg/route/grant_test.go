package route_test

import (
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
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

// A connection from before there were ids is its subject's. If another claim says who people are, its id may be
// none to show, and it is closed, so that it connects again; so is one whose id is from another claim.
func TestGrantsOfBefore(t *testing.T) {
	soon := fmt.Sprint(time.Now().Add(time.Hour).Unix())
	grant := func(more map[string]any) map[string]any {
		g := map[string]any{"principalId": "u1", "user": `"sam"`, "expires": soon, "rooms": `["*"]`}
		maps.Copy(g, more)
		return g
	}
	older, ofSubject := grant(nil), grant(map[string]any{"user_id": `"u1"`, "id_claim": "sub"})
	ofProfile := grant(map[string]any{"user_id": `"p1"`, "id_claim": "profile"})
	for _, tc := range []struct {
		claim string // as it is configured
		grant map[string]any
		id    string // "" where the connection is closed
	}{
		{"", older, "u1"}, {"sub", older, "u1"}, {"", ofSubject, "u1"}, {"profile", ofProfile, "p1"},
		{"profile", older, ""}, {"profile", ofSubject, ""}, {"", ofProfile, ""}, {"email", ofProfile, ""},
		{"", grant(map[string]any{"principalId": ""}), ""},
	} {
		sent := &posts{frames: map[string][]string{}}
		log, err := localstore.OpenLog(filepath.Join(t.TempDir(), "chat.db"), slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		h := route.New(route.Config{
			Chat: chat.Service{Log: log, Roster: &localstore.Roster{},
				Broadcaster: broadcast.Broadcaster{Leases: &localstore.Leases{}}, Encoder: protocol.Encoder{},
				Now: time.Now, Workers: 1},
			Poster:  func(string, string) chat.Poster { return sent },
			Auth:    true,
			IDClaim: tc.claim,
			Logger:  slog.New(slog.DiscardHandler),
			Meter:   telemetry.New("chat"),
		})
		join, _ := bareMessage(t, h, "c", "joinRoom", `{"action":"joinRoom","room_name":"r","ref":"1"}`, tc.grant)
		send, _ := bareMessage(t, h, "c", "sendMessage", `{"action":"sendMessage","room_name":"r","content":"hi"}`,
			tc.grant)
		frames := strings.Join(sent.frames["c"], "\n")
		if tc.id == "" {
			if join != 403 || send != 403 || strings.Contains(frames, `"user_id"`) ||
				strings.Count(frames, "closed") != 2 {
				t.Errorf("%q with %v: %d, %d, %s", tc.claim, tc.grant, join, send, frames)
			}
		} else if join != 200 || send != 200 || strings.Count(frames, `"user_id":"`+tc.id+`"`) != 2 {
			t.Errorf("%q with %v: %d, %d, %s", tc.claim, tc.grant, join, send, frames)
		}
		if err := log.Close(); err != nil {
			t.Error(err)
		}
	}
}

// With authentication, an event without a grant is nobody's: a stack whose authorizer is missing lets nobody do
// anything.
func TestWithoutAGrantNobodyDoesAnything(t *testing.T) {
	h := route.New(route.Config{
		Chat:   chat.Service{Roster: &localstore.Roster{}, Encoder: protocol.Encoder{}, Now: time.Now, Workers: 1},
		Poster: func(string, string) chat.Poster { return nowhere{} },
		Auth:   true,
		Logger: slog.New(slog.DiscardHandler),
		Meter:  telemetry.New("chat"),
	})
	soon := fmt.Sprint(time.Now().Add(time.Hour).Unix())
	for _, action := range route.Actions() {
		for want, authorizer := range map[int]map[string]any{403: nil, 401: {"principalId": "u1", "user": `"ann"`,
			"expires": "1", "rooms": `["*"]`}} {
			if status, body := bareMessage(t, h, "c", action, `{"room_name":"r"}`, authorizer); status != want {
				t.Errorf("%s with %v: %d %s", action, authorizer, status, body)
			}
		}
		if status, _ := bareMessage(t, h, "c", action, `{"room_name":"r"}`,
			map[string]any{"principalId": "u1", "user": `"ann"`, "expires": soon,
				"rooms": `["other"]`}); status != 403 {
			t.Errorf("%s of a room that is not allowed: %d", action, status)
		}
	}
	if status, _ := bareMessage(t, h, "c", "getMembers", `{"room_name":"r"}`,
		map[string]any{"principalId": "u1", "user": `"ann"`, "expires": soon, "rooms": `["*"]`}); status != 200 {
		t.Errorf("with a grant: %d", status)
	}
}
