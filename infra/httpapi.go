package main

import (
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2/awsapigatewayv2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsapigatewayv2integrations"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"wschat/pkg/route"
)

// newHTTPAPI is the API for browsers and health checks.
func newHTTPAPI(scope constructs.Construct, s settings, fn awslambda.IFunction) awsapigatewayv2.HttpApi {
	api := awsapigatewayv2.NewHttpApi(scope, jsii.String("HttpApi"), &awsapigatewayv2.HttpApiProps{
		Description:        jsii.String("Pages and health of the chat, stage " + s.stage),
		CreateDefaultStage: jsii.Bool(false),
	})
	// The routes share one integration and one permission to invoke the function: the page has so many files that the
	// stack would come near the 500 resources that it may have
	// (https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html).
	integration := awsapigatewayv2integrations.NewHttpLambdaIntegration(jsii.String("Integration"), fn,
		&awsapigatewayv2integrations.HttpLambdaIntegrationProps{ScopePermissionToRoute: jsii.Bool(false)})
	for _, key := range route.HTTPKeys() {
		method, path, _ := strings.Cut(key, " ")
		api.AddRoutes(&awsapigatewayv2.AddRoutesOptions{
			Path:        &path,
			Methods:     &[]awsapigatewayv2.HttpMethod{awsapigatewayv2.HttpMethod(method)},
			Integration: integration,
		})
	}
	awsapigatewayv2.NewHttpStage(scope, jsii.String("HttpStage"), &awsapigatewayv2.HttpStageProps{
		HttpApi:           api,
		StageName:         jsii.String("$default"),
		AutoDeploy:        jsii.Bool(true),
		Throttle:          throttle(s),
		AccessLogSettings: newAccessLog(scope, "HttpAccessLogs", "$context.path", "$context.protocol"),
	})
	return api
}
