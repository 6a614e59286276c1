package main

import (
	"fmt"
	"slices"

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
			m.row(
				graph{"Traffic", metrics{m.gateway("ConnectCount", "new connections"),
					m.gateway("MessageCount", "messages in and out"),
					m.sum(telemetry.MessagesStored), m.sum(telemetry.Deliveries), m.sum(telemetry.Requests),
					m.sum(telemetry.ColdStarts), m.sum(telemetry.BrokenConnections)}},
				graph{"Latency, milliseconds", metrics{m.chat(telemetry.SendTime, "p50"),
					m.chat(telemetry.SendTime, "p99"),
					m.chat(telemetry.Age, "p99"), m.chat(telemetry.StoreTime, "p50"),
					m.chat(telemetry.StoreTime, "p99"),
					m.lambda("Duration", "p99")}},
			),
			m.row(
				graph{"Errors", metrics{m.lambda("Errors", "Sum"),
					m.gateway("ExecutionError", "API Gateway: function not called"),
					m.gateway("ClientError", "API Gateway: refused"), m.sum(telemetry.Errors),
					m.sum(telemetry.SendErrors),
					m.sum(telemetry.Undelivered), m.sum(telemetry.Postponed), m.sum(telemetry.Unreviewed)}},
				graph{"Refusals, by code and reason, and moderations, by action",
					metrics{m.search(telemetry.Refusals), m.search(telemetry.AuthRefusals),
						m.search(telemetry.Moderations)}},
			),
			m.row(
				graph{"Throttles and retries", metrics{m.lambda("Throttles", "Sum"), m.units("ReadThrottleEvents"),
					m.units("WriteThrottleEvents"), m.sum(telemetry.PostsAgain), m.sum(telemetry.GoneConnections),
					m.sum(telemetry.StoreRetries)}},
				graph{"Rooms: contention and batches", metrics{m.sum(telemetry.Conflicts), m.sum(telemetry.Duplicates),
					m.sum(telemetry.Rounds), m.chat(telemetry.MessagesPerPost, "Average"),
					m.lambda("ConcurrentExecutions", "Maximum")}},
			),
			m.row(
				graph{"What is billed", metrics{m.gateway("MessageCount", "messages in and out"),
					m.sum(telemetry.Posts),
					m.lambda("Invocations", "Sum"), m.units("ConsumedWriteCapacityUnits"),
					m.units("ConsumedReadCapacityUnits")}},
				graph{"Estimated dollars an hour, without connection minutes, storage and logs", metrics{m.dollars()}},
			),
		},
	})
	actions := m.alarmActions(scope)
	for _, a := range m.alarms() {
		if !a.free && !m.settings.allMetrics {
			continue
		}
		alarm := awscloudwatch.NewAlarm(scope, jsii.String(a.id+"Alarm"), &awscloudwatch.AlarmProps{
			Metric:             a.metric,
			Threshold:          jsii.Number(a.threshold),
			EvaluationPeriods:  jsii.Number(a.periods),
			ComparisonOperator: awscloudwatch.ComparisonOperator_GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
			TreatMissingData:   awscloudwatch.TreatMissingData_NOT_BREACHING, // nobody talks
			AlarmDescription:   jsii.String(a.meaning + " " + a.firstLook),
		})
		alarm.AddAlarmAction(actions...)
		alarm.AddOkAction(actions...)
	}
}

// alarmActions tells the topic and the address that the settings name.
func (m monitored) alarmActions(scope constructs.Construct) (actions []awscloudwatch.IAlarmAction) {
	if arn := m.settings.alarmTopic; arn != "" {
		topic := awssns.Topic_FromTopicArn(scope, jsii.String("AlarmTopic"), &arn)
		actions = append(actions, awscloudwatchactions.NewSnsAction(topic))
	}
	if m.settings.alarmEmail != "" {
		topic := awssns.NewTopic(scope, jsii.String("Alarms"), &awssns.TopicProps{EnforceSSL: jsii.Bool(true)})
		// Its own policy, which refuses what is not encrypted, stands in the place of the one by which an account's
		// alarms may publish.
		topic.AddToResourcePolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
			Principals: &[]awsiam.IPrincipal{awsiam.NewServicePrincipal(jsii.String("cloudwatch.amazonaws.com"), nil)},
			Actions:    jsii.Strings("sns:Publish"),
			Resources:  &[]*string{topic.TopicArn()},
			Conditions: &map[string]any{
				"StringEquals": map[string]any{"aws:SourceAccount": awscdk.Stack_Of(scope).Account()},
			},
		}))
		topic.AddSubscription(awssnssubscriptions.NewEmailSubscription(&m.settings.alarmEmail, nil))
		actions = append(actions, awscloudwatchactions.NewSnsAction(topic))
	}
	return actions
}

