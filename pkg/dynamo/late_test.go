package dynamo_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"wschat/pkg/chat"
	"wschat/pkg/dynamo"
	"wschat/test/dynamolocal"
)

// overtaken is a RosterAPI whose next delete reaches DynamoDB after something else.
type overtaken struct {
	dynamo.RosterAPI
	by func()
}

func (o *overtaken) DeleteItem(
	ctx context.Context, in *dynamodb.DeleteItemInput, opts ...func(*dynamodb.Options),
) (*dynamodb.DeleteItemOutput, error) {
	o.by()
	o.by = func() {}
	return o.RosterAPI.DeleteItem(ctx, in, opts...)
}

// late is a table of connections on which deletes are late.
type late struct {
	roster  *dynamo.Roster // on a network on which nothing goes wrong
	api     dynamo.RosterAPI
	network *dynamolocal.Network // of the api
	table   string
	joins   int64
}

// A delete that reaches DynamoDB after the connection has joined again leaves the later membership.
func TestALateDeleteLeavesALaterMembership(t *testing.T) {
	url := server.URL(t)
	l := &late{network: &dynamolocal.Network{}}
	l.table, _ = dynamolocal.Tables(t, dynamolocal.Client(url))
	l.roster = dynamo.NewRoster(dynamolocal.Client(url), l.table)
	l.api = dynamo.NewClient(dynamolocal.Env(url),
		func(o *dynamodb.Options) { o.HTTPClient = &http.Client{Transport: l.network} })
	t.Run("overtaken", l.isOvertaken)
	t.Run("repeated", l.isRepeated)
}

// isOvertaken is a delete that is on its way for long.
func (l *late) isOvertaken(t *testing.T) {
	for name, do := range map[string]func(ctx context.Context, r chat.Roster, room string) error{
		"leave": func(ctx context.Context, r chat.Roster, room string) error {
			left, err := r.Leave(ctx, room, room)
			if err == nil && left.ConnectionID != "" {
				err = fmt.Errorf("%+v left", left)
			}
			return err
		},
		"forget": func(ctx context.Context, r chat.Roster, room string) error {
			left, err := r.Forget(ctx, room)
			if err == nil && len(left) > 0 {
				err = fmt.Errorf("%+v left", left)
			}
			return err
		},
		"remove": func(ctx context.Context, r chat.Roster, room string) error {
			members, err := r.Members(ctx, room, 0)
			if err != nil {
				return err
			}
			ok, err := r.Remove(ctx, members[0])
			if err == nil && ok {
				err = fmt.Errorf("%+v was removed", members)
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			room := t.Name()
			l.join(t, room, "ann")
			r := dynamo.NewRoster(&overtaken{l.api, func() { l.join(t, room, "bob") }}, l.table)
			if err := do(t.Context(), r, room); err != nil {
				t.Error(err)
			}
			l.check(t, room, "bob")
		})
	}
}

// isRepeated is a delete that the SDK repeats, and the connection has joined again in between, or has not.
func (l *late) isRepeated(t *testing.T) {
	for _, tc := range []struct {
		fault      dynamolocal.Fault
		rejoins    bool
		left, stay string
	}{
		{dynamolocal.Lost, false, "ann", ""},
		{dynamolocal.Reset, false, "ann", ""},
		{dynamolocal.Lost, true, "", "bob"},
		{dynamolocal.Reset, true, "", "bob"},
	} {
		t.Run(fmt.Sprint(tc.fault, tc.rejoins), func(t *testing.T) {
			room, deletes := t.Name(), 0
			l.join(t, room, "ann")
			l.network.Begin(func(_ int, op string) dynamolocal.Fault {
				if op != "DeleteItem" {
					return dynamolocal.None
				}
				if deletes++; deletes == 1 {
					return tc.fault
				}
				if deletes == 2 && tc.rejoins {
					l.join(t, room, "bob")
				}
				return dynamolocal.None
			})
			left, err := dynamo.NewRoster(l.api, l.table).Leave(t.Context(), room, room)
			l.network.Begin(nil)
			if err != nil || deletes < 2 || left.User != tc.left {
				t.Errorf("%+v left, %v, after %d deletes; want %q", left, err, deletes, tc.left)
			}
			l.check(t, room, tc.stay)
		})
	}
}

// join makes a connection a member of the room of the same name, which says the same of its time each time.
func (l *late) join(t *testing.T, room, user string) {
	t.Helper()
	l.joins++
	if _, err := l.roster.Join(context.Background(), chat.Member{Room: room, ConnectionID: room, User: user,
		JoinID: l.joins}); err != nil {
		t.Error(err)
	}
}

// check checks which user is the only member of a room, "" for nobody.
func (l *late) check(t *testing.T, room, user string) {
	t.Helper()
	members, err := l.roster.Members(t.Context(), room, 0)
	if err != nil {
		t.Fatal(err)
	}
	if len(members) != min(1, len(user)) || user != "" && members[0].User != user {
		t.Errorf("members %+v, want %q", members, user)
	}
}
