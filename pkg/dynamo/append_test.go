package dynamo_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"wschat/pkg/chat"
	"wschat/pkg/dynamo"
)

// ownConflict is a client whose first put of each message takes effect, but seems to have met another transaction: so
// it looks where the SDK's own retry met its predecessor.
type ownConflict struct {
	dynamo.LogAPI
	puts int
}

func (c *ownConflict) PutItem(ctx context.Context, in *dynamodb.PutItemInput,
	o ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error) {
	out, err := c.LogAPI.PutItem(ctx, in, o...)
	if c.puts++; c.puts%2 == 1 {
		return nil, &types.TransactionConflictException{}
	}
	return out, err
}

func (c *ownConflict) TransactWriteItems(ctx context.Context, in *dynamodb.TransactWriteItemsInput,
	o ...func(*dynamodb.Options)) (*dynamodb.TransactWriteItemsOutput, error) {
	out, err := c.LogAPI.TransactWriteItems(ctx, in, o...)
	if c.puts++; c.puts%2 == 1 {
		return nil, &types.TransactionCanceledException{
			CancellationReasons: []types.CancellationReason{{Code: aws.String("TransactionConflict")}},
		}
	}
	return out, err
}

func TestAConflictWithItselfIsNoSecondMessage(t *testing.T) {
	w := newWorld(t)
	for _, sender := range []chat.Message{{User: "ann"}, {User: "ann", ID: "m"}, {User: "ann", UserID: "u1", ID: "m"}} {
		for _, retention := range []time.Duration{0, time.Hour} {
			room := fmt.Sprint(t.Name(), sender, retention)
			log := dynamo.NewLog(&ownConflict{LogAPI: w.client}, w.rows, retention)
			for n := int64(1); n <= 3; n++ {
				m, repeat, err := log.Append(t.Context(), chat.Message{Room: room, User: sender.User,
					UserID:  sender.UserID,
					Content: fmt.Sprint(n), ID: idOf(sender.ID, n), CreateAt: time.Now().Unix()})
				if err != nil || m.Index != n || repeat {
					t.Errorf("%s: got %+v, repeat %v, %v", room, m, repeat, err)
				}
			}
			checkLog(t, log, room, "1", "2", "3")
		}
	}
}

// crowded is an API on which every next index has been taken.
type crowded struct {
	dynamo.LogAPI
	err error
}

func (crowded) Query(context.Context, *dynamodb.QueryInput, ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error) {
	return &dynamodb.QueryOutput{}, nil
}

func (c crowded) PutItem(context.Context, *dynamodb.PutItemInput, ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput,
	error) {
	return nil, c.err
}

func TestARoomThatStaysBusyIsGivenUpInTime(t *testing.T) {
	for _, tc := range []struct {
		err  error
		busy bool // and so it is known that nothing was stored
	}{{&types.ConditionalCheckFailedException{}, true}, {&types.TransactionConflictException{}, false}} {
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		start := time.Now()
		_, _, got := dynamo.NewLog(crowded{err: tc.err}, "t", 0).Append(ctx,
			chat.Message{Room: "r", User: "ann", Content: "c"})
		if e, ok := errors.AsType[*chat.Error](got); got == nil || ok != tc.busy || ok && e.Code != chat.CodeRoomBusy {
			t.Errorf("%v: got %v", tc.err, got)
		}
		if took := time.Since(start); took > time.Second {
			t.Errorf("took %v of 1.5 s, which leaves too little for what comes after", took)
		}
	}
}
