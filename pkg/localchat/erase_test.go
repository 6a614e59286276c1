package localchat

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/coder/websocket"

	"wschat/pkg/chat"
	"wschat/pkg/config"
	"wschat/test/dynamolocal"
	"wschat/test/issuer"
)

var (
	eraseMessages = flag.Int("erase-messages", 120, "how many messages of one person TestEraseUser erases")
	eraseRooms    = flag.Int("erase-rooms", 8, "how many rooms they are in")
)

// act has a program do something, and returns the frames of the answer.
func (d *door) act(t testing.TB, actions ...fields) []string {
	t.Helper()
	for try := 1; ; try++ {
		got := d.invoke(t, fields{"actions": actions})
		var answer struct {
			StatusCode int
			Frames     []json.RawMessage
		}
		err := json.Unmarshal([]byte(got.body), &answer)
		if got.failed != "" && try < 10 { // AWS repeats
			time.Sleep(50 * time.Millisecond)
			continue
		}
		if err != nil || got.failed != "" || answer.StatusCode != 200 || len(answer.Frames) == 0 {
			t.Errorf("%v is answered %+v", actions[0], got)
			return []string{"{}"}
		}
		frames := make([]string, len(answer.Frames))
		for i, f := range answer.Frames {
			frames[i] = string(f)
		}
		return frames
	}
}

type message struct {
	Room      string `json:"room_name"`
	Index     int    `json:"index"`
	User      string `json:"user_name"`
	UserID    string `json:"user_id"`
	Content   string `json:"content"`
	DeletedAt int64  `json:"deleted_at"`
	ID        string `json:"message_id"`
	Reactions []struct {
		Reaction string
		Users    []struct {
			ID string `json:"user_id"`
		}
	}
}

// export returns all messages of a user.
func (d *door) export(t testing.TB, userID string) (all []message) {
	t.Helper()
	for next := ""; ; {
		var answer struct {
			Export struct {
				Messages []message
				Next     string
			}
		}
		frame := d.act(t, fields{"action": "exportUser", "user_id": userID, "after": next})[0]
		if err := json.Unmarshal([]byte(frame), &answer); err != nil {
			t.Fatal(err)
		}
		all = append(all, answer.Export.Messages...)
		if next = answer.Export.Next; next == "" {
			return all
		}
	}
}

type erased struct {
	Done                                                                     bool
	Messages, Reactions, Rules, Memberships, Rows, Damaged, Looked, attempts int
}

// erase erases a user, in as many steps as it takes.
func (d *door) erase(t testing.TB, userID string) erased {
	t.Helper()
	for step := 1; ; step++ {
		var answer struct{ Erased erased }
		frame := d.act(t, fields{"action": "eraseUser", "user_id": userID})[0]
		if err := json.Unmarshal([]byte(frame), &answer); err != nil {
			t.Fatal(err)
		}
		if answer.Erased.Done {
			answer.Erased.attempts = step
			return answer.Erased
		}
	}
}

