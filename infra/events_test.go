package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"wschat/pkg/localchat"
	"wschat/test/dynamolocal"
)

// What happens in a chat goes through the stream of its table, the filter of the template's pipe and the function's
// enrichment, and comes out as one event for each message and each change, and nothing else.
func TestEventsOfWhatHappens(t *testing.T) {
	url := dynamolocal.Start(t)
	client := dynamolocal.Client(url)
	chat, err := localchat.Start(t.Context(), localchat.Config{Addr: "127.0.0.1:0", DynamoDB: url,
		Logger: slog.New(slog.DiscardHandler), DemoUsers: []string{"ann"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = chat.Stop() })
	const table = "messages"
	_, err = client.UpdateTable(t.Context(), &dynamodb.UpdateTableInput{TableName: aws.String(table),
		StreamSpecification: &types.StreamSpecification{StreamEnabled: aws.Bool(true),
			StreamViewType: types.StreamViewTypeNewImage}})
	if err != nil {
		t.Fatal(err)
	}
	invoke(t, chat.Addr, `{"actions":[
		{"action":"createRoom","room_name":"r","user_id":"ann","user_name":"Ann"},
		{"action":"sendMessage","room_name":"r","user_id":"ann","user_name":"Ann","content":"one","message_id":"1",
			"metadata":{"order":7}},
		{"action":"sendMessage","room_name":"r","user_id":"bob","user_name":"Bob","content":"two","message_id":"2",
			"reply_to":1},
		{"action":"sendMessage","room_name":"r","user_id":"ann","user_name":"Ann","content":"one","message_id":"1"},
		{"action":"editMessage","room_name":"r","user_id":"ann","user_name":"Ann","index":1,"content":"ONE"},
		{"action":"addReaction","room_name":"r","user_id":"bob","user_name":"Bob","index":1,"reaction":"👍"},
		{"action":"markRead","room_name":"r","user_id":"bob","user_name":"Bob","index":2},
		{"action":"openDirect","by_user_id":"ann","user_name":"Ann","user_id":"bob"},
		{"action":"banUser","room_name":"r","by_user_id":"ann","user_name":"Ann","user_id":"eve"},
		{"action":"deleteMessage","room_name":"r","user_id":"bob","user_name":"Bob","index":2}]}`)
	invoke(t, chat.Addr, `{"action":"eraseUser","user_id":"ann"}`)
	records := recordsOf(t, client, url, table)
	kinds := map[string]bool{}
	var passed []json.RawMessage
	for _, record := range records {
		var r struct {
			DynamoDB struct {
				Keys struct {
					Room struct{ S string } `json:"room_name"`
				}
			}
		}
		if err := json.Unmarshal(record, &r); err != nil {
			t.Fatal(err)
		}
		kind, _, _ := strings.Cut(r.DynamoDB.Keys.Room.S, "\x00")
		kinds[kind] = true
		if matches(t, filterOf(t), record) {
			passed = append(passed, record)
		}
	}
	for _, kind := range []string{"r", "#user", "#changes", "#rules", "#direct", "#erasure"} {
		if !kinds[kind] {
			t.Errorf("no record of %s rows was in the stream: the test shows less than it should", kind)
		}
	}
	payload, err := json.Marshal(passed)
	if err != nil {
		t.Fatal(err)
	}
	var details []struct {
		Type, Content  string
		Index, Version int
		Room           string `json:"room_name"`
		User           string `json:"user_name"`
		UserID         string `json:"user_id"`
		ID             string `json:"message_id"`
		Reply          int    `json:"reply_to"`
		DeletedAt      int64  `json:"deleted_at"`
		Metadata       struct{ Order int }
		Reactions      []struct{ Reaction string }
	}
	answer := invoke(t, chat.Addr, string(payload))
	if err := json.Unmarshal(answer, &details); err != nil {
		t.Fatalf("%v: %s", err, answer)
	}
	var got []string
	for _, d := range details {
		if d.Room != "r" {
			t.Errorf("an event is of room %q", d.Room)
		}
		line := fmt.Sprintf("%s %d@%d %s=%s %q", d.Type, d.Index, d.Version, d.User, d.UserID, d.Content)
		if d.ID != "" {
			line += " id " + d.ID
		}
		if d.Reply > 0 {
			line += fmt.Sprint(" to ", d.Reply)
		}
		if d.Metadata.Order > 0 {
			line += fmt.Sprint(" order ", d.Metadata.Order)
		}
		for _, r := range d.Reactions {
			line += " " + r.Reaction
		}
		if d.DeletedAt > 0 {
			line += " deleted"
		}
		got = append(got, line)
	}
	want := []string{ // changes 1 and 4 are of the rules
		`MessageStored 1@0 Ann=ann "one" id 1 order 7`,
		`MessageStored 2@0 Bob=bob "two" id 2 to 1`,
		`MessageChanged 1@2 Ann=ann "ONE" id 1 order 7`,
		`MessageChanged 1@3 Ann=ann "ONE" id 1 order 7 👍`,
		`MessageChanged 2@5 Bob=bob "" id 2 to 1 deleted`,
		`MessageChanged 1@6 erased= "" deleted`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("the events are\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for _, secret := range []string{"put_id", "expires_at", "content_version", `{"S"`} {
		if bytes.Contains(answer, []byte(secret)) {
			t.Errorf("%s is in %s", secret, answer)
		}
	}
}

// invoke invokes the function, and returns its answer.
func invoke(t *testing.T, addr, payload string) []byte {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost,
		"http://"+addr+"/2015-03-31/functions/chat/invocations", strings.NewReader(payload))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=local")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	if err != nil || answer.Header.Get("X-Amz-Function-Error") != "" {
		t.Fatalf("%s, %v", b, err)
	}
	return b
}

