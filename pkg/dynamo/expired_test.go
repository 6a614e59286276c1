package dynamo_test

import (
	"context"
	"math/bits"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"pgregory.net/rapid"

	"wschat/pkg/chat"
	"wschat/pkg/dynamo"
	"wschat/test/dynamolocal"
)

// states draws what has become of a room's messages. It is made of zones, as of times between two changes of the
// retention.
func states(t *rapid.T) []state {
	one := rapid.SampledFrom([]state{live, live, expired, removed})
	zone := rapid.OneOf(
		rapid.Map(rapid.IntRange(0, 60), func(n int) []state { return slices.Repeat([]state{live}, n) }),
		rapid.Map(rapid.IntRange(0, 60), func(n int) []state { return slices.Repeat([]state{expired}, n) }),
		rapid.Map(rapid.IntRange(0, 60), func(n int) []state { return slices.Repeat([]state{removed}, n) }),
		rapid.Map(rapid.IntRange(0, 30), func(n int) []state { return slices.Repeat([]state{expired, live}, n) }),
		rapid.SliceOfN(one, 0, 40),
	)
	return slices.Concat(rapid.SliceOfN(zone, 0, 12).Draw(t, "zones")...)
}

// Whatever has expired or is removed, in whatever order: a read keeps its promise, and takes few calls.
func TestReadsAmongExpiredRows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := states(t)
		r := &rows{
			last: int64(len(all)), at: func(index int64) state { return all[index-1] },
			size: rapid.SampledFrom([]int{200, 16 << 10, 400_000}).Draw(t, "size"),
		}
		span := chat.Span{
			After:  rapid.Int64Range(0, r.last+1).Draw(t, "after"),
			Limit:  rapid.IntRange(1, 40).Draw(t, "limit"),
			Newest: rapid.Bool().Draw(t, "newest"),
		}
		if rapid.Bool().Draw(t, "bounded") {
			span.Before = rapid.Int64Range(1, r.last+2).Draw(t, "before")
		}
		got, err := r.log().Read(context.Background(), "r", span)
		if err == nil {
			err = r.check(span, got)
		}
		if most := r.mostCalls(span.Limit); err != nil || r.calls > most {
			t.Fatalf("%+v of %v: %v; %d calls, at most %d; got %v", span, all, err, r.calls, most, got)
		}
	})
}

// A client that asks for what is after its last message, again and again, gets all that lies after the last gap.
func TestCatchingUpAmongExpiredRows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := states(t)
		r := &rows{last: int64(len(all)), at: func(index int64) state { return all[index-1] }, size: 200}
		limit := rapid.IntRange(1, 40).Draw(t, "limit")
		var got []int64
		for after := int64(0); ; after = got[len(got)-1] {
			page, err := r.log().Read(context.Background(), "r", chat.Span{After: after, Limit: limit})
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range page {
				got = append(got, m.Index)
			}
			if len(page) < limit {
				break
			}
		}
		end := r.lastRow(1, r.last)
		begin := end + 1
		for ; begin > 1 && !r.gone(begin-1); begin-- {
		}
		for index := begin; index <= end; index++ {
			if !slices.Contains(got, index) {
				t.Fatalf("%d is missing: %v", index, got)
			}
		}
		if !slices.IsSorted(got) || len(slices.Compact(got)) != len(got) {
			t.Fatalf("out of order, or twice: %v", got)
		}
	})
}

