package dynamo_test

import (
	"context"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"wschat/pkg/chat"
	"wschat/pkg/dynamo"
)

// state is what has become of the message at an index.
type state byte

const (
	live    state = iota
	expired       // and its row is still there
	removed       // with its row
)

// rows is one room's rows, as a LogAPI that counts. It makes each row when it is read, so a million of them cost
// nothing.
type rows struct {
	dynamo.LogAPI
	last int64 // the index of the last message ever stored
	at   func(index int64) state
	size int // of a row, in bytes

	calls int // queries and gets
	read  int // rows, which DynamoDB bills
}

const pageBytes = 1 << 20 // of rows, in the answer to one query

func (r *rows) Query(
	_ context.Context, in *dynamodb.QueryInput, _ ...func(*dynamodb.Options),
) (*dynamodb.QueryOutput, error) {
	r.calls++
	first, last, step := int64(1), r.last, int64(1)
	if strings.Contains(*in.KeyConditionExpression, "BETWEEN :first AND :last") {
		first = max(first, number(in.ExpressionAttributeValues[":first"]))
		last = min(last, number(in.ExpressionAttributeValues[":last"]))
	}
	if !aws.ToBool(in.ConsistentRead) || first <= 0 {
		return nil, fmt.Errorf("a wrong query: %+v", in)
	}
	index := first
	if in.ScanIndexForward != nil && !*in.ScanIndexForward {
		index, step = last, -1
	}
	if in.ExclusiveStartKey != nil {
		index = number(in.ExclusiveStartKey["index"]) + step
	}
	most := math.MaxInt
	if in.Limit != nil {
		most = int(*in.Limit)
	}
	out := &dynamodb.QueryOutput{}
	for ; index >= first && index <= last; index += step {
		if r.at(index) == removed {
			continue
		}
		if len(out.Items) == most || (len(out.Items)+1)*r.size > pageBytes {
			out.LastEvaluatedKey = out.Items[len(out.Items)-1]
			return out, nil
		}
		r.read++
		out.Items = append(out.Items, r.row(index, in.ProjectionExpression != nil))
	}
	if len(out.Items) == most { // DynamoDB does not look whether there are more
		out.LastEvaluatedKey = out.Items[len(out.Items)-1]
	}
	return out, nil
}

// GetItem gets the room's own row.
func (r *rows) GetItem(
	context.Context, *dynamodb.GetItemInput, ...func(*dynamodb.Options),
) (*dynamodb.GetItemOutput, error) {
	r.calls++
	return &dynamodb.GetItemOutput{Item: map[string]types.AttributeValue{"last_index": n(r.last)}}, nil
}

func (r *rows) row(index int64, keysOnly bool) map[string]types.AttributeValue {
	at := time.Now().Add(time.Hour).Unix()
	if r.at(index) == expired {
		at = time.Now().Add(-time.Hour).Unix()
	}
	row := map[string]types.AttributeValue{"index": n(index), "expires_at": n(at)}
	if !keysOnly {
		row["content"] = &types.AttributeValueMemberS{Value: content(index)}
	}
	return row
}

func content(index int64) string { return fmt.Sprint("message ", index) }

func n(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}

func number(v types.AttributeValue) int64 {
	n, err := strconv.ParseInt(v.(*types.AttributeValueMemberN).Value, 10, 64)
	if err != nil {
		return -1
	}
	return n
}

func (r *rows) gone(index int64) bool { return r.at(index) != live }

// reset begins to count anew.
func (r *rows) reset() { r.calls, r.read = 0, 0 }

// lastRow is the last index from first to last that has a row; 0 for none.
func (r *rows) lastRow(first, last int64) int64 {
	for index := min(last, r.last); index >= max(1, first); index-- {
		if r.at(index) != removed {
			return index
		}
	}
	return 0
}

// bounds are the first and the last index of a span.
func bounds(span chat.Span) (first, last int64) {
	if span.Before > 0 {
		return span.After + 1, span.Before - 1
	}
	return span.After + 1, math.MaxInt64
}

// checkOldest checks what was read of a span from its beginning against what Read promises.
func (r *rows) checkOldest(span chat.Span, got []chat.Message) error {
	first, last := bounds(span)
	for i, m := range got {
		switch {
		case m.Index < first || m.Index > last || r.gone(m.Index):
			return fmt.Errorf("%d is outside of the span, or gone", m.Index)
		case i > 0 && m.Index != got[i-1].Index+1:
			return fmt.Errorf("there is a gap before %d", m.Index)
		case m.Content != content(m.Index):
			return fmt.Errorf("%d says %q", m.Index, m.Content)
		}
	}
	end := r.lastRow(first, last)
	begin := end + 1 // of what lies after the last gap
	for ; begin > first && begin > 1 && !r.gone(begin-1); begin-- {
	}
	switch {
	case len(got) > span.Limit:
		return fmt.Errorf("there are %d messages", len(got))
	case len(got) == 0 && begin <= end:
		return fmt.Errorf("%d to %d are left out", begin, end)
	case len(got) == 0:
		return nil
	case got[0].Index > first && !r.gone(got[0].Index-1):
		return fmt.Errorf("%d is left out", got[0].Index-1)
	case begin <= end && got[0].Index > begin:
		return fmt.Errorf("%d is left out", begin)
	case len(got) < span.Limit && got[len(got)-1].Index != end:
		return fmt.Errorf("%d and what comes after is left out", got[len(got)-1].Index+1)
	}
	return nil
}

// checkNewest does the same for what was read from its end.
func (r *rows) checkNewest(span chat.Span, got []chat.Message) error {
	first, last := bounds(span)
	var want []int64
	for index := r.lastRow(first, last); index >= max(1, first) && !r.gone(index) && len(want) < span.Limit; index-- {
		want = append(want, index)
	}
	slices.Reverse(want)
	if len(want) > 0 && span.Before > 0 && want[len(want)-1] < min(last, r.last) {
		want = nil // what came just before the bound is removed
	}
	if len(got) != len(want) {
		return fmt.Errorf("there are %d messages, want %d", len(got), len(want))
	}
	for i, m := range got {
		if m.Index != want[i] || m.Content != content(m.Index) {
			return fmt.Errorf("%d is %+v", want[i], m)
		}
	}
	return nil
}

func (r *rows) check(span chat.Span, got []chat.Message) error {
	if span.Newest {
		return r.checkNewest(span, got)
	}
	return r.checkOldest(span, got)
}

// mostCalls is how many calls a read of a room may make, in whatever order its messages have expired: two for each bit
// of the number of its rows, one of them for as many rows as the limit, which take several where they are large.
func (r *rows) mostCalls(limit int) int {
	depth := bits.Len64(uint64(r.last))
	pages := 1 + limit*r.size/(pageBytes-r.size)
	return depth + pages*(depth+5)
}

func (r *rows) log() *dynamo.Log { return dynamo.NewLog(r, "messages", time.Hour) }
