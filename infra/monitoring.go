package main

import (
	"fmt"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatchactions"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssnssubscriptions"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"wschat/infra/price"
	"wschat/pkg/auth"
	"wschat/pkg/chat"
	"wschat/pkg/telemetry"
)

// monitoredMinutes is the time that one point of a graph and one look of an alarm is about.
const monitoredMinutes = 5

// monitored is what there is to look at.
type monitored struct {
	settings settings
	function function
	tables   tables
	api      webSocketAPI
}

// addMonitoring adds a dashboard, and alarms that tell somebody where settings name an address.
func addMonitoring(scope constructs.Construct, m monitored) {
	awscloudwatch.NewDashboard(scope, jsii.String("Dashboard"), &awscloudwatch.DashboardProps{
		DefaultInterval: awscdk.Duration_Hours(jsii.Number(12)),
		Widgets: &[]*[]awscloudwatch.IWidget{
			{
				graph("Traffic", m.gateway("ConnectCount", "new connections"), m.gateway("MessageCount", "messages in and out"),
					m.chat(telemetry.MessagesStored, "Sum"), m.chat(telemetry.Deliveries, "Sum"), m.chat(telemetry.Requests, "Sum"), m.chat(telemetry.ColdStarts, "Sum"),
					m.chat(telemetry.BrokenConnections, "Sum")),
				graph("Latency, milliseconds", m.chat(telemetry.SendTime, "p50"), m.chat(telemetry.SendTime, "p99"), m.chat(telemetry.Age, "p99"),
					m.chat(telemetry.StoreTime, "p50"), m.chat(telemetry.StoreTime, "p99"), m.lambda("Duration", "p99")),
			}, {
				graph("Errors", m.lambda("Errors", "Sum"), m.gateway("ExecutionError", "API Gateway: function not called"), m.gateway("ClientError", "API Gateway: refused"),
					m.chat(telemetry.Errors, "Sum"), m.chat(telemetry.SendErrors, "Sum"), m.chat(telemetry.Undelivered, "Sum"), m.chat(telemetry.Postponed, "Sum")),
				graph("Refusals, by code and reason", m.search(telemetry.Refusals), m.search(telemetry.AuthRefusals)),
			}, {
				graph("Throttles and retries", m.lambda("Throttles", "Sum"), m.units("ReadThrottleEvents"), m.units("WriteThrottleEvents"), m.chat(telemetry.PostsAgain, "Sum"), m.chat(telemetry.GoneConnections, "Sum"), m.chat(telemetry.StoreRetries, "Sum")),
				graph("Rooms: contention and batches", m.chat(telemetry.Conflicts, "Sum"), m.chat(telemetry.Duplicates, "Sum"),
					m.chat(telemetry.Rounds, "Sum"), m.chat(telemetry.MessagesPerPost, "Average"), m.lambda("ConcurrentExecutions", "Maximum")),
			}, {
				graph("What is billed", m.gateway("MessageCount", "messages in and out"), m.chat(telemetry.Posts, "Sum"), m.lambda("Invocations", "Sum"),
					m.units("ConsumedWriteCapacityUnits"), m.units("ConsumedReadCapacityUnits")),
				graph("Estimated dollars an hour, without connection minutes, storage and logs", m.dollars()),
			},
		},
	})
	var action awscloudwatch.IAlarmAction
	if m.settings.alarmEmail != "" {
		topic := awssns.NewTopic(scope, jsii.String("Alarms"), &awssns.TopicProps{EnforceSSL: jsii.Bool(true)})
		// Its own policy, which refuses what is not encrypted, stands in the place of the one by which an account's alarms may publish.
		topic.AddToResourcePolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
			Principals: &[]awsiam.IPrincipal{awsiam.NewServicePrincipal(jsii.String("cloudwatch.amazonaws.com"), nil)},
			Actions:    jsii.Strings("sns:Publish"),
			Resources:  &[]*string{topic.TopicArn()},
			Conditions: &map[string]any{"StringEquals": map[string]any{"aws:SourceAccount": awscdk.Stack_Of(scope).Account()}},
		}))
		topic.AddSubscription(awssnssubscriptions.NewEmailSubscription(&m.settings.alarmEmail, nil))
		action = awscloudwatchactions.NewSnsAction(topic)
	}
	for _, a := range m.alarms() {
		alarm := awscloudwatch.NewAlarm(scope, jsii.String(a.id+"Alarm"), &awscloudwatch.AlarmProps{
			Metric:             a.metric,
			Threshold:          jsii.Number(a.threshold),
			EvaluationPeriods:  jsii.Number(a.periods),
			ComparisonOperator: awscloudwatch.ComparisonOperator_GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
			TreatMissingData:   awscloudwatch.TreatMissingData_NOT_BREACHING, // nobody talks
			AlarmDescription:   jsii.String(a.meaning + " " + a.firstLook),
		})
		if action != nil {
			alarm.AddAlarmAction(action)
			alarm.AddOkAction(action)
		}
	}
}

