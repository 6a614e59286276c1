package dynamo_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"wschat/pkg/chat"
	"wschat/pkg/dynamo"
	"wschat/test/dynamolocal"
)

// remove deletes rows of the messages table, as DynamoDB does with rows whose time to live is over.
func (w *world) remove(t *testing.T, room string, indexes ...int) {
	t.Helper()
	for _, index := range indexes {
		_, err := w.client.DeleteItem(t.Context(), &dynamodb.DeleteItemInput{TableName: &w.rows,
			Key: map[string]types.AttributeValue{
				"room_name": &types.AttributeValueMemberS{Value: room},
				"index":     &types.AttributeValueMemberN{Value: fmt.Sprint(index)},
			}})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func send(t *testing.T, s chat.Service, room, id string) int64 {
	t.Helper()
	sent, err := s.Send(t.Context(), "c=", chat.Draft{Room: room, User: "ann", Content: "hi", ID: id})
	if err != nil {
		t.Fatal(err)
	}
	return sent.Message.Index
}

// A room whose messages have expired goes on counting where it was, whichever of them DynamoDB has removed so far.
func TestARoomGoesOnAfterItsMessagesExpired(t *testing.T) {
	w := newWorld(t)
	const retention = 24 * time.Hour
	for name, removed := range map[string][]int{
		"all of them": {1, 2, 3}, "the newest first": {3}, "all but the oldest": {2, 3}, "the oldest first": {1},
		"none yet": {},
	} {
		for _, id := range []string{"", "m"} {
			t.Run(fmt.Sprint(name, " id ", id), func(t *testing.T) {
				room := t.Name()
				s := w.service(retention)
				for n := int64(1); n <= 3; n++ {
					if got := send(t, s, room, idOf(id, n)); got != n {
						t.Fatalf("message %d has index %d", n, got)
					}
				}
				w.remove(t, room, removed...)
				s = w.service(retention) // a process that remembers nothing
				if tail, err := s.Log.Tail(t.Context(), room); err != nil || tail != 3 {
					t.Errorf("the tail is %d, %v", tail, err)
				}
				if got := send(t, s, room, idOf(id, 4)); got != 4 {
					t.Errorf("the next message has index %d", got)
				}
			})
		}
	}
	room := "expired"
	s := w.service(retention)
	for range 3 {
		send(t, s, room, "")
	}
	w.remove(t, room, 1, 2, 3)
	for after, expired := range map[int64]bool{0: true, 1: true, 2: true, 3: false} {
		page, err := s.History(t.Context(), "c=", chat.Query{Room: room, Limit: 10, After: &after})
		if err != nil || page.Expired != expired || len(page.Messages) != 0 {
			t.Errorf("after %d: got %+v, %v; want expired %v", after, page, err, expired)
		}
	}
}

func idOf(id string, n int64) string {
	if id == "" {
		return ""
	}
	return fmt.Sprint(id, n)
}

// Rows whose time is over count as gone before DynamoDB has removed them, and leave no gap behind.
func TestExpiredRowsAreNotRead(t *testing.T) {
	w := newWorld(t)
	log := w.service(time.Hour).Log
	now := time.Now().Unix()
	for i, age := range []int64{9000, 8000, 3000, 7000, 100, 50} { // the fourth sender's clock was slow
		_, _, err := log.Append(t.Context(), chat.Message{Room: "r", User: "ann", Content: fmt.Sprint(i + 1),
			CreateAt: now - age})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, tc := range []struct {
		span chat.Span
		want []int64
	}{
		{chat.Span{Limit: 10, Before: 100, Newest: true}, []int64{5, 6}},
		{chat.Span{Limit: 10}, []int64{5, 6}},
		{chat.Span{Limit: 5}, []int64{5, 6}}, // it looks on after a first page of which all has expired
		{chat.Span{Limit: 10, After: 3}, []int64{5, 6}},
		{chat.Span{Limit: 10, Newest: true}, []int64{5, 6}},
		{chat.Span{Limit: 1, Newest: true}, []int64{6}},
		{chat.Span{Limit: 10, Before: 5, Newest: true}, nil},
		{chat.Span{Limit: 10, After: 5}, []int64{6}},
	} {
		found, err := log.Read(t.Context(), "r", tc.span)
		var got []int64
		for _, m := range found {
			got = append(got, m.Index)
		}
		if err != nil || !slices.Equal(got, tc.want) {
			t.Errorf("%+v: got %v, %v; want %v", tc.span, got, err, tc.want)
		}
	}
	w.remove(t, "r", 4) // and the third, whose time is not over, is still there
	if found, err := log.Read(t.Context(), "r", chat.Span{Limit: 10, Before: 5, Newest: true}); err != nil ||
		len(found) > 0 {
		t.Errorf("before a gap: got %v, %v", found, err)
	}
}

// A retention that is set later, or shortened, leaves older rows in the table. They are not shown beside a gap.
func TestNoGapIsRead(t *testing.T) {
	w := newWorld(t)
	for range 3 {
		send(t, w.service(0), "r", "")
	}
	s := w.service(time.Hour)
	for range 4 {
		send(t, s, "r", "")
	}
	w.remove(t, "r", 4, 5) // which expired
	for _, span := range []chat.Span{{Limit: 10}, {Limit: 10, Newest: true}} {
		found, err := s.Log.Read(t.Context(), "r", span)
		if err != nil || len(found) != 2 || found[0].Index != 6 || found[1].Index != 7 {
			t.Errorf("%+v: got %v, %v; want 6 and 7", span, found, err)
		}
	}
	page, err := s.History(t.Context(), "c=", chat.Query{Room: "r", Limit: 10})
	if err != nil || !page.Expired || page.More {
		t.Errorf("got %+v, %v", page, err)
	}
}

// An id that was stored before the retention is no repeat: there is nothing to answer with.
func TestAnExpiredIDIsNoRepeat(t *testing.T) {
	w := newWorld(t)
	log := w.service(time.Hour).Log
	old := chat.Message{Room: "r", User: "ann", Content: "old", ID: "m",
		CreateAt: time.Now().Add(-2 * time.Hour).Unix()}
	if _, _, err := log.Append(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	again := old
	again.Content, again.CreateAt = "again", time.Now().Unix()
	for _, repeat := range []bool{false, true} {
		stored, was, err := log.Append(t.Context(), again)
		if err != nil || stored.Index != 2 || stored.Content != "again" || was != repeat {
			t.Errorf("got %+v, repeat %v, %v", stored, was, err)
		}
	}
}

// More members than one page of a Query holds: every one is sent the message, but for rows that are void.
func TestTwelveThousandMembers(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 12,000 rows")
	}
	const members, void = 12_000, 100
	w := newWorld(t)
	expires := time.Now().Add(time.Hour).Unix()
	var batch []types.WriteRequest
	for i := range members + void {
		if i == members {
			expires = time.Now().Add(-time.Minute).Unix()
		}
		batch = append(batch, types.WriteRequest{PutRequest: &types.PutRequest{Item: map[string]types.AttributeValue{
			"room_name":     &types.AttributeValueMemberS{Value: "r"},
			"connection_id": &types.AttributeValueMemberS{Value: fmt.Sprintf("connection%05d=", i)},
			"user_name":     &types.AttributeValueMemberS{Value: fmt.Sprintf("a user with a name %d", i)},
			"connected_at":  &types.AttributeValueMemberN{Value: "1795515136000"},
			"expires_at":    &types.AttributeValueMemberN{Value: fmt.Sprint(expires)},
		}}})
		if len(batch) == 25 {
			out, err := w.client.BatchWriteItem(t.Context(),
				&dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{w.connections: batch}})
			if err != nil || len(out.UnprocessedItems) > 0 {
				t.Fatal(err)
			}
			batch = nil
		}
	}
	s := w.service(0)
	w.network.Begin(nil)
	sent, err := s.Send(t.Context(), "a sender that is no member", chat.Draft{Room: "r", User: "ann", Content: "hi"})
	if err != nil || sent.Delivery.Delivered != members+1 || len(sent.Delivery.Gone)+sent.Delivery.Failed > 0 {
		t.Errorf("got %+v, %v", sent.Delivery, err)
	}
	if w.poster.posts != members+1 {
		t.Errorf("%d posts", w.poster.posts)
	}
	if queries := count(w.network.Requests(), "Query"); queries < 3 { // the tail, and two pages at least
		t.Errorf("there were %d queries, so the members fitted into one page", queries)
	}
}

func count(all []string, one string) (n int) {
	for _, s := range all {
		if s == one {
			n++
		}
	}
	return n
}

// What stands between a client's frame and its answer. Each call is a network round trip and a line on the bill.
func TestCallsOnTheCriticalPath(t *testing.T) {
	w := newWorld(t)
	order := &orderedPoster{network: w.network}
	service := func(retention time.Duration) chat.Service {
		s := w.service(retention)
		s.Poster = order
		return s
	}
	s := service(0)
	zero := int64(0)
	sendOne := func(s chat.Service, id string) func() error {
		return func() error {
			_, err := s.Send(t.Context(), "c=", chat.Draft{Room: "r", User: "ann", Content: "hi", ID: id})
			return err
		}
	}
	history := func(q chat.Query) func() error {
		return func() error {
			_, err := s.History(t.Context(), "c=", q)
			return err
		}
	}
	expiring := service(time.Hour)
	announcing := service(0)
	announcing.PresenceLimit, announcing.Announcements = 100, dynamo.NewAnnouncements(w.client, w.connections)
	if err := s.Join(t.Context(), chat.Member{Room: "r", ConnectionID: "c=", ConnectedAt: time.Now()},
		chat.CatchUp{}); err != nil {
		t.Fatal(err)
	}
	if err := s.Join(t.Context(), chat.Member{Room: "taken", ConnectionID: "c=", ConnectedAt: time.Now()},
		chat.CatchUp{}); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := dynamo.NewLeases(w.client, w.rows, 0).Acquire(t.Context(), "taken", "another", 0); !ok {
		t.Fatal(err)
	}
	// The lease beside the members, the post, a look for more, the lease given back, and the last look. Then a look at
	// the changes, which nobody waits for.
	sending := []string{"UpdateItem", "Query", "post", "Query", "UpdateItem", "Query", "Query"}
	for _, tc := range []struct {
		name string
		do   func() error
		want []string
	}{
		{"the first message of a process", sendOne(s, ""), slices.Concat([]string{"Query", "PutItem"}, sending)},
		{"a message", sendOne(s, ""), slices.Concat([]string{"PutItem"}, sending)},
		{"a message with an id", sendOne(s, "m1"), slices.Concat([]string{"TransactWriteItems"}, sending)},
		{"the same again", sendOne(s, "m1"), []string{"TransactWriteItems", "GetItem", "UpdateItem", "Query", "post",
			"Query", "UpdateItem", "Query"}},
		{"a message to a room that another process has sent to", sendOne(service(0), ""),
			slices.Concat([]string{"Query", "PutItem"}, sending)},
		{"a message after another process's", sendOne(s, ""), slices.Concat([]string{"PutItem", "Query", "PutItem"},
			sending)},
		{"the next, which looks first", sendOne(s, ""), slices.Concat([]string{"Query", "PutItem"}, sending)},
		{"and one more, since nobody else has sent", sendOne(s, ""), slices.Concat([]string{"PutItem"}, sending)},
		{"history", history(chat.Query{Room: "r", Limit: 10}),
			[]string{"Query", "Query", "post"}}, // the first for the changes
		{"history after an index", history(chat.Query{Room: "r", Limit: 10, After: &zero}), []string{"Query", "post"}},
		{"history after an index, when more remains", history(chat.Query{Room: "r", Limit: 1, After: &zero}),
			[]string{"Query", "Query", "post"}}, // the second for the tail
		{"history of a room never used", history(chat.Query{Room: "unused", Limit: 10}),
			[]string{"Query", "Query", "Query", "post"}},
		{"the first message of a process, with a retention", sendOne(expiring, ""),
			slices.Concat([]string{"Query", "GetItem", "TransactWriteItems"}, sending)},
		{"a message, with a retention", sendOne(expiring, ""), slices.Concat([]string{"TransactWriteItems"}, sending)},
		{"connect with a room", func() error {
			return s.Connect(t.Context(), chat.Member{ConnectionID: "c=", Room: "r",
				User: "ann"})
		}, []string{"PutItem"}},
		{"connect with none", func() error {
			return s.Connect(t.Context(),
				chat.Member{ConnectionID: "c=", User: "ann"})
		}, nil},
		{"join", func() error {
			return s.Join(t.Context(), chat.Member{Room: "r", ConnectionID: "c=", ConnectedAt: time.Now()},
				chat.CatchUp{})
		}, []string{"PutItem"}},
		{"join under a name", func() error {
			return announcing.Join(t.Context(), chat.Member{Room: "r", ConnectionID: "d=", User: "ann",
				ConnectedAt: time.Now()}, chat.CatchUp{})
		}, []string{"PutItem", "GetItem", "PutItem", "Query", "post", "post"}},
		// the list for d=, and c= is told of ann
		{"join and catch up", func() error {
			return s.Join(t.Context(), chat.Member{Room: "r", ConnectionID: "c=", ConnectedAt: time.Now()},
				chat.CatchUp{Messages: &chat.Query{Limit: 10, After: &zero}, Members: true})
		}, []string{"PutItem", "post", "Query", "post", "Query", "post"}},
		{"join with a bound on the rooms", func() error {
			bounded := service(0)
			bounded.MaxRooms = 100
			return bounded.Join(t.Context(), chat.Member{Room: "r", ConnectionID: "c=", ConnectedAt: time.Now()},
				chat.CatchUp{})
		}, []string{"Query", "PutItem"}},
		{"leave", func() error { return s.Leave(t.Context(), "c=", "r", "") }, []string{"GetItem", "DeleteItem"}},
		{"leave under a name", func() error {
			time.Sleep(1100 * time.Millisecond) // the room was told of somebody a moment ago, and would wait
			return announcing.Leave(t.Context(), "d=", "r", "")
		}, []string{"GetItem", "DeleteItem", "GetItem", "PutItem", "Query"}},
		{"members", func() error { _, err := s.Members(t.Context(), "c=", "r", ""); return err },
			[]string{"Query", "post"}},
		{"disconnect with no room", func() error { return s.Disconnect(t.Context(), "nobody=") }, []string{"Query"}},
		{"pong", func() error { return s.Pong(t.Context(), "c=", "1") }, []string{"post"}}, // no store
		{"ping", func() error { return s.Ping(t.Context()) }, []string{"PutItem"}},
		{"a message to a room that another sends to", func() error {
			_, err := s.Send(t.Context(), "c=", chat.Draft{Room: "taken", User: "ann", Content: "hi"})
			return err
		}, []string{"Query", "PutItem", "UpdateItem", "Query"}},
	} {
		w.network.Begin(nil)
		if err := tc.do(); err != nil {
			t.Errorf("%s: %v", tc.name, err)
		}
		if got := inOrder(w.network.Requests()); !slices.Equal(got, tc.want) {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
	}
}

// inOrder puts what is beside each other in one order: the read of the members, which is beside the first call for
// the lease, after it; and a reply, which is beside what follows, before that.
func inOrder(requests []string) []string {
	lease := slices.Index(requests, "UpdateItem")
	if lease < 0 {
		return requests
	}
	if requests[lease-1] == "Query" {
		requests[lease-1], requests[lease] = requests[lease], requests[lease-1]
		lease--
	}
	if post := slices.Index(requests, "post"); post > lease+2 {
		requests = slices.Insert(slices.Delete(requests, post, post+1), lease+2, "post")
	}
	return requests
}

// orderedPoster notes posts among the requests to DynamoDB.
type orderedPoster struct{ network *dynamolocal.Network }

func (p *orderedPoster) Post(context.Context, string, []byte) error {
	p.network.Note("post")
	return nil
}

func (p *orderedPoster) Close(context.Context, string) error { return nil }
