package main

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
)

// stageTag is a tag of the stack and of all its resources, whose value is the stage's name.
const stageTag = "chat:stage"

// newStack composes the chat of one stage. root is the folder of the function's module.
func newStack(scope constructs.Construct, s settings, root string) awscdk.Stack {
	stack := awscdk.NewStack(scope, jsii.String("Chat-"+s.stage), &awscdk.StackProps{
		Description: jsii.String("A chat on an API Gateway WebSocket API, Lambda and DynamoDB, stage " + s.stage),
		// The stack's own tag: CloudFormation gives it to what it makes beyond the template's resources.
		Tags: &map[string]*string{stageTag: &s.stage},
	})
	awscdk.Tags_Of(stack).Add(jsii.String(stageTag), &s.stage, nil)
	t := newTables(stack, s)
	fn := newFunction(stack, s, t, root)
	ws := newWebSocketAPI(stack, s, fn.Function)
	fn.postTo(ws)
	http := newHTTPAPI(stack, s, fn.Function)
	fn.letIn(s.allowedOrigins, http)
	if s.events {
		addEvents(stack, s, t, fn)
	}
	addMonitoring(stack, monitored{s, fn, t, ws})
	awscdk.NewCfnOutput(stack, jsii.String("WebSocketUrl"), &awscdk.CfnOutputProps{
		Value: ws.url, Description: jsii.String("What WebSocket clients connect to"),
	})
	awscdk.NewCfnOutput(stack, jsii.String("HttpUrl"), &awscdk.CfnOutputProps{
		Value: http.ApiEndpoint(), Description: jsii.String("What browsers open; /ping under it tells whether " +
			"messages can be stored"),
	})
	awscdk.NewCfnOutput(stack, jsii.String("FunctionName"), &awscdk.CfnOutputProps{
		Value: fn.FunctionName(), Description: jsii.String("What programs invoke that take part in the chat"),
	})
	return stack
}