// recordsOf returns what a table's stream has, as a pipe gets it.
func recordsOf(t *testing.T, client *dynamodb.Client, url, table string) (records []json.RawMessage) {
	t.Helper()
	described, err := client.DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: &table})
	if err != nil {
		t.Fatal(err)
	}
	arn := *described.Table.LatestStreamArn
	var stream struct {
		StreamDescription struct {
			Shards []struct {
				ShardID string `json:"ShardId"`
			}
		}
	}
	streams(t, url, "DescribeStream", map[string]any{"StreamArn": arn}, &stream)
	for _, shard := range stream.StreamDescription.Shards {
		var next struct {
			ShardIterator     string
			NextShardIterator string
			Records           []map[string]any
		}
		streams(t, url, "GetShardIterator", map[string]any{"StreamArn": arn, "ShardId": shard.ShardID,
			"ShardIteratorType": "TRIM_HORIZON"}, &next)
		for iterator := next.ShardIterator; iterator != ""; iterator = next.NextShardIterator {
			next.Records, next.NextShardIterator = nil, ""
			streams(t, url, "GetRecords", map[string]any{"ShardIterator": iterator}, &next)
			for _, record := range next.Records {
				record["eventSourceARN"] = arn
				b, err := json.Marshal(record)
				if err != nil {
					t.Fatal(err)
				}
				records = append(records, b)
			}
			if len(next.Records) == 0 {
				break
			}
		}
	}
	return records
}

// streams calls DynamoDB Streams
// (https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_Operations_Amazon_DynamoDB_Streams.html).
func streams(t *testing.T, url, action string, in, out any) {
	t.Helper()
	body, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-amz-json-1.0")
	r.Header.Set("X-Amz-Target", "DynamoDBStreams_20120810."+action)
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=local/20260101/local/dynamodb/aws4_request, "+
		"SignedHeaders=host, Signature=none")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != 200 {
		t.Fatalf("%s: %s, %v", action, b, err)
	}
	if err := json.Unmarshal(b, out); err != nil {
		t.Fatal(err)
	}
}

// filterOf returns the pattern of the pipe in the template with events.
func filterOf(t *testing.T) string {
	t.Helper()
	for _, pipe := range resources(template(t, map[string]any{"events": "on"}), "AWS::Pipes::Pipe") {
		source := pipe["Properties"].(map[string]any)["SourceParameters"].(map[string]any)
		filters := source["FilterCriteria"].(map[string]any)["Filters"].([]any)
		if len(filters) == 1 {
			return filters[0].(map[string]any)["Pattern"].(string)
		}
	}
	t.Fatal("the template has no pipe with one filter")
	return ""
}

