package dynamo_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"wschat/pkg/chat"
	"wschat/test/dynamolocal"
)

type row = map[string]types.AttributeValue

// newPatientWorld is a world on which nothing goes wrong, and no request is given up.
func newPatientWorld(t *testing.T) *world {
	url := server.URL(t)
	w := newWorldOn(t, url)
	w.client = dynamolocal.Client(url)
	return w
}

// rowsOf are all rows of the messages table, by their partition key and index.
func (w *world) rowsOf(t *testing.T) map[string]row {
	t.Helper()
	out, err := w.client.Scan(t.Context(), &dynamodb.ScanInput{TableName: aws.String(w.rows)})
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]row{}
	for _, r := range out.Items {
		room, _, _ := strings.Cut(r["room_name"].(*types.AttributeValueMemberS).Value, "\x00")
		rows[fmt.Sprint(room, " ", number(r["index"]))] = r
	}
	return rows
}

// With a retention, TTL removes every row of a room: a message and its marker after the retention, the room's own row
// after two years, the lease's a little earlier. If messages are kept for longer, so is the room's own row. Without,
// nothing expires.
func TestWhatExpires(t *testing.T) {
	w := newPatientWorld(t)
	const day = 24 * time.Hour
	for i, tc := range []struct{ retention, message, own, lease time.Duration }{
		{time.Hour, time.Hour, 730 * day, 729*day - time.Hour},
		{30 * day, 30 * day, 730 * day, 699 * day},
		{1000 * day, 1000 * day, 2002 * day, 1001 * day},
		{0, 0, 0, 0}, // after a retention: the lease does not expire any more
	} {
		created := time.Now().Unix()
		send(t, w.service(tc.retention), "r", fmt.Sprint(tc.retention))
		want := map[string]time.Duration{"#id 0": tc.message, fmt.Sprint("r ", i+1): tc.message, "r 0": tc.own,
			"#lease 0": tc.lease}
		rows := w.rowsOf(t)
		if tc.retention == 0 {
			delete(want, "r 0") // from before
		}
		for name, life := range want {
			at := int64(0)
			if r := rows[name]["expires_at"]; r != nil {
				at = number(r) - created
			}
			if late := at - int64(life/time.Second); late < 0 || late > 60 || life == 0 && at != 0 {
				t.Errorf("retention %v: %s expires after %d s, want %v", tc.retention, name, at, life)
			}
		}
		for _, r := range rows {
			if strings.HasPrefix(r["room_name"].(*types.AttributeValueMemberS).Value, "#id") {
				w.removeRow(t, r)
			}
		}
	}
}

func (w *world) removeRow(t *testing.T, r row) {
	t.Helper()
	_, err := w.client.DeleteItem(t.Context(), &dynamodb.DeleteItemInput{
		TableName: &w.rows, Key: row{"room_name": r["room_name"], "index": r["index"]},
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Two years after its last message, DynamoDB removes a room's rows, late and in no order. As long as the room's own row
// is there it counts; once it is gone, the room begins anew, and its members are sent what is sent.
func TestARoomThatWasSilentForTwoYears(t *testing.T) {
	w := newPatientWorld(t)
	for _, tc := range []struct {
		name    string
		removed []string
		index   int64
	}{
		{"nothing", nil, 4},
		{"the messages", []string{"r 1", "r 2", "r 3"}, 4},
		{"the lease", []string{"r 1", "r 2", "r 3", "#lease 0"}, 4},
		{"the own row", []string{"r 0", "r 1", "r 2", "r 3"}, 1},
		{"everything", []string{"r 0", "r 1", "r 2", "r 3", "#lease 0"}, 1},
	} {
		s := w.service(time.Hour)
		if _, err := s.Roster.Join(t.Context(), chat.Member{Room: "r", ConnectionID: "c=",
			ExpiresAt: time.Now().Add(time.Hour)}); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			send(t, s, "r", "")
		}
		rows := w.rowsOf(t)
		for _, r := range rows { // time passes
			r["expires_at"] = n(time.Now().Unix() - 1)
			if _, err := w.client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &w.rows,
				Item: r}); err != nil {
				t.Fatal(err)
			}
		}
		for _, name := range tc.removed {
			w.removeRow(t, rows[name])
		}
		posts := w.poster.count()
		if index := send(t, w.service(time.Hour), "r", ""); index != tc.index {
			t.Errorf("%s is removed: the next message has index %d, want %d", tc.name, index, tc.index)
		}
		if got := w.poster.count() - posts; got != 1 {
			t.Errorf("%s is removed: the member got %d posts, want 1", tc.name, got)
		}
		for _, r := range w.rowsOf(t) {
			w.removeRow(t, r)
		}
	}
}