// alarm says when somebody is woken: where a metric is at or over a threshold for so many periods in a row.
type alarm struct {
	id        string
	free      bool // among those whose metrics an account has for nothing
	metric    awscloudwatch.IMetric
	threshold float64
	periods   float64
	meaning   string // with the reason for the threshold
	firstLook string
}

func (m monitored) alarms() []alarm {
	all := []alarm{
		{"FunctionErrors", true, m.lambda("Errors", "Sum"), 1, 1,
			"The function crashed, ran out of memory or ran into its timeout, so one is too many; or, with " +
				"authIssuer, could not ask the provider. Every other failure it answers by itself.",
			"Look for REPORT lines with Status in the function's log."},
		{"FunctionThrottles", true, m.lambda("Throttles", "Sum"), 1, 1,
			"Lambda refused invocations: the account's concurrency is used up, and clients are told nothing but an " +
				"internal error.",
			"Look at ConcurrentExecutions on the dashboard, and ask for more under Service Quotas."},
		{"Errors", true, m.chat(telemetry.Errors, "Sum"), 5, 1,
			"Requests ended with a status of 500 or more. A single one happens when DynamoDB moves a partition; " +
				"five in five minutes do not. A busy room and a provider that does not answer count too; with " +
				"metrics=all they have alarms of their own.",
			"Look in the function's log for lines of level ERROR: code says what the client was told, error what " +
				"was tried."},
		{"Internal", false, m.chatBy(telemetry.Refusals, string(chat.CodeInternal)), 1, 1,
			"A fault of this program, as a panic is. One is too many.",
			"Look in the function's log for lines with code internal: error and stack say where."},
		{"ExecutionErrors", true, m.gateway("ExecutionError", ""), 5, 1,
			"API Gateway could not invoke the function, or got no answer in time. A single one happens at a deploy.",
			"Compare with the function's errors and throttles on the dashboard; where there are none, with the " +
				"access log of the stage."},
		{"Refused", true, m.share("ClientError", "ConnectCount", m.gateway("ClientError", ""),
			m.gateway("ConnectCount", ""), 50), 80, 2,
			"Of a hundred handshakes and frames, eighty or more were refused by API Gateway itself, for ten " +
				"minutes: by the authorizer, or the stage's throttle. A stranger who tries tokens may do that too; " +
				"fewer than fifty in five minutes do not count.",
			"Look for not authorized in the function's log, which has the authorizer's reason; without one, at the " +
				"access log of the stage."},
		{"Undelivered", true, m.share("Undelivered", "Deliveries", m.chat(telemetry.Undelivered, "Sum"),
			m.chat(telemetry.Deliveries, "Sum"), 10), 60, 1,
			"Of what was to be delivered, 60 in a hundred was not: members were given up after five seconds of " +
				"attempts. Clients that do not read are fewer than those who do, and fewer than ten messages in " +
				"five minutes do not count.",
			"Look for failures in the function's log, which say for whom and why. Status 403 means that the " +
				"function may not post, 429 that the account's quota is used up."},
		{"Postponed", false, m.chat(telemetry.Postponed, "Sum"), 1, 3,
			"For a quarter of an hour broadcasters ran out of time, and members waited for the next message to get " +
				"what they lacked.",
			"Look for left in the function's log: room says where. A room may be too large for its function's " +
				"memorySize, or posts are slow."},
		{"Throttled", false, m.chat(telemetry.PostsAgain, "Sum"), 9000, 2,
			"Thirty posts a second had to be tried again for ten minutes: the account's quota of messages and posts " +
				"a second is used up, and clients' own messages are refused too; or some ten clients do not read.",
			"Look at Traffic on the dashboard, and at failures in the function's log: 429 for many connections is " +
				"the quota, for which there is more under Service Quotas, API Gateway."},
		{"Slow", true, m.chat(telemetry.Age, "p99"), 3000, 3,
			"One broadcast in a hundred had a message that a member got three seconds after it was written, or " +
				"later, for a quarter of an hour. In a busy room of 200 it is a quarter of a second; a room of " +
				"10,000 takes about that long in any case.",
			"Look at StoreTime on the dashboard, which shows a room that too many send to; and at PostsAgain, which " +
				"shows the quota."},
		{"RoomBusy", false, m.chatBy(telemetry.Refusals, string(chat.CodeRoomBusy)), 1, 1,
			"A message was refused because too many were sent to its room at once. One room stores about 100 a second.",
			"Look in the function's log for code room_busy: room says where. Lower actionsPerSecond, or spread " +
				"people over rooms."},
	}
	all = append(all,
		alarm{"LogLost", false, m.when("invocations >= 20 AND FILL(requests, 0) == 0", map[string]awscloudwatch.IMetric{
			"invocations": m.lambda("Invocations", "Sum"), "requests": m.chat(telemetry.Requests, "Sum")}), 1, 2,
			"The function was invoked and none of its own metrics arrived, for ten minutes: no other alarm on them " +
				"can ring.",
			"Look whether the function's log group is there and gets lines, and whether its role may write them."},
		alarm{"Costly", true, m.billed(), costlyDollars, 12,
			"For an hour the chat has cost ten dollars an hour, a quarter of what the account's default quota of " +
				"messages allows.",
			"Look at What is billed on the dashboard; lower throttleRate and actionsPerSecond, or switch authIssuer " +
				"on."},
	)
	if m.settings.authIssuer != "" {
		all = append(all, alarm{"Provider", false, m.chatBy(telemetry.AuthRefusals, string(auth.ReasonProvider)), 1, 1,
			"The OpenID Connect provider's keys could not be had, and nobody new is let in. FunctionErrors and " +
				"Errors ring with it.",
			"Fetch the provider's discovery document and keys by hand; look for reason provider in the function's " +
				"log."})
	}
	return all
}