// The calls that a read takes, and the rows, however many have expired.
func TestCallsAmongExpiredRows(t *testing.T) {
	const kept = 5_000
	for _, gone := range []int64{1_000, 60_000, 1_000_000} {
		inOrder := func(index int64) state {
			if index > gone {
				return live
			}
			return expired
		}
		patterns := []struct {
			name    string
			ordered bool
			at      func(int64) state
		}{
			{"in order", true, inOrder},
			{"half of them removed", true, func(index int64) state {
				if index <= gone && index*2654435761>>7&1 == 0 {
					return removed
				}
				return inOrder(index)
			}},
			{"every second one", false, func(index int64) state { // as while two retentions are in force
				if index <= gone && index%2 == 0 {
					return live
				}
				return inOrder(index)
			}},
			{"every seventh one", false, func(index int64) state {
				if index <= gone && index%7 > 0 {
					return live
				}
				return inOrder(index)
			}},
			{"but the oldest 20", true, func(index int64) state { // which were stored before there was a retention
				if index <= 20 {
					return live
				}
				return inOrder(index)
			}},
			{"and all others", true, func(int64) state { return expired }},
			{"with the last", true, func(index int64) state {
				if index == gone+kept {
					return expired
				}
				return inOrder(index)
			}},
		}
		for _, p := range patterns {
			r := &rows{last: gone + kept, at: p.at, size: 300}
			for _, span := range []chat.Span{
				{Limit: 11}, {Limit: 101}, {Limit: 1},
				{Limit: 100, After: gone / 3}, {Limit: 100, After: gone / 3, Before: gone + 200},
				{Limit: 11, Newest: true},
				{Limit: 11, Before: gone + 5, Newest: true}, {Limit: 11, Before: gone / 2, Newest: true},
			} {
				r.reset()
				got, err := r.log().Read(t.Context(), "r", span)
				if err == nil {
					err = r.check(span, got)
				}
				if err != nil {
					t.Errorf("%d %s, %+v: %v", gone, p.name, span, err)
				}
				// The first messages, the last ones, a look for where the former end, and the messages there.
				depth := bits.Len64(uint64(r.last) / uint64(span.Limit))
				mostCalls, mostRows := 3+depth, 4*span.Limit+depth
				if !p.ordered {
					mostCalls, mostRows = r.mostCalls(span.Limit), mostRows+(span.Limit+1)*bits.Len64(uint64(r.last))
				}
				if r.calls > mostCalls || r.read > mostRows {
					t.Errorf("%d %s, %+v: %d calls for %d rows, at most %d for %d",
						gone, p.name, span, r.calls, r.read, mostCalls, mostRows)
				}
				t.Logf("%d expired %s, %+v: %d calls for %d rows", gone, p.name, span, r.calls, r.read)
			}
			r.reset()
			if tail, err := r.log().Tail(t.Context(), "r"); err != nil || tail != r.last || r.calls > 2 {
				t.Errorf("%d %s: the tail is %d, %v, after %d calls", gone, p.name, tail, err, r.calls)
			}
		}
	}
}

// Rows that are removed while they are read leave no read without an end.
func TestRowsRemovedWhileTheyAreRead(t *testing.T) {
	for calls := range 30 {
		r := &rows{last: 5_000, size: 200}
		r.at = func(index int64) state {
			switch {
			case r.calls > calls && index > 10:
				return removed
			case index <= 4_000 && index%7 == 0:
				return expired
			}
			return live
		}
		got, err := r.log().Read(t.Context(), "r", chat.Span{Limit: 50})
		for i, m := range got {
			if m.Index != got[0].Index+int64(i) {
				t.Errorf("removed after %d calls: there is a gap before %d", calls, m.Index)
			}
		}
		if most := r.mostCalls(50); err != nil || r.calls > most {
			t.Errorf("removed after %d calls: %v, %d calls, at most %d", calls, err, r.calls, most)
		}
	}
}

// store puts a room's rows into a table as they are.
func (r *rows) store(t *testing.T, client *dynamodb.Client, table, room string) {
	t.Helper()
	var batch []types.WriteRequest
	for index := int64(1); index <= r.last; index++ {
		if r.at(index) != removed {
			row := r.row(index, false)
			row["room_name"] = &types.AttributeValueMemberS{Value: room}
			batch = append(batch, types.WriteRequest{PutRequest: &types.PutRequest{Item: row}})
		}
		if len(batch) == 25 || index == r.last {
			out, err := client.BatchWriteItem(t.Context(), &dynamodb.BatchWriteItemInput{
				RequestItems: map[string][]types.WriteRequest{table: batch}})
			if err != nil || len(out.UnprocessedItems) > 0 {
				t.Fatal(err)
			}
			batch = nil
		}
	}
}

// DynamoDB takes the queries, and answers them as the tests' own rows do.
func TestAmongExpiredRowsOfDynamoDB(t *testing.T) {
	client := dynamolocal.Client(server.URL(t))
	_, table := dynamolocal.Tables(t, client)
	log := dynamo.NewLog(client, table, time.Hour)
	const gone = 700
	for name, at := range map[string]func(int64) state{
		"in order":         func(int64) state { return expired },
		"some removed":     func(index int64) state { return []state{expired, removed, removed}[index*7%3] },
		"every second one": func(index int64) state { return []state{live, expired}[index%2] },
	} {
		r := &rows{last: gone + 50, size: 200, at: func(index int64) state {
			if index <= gone {
				return at(index)
			}
			return live
		}}
		r.store(t, client, table, name)
		for _, span := range []chat.Span{
			{Limit: 101}, {Limit: 11}, {Limit: 1}, {Limit: 11, After: 300}, {Limit: 30, After: 300, Before: gone + 20},
			{Limit: 30, After: gone + 30}, {Limit: 101, Newest: true}, {Limit: 11, Before: gone + 5, Newest: true},
		} {
			got, err := log.Read(t.Context(), name, span)
			for i := range got { // what they hold beside is the table's
				got[i] = chat.Message{Index: got[i].Index, Content: got[i].Content}
			}
			if err == nil {
				err = r.check(span, got)
			}
			if err != nil {
				t.Errorf("%s, %+v: %v", name, span, err)
			}
		}
	}
}