// alarm says when somebody is woken: where a metric is at or over a threshold for so many periods in a row.
type alarm struct {
	id        string
	metric    awscloudwatch.IMetric
	threshold float64
	periods   float64
	meaning   string // with the reason for the threshold
	firstLook string
}

func (m monitored) alarms() []alarm {
	all := []alarm{
		{"FunctionErrors", m.lambda("Errors", "Sum"), 1, 1,
			"The function crashed, ran out of memory or ran into its timeout, so one is too many; or, if the Provider alarm rings too, could not ask the provider. Every other failure it answers by itself.",
			"Look for REPORT lines with Status in the function's log."},
		{"FunctionThrottles", m.lambda("Throttles", "Sum"), 1, 1,
			"Lambda refused invocations: the account's concurrency is used up, and clients are told nothing but an internal error.",
			"Look at ConcurrentExecutions on the dashboard, and ask for more under Service Quotas."},
		{"Errors", m.chat(telemetry.Errors, "Sum"), 5, 1,
			"Requests ended with a status of 500 or more. A single one happens when DynamoDB moves a partition; five in five minutes do not. A busy room and a provider that does not answer count too, and have alarms of their own.",
			"Look in the function's log for lines of level ERROR: code says what the client was told, error what was tried."},
		{"Internal", m.chatBy(telemetry.Refusals, string(chat.CodeInternal)), 1, 1,
			"A fault of this program, as a panic is. One is too many.",
			"Look in the function's log for lines with code internal: error and stack say where."},
		{"ExecutionErrors", m.gateway("ExecutionError", ""), 5, 1,
			"API Gateway could not invoke the function, or got no answer in time. A single one happens at a deploy.",
			"Compare with the function's errors and throttles on the dashboard; where there are none, with the access log of the stage."},
		{"Refused", m.share("ClientError", "ConnectCount", m.gateway("ClientError", ""), m.gateway("ConnectCount", ""), 50), 80, 2,
			"Of a hundred handshakes and frames, eighty or more were refused by API Gateway itself, for ten minutes: by the authorizer, or the stage's throttle. A stranger who tries tokens may do that too; fewer than fifty in five minutes do not count.",
			"Look at Refusals on the dashboard for the reason that the authorizer gives; without one, at the access log of the stage."},
		{"Undelivered", m.share("Undelivered", "Deliveries", m.chat(telemetry.Undelivered, "Sum"), m.chat(telemetry.Deliveries, "Sum"), 10), 60, 1,
			"Of what was to be delivered, 60 in a hundred was not: members were given up after five seconds of attempts. Clients that do not read are fewer than those who do, and fewer than ten messages in five minutes do not count.",
			"Look for failures in the function's log, which say for whom and why. Status 403 means that the function may not post, 429 that the account's quota is used up."},
		{"Postponed", m.chat(telemetry.Postponed, "Sum"), 1, 3,
			"For a quarter of an hour broadcasters ran out of time, and members waited for the next message to get what they lacked.",
			"Look for left in the function's log: room says where. A room may be too large for its function's memorySize, or posts are slow."},
		{"Throttled", m.chat(telemetry.PostsAgain, "Sum"), 9000, 2,
			"Thirty posts a second had to be tried again for ten minutes: the account's quota of messages and posts a second is used up, and clients' own messages are refused too; or some ten clients do not read.",
			"Look at Traffic on the dashboard, and at failures in the function's log: 429 for many connections is the quota, for which there is more under Service Quotas, API Gateway."},
		{"Slow", m.chat(telemetry.Age, "p99"), 3000, 3,
			"One broadcast in a hundred had a message that a member got three seconds after it was written, or later, for a quarter of an hour. In a busy room of 200 it is a quarter of a second; a room of 10,000 takes about that long in any case.",
			"Look at StoreTime and Conflicts on the dashboard, which show a room that too many send to; and at PostsAgain, which shows the quota."},
		{"RoomBusy", m.chatBy(telemetry.Refusals, string(chat.CodeRoomBusy)), 1, 1,
			"A message was refused because too many were sent to its room at once. One room stores about 100 a second.",
			"Look in the function's log for code room_busy: room says where. Lower actionsPerSecond, or spread people over rooms."},
	}
	all = append(all,
		alarm{"LogLost", m.when("invocations >= 20 AND FILL(requests, 0) == 0", map[string]awscloudwatch.IMetric{
			"invocations": m.lambda("Invocations", "Sum"), "requests": m.chat(telemetry.Requests, "Sum")}), 1, 2,
			"The function was invoked and none of its own metrics arrived, for ten minutes: no other alarm on them can ring.",
			"Look whether the function's log group is there and gets lines, and whether its role may write them."},
		alarm{"Costly", m.dollars(), 10, 12,
			"For an hour the chat has cost ten dollars an hour, a quarter of what the account's default quota of messages allows.",
			"Look at What is billed on the dashboard; lower throttleRate and actionsPerSecond, or switch authIssuer on."},
	)
	if m.settings.authIssuer != "" {
		all = append(all, alarm{"Provider", m.chatBy(telemetry.AuthRefusals, string(auth.ReasonProvider)), 1, 1,
			"The OpenID Connect provider's keys could not be had, and nobody new is let in. FunctionErrors and Errors ring with it.",
			"Fetch the provider's discovery document and keys by hand; look for reason provider in the function's log."})
	}
	return all
}

