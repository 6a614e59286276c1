package dynamo_test

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"wschat/pkg/chat"
	"wschat/pkg/dynamo"
	"wschat/test/dynamolocal"
)

// A process from before there were ids stores what one of now stores for a sender without an id.

// A message that is sent again while a new version is deployed is stored once, in whatever order and however close
// together an older process and a newer one come to it.
func TestARepeatThatSpansADeployIsStoredOnce(t *testing.T) {
	client, table := messagesTable(t)
	for _, retention := range []time.Duration{0, time.Hour} {
		for n := range 10 {
			room := fmt.Sprint(t.Name(), retention, n)
			m := chat.Message{Room: room, User: "sam", Content: "hi", ID: "1", CreateAt: time.Now().Unix()}
			var together sync.WaitGroup
			for i := range 4 {
				again := m
				if (i+n)%2 == 0 {
					again.UserID = "u1"
				}
				together.Go(func() {
					stored, _, err := dynamo.NewLog(client, table, retention).Append(t.Context(), again)
					if err != nil || stored.Index != 1 || stored.Content != "hi" {
						t.Errorf("%s: %q got %+v, %v", room, again.UserID, stored, err)
					}
				})
				if n < 4 { // one after the other
					together.Wait()
				}
			}
			together.Wait()
			checkLog(t, dynamo.NewLog(client, table, retention), room, "hi")
		}
	}
}

// messagesTable is a messages table of its own, with a client that waits for it as long as the function's does.
func messagesTable(t *testing.T) (client *dynamodb.Client, table string) {
	t.Helper()
	client = dynamolocal.Client(server.URL(t))
	_, table = dynamolocal.Tables(t, client)
	return client, table
}

// calls counts the calls of a log.
type calls struct {
	dynamo.LogAPI
	transactions, gets int
}

func (c *calls) TransactWriteItems(
	ctx context.Context, in *dynamodb.TransactWriteItemsInput, o ...func(*dynamodb.Options),
) (*dynamodb.TransactWriteItemsOutput, error) {
	c.transactions++
	return c.LogAPI.TransactWriteItems(ctx, in, o...)
}

func (c *calls) GetItem(
	ctx context.Context, in *dynamodb.GetItemInput, o ...func(*dynamodb.Options),
) (*dynamodb.GetItemOutput, error) {
	c.gets++
	return c.LogAPI.GetItem(ctx, in, o...)
}

// What the markers of a user's message cost: people of one name do not meet at them. Only a marker from before there
// were ids makes the log look twice.
func TestWhatMarkersCost(t *testing.T) {
	client, table := messagesTable(t)
	api := &calls{LogAPI: client}
	log := dynamo.NewLog(api, table, 0)
	for i, tc := range []struct {
		m                  chat.Message
		transactions, gets int
	}{
		{chat.Message{User: "sam", UserID: "u1", Content: "a", ID: "1"}, 1, 0},
		{chat.Message{User: "sam", UserID: "u2", Content: "a", ID: "1"}, 1, 0},
		{chat.Message{User: "sam", UserID: "u2", Content: "a", ID: "1"}, 1, 1},
		{chat.Message{User: "sam", UserID: "u2", Content: "a"}, 0, 0},
		{chat.Message{User: "sam", Content: "a", ID: "2"}, 1, 0},
		{chat.Message{User: "sam", UserID: "u1", Content: "a", ID: "2"}, 1, 1},
		{chat.Message{User: "sam", UserID: "u1", Content: "b", ID: "2"}, 2, 1},
	} {
		*api = calls{LogAPI: client}
		tc.m.Room, tc.m.CreateAt = "r", time.Now().Unix()
		if _, _, err := log.Append(t.Context(), tc.m); err != nil {
			t.Fatal(err)
		}
		if api.transactions != tc.transactions || api.gets != tc.gets {
			t.Errorf("row %d: %d transactions and %d gets", i, api.transactions, api.gets)
		}
	}
}

// The marker under the name is needed while a version is deployed, and goes after a day, or with its message before.
// The marker of the id stays as long as the message.
func TestTheMarkerUnderTheNameExpires(t *testing.T) {
	client, table := messagesTable(t)
	now := time.Now()
	for _, tc := range []struct {
		retention, byName, byID time.Duration // 0 for never
	}{
		{0, 24 * time.Hour, 0},
		{time.Hour, time.Hour, time.Hour},
		{100 * time.Hour, 24 * time.Hour, 100 * time.Hour},
	} {
		room := fmt.Sprint("r", tc.retention)
		m := chat.Message{Room: room, User: "sam", UserID: "u1", Content: "hi", ID: "1", CreateAt: now.Unix()}
		if _, _, err := dynamo.NewLog(client, table, tc.retention).Append(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		for key, want := range map[string]time.Duration{
			"#id\x00" + room + "\x00sam\x001": tc.byName, "#user\x00" + room + "\x00u1\x001": tc.byID,
		} {
			out, err := client.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: &table,
				Key: map[string]types.AttributeValue{
					"room_name": &types.AttributeValueMemberS{Value: key},
					"index":     &types.AttributeValueMemberN{Value: "0"}}})
			if err != nil || out.Item == nil {
				t.Errorf("%q is not there: %v", key, err)
				continue
			}
			got := time.Duration(0)
			if at, ok := out.Item["expires_at"].(*types.AttributeValueMemberN); ok {
				seconds, _ := strconv.ParseInt(at.Value, 10, 64)
				got = time.Unix(seconds, 0).Sub(now)
			}
			if (got == 0) != (want == 0) || (got-want).Abs() > time.Minute {
				t.Errorf("with a retention of %v, %q expires after %v, want %v", tc.retention, key, got, want)
			}
		}
	}
}
