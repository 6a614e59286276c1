package dynamo_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"wschat/pkg/chat"
	"wschat/pkg/dynamo"
)

// lagging is a LogAPI whose reads see the pointer of a transaction before the message's row, for some reads.
type lagging struct {
	dynamo.LogAPI
	mu    sync.Mutex
	reads int  // left that see the row as it was
	old   item // the row as it was
}

func (l *lagging) TransactWriteItems(ctx context.Context, in *dynamodb.TransactWriteItemsInput,
	o ...func(*dynamodb.Options)) (*dynamodb.TransactWriteItemsOutput, error) {
	if update := in.TransactItems[1].Update; update != nil {
		before, err := l.LogAPI.GetItem(ctx, &dynamodb.GetItemInput{TableName: update.TableName, Key: update.Key})
		if err != nil {
			return nil, err
		}
		l.mu.Lock()
		l.reads, l.old = 3, before.Item
		l.mu.Unlock()
	}
	return l.LogAPI.TransactWriteItems(ctx, in, o...)
}

func (l *lagging) GetItem(ctx context.Context, in *dynamodb.GetItemInput,
	o ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.reads > 0 && number(in.Key["index"]) > 0 {
		l.reads--
		return &dynamodb.GetItemOutput{Item: l.old}, nil
	}
	return l.LogAPI.GetItem(ctx, in, o...)
}

// Reads outside of a transaction may see its pointer before its row. What is told of a change is the message since
// then.
func TestAChangeIsNotToldOfAnOlderMessage(t *testing.T) {
	w := newPatientWorld(t)
	api := &lagging{LogAPI: w.client}
	log := dynamo.NewLog(api, w.rows, 0)
	append1(t, log, chat.Message{Room: "lobby", User: "u", Content: "a"})
	for n, read := range []func() (string, error){
		func() (string, error) {
			found, err := log.Changes(t.Context(), "lobby", 0, 10)
			if err != nil {
				return "", err
			}
			return found.Messages[0].Message.Content, nil
		},
		func() (string, error) {
			if _, err := log.LastChange(t.Context(), "lobby"); err != nil {
				return "", err
			}
			api.mu.Lock()
			defer api.mu.Unlock()
			if api.reads > 0 {
				return "an older message", nil
			}
			return "b1", nil
		},
		func() (string, error) { // the next change begins with the message since the last
			m, err := log.Change(t.Context(), "lobby", 1, func(m chat.Message) (chat.Message, error) {
				m.Metadata = "{}"
				return m, nil
			})
			return m.Content, err
		},
	} {
		want := fmt.Sprint("b", n)
		if _, err := log.Change(t.Context(), "lobby", 1, to(want)); err != nil {
			t.Fatal(err)
		}
		if got, err := read(); err != nil || got != want {
			t.Errorf("read %d: %q, %v; want %q", n, got, err, want)
		}
	}
	w.checkChanges(t, "lobby")
}