// matches reports whether a pipe's filter takes a record: a list matches if the record has one of its values there.
func matches(t *testing.T, pattern string, record json.RawMessage) bool {
	t.Helper()
	var want, got any
	if err := json.Unmarshal([]byte(pattern), &want); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(record, &got); err != nil {
		t.Fatal(err)
	}
	var match func(want, got any) bool
	match = func(want, got any) bool {
		if fields, ok := want.(map[string]any); ok {
			has, _ := got.(map[string]any)
			for name, value := range fields {
				if !match(value, has[name]) {
					return false
				}
			}
			return true
		}
		return slices.ContainsFunc(want.([]any), func(one any) bool {
			if operator, ok := one.(map[string]any); ok {
				if exists, ok := operator["exists"].(bool); ok && len(operator) == 1 {
					return exists == (got != nil)
				}
				t.Fatalf("the test does not know the operator %v", operator)
			}
			return one == got
		})
	}
	return match(want, got)
}

// Events need what they are made of, and are refused otherwise.
func TestSettingsOfEvents(t *testing.T) {
	const stream = "arn:aws:dynamodb:eu-north-1:123456789012:table/mine/stream/2026-11-01T10:00:00.000"
	for _, tc := range []struct {
		given map[string]any
		wrong string
	}{
		{map[string]any{"events": "on"}, ""},
		{map[string]any{"events": "on", "messagesTable": "mine", "messagesStream": stream}, ""},
		{map[string]any{"events": "on", "eventBus": "arn:aws:events:eu-north-1:123456789012:event-bus/default"}, ""},
		{map[string]any{"events": "on", "messagesTable": "mine"}, "needs messagesStream"},
		{map[string]any{"events": "on", "messagesTable": "other", "messagesStream": stream}, "of the table that"},
		{map[string]any{"events": "on", "messagesStream": stream}, "of the table that"},
		{map[string]any{"messagesTable": "mine", "messagesStream": stream}, "events=on"},
		{map[string]any{"eventBus": "arn:aws:events:eu-north-1:123456789012:event-bus/default"}, "events=on"},
		{map[string]any{"events": "on", "eventBus": "default"}, "must be the ARN"},
		{map[string]any{"events": "maybe"}, "must be"},
	} {
		_, err := readSettings(func(name string) any { return tc.given[name] })
		if (err == nil) != (tc.wrong == "") || err != nil && !strings.Contains(err.Error(), tc.wrong) {
			t.Errorf("%v: %v, want %q", tc.given, err, tc.wrong)
		}
	}
}

// With a table and a bus of one's own, the pipe goes from that table to that bus, and the stack has no other.
func TestEventsOfOnesOwn(t *testing.T) {
	const (
		stream = "arn:aws:dynamodb:eu-north-1:123456789012:table/mine/stream/2026-11-01T10:00:00.000"
		bus    = "arn:aws:events:eu-north-1:123456789012:event-bus/default"
	)
	tmpl := template(t, map[string]any{"events": "on", "messagesTable": "mine", "messagesStream": stream,
		"eventBus": bus})
	if n := len(resources(tmpl, "AWS::Events::EventBus")); n != 0 {
		t.Errorf("there are %d buses", n)
	}
	for id, pipe := range resources(tmpl, "AWS::Pipes::Pipe") {
		p := pipe["Properties"].(map[string]any)
		if p["Source"] != stream || p["Target"] != bus {
			t.Errorf("%s goes from %v to %v", id, p["Source"], p["Target"])
		}
	}
	for _, table := range resources(tmpl, "AWS::DynamoDB::Table") {
		if s := table["Properties"].(map[string]any)["StreamSpecification"]; s != nil {
			t.Errorf("a table has the stream %v", s)
		}
	}
	for kind, n := range map[string]int{"AWS::Pipes::Pipe": 0, "AWS::Events::EventBus": 0, "AWS::IAM::Role": 2} {
		if got := len(resources(template(t, nil), kind)); got != n {
			t.Errorf("without events there are %d of %s, want %d", got, kind, n)
		}
	}
}
