package main

import (
	"encoding/json"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsapigateway"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsapigatewayv2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
)

// accessLog is where and how a stage logs its requests.
type accessLog struct {
	destination awsapigatewayv2.IAccessLogDestination
	format      awsapigateway.AccessLogFormat
}

// Destination returns the log group.
func (l *accessLog) Destination() awsapigatewayv2.IAccessLogDestination { return l.destination }

// Format returns the line's form.
func (l *accessLog) Format() awsapigateway.AccessLogFormat { return l.format }

// newAccessLog logs a line of JSON for each request, of these fields and of what every API has. There is no query
// string among them: it can hold names, and with some clients tokens.
func newAccessLog(scope constructs.Construct, id string, fields ...string) *accessLog {
	line := map[string]string{}
	for _, field := range append(fields, "$context.requestId", "$context.routeKey", "$context.status",
		"$context.requestTimeEpoch",
		"$context.identity.sourceIp", "$context.integrationLatency", "$context.integrationErrorMessage",
		"$context.error.message", "$context.authorizer.error") {
		line[strings.TrimPrefix(strings.TrimPrefix(field, "$context."), "identity.")] = field
	}
	format, _ := json.Marshal(line) // a map of text always encodes, with its keys in order
	return &accessLog{
		destination: awsapigatewayv2.NewLogGroupLogDestination(newLogGroup(scope, id)),
		format:      awsapigateway.AccessLogFormat_Custom(jsii.String(string(format))),
	}
}

// newAccountLogging lets API Gateway write to CloudWatch Logs, without which no WebSocket API may have access logs.
// It is a setting of the account in the Region, not of a stack: it stays when the stack goes, for other APIs rely on
// it by then.
func newAccountLogging(scope constructs.Construct) constructs.Construct {
	role := awsiam.NewRole(scope, jsii.String("ApiGatewayLogsRole"), &awsiam.RoleProps{
		AssumedBy: awsiam.NewServicePrincipal(jsii.String("apigateway.amazonaws.com"), nil),
		ManagedPolicies: &[]awsiam.IManagedPolicy{
			awsiam.ManagedPolicy_FromAwsManagedPolicyName(jsii.String("service-role/AmazonAPIGatewayPushToCloudWatchLogs")),
		},
	})
	role.ApplyRemovalPolicy(awscdk.RemovalPolicy_RETAIN)
	account := awsapigateway.NewCfnAccount(scope, jsii.String("ApiGatewayAccount"), &awsapigateway.CfnAccountProps{
		CloudWatchRoleArn: role.RoleArn(),
	})
	account.ApplyRemovalPolicy(awscdk.RemovalPolicy_RETAIN, nil)
	return account
}
