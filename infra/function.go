package main

import (
	"slices"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsapigatewayv2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsdynamodb"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"wschat/pkg/config"
	"wschat/pkg/dynamo"
)

// functionTimeoutSeconds is API Gateway's integration timeout: nobody waits longer for an answer. What a message's
// fan-out cannot do in this time, it counts as failed before the time is over.
const functionTimeoutSeconds = 29

// function is the one function that serves every route.
type function struct {
	awslambda.Function
	role awsiam.Role
}

func newFunction(scope constructs.Construct, s settings, t tables, root string) function {
	logs := newLogGroup(scope, "FunctionLogs")
	role := awsiam.NewRole(scope, jsii.String("FunctionRole"), &awsiam.RoleProps{
		AssumedBy:   awsiam.NewServicePrincipal(jsii.String("lambda.amazonaws.com"), nil),
		Description: jsii.String("The chat's function: its own log, the two tables, and posts to connections"),
	})
	logs.GrantWrite(role)
	// Just what the interfaces of dynamo name; a transaction needs the permissions of its writes. Only the export and
	// the erasure of a person's data scan.
	allow(role, t.connections, []string{"dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:DeleteItem", "dynamodb:Query",
		"dynamodb:Scan"}, []string{"dynamodb:Query"})
	allow(role, t.messages, []string{"dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:DeleteItem",
		"dynamodb:UpdateItem", "dynamodb:Query", "dynamodb:Scan"}, nil)

	if s.reviewFunction != "" {
		role.AddToPrincipalPolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
			Actions: jsii.Strings("lambda:InvokeFunction"), Resources: jsii.Strings(s.reviewFunction),
		}))
	}

	environment := map[string]*string{}
	for name, value := range s.values.Environment() {
		environment[name] = &value
	}
	environment[config.ConnectionsTable] = t.connections.TableName()
	environment[config.MessagesTable] = t.messages.TableName()
	fn := awslambda.NewFunction(scope, jsii.String("Function"), &awslambda.FunctionProps{
		Description:  jsii.String("Every route of the chat"),
		Runtime:      runtime(s),
		Architecture: architecture(s),
		Handler:      jsii.String("bootstrap"),
		Code:         code(s, root),
		Role:         role,
		LogGroup:     logs,
		// The program needs about 30 MB. Lambda gives processor time by memory, and a fan-out of a thousand signed
		// posts needs some: 512 MB is about a third of a processor.
		MemorySize:  jsii.Number(s.memorySize),
		Timeout:     awscdk.Duration_Seconds(jsii.Number(functionTimeoutSeconds)),
		Environment: &environment,
		Tracing:     tracing(s),

		ReservedConcurrentExecutions: reserved(s),
	})
	return function{Function: fn, role: role}
}

// postTo lets the function post to the connections of a stage, and tells it where, and its page where to connect.
func (f function) postTo(ws webSocketAPI) {
	f.AddEnvironment(jsii.String(config.ConnectionsEndpoint), ws.callbackURL, nil)
	f.AddEnvironment(jsii.String(config.WebSocketURL), ws.url, nil)
	f.role.AddToPrincipalPolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Actions:   jsii.Strings("execute-api:ManageConnections"),
		Resources: &ws.connectionsArns,
	}))
}

// letIn restricts the web pages that may connect to the given origins and the chat's own page; none given means no
// restriction.
func (f function) letIn(origins []string, ownPage awsapigatewayv2.HttpApi) {
	if len(origins) > 0 {
		all := strings.Join(append(slices.Clone(origins), *ownPage.ApiEndpoint()), ",")
		f.AddEnvironment(jsii.String(config.AllowedOrigins), &all, nil)
	}
}

// allow lets a role call just these actions on a table and on its indexes.
func allow(role awsiam.Role, table awsdynamodb.ITable, onTable, onIndex []string) {
	statement := func(arn string, actions []string) {
		if len(actions) > 0 {
			role.AddToPrincipalPolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
				Actions: jsii.Strings(actions...), Resources: jsii.Strings(arn),
			}))
		}
	}
	statement(*table.TableArn(), onTable)
	statement(*table.TableArn()+"/index/"+dynamo.ByConnection, onIndex)
}

// reserved is how many invocations there may be at once, which are also kept for this function; nil for as many as the
// account has left.
func reserved(s settings) *float64 {
	if s.reservedConcurrency == 0 {
		return nil
	}
	return jsii.Number(s.reservedConcurrency)
}

// tracing is with AWS X-Ray, to which the function's role may write then.
func tracing(s settings) awslambda.Tracing {
	if s.tracing {
		return awslambda.Tracing_ACTIVE
	}
	return awslambda.Tracing_DISABLED
}

func runtime(s settings) awslambda.Runtime {
	if s.lambdaRuntime == "provided.al2" {
		return awslambda.Runtime_PROVIDED_AL2()
	}
	return awslambda.Runtime_PROVIDED_AL2023()
}

func architecture(s settings) awslambda.Architecture {
	if s.architecture == "x86_64" {
		return awslambda.Architecture_X86_64()
	}
	return awslambda.Architecture_ARM_64()
}

// newLogGroup keeps a month: long enough to look into a report, and no record of people's contacts.
func newLogGroup(scope constructs.Construct, id string) awslogs.LogGroup {
	return awslogs.NewLogGroup(scope, &id, &awslogs.LogGroupProps{
		Retention:     awslogs.RetentionDays_ONE_MONTH,
		RemovalPolicy: awscdk.RemovalPolicy_DESTROY,
	})
}