// Everything that the chat holds of a person is erased, while others talk and the person tries to go on. Nothing of the
// others changes, and all clients learn of it.
func TestEraseUser(t *testing.T) {
	t.Parallel()
	p := issuer.Start(t)
	const eve = `eve "the <first>" é` // as an id may be
	ways(t, func(t *testing.T, bootstrap string) {
		d := startDoorWith(t, p, bootstrap, config.Values{config.PresenceLimit: "20"})
		room := func(i int) string { return fmt.Sprintf("room %d", i%*eraseRooms) }
		said := func(by string, i int) fields {
			return fields{"action": "sendMessage", "room_name": room(i), "user_id": by,
				"user_name": "Name of " + by[:3], "content": fmt.Sprintf("%.3s says %d", by, i),
				"message_id": fmt.Sprint(by[:3], i)}
		}
		var all sync.WaitGroup
		const part = 50
		for begin := 0; begin < *eraseRooms; begin += part { // the first message of each room is Bob's
			var actions []fields
			for i := begin; i < min(begin+part, *eraseRooms); i++ {
				actions = append(actions, said("bob", i), fields{"action": "addReaction", "room_name": room(i),
					"index": 1, "user_id": eve, "user_name": "Eve", "reaction": "👍"})
			}
			d.act(t, actions...)
		}
		for worker := range 4 {
			all.Go(func() {
				for begin := worker * part; begin < *eraseMessages; begin += 4 * part {
					var actions []fields
					for i := begin; i < min(begin+part, *eraseMessages); i++ {
						actions = append(actions, said(eve, i))
					}
					d.act(t, actions...)
				}
			})
		}
		all.Wait()
		ann, bob := d.arrive(t, p, "ann", nil), d.arrive(t, p, "bob", nil)
		evil := d.arrive(t, p, eve, nil)
		evil.id = "eve" // in refs
		for _, who := range []*person{ann, bob, evil} {
			who.must(chat.ActionGetRooms, nil)
			who.must(chat.ActionJoinRoom, fields{"room_name": room(0)})
		}
		evil.must(chat.ActionMarkRead, fields{"room_name": room(0), "index": 1})
		ann.must(chat.ActionCreateRoom,
			fields{"room_name": "private", "private": true, "members": []string{eve, "bob"}})
		ann.must(chat.ActionCreateRoom, fields{"room_name": "slow"})
		ann.must(chat.ActionSetRoom, fields{"room_name": "slow", "slow_mode": 3600})
		evil.must(chat.ActionSendMessage, fields{"room_name": "slow", "content": "slowly"})
		ann.must(chat.ActionMuteUser, fields{"room_name": "slow", "user_id": eve, "name": "Eve"})
		direct := roomOf(ann.must(chat.ActionOpenDirect, fields{"user_id": eve, "name": "Eve"}))
		evil.must(chat.ActionSendMessage, fields{"room_name": direct, "content": "between us"})
		ann.must(chat.ActionSendMessage, fields{"room_name": direct, "content": "indeed"})

		if got, want := len(d.export(t, eve)), *eraseMessages+2; got != want {
			t.Errorf("%d messages are exported, want %d", got, want)
		}
		before := d.export(t, "bob")
		stop := make(chan struct{})
		all.Go(func() { // Bob goes on
			for i := *eraseRooms; ; i++ {
				select {
				case <-stop:
					return
				default:
					d.act(t, said("bob", i))
				}
			}
		})
		all.Go(func() { // and so does Eve, as long as she can
			for i := 1; ; i++ {
				select {
				case <-stop:
					return
				case <-time.After(20 * time.Millisecond):
				}
				token := p.Token(fields{"sub": eve, "name": "Eve", "rooms": []string{"*"}})
				again, status := d.knock(t, "", "chat", token)
				if status != 101 {
					t.Errorf("the door says %d", status)
					return
				}
				for _, frame := range []string{
					`{"action":"sendMessage","room_name":"` + room(i) + `","content":"still here"}`,
					`{"action":"openDirect","user_id":"bob"}`,
				} {
					_ = again.Write(t.Context(), websocket.MessageText, []byte(frame)) // the eraser may have closed it
				}
				time.Sleep(20 * time.Millisecond)
				_ = again.CloseNow()
			}
		})
		got := d.erase(t, eve)
		close(stop)
		all.Wait()
		t.Logf("%+v", got)

		if got.Messages < *eraseMessages+2 || got.Reactions != *eraseRooms || got.Rules < 3 || got.Memberships < 2 ||
			got.Damaged != 0 {
			t.Errorf("erased were %+v", got)
		}
		if left := d.export(t, eve); len(left) > 0 {
			t.Errorf("%d messages remain, such as %+v", len(left), left[0])
		}
		until(t, ann.conn, `"changes"`, `"deleted_at"`, `"user_name":"erased"`, `"content":""`)
		d.checkOthers(t, before)
		d.checkRoom(t, room(0))
		late := d.arrive(t, p, eve, nil)
		late.id = "late"
		for _, action := range []chat.Action{chat.ActionSendMessage, chat.ActionGetRooms, chat.ActionJoinRoom,
			chat.ActionCreateRoom} {
			if answer := late.do(action, fields{"room_name": "r", "content": "x"}); !strings.Contains(answer,
				"being erased") {
				t.Errorf("%s of the erased person: %s", action, answer)
			}
		}
		for action, f := range map[chat.Action]fields{
			chat.ActionAddMember:  {"room_name": "private", "user_id": eve},
			chat.ActionCreateRoom: {"room_name": "another", "members": []string{eve}},
			chat.ActionOpenDirect: {"user_id": eve},
		} {
			if answer := ann.do(action, f); !strings.Contains(answer, "being erased") {
				t.Errorf("%s with the erased person: %s", action, answer)
			}
		}
		if bootstrap != "" {
			d.checkTables(t, eve)
		}
	})
}