// share is which part of all, in a hundred, went wrong; 0 where fewer than so many did.
func (m monitored) share(wrongName, rightName string, wrong, right awscloudwatch.IMetric,
	fewest int) awscloudwatch.IMetric {
	return m.expression(
		fmt.Sprintf("IF(FILL(wrong, 0) >= %d, 100 * FILL(wrong, 0) / (FILL(wrong, 0) + FILL(right, 0)), 0)", fewest),
		wrongName+" of a hundred, beside "+rightName, map[string]awscloudwatch.IMetric{"wrong": wrong, "right": right})
}

// when is 1 where a condition holds, else 0.
func (m monitored) when(condition string, metrics map[string]awscloudwatch.IMetric) awscloudwatch.IMetric {
	return m.expression("IF("+condition+", 1, 0)", condition, metrics)
}

func period() awscdk.Duration { return awscdk.Duration_Minutes(jsii.Number(monitoredMinutes)) }

// tells says whether CloudWatch is told of a metric of the chat's own.
func (m monitored) tells(metric telemetry.Metric) bool {
	return m.settings.allMetrics || slices.Contains(telemetry.Free(), metric)
}

// sum is how often something happened.
func (m monitored) sum(metric telemetry.Metric) awscloudwatch.IMetric { return m.chat(metric, "Sum") }

// chat is a metric that the code emits; nil for one that CloudWatch is not told of.
func (m monitored) chat(metric telemetry.Metric, statistic string) awscloudwatch.IMetric {
	if !m.tells(metric) {
		return nil
	}
	return m.metric(telemetry.Namespace, string(metric), statistic, "",
		map[string]*string{telemetry.FunctionName: m.function.FunctionName()})
}

// chatBy is a metric that the code emits with a second dimension, for one value of that.
func (m monitored) chatBy(metric telemetry.Metric, value string) awscloudwatch.IMetric {
	return m.metric(telemetry.Namespace, string(metric), "Sum", "", map[string]*string{
		telemetry.FunctionName: m.function.FunctionName(), telemetry.Specs()[metric].By: &value,
	})
}