// share is which part of all, in a hundred, went wrong; 0 where fewer than so many did.
func (m monitored) share(wrongName, rightName string, wrong, right awscloudwatch.IMetric, fewest int) awscloudwatch.IMetric {
	return awscloudwatch.NewMathExpression(&awscloudwatch.MathExpressionProps{
		Expression:   jsii.String(fmt.Sprintf("IF(FILL(wrong, 0) >= %d, 100 * FILL(wrong, 0) / (FILL(wrong, 0) + FILL(right, 0)), 0)", fewest)),
		UsingMetrics: &map[string]awscloudwatch.IMetric{"wrong": wrong, "right": right},
		Label:        jsii.String(wrongName + " of a hundred, beside " + rightName),
		Period:       period(),
	})
}

// when is 1 where a condition holds, else 0.
func (m monitored) when(condition string, metrics map[string]awscloudwatch.IMetric) awscloudwatch.IMetric {
	return awscloudwatch.NewMathExpression(&awscloudwatch.MathExpressionProps{
		Expression: jsii.String("IF(" + condition + ", 1, 0)"), UsingMetrics: &metrics, Label: &condition, Period: period(),
	})
}

func period() awscdk.Duration { return awscdk.Duration_Minutes(jsii.Number(monitoredMinutes)) }

// chat is a metric that the code emits.
func (m monitored) chat(metric telemetry.Metric, statistic string) awscloudwatch.IMetric {
	return m.metric(telemetry.Namespace, string(metric), statistic, "", map[string]*string{telemetry.FunctionName: m.function.FunctionName()})
}

// chatBy is a metric that the code emits with a second dimension, for one value of that.
func (m monitored) chatBy(metric telemetry.Metric, value string) awscloudwatch.IMetric {
	return m.metric(telemetry.Namespace, string(metric), "Sum", "", map[string]*string{
		telemetry.FunctionName: m.function.FunctionName(), telemetry.Specs()[metric].By: &value,
	})
}

