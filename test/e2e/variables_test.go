package e2e

import (
	"fmt"
	"html"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
)

// everyVariable has a check for each variable of the template's function.
func (d deployed) everyVariable(t *testing.T, ann *guest) {
	_, page := d.request(t, http.MethodGet, "/")
	page = html.UnescapeString(page)
	pageHas := func(text string) func(*testing.T) {
		return func(t *testing.T) {
			if !strings.Contains(page, text) {
				t.Errorf("the page has no %s", text)
			}
		}
	}
	annHas := func(text string) func(*testing.T) {
		return func(t *testing.T) {
			if !slices.ContainsFunc(ann.seen, func(frame string) bool { return strings.Contains(frame, text) }) {
				t.Errorf("ann saw no %s in %s", text, ann.seen)
			}
		}
	}
	tableOf := func(variable string) func(*testing.T) {
		return func(t *testing.T) {
			name := d.stack.Functions[d.stack.Authorizer.Function].Environment[variable]
			rows, err := d.dynamo.Scan(t.Context(), &dynamodb.ScanInput{TableName: &name})
			if err != nil || rows.Count == 0 {
				t.Errorf("the table %s has no row: %v", name, err)
			}
		}
	}
	log := d.log.String()
	checks := map[string]func(*testing.T){
		"ACTIONS_PER_SECOND":   d.actionsAreLimited,
		"AUTH_AUDIENCE":        d.theAuthorizer,
		"AUTH_CLIENT_ID":       pageHas(`"client":"chat"`),
		"AUTH_ID_CLAIM":        annHas(`"user_id":"id-ann"`),
		"AUTH_ISSUER":          d.theAuthorizer,
		"AUTH_NAME_CLAIM":      annHas(`"user_name":"ann"`),
		"AUTH_ROLES_CLAIM":     d.aModeratorDeletes,
		"AUTH_ROOMS_CLAIM":     d.roomsAreAllowed,
		"CONNECTIONS_ENDPOINT": annHas(`"pong"`), // each answer is a post
		"CONNECTIONS_TABLE":    tableOf("CONNECTIONS_TABLE"),
		"LOG_LEVEL": func(t *testing.T) {
			if strings.Contains(log, `"level":"INFO","msg":"invocation"`) {
				t.Errorf("the log has what is no warning: %s", log)
			}
		},
		"MAX_ROOMS":      d.roomsAreLimited,
		"MESSAGES_TABLE": tableOf("MESSAGES_TABLE"),
		"METRICS": func(t *testing.T) {
			if !strings.Contains(log, `"Name":"ColdStarts"`) { // which is not among those that cost nothing
				t.Errorf("the log has not all metrics: %s", log)
			}
		},
		"PRESENCE_LIMIT": func(t *testing.T) {
			if slices.ContainsFunc(ann.seen, func(frame string) bool {
				isAnswer := strings.Contains(frame, `"ref"`)
				return strings.Contains(frame, `"presence"`) && !isAnswer
			}) {
				t.Errorf("ann was told who came and went: %s", ann.seen)
			}
		},
		"REVIEW_FUNCTION": func(t *testing.T) {
			if d.reviews.Load() == 0 {
				t.Error("no review was asked for")
			}
		},
		"REVIEW_OTHERWISE": annHas(`"content":"Hello."`), // without a review it is stored all the same
		"WEBSOCKET_URL":    pageHas(d.ws),
	}
	for name := range d.variables {
		if check := checks[name]; check != nil {
			t.Run(name, check)
		} else {
			t.Errorf("the template has the variable %s, and this test does not check it", name)
		}
	}
}

// actionsAreLimited sends more than a connection may do in a second. Each process has its own count, and there are up
// to 32. A slow machine may stay within all of them.
func (d deployed) actionsAreLimited(t *testing.T) {
	const pings, processes, perSecond, burst = 2500, 32, 20, 50
	g := d.enter(t, d.token("eve", nil))
	began := time.Now()
	for range pings {
		answer := g.try(`{"action":"ping"}`)
		if strings.HasPrefix(answer, `{"error"`) {
			return
		}
		if isGateways(answer) { // the stage's throttle, which all processes share
			time.Sleep(10 * time.Millisecond)
		}
	}
	if took := time.Since(began); pings > processes*(burst+perSecond*took.Seconds()) {
		t.Errorf("%d were answered in %v", pings, took)
	}
}

// roomsAreLimited enters rooms until there are too many: 10, as the template says, and those that are the chat's own.
func (d deployed) roomsAreLimited(t *testing.T) {
	g := d.enter(t, d.token("fay", nil))
	rooms := 0
	for ; rooms < 20; rooms++ {
		answer := g.ask(fmt.Sprintf(`{"action":"joinRoom","room_name":"many-%d"}`, rooms))
		if strings.Contains(answer, `"too_many_rooms"`) {
			break
		}
	}
	if rooms < 10 || rooms > 12 {
		t.Errorf("one connection is in %d rooms", rooms)
	}
}

// roomsAreAllowed enters a room that the token allows, and another.
func (d deployed) roomsAreAllowed(t *testing.T) {
	g := d.enter(t, d.token("dora", map[string]any{"rooms": []string{"lobby"}}))
	for room, code := range map[string]string{"lobby": `"joined"`, "attic": `"forbidden"`} {
		if answer := g.ask(`{"action":"joinRoom","room_name":"` + room + `"}`); !strings.Contains(answer, code) {
			t.Errorf("%s: %s", room, answer)
		}
	}
}

// aModeratorDeletes has a user delete another's message.
func (d deployed) aModeratorDeletes(t *testing.T) {
	author := d.enter(t, d.token("gil", nil))
	author.ask(`{"action":"sendMessage","room_name":"garden","content":"Something."}`)
	for _, tc := range []struct {
		roles   []string
		refused bool
	}{{nil, true}, {[]string{"moderator"}, false}} {
		g := d.enter(t, d.token("hal", map[string]any{"roles": tc.roles}))
		answer := g.ask(`{"action":"deleteMessage","room_name":"garden","index":1}`)
		if strings.HasPrefix(answer, `{"error"`) != tc.refused {
			t.Errorf("with the roles %q: %s", tc.roles, answer)
		}
	}
}