// search is a metric that the code emits with a second dimension, for every value that it has; nil for one that
// CloudWatch is not told of.
func (m monitored) search(metric telemetry.Metric) awscloudwatch.IMetric {
	if !m.tells(metric) {
		return nil
	}
	return awscloudwatch.NewMathExpression(&awscloudwatch.MathExpressionProps{
		Expression: jsii.String(fmt.Sprintf(`SEARCH('{%s,%s,%s} MetricName="%s" %[2]s="%[5]s"', 'Sum', %d)`,
			telemetry.Namespace, telemetry.FunctionName, telemetry.Specs()[metric].By, metric,
			*m.function.FunctionName(), monitoredMinutes*60)),
		UsingMetrics: &map[string]awscloudwatch.IMetric{},
		Label:        jsii.String(""),
		Period:       period(),
	})
}

func (m monitored) lambda(name, statistic string) awscloudwatch.IMetric {
	return m.metric("AWS/Lambda", name, statistic, "function: "+name+" "+statistic,
		map[string]*string{"FunctionName": m.function.FunctionName()})
}

// gateway is a metric of the WebSocket API
// (https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-logging.html).
func (m monitored) gateway(name, label string) awscloudwatch.IMetric {
	return m.metric("AWS/ApiGateway", name, "Sum", label,
		map[string]*string{"ApiId": m.api.id, "Stage": &m.settings.stage})
}

func (m monitored) metric(namespace, name, statistic, label string,
	dimensions map[string]*string) awscloudwatch.IMetric {
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
	// The names are ones that no other metric has, in an expression of this one.
	return m.expression("FILL(connections"+name+", 0) + FILL(messages"+name+", 0)", name,
		map[string]awscloudwatch.IMetric{
			"connections" + name: of(m.tables.connections.TableName()),
			"messages" + name:    of(m.tables.messages.TableName()),
		})
}

// costlyDollars an hour are too many.
const costlyDollars = 10

// billed is the bill of an hour in dollars, as far as it is watched: all of it, or with the free metrics the
// messages, which are some 96% of it (see README.md).
func (m monitored) billed() awscloudwatch.IMetric {
	if m.settings.allMetrics {
		return m.dollars()
	}
	return m.expression(fmt.Sprintf("FILL(messages, 0) * %.9f", 60/monitoredMinutes*price.Message),
		"dollars an hour, of messages",
		map[string]awscloudwatch.IMetric{"messages": m.gateway("MessageCount", "")})
}

// dollars estimates the bill of an hour from what is billed in one period.
func (m monitored) dollars() awscloudwatch.IMetric {
	// A point is of a longer time where the dashboard shows weeks.
	formula := fmt.Sprintf("3600 / PERIOD(messages) * (FILL(messages, 0) * %.9f + FILL(invocations, 0) * %.9f + "+
		"FILL(duration, 0) / 1000 * %.9f + FILL(writes, 0) * %.9f + FILL(reads, 0) * %.9f)",
		price.Message, price.Request, float64(m.settings.memorySize)/1024*price.GBSecond, price.WriteUnit,
		price.ReadUnit)
	return m.expression(formula, "dollars an hour", map[string]awscloudwatch.IMetric{
		"messages":    m.gateway("MessageCount", ""),
		"invocations": m.lambda("Invocations", "Sum"),
		"duration":    m.lambda("Duration", "Sum"),
		"writes":      m.units("ConsumedWriteCapacityUnits"),
		"reads":       m.units("ConsumedReadCapacityUnits"),
	})
}

// expression computes a metric from others.
func (m monitored) expression(formula, label string, using map[string]awscloudwatch.IMetric) awscloudwatch.IMetric {
	return awscloudwatch.NewMathExpression(&awscloudwatch.MathExpressionProps{
		Expression: &formula, UsingMetrics: &using, Label: &label, Period: period(),
	})
}

// metrics are those of a graph. A nil one is left out.
type metrics []awscloudwatch.IMetric

// graph is a graph on the dashboard.
type graph struct {
	title   string
	metrics metrics
}

// row is a row of graphs. One without metrics is left out.
func (m monitored) row(graphs ...graph) *[]awscloudwatch.IWidget {
	var widgets []awscloudwatch.IWidget
	for _, g := range graphs {
		shown := slices.DeleteFunc(g.metrics, func(m awscloudwatch.IMetric) bool { return m == nil })
		if len(shown) > 0 {
			widgets = append(widgets, awscloudwatch.NewGraphWidget(&awscloudwatch.GraphWidgetProps{
				Title: &g.title, Left: (*[]awscloudwatch.IMetric)(&shown), Width: jsii.Number(12),
				Height: jsii.Number(6)}))
		}
	}
	return &widgets
}
