// Package dynamo keeps the chat's state in two DynamoDB tables. A conditional put of each message at the next index
// puts a room's messages in order.
package dynamo

import (
	"context"
	"encoding/json"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"wschat/pkg/awsclient"
	"wschat/pkg/backoff"
	"wschat/pkg/telemetry"
)

// NewClient returns an SDK client whose every call answers or fails within a few seconds. Options change what it is
// made with.
func NewClient(env awsclient.Env, options ...func(*dynamodb.Options)) *dynamodb.Client {
	budget := awsclient.Budget{
		AttemptTimeout: 2 * time.Second, // DynamoDB answers in milliseconds, or not at all
		MaxAttempts:    4,
		Backoff:        backoff.Policy{First: 25 * time.Millisecond, Most: 400 * time.Millisecond},
		Connections:    32,
	}
	o := dynamodb.Options{
		Region:      env.Region,
		Credentials: env.Credentials,
		HTTPClient:  budget.HTTPClient(),
		Retryer:     counting{budget.Retryer()},
	}
	if env.DynamoDBEndpoint != "" {
		o.BaseEndpoint = aws.String(env.DynamoDBEndpoint)
	}
	return dynamodb.New(o, options...)
}

// counting is a Retryer that measures how often it is needed.
type counting struct{ aws.RetryerV2 }

// GetRetryToken is called before a call is repeated.
func (c counting) GetRetryToken(ctx context.Context, err error) (func(error) error, error) {
	telemetry.FromContext(ctx).Add(telemetry.StoreRetries, 1)
	return c.RetryerV2.GetRetryToken(ctx, err)
}

// item is a row, or a key, or the values of an expression.
type item = map[string]types.AttributeValue

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

func number(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}

// textOf returns a text attribute, "" if it is not there.
func textOf(row item, name string) string {
	if s, ok := row[name].(*types.AttributeValueMemberS); ok {
		return s.Value
	}
	return ""
}

// jsonOf returns a text attribute that is JSON. What another program may have written there counts as none.
func jsonOf(row item, name string) string {
	if s := textOf(row, name); json.Valid([]byte(s)) {
		return s
	}
	return ""
}

// numberOf returns a whole number, 0 if it is not there.
func numberOf(row item, name string) int64 {
	if s, ok := row[name].(*types.AttributeValueMemberN); ok {
		n, _ := strconv.ParseInt(s.Value, 10, 64)
		return n
	}
	return 0
}
