// Package events tells other programs what becomes of messages: as the enrichment of an EventBridge pipe on AWS, and by
// posting to a URL on one machine. Both make the same events, at least once each and in no promised order.
package events

import (
	"bytes"

	"wschat/pkg/dynamo"
	"wschat/pkg/protocol"
)

// Enrich makes events of the records of the messages table's stream; it is not ok for anything else. It is the
// enrichment of a pipe, which puts each element of the answer on a bus
// (https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-pipes-batching-concurrency.html).
func Enrich(payload []byte) (answer []byte, ok bool) {
	messages, ok := dynamo.StreamedMessages(payload)
	if !ok {
		return nil, false
	}
	details := make([][]byte, len(messages))
	for i, m := range messages {
		details[i] = protocol.EncodeEvent(m)
	}
	return append(append([]byte("["), bytes.Join(details, []byte(","))...), ']'), true
}

// Source is what the events of a stage have as their source.
func Source(stage string) string { return "chat." + stage }
