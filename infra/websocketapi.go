package main

import (
	"fmt"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsapigatewayv2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsapigatewayv2authorizers"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsapigatewayv2integrations"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscertificatemanager"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"wschat/pkg/auth"
	"wschat/pkg/route"
)

// webSocketAPI is what others need to know of it.
type webSocketAPI struct {
	id              *string
	url             *string   // for clients
	callbackURL     *string   // for posts: the stage's own, which is right with a custom domain and without
	connectionsArns []*string // what may be posted to, and what may be closed
}

func newWebSocketAPI(scope constructs.Construct, s settings, fn awslambda.IFunction) webSocketAPI {
	api := awsapigatewayv2.NewWebSocketApi(scope, jsii.String("WebSocketApi"), &awsapigatewayv2.WebSocketApiProps{
		Description:              jsii.String("The chat, stage " + s.stage),
		RouteSelectionExpression: jsii.String("$request.body.action"),
	})
	for _, key := range route.WebSocketKeys() {
		// An integration for each route: each then has its own permission to invoke the function.
		options := &awsapigatewayv2.WebSocketRouteOptions{
			Integration: awsapigatewayv2integrations.NewWebSocketLambdaIntegration(jsii.String("Integration-"+key), fn,
				nil),
		}
		if key == route.Connect && s.authIssuer != "" {
			options.Authorizer = awsapigatewayv2authorizers.NewWebSocketLambdaAuthorizer(jsii.String("Authorizer"), fn,
				&awsapigatewayv2authorizers.WebSocketLambdaAuthorizerProps{
					IdentitySource: jsii.Strings(auth.IdentitySource),
				})
		}
		api.AddRoute(jsii.String(key), options)
	}
	stage := awsapigatewayv2.NewWebSocketStage(scope, jsii.String("WebSocketStage"),
		&awsapigatewayv2.WebSocketStageProps{
			WebSocketApi: api,
			StageName:    &s.stage,
			AutoDeploy:   jsii.Bool(true),
			Throttle:     throttle(s),
			AccessLogSettings: newAccessLog(scope, "WebSocketAccessLogs", "$context.connectionId",
				"$context.eventType"),
		})
	stage.Node().AddDependency(newAccountLogging(scope))
	stack := awscdk.Stack_Of(scope)
	connections := func(method string) *string {
		return stack.FormatArn(&awscdk.ArnComponents{
			Service: jsii.String("execute-api"), Resource: api.ApiId(),
			ResourceName: jsii.String(fmt.Sprintf("%s/%s/@connections/*", s.stage, method)),
		})
	}
	ws := webSocketAPI{id: api.ApiId(), url: stage.Url(), callbackURL: stage.CallbackUrl(),
		connectionsArns: []*string{connections("POST"), connections("DELETE")}}
	if s.domainName != "" {
		ws.url = newDomain(scope, s, api, stage)
	}
	return ws
}

// newDomain maps a custom domain to the stage, and returns its URL. The DNS record is the owner's to make.
func newDomain(scope constructs.Construct, s settings, api awsapigatewayv2.WebSocketApi,
	stage awsapigatewayv2.WebSocketStage) *string {
	domain := awsapigatewayv2.NewDomainName(scope, jsii.String("Domain"), &awsapigatewayv2.DomainNameProps{
		DomainName: &s.domainName,
		Certificate: awscertificatemanager.Certificate_FromCertificateArn(scope, jsii.String("Certificate"),
			&s.certificateArn),
	})
	awsapigatewayv2.NewApiMapping(scope, jsii.String("DomainMapping"), &awsapigatewayv2.ApiMappingProps{
		Api: api, DomainName: domain, Stage: stage,
	})
	awscdk.NewCfnOutput(scope, jsii.String("DomainTarget"), &awscdk.CfnOutputProps{
		Value:       domain.RegionalDomainName(),
		Description: jsii.String("What a CNAME record of " + s.domainName + " must point to"),
	})
	return jsii.String("wss://" + s.domainName)
}

// throttle bounds what clients can cost, as the default of every route of a stage; the account's own limit is shared
// with every other API in the Region.
func throttle(s settings) *awsapigatewayv2.ThrottleSettings {
	return &awsapigatewayv2.ThrottleSettings{RateLimit: jsii.Number(s.throttleRate),
		BurstLimit: jsii.Number(s.throttleBurst)}
}
