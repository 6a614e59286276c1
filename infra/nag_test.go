package main

import (
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/assertions"
	"github.com/aws/jsii-runtime-go"
	"github.com/cdklabs/cdk-nag-go/cdknag/v2"

	"wschat/pkg/route"
)

// suppression is one rule that one resource may break, and why.
type suppression struct{ path, rule, reason string }

func suppressions() []suppression {
	all := []suppression{
		{"ApiGatewayLogsRole/Resource", "AwsSolutions-IAM4",
			"API Gateway requires this AWS managed policy's actions for its account-wide log role; AWS keeps it up " +
				"to date."},
		{"FunctionRole/DefaultPolicy/Resource", "AwsSolutions-IAM5",
			"Connection ids are made by API Gateway when clients connect and cannot be listed: the wildcard covers " +
				"posts to and the closing of the connections of this one stage. The role may also scan its two " +
				"tables: only the export and the erasure of a person's data do, because a person's messages are in " +
				"rooms that nothing lists."},
	}
	for _, key := range route.WebSocketKeys() {
		reason := "API Gateway authorizes WebSocket clients on $connect only; this route serves connections that it " +
			"has let in."
		if key == route.Connect {
			reason = "The chat is open to everybody until an authorizer is configured, as the README says; what " +
				"clients send is " +
				"validated, the stage is throttled, and allowedOrigins keeps other sites' pages out."
		}
		all = append(all, suppression{"WebSocketApi/" + key + "-Route/Resource", "AwsSolutions-APIG4", reason})
	}
	for _, key := range route.HTTPKeys() {
		all = append(all, suppression{"HttpApi/" + strings.NewReplacer(" ", "", "/", "--").Replace(key) + "/Resource",
			"AwsSolutions-APIG4",
			"Health and the public page are for everybody, and hold nothing of anybody."})
	}
	return all
}

// The AwsSolutions rules find nothing but what is suppressed, one resource and one reason at a time.
func TestSecurityRules(t *testing.T) {
	if testing.Short() {
		t.Skip("it checks every rule on every configuration")
	}
	for name, context := range configurations() {
		t.Run(name, func(t *testing.T) {
			stack := stackOf(t, context)
			all := suppressions()
			if context["events"] == "on" {
				all = append(all, suppression{"EventsRole/DefaultPolicy/Resource", "AwsSolutions-IAM5",
					"dynamodb:ListStreams, which a pipe calls, takes no resource; what reads a stream is allowed for " +
						"the messages table's only."})
			}
			for _, s := range all {
				cdknag.NagSuppressions_AddResourceSuppressionsByPath(stack, *stack.StackName()+"/"+s.path,
					&[]*cdknag.NagPackSuppression{{Id: jsii.String(s.rule), Reason: jsii.String(s.reason)}}, nil)
			}
			awscdk.Aspects_Of(stack).Add(cdknag.NewAwsSolutionsChecks(&cdknag.NagPackProps{Verbose: jsii.Bool(true)}),
				nil)
			found := assertions.Annotations_FromStack(stack)
			any := assertions.Match_StringLikeRegexp(jsii.String(".*AwsSolutions-.*"))
			for _, m := range append(*found.FindError(jsii.String("*"), any),
				*found.FindWarning(jsii.String("*"), any)...) {
				//lint:ignore SA1019 the type has moved, but the assertions return it where it was
				t.Errorf("%s: %v", *m.Id, m.Entry.Data)
			}
		})
	}
}
