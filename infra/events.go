package main

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awspipes"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"wschat/pkg/chat"
	"wschat/pkg/dynamo"
	"wschat/pkg/events"
)

// eventsInBatch is how many events are put on the bus in one call. All of them may be as long as a frame, and a call
// takes 256 KB (https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents.html).
const eventsInBatch = 256<<10/chat.MaxFrameBytes - 1

// addEvents makes a pipe that puts an event on a bus for each message that is stored or changed. It reads the messages
// table's stream and has the function make events of its records. It tries again for as long as the stream keeps a
// record, which is a day.
func addEvents(scope constructs.Construct, s settings, t tables, fn function) {
	bus := s.eventBus
	if bus == "" {
		// On a bus of the account's own, names are unique.
		own := awsevents.NewEventBus(scope, jsii.String("EventBus"), &awsevents.EventBusProps{
			EventBusName: awscdk.Stack_Of(scope).StackName(),
			Description:  jsii.String("What becomes of the chat's messages"),
		})
		bus = *own.EventBusArn()
	}
	role := awsiam.NewRole(scope, jsii.String("EventsRole"), &awsiam.RoleProps{
		AssumedBy: awsiam.NewServicePrincipal(jsii.String("pipes.amazonaws.com"), &awsiam.ServicePrincipalOpts{
			Conditions: &map[string]any{
				"StringEquals": map[string]any{"aws:SourceAccount": awscdk.Aws_ACCOUNT_ID()},
			},
		}),
		Description: jsii.String("The chat's events: the stream of the messages table, the function, and the bus"),
	})
	for _, may := range []struct {
		actions  []string
		resource string
	}{
		{[]string{"dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"}, t.messagesStream},
		{[]string{"dynamodb:ListStreams"}, "*"}, // which has no resource
		{[]string{"lambda:InvokeFunction"}, *fn.FunctionArn()},
		{[]string{"events:PutEvents"}, bus},
	} {
		role.AddToPolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
			Actions: jsii.Strings(may.actions...), Resources: jsii.Strings(may.resource),
		}))
	}
	pipe := awspipes.NewCfnPipe(scope, jsii.String("Events"), &awspipes.CfnPipeProps{
		Description: jsii.String("The chat's messages, as events"),
		RoleArn:     role.RoleArn(),
		Source:      &t.messagesStream,
		SourceParameters: &awspipes.CfnPipe_PipeSourceParametersProperty{
			DynamoDbStreamParameters: &awspipes.CfnPipe_PipeSourceDynamoDBStreamParametersProperty{
				StartingPosition:          jsii.String("TRIM_HORIZON"),
				BatchSize:                 jsii.Number(eventsInBatch),
				OnPartialBatchItemFailure: jsii.String("AUTOMATIC_BISECT"),
			},
			FilterCriteria: &awspipes.CfnPipe_FilterCriteriaProperty{
				Filters: &[]any{&awspipes.CfnPipe_FilterProperty{Pattern: jsii.String(dynamo.StreamFilter())}},
			},
		},
		Enrichment: fn.FunctionArn(),
		Target:     &bus,
		TargetParameters: &awspipes.CfnPipe_PipeTargetParametersProperty{
			EventBridgeEventBusParameters: &awspipes.CfnPipe_PipeTargetEventBridgeEventBusParametersProperty{
				Source:     jsii.String(events.Source(s.stage)),
				DetailType: jsii.String("$.type"), // of the event that the function has made
			},
		},
	})
	pipe.Node().AddDependency(role) // with its policy, without which the pipe cannot start
	awscdk.NewCfnOutput(scope, jsii.String("EventBusArn"), &awscdk.CfnOutputProps{
		Value: &bus, Description: jsii.String("Where the chat's events are"),
	})
}