// An answer is never longer than Lambda takes, also if each message needs six times as many bytes in JSON, if many have
// reacted to short ones, and if nothing but tombstones is left.
func TestExportsAreBounded(t *testing.T) {
	t.Parallel()
	d := startDoor(t, issuer.Start(t), "")
	const messages = 300
	for begin := 0; begin < messages; begin += 50 {
		var actions []fields
		for i := begin; i < begin+50; i++ {
			content := strings.Repeat("\x01", 5000)
			if i%3 > 0 {
				content = "short"
			}
			f := fields{"room_name": "r", "user_id": "eve", "user_name": "Eve", "index": i + 1}
			send := maps.Clone(f)
			send["action"], send["content"], send["message_id"] = "sendMessage", content, fmt.Sprint(i)
			actions = append(actions, send)
			if i%3 == 1 {
				for reactor := range 20 {
					actions = append(actions, fields{"action": "addReaction", "room_name": "r", "index": i + 1,
						"user_id": fmt.Sprint(reactor), "user_name": strings.Repeat("W", 100), "reaction": "👍"})
				}
			}
			if i%3 == 2 {
				f["action"] = "deleteMessage"
				actions = append(actions, f)
			}
		}
		d.act(t, actions...)
	}
	next, found, parts := "", 0, 0
	for parts = 1; ; parts++ {
		got := d.invoke(t, fields{"actions": []fields{{"action": "exportUser", "user_id": "eve", "after": next},
			{"action": "exportUser", "user_id": "eve", "after": next}}})
		var answer struct {
			Frames []struct {
				Export struct {
					Messages []message
					Next     string
				}
			}
		}
		err := json.Unmarshal([]byte(got.body), &answer)
		if err != nil || len(answer.Frames) != 2 || len(got.body) > 5<<20 {
			t.Fatalf("part %d has %d bytes: %v, %.200s", parts, len(got.body), err, got.body)
		}
		found += len(answer.Frames[0].Export.Messages)
		if next = answer.Frames[0].Export.Next; next == "" {
			break
		}
	}
	if found != messages || parts < 2 {
		t.Errorf("%d messages came in %d parts, want %d", found, parts, messages)
	}
}

// checkOthers checks that the messages that Bob sent before an erasure are what they were, without the reactions of the
// one that was erased.
func (d *door) checkOthers(t *testing.T, before []message) {
	t.Helper()
	now := map[string]message{}
	for _, m := range d.export(t, "bob") {
		now[fmt.Sprint(m.Room, "/", m.Index)] = m
	}
	for _, m := range before {
		other := now[fmt.Sprint(m.Room, "/", m.Index)]
		if other.Content != m.Content || other.ID != m.ID || other.User != m.User || other.DeletedAt != 0 ||
			len(other.Reactions) != 0 || len(m.Reactions) != 1 {
			t.Errorf("a message of another was %+v and is %+v", m, other)
		}
	}
}

// checkRoom checks that a room has every index, and either tombstones or the messages of others.
func (d *door) checkRoom(t *testing.T, room string) {
	t.Helper()
	last, tombstones := 0, 0
	for more := true; more; {
		var answer struct {
			Messages []message
			More     bool
		}
		for _, frame := range d.act(t, fields{"action": "getRecentMessages", "room_name": room, "after": last,
			"limit": 100}) {
			if err := json.Unmarshal([]byte(frame), &answer); err != nil {
				t.Fatal(err)
			}
			for _, m := range answer.Messages {
				if last++; m.Index != last {
					t.Fatalf("after %d comes %d", last-1, m.Index)
				}
				isTombstone := m.DeletedAt > 0 && m.User == "erased" && m.UserID == "" && m.ID == "" && m.Content == ""
				if isTombstone {
					tombstones++
				} else if m.UserID != "bob" {
					t.Errorf("there is %+v", m)
				}
			}
		}
		more = answer.More
	}
	if tombstones < *eraseMessages / *eraseRooms {
		t.Errorf("the room has %d tombstones", tombstones)
	}
}

// checkTables looks for a user's id in all that the tables hold.
func (d *door) checkTables(t *testing.T, userID string) {
	t.Helper()
	quoted, _ := json.Marshal(userID)
	isThere := func(s string) bool {
		return strings.Contains(s, userID) || strings.Contains(s, string(quoted)) || strings.Contains(s, "Name of eve")
	}
	client := dynamolocal.Client(d.dynamoDB)
	tables, err := client.ListTables(t.Context(), &dynamodb.ListTablesInput{})
	if err != nil {
		t.Fatal(err)
	}
	looked := 0
	for _, table := range tables.TableNames {
		rows := dynamodb.NewScanPaginator(client, &dynamodb.ScanInput{TableName: aws.String(table)})
		for rows.HasMorePages() {
			out, err := rows.NextPage(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			looked += len(out.Items)
			for _, row := range out.Items {
				for name, value := range row {
					if s, ok := value.(*types.AttributeValueMemberS); ok && isThere(s.Value) {
						t.Errorf("table %s has, as %s, %q", table, name, s.Value)
					}
				}
			}
		}
	}
	if looked < *eraseMessages {
		t.Errorf("%d rows are in the tables %v", looked, tables.TableNames)
	}
}
