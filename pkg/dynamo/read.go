package dynamo

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"wschat/pkg/chat"
)

// Read returns messages of a room; see chat.Log.
//
// Messages expire roughly in their order, but not strictly: clocks differ, and a retention can be set or changed. An
// index is gone if its row has expired or is not there, and a gap is a series of such indexes. A message before a gap
// counts as expired too, and Read may leave it out. What Read returns
//
//   - begins at the first index of the span or after a gap, and goes on without a gap,
//   - is as many messages as the limit allows, unless it ends with the last row of the span,
//   - is nothing only if the span has no row, or if its last row has expired,
//   - leaves out no message of the span that comes after the last gap, except by the limit.
//
// So a client that asks again and again for what comes after its last message reaches the end of the log. The calls
// that a read takes grow with the logarithm of the number of rows that have expired, whatever their order.
func (l *Log) Read(ctx context.Context, room string, span chat.Span) ([]chat.Message, error) {
	r := reader{Log: l, room: room, limit: span.Limit, now: time.Now().Unix()}
	first, last := span.After+1, int64(math.MaxInt64)
	if span.Before > 0 {
		last = span.Before - 1
	}
	if first < 1 || first > last { // past the last index there can be, or nothing between the bounds
		return nil, nil
	}
	if !span.Newest {
		return r.oldest(ctx, first, last)
	}
	found, err := r.newest(ctx, first, last)
	if err != nil || len(found) == 0 || span.Before == 0 || found[len(found)-1].Index == last {
		return found, err
	}
	// The message just before the bound is not there. Either the bound lies beyond the end of the log, or that message
	// has expired out of turn and was removed, and what is before it counts as expired with it.
	tail, err := l.Tail(ctx, room)
	if err != nil || tail > found[len(found)-1].Index {
		return nil, err
	}
	return found, nil
}

// reader is one read of a room. Its time stands still, so that no message expires in the middle of it.
type reader struct {
	*Log
	room  string
	limit int
	now   int64
}

// newest returns the last messages from first to last, down to the first gap.
func (r reader) newest(ctx context.Context, first, last int64) ([]chat.Message, error) {
	var found []chat.Message // the newest first
	err := r.query(ctx, part{first: first, last: last, most: r.limit, newest: true}, func(row item) (more bool) {
		m := message(r.room, row)
		if expired(row, r.now) || len(found) > 0 && m.Index != found[len(found)-1].Index-1 {
			return false
		}
		found = append(found, m)
		return true
	})
	slices.Reverse(found)
	return found, err
}

// oldest returns the first messages from first to last, or those after a gap.
func (r reader) oldest(ctx context.Context, first, last int64) ([]chat.Message, error) {
	found := run{seen: first - 1}
	for range 2 { // a second time if the gap ends among the first rows
		want := r.limit - len(found.messages)
		n, err := r.fill(ctx, &found, part{first: found.seen + 1, last: last, most: want})
		switch {
		case err != nil:
			return nil, err
		case n < want || len(found.messages) == r.limit:
			return found.messages, nil
		case len(found.messages) == 0:
			return r.search(ctx, found.gap, last)
		}
	}
	return r.search(ctx, found.gap, last)
}

// search returns the first messages after a gap between lo, which is gone, and last. It finds the gap's end by
// bisection.
func (r reader) search(ctx context.Context, lo, last int64) ([]chat.Message, error) {
	newest, err := r.newest(ctx, lo+1, last)
	if err != nil || len(newest) < r.limit { // the last gap is just before them
		return newest, err
	}
	// If messages expire in their order, one live row says that all after it are live. So it looks at single rows:
	// DynamoDB bills whole rows, whatever part of them is asked for.
	b := bisection{reader: r, lo: lo, hi: newest[0].Index}
	if err := b.narrow(ctx, int64(r.limit), 1); err != nil {
		return nil, err
	}
	found := run{seen: b.lo, gap: b.lo}
	_, err = r.fill(ctx, &found, part{first: b.lo + 1, last: last, most: int(b.hi-b.lo) - 1 + r.limit})
	if err != nil || len(found.messages) == r.limit {
		return found.messages, err
	}
	// They do not. Now it looks at as many rows as the limit: if all of them are live, they are an answer in any case.
	b = bisection{reader: r, lo: found.gap, hi: newest[0].Index, found: newest}
	err = b.narrow(ctx, 1, r.limit)
	return b.found, err
}

