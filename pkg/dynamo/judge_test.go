package dynamo

import (
	"errors"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"wschat/pkg/chat"
)

// The writes of a cancelled transaction are: the message at index 7, the marker of its id, that under the sender's
// name, and the room's own row.
func TestJudge(t *testing.T) {
	const own = "own"
	m := chat.Message{Room: "r", User: "sam", UserID: "u1", ID: "m"}
	reason := func(code string, row item) types.CancellationReason {
		return types.CancellationReason{Code: aws.String(code), Item: row}
	}
	none := reason("None", nil)
	conflict := reason("TransactionConflict", nil)
	messageOf := func(id string) types.CancellationReason {
		return reason(conditionFailed, item{attrIndex: number(7), attrPutID: text(id)})
	}
	markerIn := func(room, id string, at int64) types.CancellationReason {
		return reason(conditionFailed, item{attrRoom: text(room), attrIndex: number(0), attrPutID: text(id),
			attrStoredAt: number(at)})
	}
	markerOf := func(id string, at int64) types.CancellationReason { return markerIn(markerRoom(m), id, at) }
	older := func(id string, at int64) types.CancellationReason { return markerIn(nameMarkerRoom(m), id, at) }
	for _, tc := range []struct {
		name    string
		reasons []types.CancellationReason
		want    putResult
		fails   bool
	}{
		{"another's message is there", []types.CancellationReason{messageOf("other"), none, none}, putResult{}, false},
		{"the room is further on", []types.CancellationReason{none, none, reason(conditionFailed, nil)}, putResult{},
			false},
		{"it is there already", []types.CancellationReason{messageOf(own), markerOf(own, 7), none}, putResult{index: 7},
			false},
		{"it is at an earlier index, where an earlier try landed late", []types.CancellationReason{none, markerOf(own,
			6), none}, putResult{index: 6}, false},
		{"a repeat", []types.CancellationReason{none, markerOf("other", 3), none}, putResult{index: 3, repeat: true},
			false},
		{"a repeat, and the index is taken", []types.CancellationReason{messageOf("other"), markerOf("other", 3), none},
			putResult{index: 3, repeat: true}, false},
		{"an older message has the name and the id", []types.CancellationReason{none, none, older("other", 3), none},
			putResult{older: 3, conflict: true}, false},
		{"the same, and the index is taken", []types.CancellationReason{messageOf("other"), none, older("other", 3),
			none}, putResult{older: 3}, false},
		{"a repeat, and an older message", []types.CancellationReason{none, markerOf("other", 5), older("other", 3),
			none}, putResult{index: 5, repeat: true}, false},
		{"its own under the name", []types.CancellationReason{none, conflict, older(own, 6), none}, putResult{index: 6},
			false},
		{"another transaction is at the index", []types.CancellationReason{conflict, none, none},
			putResult{conflict: true}, false},
		{"another transaction is at the marker", []types.CancellationReason{none, conflict, none},
			putResult{conflict: true}, false},
		{"taken, and a conflict", []types.CancellationReason{messageOf("other"), none, conflict}, putResult{}, false},
		{"throttled", []types.CancellationReason{reason("ThrottlingError", nil), none, none}, putResult{conflict: true},
			false},
		{"a wrong request", []types.CancellationReason{reason("ValidationError", nil), none, none}, putResult{}, true},
	} {
		got, err := judge(tc.reasons, m, own, errors.New("cancelled"))
		if got != tc.want || (err != nil) != tc.fails {
			t.Errorf("%s: got %+v, %v; want %+v", tc.name, got, err, tc.want)
		}
	}
}