// With a retention, a change expires with its message, and the count goes on.
func TestChangesExpireWithTheirMessages(t *testing.T) {
	t.Parallel()
	w := newPatientWorld(t)
	log := dynamo.NewLog(w.client, w.rows, time.Hour)
	old := append1(t, log, chat.Message{Room: "lobby", User: "u", Content: "a", CreateAt: time.Now().Unix() - 3600 + 3})
	append1(t, log, chat.Message{Room: "lobby", User: "u", Content: "b"})
	for i, index := range []int64{1, 2, 1} {
		if _, err := log.Change(t.Context(), "lobby", index, to(fmt.Sprint("edit ", i))); err != nil {
			t.Fatal(err)
		}
	}
	for _, row := range w.scan(t, "#changes\x00lobby") {
		if number(row["index"]) == 0 || number(row["message_index"]) != 1 {
			continue
		}
		if number(row["expires_at"]) != old.CreateAt+3600 {
			t.Errorf("the pointer %v does not expire with its message", row)
		}
	}
	time.Sleep(4 * time.Second)
	check := func(when string) {
		t.Helper()
		found, err := log.Changes(t.Context(), "lobby", 0, 10)
		if err != nil || len(found.Messages) != 1 || found.Messages[0].Message.Index != 2 || found.UpTo != 3 {
			t.Errorf("%s: the changes are %+v, %v", when, found, err)
		}
		if last, err := log.LastChange(t.Context(), "lobby"); err != nil || last != 3 {
			t.Errorf("%s: the last change is %d, %v", when, last, err)
		}
		if _, err := log.Change(t.Context(), "lobby", 1, to("x")); !errors.Is(err, chat.ErrNoMessage) {
			t.Errorf("%s: an expired message is changed: %v", when, err)
		}
	}
	check("after the message's time")
	for _, row := range append(w.scan(t, "#changes\x00lobby"), w.scan(t, "lobby")...) {
		if at, ok := row["expires_at"]; ok && number(at) <= time.Now().Unix() { // as DynamoDB does it later
			if _, err := w.client.DeleteItem(t.Context(), &dynamodb.DeleteItemInput{TableName: &w.rows,
				Key: item{"room_name": row["room_name"], "index": row["index"]}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	check("after its removal")
	if m, err := log.Change(t.Context(), "lobby", 2, to("c")); err != nil || m.Version != 4 {
		t.Errorf("the next change is %+v, %v", m, err)
	}
}

// What an edit replaced and a deletion removed is in no row.
func TestDeletedContentIsGone(t *testing.T) {
	w := newPatientWorld(t)
	for _, retention := range []time.Duration{0, time.Hour} {
		log := dynamo.NewLog(w.client, w.rows, retention)
		room := fmt.Sprint("room ", retention)
		append1(t, log, chat.Message{
			Room: room, User: "u", UserID: "u1", ID: "m1", Content: "secret1", Metadata: `{"secret":3}`,
		})
		for _, change := range []func(chat.Message) (chat.Message, error){
			to("secret2"),
			func(m chat.Message) (chat.Message, error) {
				m.Reactions = []chat.Reaction{{Reaction: "secret4", Users: []chat.Person{{Name: "u"}}}}
				return m, nil
			},
			func(m chat.Message) (chat.Message, error) {
				m.Content, m.Metadata, m.Reactions, m.DeletedAt = "", "", nil, 1
				return m, nil
			},
		} {
			if _, err := log.Change(t.Context(), room, 1, change); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, row := range w.scan(t, "") {
		for name, value := range row {
			if s, ok := value.(*types.AttributeValueMemberS); ok && strings.Contains(s.Value, "secret") {
				t.Errorf("the attribute %s of %v is still %q", name, row["room_name"], s.Value)
			}
		}
	}
}

// Rows that another version of the chat wrote are read: with attributes that this one does not know, and without those
// that it does.
func TestRowsOfOtherVersionsAreRead(t *testing.T) {
	w := newPatientWorld(t)
	log := dynamo.NewLog(w.client, w.rows, 0)
	row := item{
		"room_name":  &types.AttributeValueMemberS{Value: "lobby"},
		"index":      &types.AttributeValueMemberN{Value: "1"},
		"user_name":  &types.AttributeValueMemberS{Value: "ann"},
		"content":    &types.AttributeValueMemberS{Value: "hi"},
		"create_at":  &types.AttributeValueMemberN{Value: "12"},
		"put_id":     &types.AttributeValueMemberS{Value: "x"},
		"unheard_of": &types.AttributeValueMemberBOOL{Value: true},
		"reactions":  &types.AttributeValueMemberM{Value: item{}}, // of another type than here
	}
	if _, err := w.client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &w.rows, Item: row}); err != nil {
		t.Fatal(err)
	}
	want := chat.Message{Room: "lobby", Index: 1, User: "ann", Content: "hi", CreateAt: 12}
	found, err := log.Read(t.Context(), "lobby", chat.Span{Limit: 10})
	if err != nil || len(found) != 1 || !found[0].Equal(want) {
		t.Errorf("read %+v, %v; want %+v", found, err, want)
	}
	m, err := log.Change(t.Context(), "lobby", 1, to("bye"))
	want.Content, want.Version, want.ContentVersion = "bye", 1, 1
	if err != nil || !m.Equal(want) {
		t.Errorf("changed is %+v, %v; want %+v", m, err, want)
	}
	if rows := w.scan(t, "lobby"); len(rows) != 1 || rows[0]["unheard_of"] == nil {
		t.Errorf("the row is %v: what this version does not know is lost", rows)
	}
}

// Of many large messages that were changed, no more are read at once than an answer has room for. The parts together
// have each message, and go on where the one before ended.
func TestManyLargeChangesAreReadInParts(t *testing.T) {
	w := newPatientWorld(t)
	log := dynamo.NewLog(w.client, w.rows, 0)
	const messages = 40
	for i := range messages {
		append1(t, log, chat.Message{Room: "lobby", User: "u", Content: "a"})
		large := strings.Repeat("x", chat.MaxContentBytes-1) + fmt.Sprint(i%10)
		if _, err := log.Change(t.Context(), "lobby", int64(i+1), to(large)); err != nil {
			t.Fatal(err)
		}
	}
	var got []int64
	parts := 0
	for after, more := int64(0), true; more; parts++ {
		found, err := log.Changes(t.Context(), "lobby", after, chat.MaxChanges)
		if err != nil || len(found.Messages) > 32 || found.UpTo <= after {
			t.Fatalf("after %d: %d messages up to %d, %v", after, len(found.Messages), found.UpTo, err)
		}
		for _, c := range found.Messages {
			got = append(got, c.Message.Index)
		}
		after, more = found.UpTo, found.More
	}
	if len(got) != messages || !slices.IsSorted(got) || parts < 2 {
		t.Errorf("in %d parts: %v", parts, got)
	}
}