// search is a metric that the code emits with a second dimension, for every value that it has.
func (m monitored) search(metric telemetry.Metric) awscloudwatch.IMetric {
	return awscloudwatch.NewMathExpression(&awscloudwatch.MathExpressionProps{
		Expression: jsii.String(fmt.Sprintf(`SEARCH('{%s,%s,%s} MetricName="%s" %[2]s="%[5]s"', 'Sum', %d)`,
			telemetry.Namespace, telemetry.FunctionName, telemetry.Specs()[metric].By, metric, *m.function.FunctionName(), monitoredMinutes*60)),
		UsingMetrics: &map[string]awscloudwatch.IMetric{},
		Label:        jsii.String(""),
		Period:       period(),
	})
}

func (m monitored) lambda(name, statistic string) awscloudwatch.IMetric {
	return m.metric("AWS/Lambda", name, statistic, "function: "+name+" "+statistic, map[string]*string{"FunctionName": m.function.FunctionName()})
}

// gateway is a metric of the WebSocket API
// (https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-logging.html).
func (m monitored) gateway(name, label string) awscloudwatch.IMetric {
	return m.metric("AWS/ApiGateway", name, "Sum", label, map[string]*string{"ApiId": m.api.id, "Stage": &m.settings.stage})
}

func (m monitored) metric(namespace, name, statistic, label string, dimensions map[string]*string) awscloudwatch.IMetric {
	props := &awscloudwatch.MetricProps{
		Namespace: &namespace, MetricName: &name, Statistic: &statistic, DimensionsMap: &dimensions, Period: period(),
	}
	if label == "" {
		label = name + " " + statistic
	}
	props.Label = &label
	return awscloudwatch.NewMetric(props)
}

// units is what both tables together consumed.
func (m monitored) units(name string) awscloudwatch.IMetric {
	of := func(table *string) awscloudwatch.IMetric {
		return m.metric("AWS/DynamoDB", name, "Sum", "", map[string]*string{"TableName": table})
	}
	return awscloudwatch.NewMathExpression(&awscloudwatch.MathExpressionProps{
		Expression: jsii.String("FILL(connections" + name + ", 0) + FILL(messages" + name + ", 0)"), // names that no other has, in an expression of this one
		UsingMetrics: &map[string]awscloudwatch.IMetric{
			"connections" + name: of(m.tables.connections.TableName()), "messages" + name: of(m.tables.messages.TableName()),
		},
		Label:  jsii.String(name),
		Period: period(),
	})
}

// dollars estimates the bill of an hour from what is billed in one period.
func (m monitored) dollars() awscloudwatch.IMetric {
	return awscloudwatch.NewMathExpression(&awscloudwatch.MathExpressionProps{
		// A point is of a longer time where the dashboard shows weeks.
		Expression: jsii.String(fmt.Sprintf("3600 / PERIOD(messages) * (FILL(messages, 0) * %.9f + FILL(invocations, 0) * %.9f + FILL(duration, 0) / 1000 * %.9f + FILL(writes, 0) * %.9f + FILL(reads, 0) * %.9f)",
			price.Message, price.Request, float64(m.settings.memorySize)/1024*price.GBSecond, price.WriteUnit, price.ReadUnit)),
		UsingMetrics: &map[string]awscloudwatch.IMetric{
			"messages":    m.gateway("MessageCount", ""),
			"invocations": m.lambda("Invocations", "Sum"),
			"duration":    m.lambda("Duration", "Sum"),
			"writes":      m.units("ConsumedWriteCapacityUnits"),
			"reads":       m.units("ConsumedReadCapacityUnits"),
		},
		Label:  jsii.String("dollars an hour"),
		Period: period(),
	})
}

func graph(title string, metrics ...awscloudwatch.IMetric) awscloudwatch.IWidget {
	return awscloudwatch.NewGraphWidget(&awscloudwatch.GraphWidgetProps{Title: &title, Left: &metrics, Width: jsii.Number(12), Height: jsii.Number(6)})
}
