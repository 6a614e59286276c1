package main

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsdynamodb"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"wschat/pkg/dynamo"
)

// tables are the chat's two.
type tables struct {
	connections, messages awsdynamodb.ITable
	messagesStream        string // its ARN; "" without events
}

func newTables(scope constructs.Construct, s settings) tables {
	streams := s.events && s.messagesTable == ""
	messages := newTable(scope, "Messages", dynamo.MessagesTable(), s, streams)
	t := tables{
		connections:    newTable(scope, "Connections", dynamo.ConnectionsTable(), s, false),
		messages:       messages,
		messagesStream: s.messagesStream,
	}
	if streams {
		t.messagesStream = *messages.TableStreamArn()
	}
	if s.messagesTable != "" { // a restored one; the stack's own stays, so that one can go back
		t.messages = awsdynamodb.Table_FromTableName(scope, jsii.String("OtherMessages"), &s.messagesTable)
	}
	return t
}

// newTable makes a table of what the code that uses it says it must be. It has no name of its own: a table that must be
// replaced can be, and stages do not meet.
func newTable(scope constructs.Construct, id string, t dynamo.Table, s settings, streams bool) awsdynamodb.Table {
	var stream awsdynamodb.StreamViewType // none
	if streams {
		stream = awsdynamodb.StreamViewType_NEW_IMAGE
	}
	// A first deploy that fails leaves its empty tables. RETAIN_ON_UPDATE_OR_DELETE would have them deleted, and their
	// protection against deletion would let the rollback fail too.
	policy := awscdk.RemovalPolicy_RETAIN
	retained := s.removalPolicy != "destroy"
	if !retained {
		policy = awscdk.RemovalPolicy_DESTROY
	}
	table := awsdynamodb.NewTable(scope, &id, &awsdynamodb.TableProps{
		PartitionKey:        attribute(t.PartitionKey),
		SortKey:             attribute(t.SortKey),
		BillingMode:         awsdynamodb.BillingMode_PAY_PER_REQUEST,
		Encryption:          awsdynamodb.TableEncryption_AWS_MANAGED,
		TimeToLiveAttribute: &t.TTL,
		Stream:              stream,
		RemovalPolicy:       policy,
		DeletionProtection:  jsii.Bool(retained), // false is said too, so that a deploy switches it off
		PointInTimeRecoverySpecification: &awsdynamodb.PointInTimeRecoverySpecification{
			PointInTimeRecoveryEnabled: jsii.Bool(true),
		},
	})
	if t.IndexName != "" {
		table.AddGlobalSecondaryIndex(&awsdynamodb.GlobalSecondaryIndexProps{
			IndexName:      &t.IndexName,
			PartitionKey:   attribute(t.IndexPartitionKey),
			ProjectionType: awsdynamodb.ProjectionType_KEYS_ONLY,
		})
	}
	return table
}

func attribute(k dynamo.Key) *awsdynamodb.Attribute {
	return &awsdynamodb.Attribute{Name: jsii.String(k.Name), Type: map[string]awsdynamodb.AttributeType{
		"S": awsdynamodb.AttributeType_STRING,
		"N": awsdynamodb.AttributeType_NUMBER,
	}[string(k.Type)]}
}
