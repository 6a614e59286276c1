package dynamo

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"wschat/pkg/chat"
)

// StreamFilter is the pattern of the records of the messages table's stream that are of messages: rows with what only
// messages have, that were put or changed. A pipe does not know all operators of EventBridge's patterns
// (https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html).
func StreamFilter() string {
	return `{"eventName":["INSERT","MODIFY"],"dynamodb":{"NewImage":{"` + attrCreateAt + `":{"N":[{"exists":true}]}}}}`
}

// streamRecord is a record of a stream, as far as it matters
// (https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_streams_Record.html).
type streamRecord struct {
	Source string `json:"eventSource"`
	Name   string `json:"eventName"`
	Change struct {
		Image map[string]struct {
			S *string `json:"S"`
			N *string `json:"N"`
		} `json:"NewImage"`
	} `json:"dynamodb"`
}

// StreamedMessages returns the messages in records of the messages table's stream, each as it was stored or changed to.
// Records of other rows are left out. It is not ok if the payload is no array of records.
func StreamedMessages(payload []byte) (messages []chat.Message, ok bool) {
	const source = "aws:dynamodb"
	var records []streamRecord
	if !bytes.HasPrefix(payload, []byte("[")) || json.Unmarshal(payload, &records) != nil {
		return nil, false
	}
	for _, r := range records {
		if r.Source != source {
			return nil, false
		}
		row := item{}
		for name, value := range r.Change.Image {
			switch {
			case value.S != nil:
				row[name] = text(*value.S)
			case value.N != nil:
				row[name] = &types.AttributeValueMemberN{Value: *value.N}
			}
		}
		room := textOf(row, attrRoom)
		m := message(room, row)
		if room != "" && !strings.HasPrefix(room, "#") && m.Index > 0 {
			messages = append(messages, m)
		}
	}
	return messages, len(records) > 0
}