// bisection looks for the end of a gap.
type bisection struct {
	reader
	lo    int64          // is gone
	hi    int64          // is the first of as many live messages without a gap as narrow looks at
	found []chat.Message // those messages
}

// narrow brings lo and hi together until they are no further apart than distance. It looks at width rows at a time.
func (b *bisection) narrow(ctx context.Context, distance int64, width int) error {
	for b.hi-b.lo > distance {
		middle := b.lo + (b.hi-b.lo)/2
		found := run{seen: middle - 1, gap: b.lo}
		// The part ends with the messages at hi, which it finds if there is no other row.
		p := part{first: middle, last: b.hi + int64(width) - 1, most: width, bare: width == 1}
		if _, err := b.fill(ctx, &found, p); err != nil {
			return err
		}
		b.lo = found.gap
		if len(found.messages) == width {
			b.hi, b.found = found.messages[0].Index, found.messages
		} else {
			b.lo = max(b.lo, middle) // it ends even if rows are removed in this moment
		}
	}
	return nil
}

// run is the messages after the last gap among the rows that were added. Rows are added in the order of their index.
type run struct {
	messages []chat.Message
	seen     int64 // the index of the last row; before the first one, the index before the part that is read
	gap      int64 // the last index up to there that is gone
}

func (r *run) add(m chat.Message, gone bool) {
	if m.Index > r.seen+1 {
		r.gap, r.messages = m.Index-1, nil
	}
	if r.seen = m.Index; gone {
		r.gap, r.messages = m.Index, nil
		return
	}
	r.messages = append(r.messages, m)
}

// fill adds the rows of a part to a run until it has as many messages as the limit. It returns the number of rows that
// it added: fewer than p.most, without as many messages as the limit, mean that the part has no more.
func (r reader) fill(ctx context.Context, found *run, p part) (n int, err error) {
	err = r.query(ctx, p, func(row item) (more bool) {
		found.add(message(r.room, row), expired(row, r.now))
		n++
		return len(found.messages) < r.limit
	})
	return n, err
}

// part is the rows of a room from one index to another.
type part struct {
	first, last int64
	most        int  // rows
	newest      bool // the last rows, the newest first
	bare        bool // only the index and the time of expiry of each row
}

// query calls f with the rows of a part as long as f wants more.
func (r reader) query(ctx context.Context, p part, f func(row item) (more bool)) error {
	in := &dynamodb.QueryInput{
		TableName:                 &r.table,
		ConsistentRead:            aws.Bool(true), // a client that catches up misses nothing that was stored before
		KeyConditionExpression:    aws.String(attrRoom + " = :room AND #index BETWEEN :first AND :last"),
		ExpressionAttributeNames:  map[string]string{"#index": attrIndex}, // index is a reserved word
		ExpressionAttributeValues: item{":room": text(r.room), ":first": number(p.first), ":last": number(p.last)},
		ScanIndexForward:          aws.Bool(!p.newest),
	}
	if p.bare {
		in.ProjectionExpression = aws.String("#index, " + attrExpiresAt)
	}
	for left := p.most; ; {
		in.Limit = aws.Int32(int32(left))
		out, err := r.api.Query(ctx, in)
		if err != nil {
			return fmt.Errorf("query messages: %w", err)
		}
		for _, row := range out.Items {
			if !f(row) {
				return nil
			}
		}
		if left -= len(out.Items); left == 0 || len(out.LastEvaluatedKey) == 0 {
			return nil
		}
		in.ExclusiveStartKey = out.LastEvaluatedKey
	}
}
