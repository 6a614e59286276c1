package config

import (
	"fmt"

	"wschat/pkg/chat"
)

// The function's own environment variables. awsclient reads those of AWS (AWS_REGION, AWS_ENDPOINT_URL_DYNAMODB, …).
const (
	ConnectionsTable     = "CONNECTIONS_TABLE"
	MessagesTable        = "MESSAGES_TABLE"
	ConnectionsEndpoint  = "CONNECTIONS_ENDPOINT"
	WebSocketURL         = "WEBSOCKET_URL"
	AllowedOrigins       = "ALLOWED_ORIGINS"
	AuthIssuer           = "AUTH_ISSUER"
	AuthAudience         = "AUTH_AUDIENCE"
	AuthClientID         = "AUTH_CLIENT_ID"
	AuthJWKSURL          = "AUTH_JWKS_URL"
	AuthIDClaim          = "AUTH_ID_CLAIM"
	AuthNameClaim        = "AUTH_NAME_CLAIM"
	AuthRoomsClaim       = "AUTH_ROOMS_CLAIM"
	AuthRolesClaim       = "AUTH_ROLES_CLAIM"
	ReviewFunction       = "REVIEW_FUNCTION"
	ReviewURL            = "REVIEW_URL"
	ReviewOtherwise      = "REVIEW_OTHERWISE"
	EventsURL            = "EVENTS_URL"
	MaxRooms             = "MAX_ROOMS"
	ActionsPerSecond     = "ACTIONS_PER_SECOND"
	PresenceLimit        = "PRESENCE_LIMIT"
	Metrics              = "METRICS"
	LogLevel             = "LOG_LEVEL"
	MessageRetentionDays = "MESSAGE_RETENTION_DAYS"
)

// The values of Metrics.
const (
	MetricsFree = "free"
	MetricsAll  = "all"
)

// The values of ReviewOtherwise.
const (
	OtherwiseRefuse = "refuse"
	OtherwiseAllow  = "allow"
)

// Bounds that nobody needs to exceed.
const (
	MaxMaxRooms         = 10_000
	MaxActionsPerSecond = 10_000

	// MaxPresenceLimit bounds what one user's coming costs: a post to so many connections.
	MaxPresenceLimit = 10_000

	// MaxRetentionDays is a hundred years: more is a mistake.
	MaxRetentionDays = 36_500

	// MaxReservedConcurrency bounds the function's concurrent invocations. An account has 1,000 by default, of which
	// AWS keeps 100 unreserved, and can be given more
	// (https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html).
	MaxReservedConcurrency = 100_000
)

// Setting is one thing that a deployment, the function or the local chat can choose. The CDK app, the function, the
// local chat's flags and the README are made of the same table of settings, or checked against it.
type Setting struct {
	Context  string // the name in the CDK context; "" if a deployment cannot choose it
	Variable string // the function's environment variable; "" if the function does not read it
	Flag     string // the local chat's flag; "" if it has none
	Default  string // the value if none is chosen; "" for none
	Rule     Rule   // what the value must be
	Meaning  string // one clause; a flag's has the kind of value in backquotes, as package flag shows it
}

// Key names the setting in Values: its environment variable or, without one, its name in the CDK context.
func (s Setting) Key() string {
	if s.Variable != "" {
		return s.Variable
	}
	return s.Context
}

// Settings returns every setting.
func Settings() []Setting {
	return []Setting{
		{Context: "stage", Default: "dev", Rule: pattern(`^[A-Za-z0-9-]{1,64}$`,
			"must be 1 to 64 letters, digits or -"),
			Meaning: "the stage's name; its stack is Chat-NAME"},
		{Context: "lambdaRuntime", Default: "provided.al2023", Rule: oneOf("provided.al2023", "provided.al2"),
			Meaning: "the function's runtime; Lambda will block new functions on provided.al2"},
		{Context: "architecture", Default: "arm64", Rule: oneOf("arm64", "x86_64"),
			Meaning: "the function's processor"},
		{Context: "memorySize", Default: "512", Rule: number(128, 10240),
			Meaning: "the function's megabytes; processor time grows with them"},
		{Context: "reservedConcurrency", Rule: numberWith(1, MaxReservedConcurrency,
			"; leave it out to reserve nothing. "+
				"Zero would stop the function, and AWS keeps 100 of the account's concurrency for functions that "+
				"reserve none"),
			Meaning: "invocations at once, kept for the function and not exceeded"},
		{Context: "messageRetentionDays", Variable: MessageRetentionDays, Default: "0",
			Rule:    number(0, MaxRetentionDays),
			Meaning: "days after which messages expire; 0 keeps them for ever"},
		{Context: "presenceLimit", Variable: PresenceLimit, Flag: "presence-limit",
			Default: fmt.Sprint(chat.DefaultPresenceLimit), Rule: number(0, MaxPresenceLimit),
			Meaning: "up to `N` connections, a room is told who is in it; 0 tells none"},
		{Context: "maxRooms", Variable: MaxRooms, Flag: "max-rooms", Default: "100", Rule: number(1, MaxMaxRooms),
			Meaning: "the `N` rooms that one connection may be in"},
		{Context: "actionsPerSecond", Variable: ActionsPerSecond, Flag: "actions-per-second", Default: "100",
			Rule:    number(1, MaxActionsPerSecond),
			Meaning: "the `N` requests a second of one connection; a long answer counts as several"},
		{Context: "authIssuer", Variable: AuthIssuer, Flag: "auth-issuer", Rule: provider(),
			Meaning: "the `URL` of an OpenID Connect provider; only clients with its tokens are let in"},
		{Context: "authAudience", Variable: AuthAudience, Flag: "auth-audience",
			Rule:    pattern(`^[!-~]{1,256}$`, "must be 1 to 256 characters without blanks"),
			Meaning: "the `AUDIENCE` that tokens must be meant for; without it, authClientId"},
		{Context: "authClientId", Variable: AuthClientID, Flag: "auth-client-id",
			Rule:    pattern(`^[!-~]{1,256}$`, "must be 1 to 256 characters without blanks"),
			Meaning: "the page's client `ID` at the provider; with it, people sign in there with a button"},
		{Context: "authJwksUrl", Variable: AuthJWKSURL, Flag: "auth-jwks-url", Rule: provider(),
			Meaning: "the `URL` of the provider's keys, if its discovery document does not name it"},
		{Context: "authIdClaim", Variable: AuthIDClaim, Flag: "auth-id-claim", Rule: claim(),
			Meaning: "the `CLAIM` with the user's id, which everybody sees; without it, sub"},
		{Context: "authNameClaim", Variable: AuthNameClaim, Flag: "auth-name-claim", Rule: claim(),
			Meaning: "the `CLAIM` with the display name; without it, name"},
		{Context: "authRoomsClaim", Variable: AuthRoomsClaim, Flag: "auth-rooms-claim", Rule: claim(),
			Meaning: "the `CLAIM` with the rooms that a token allows; without it, every room"},
		{Context: "authRolesClaim", Variable: AuthRolesClaim, Flag: "auth-roles-claim", Rule: claim(),
			Meaning: "the `CLAIM` whose value moderator lets a user moderate all rooms; without it, nobody"},
		{Context: "reviewFunction", Variable: ReviewFunction,
			Rule: pattern(`^arn:[a-z-]+:lambda:[a-z0-9-]+:[0-9]{12}:function:[A-Za-z0-9_-]{1,64}`+
				`(:[A-Za-z0-9_$-]{1,128})?$`,
				"must be the ARN of a Lambda function, arn:aws:lambda:REGION:ACCOUNT:function:NAME"),
			Meaning: "the ARN of a function that is asked before a message or an edit is stored"},
		{Variable: ReviewURL, Flag: "review", Rule: urlOf("http://127.0.0.1:9000/review", "http", "https"),
			Meaning: "the `URL` of a program that is asked before a message or an edit is stored"},
		{Context: "reviewOtherwise", Variable: ReviewOtherwise, Flag: "review-otherwise", Default: OtherwiseRefuse,
			Rule:    oneOf(OtherwiseRefuse, OtherwiseAllow),
			Meaning: "whether a message is stored that was not reviewed within 500 ms"},
		{Context: "events", Default: "off", Rule: onOff(),
			Meaning: "whether an event is put on a bus for each message that is stored or changed"},
		{Context: "eventBus", Rule: pattern(`^arn:[a-z-]+:events:[a-z0-9-]+:[0-9]{12}:event-bus/`+
			`[/.A-Za-z0-9_-]{1,256}$`,
			"must be the ARN of an event bus in the stack's account and Region, "+
				"arn:aws:events:REGION:ACCOUNT:event-bus/NAME"),
			Meaning: "the ARN of the bus for events, instead of the stack's own"},
		{Variable: EventsURL, Flag: "events", Rule: urlOf("http://127.0.0.1:9000/events", "http", "https"),
			Meaning: "the `URL` to which an event is posted for each message that is stored or changed"},
		{Context: "messagesTable", Variable: MessagesTable,
			Rule:    pattern(`^[A-Za-z0-9_.-]{3,255}$`, "must be the name of a table"),
			Meaning: "a messages table that exists already, instead of the stack's own"},
		{Context: "messagesStream", Rule: pattern(`^arn:[a-z-]+:dynamodb:[a-z0-9-]+:[0-9]{12}:table/`+
			`[A-Za-z0-9_.-]{3,255}/stream/[0-9T:.-]+$`,
			"must be the ARN of a table's stream, arn:aws:dynamodb:REGION:ACCOUNT:table/NAME/stream/TIME"),
			Meaning: "the ARN of the stream of messagesTable, with new images, for events"},
		{Context: "removalPolicy", Default: "retain", Rule: oneOf("retain", "destroy"),
			Meaning: "what becomes of the tables when the stack is deleted"},
		{Context: "throttleRate", Default: "500", Rule: number(1, 100_000),
			Meaning: "requests a second to the stage, from all clients"},
		{Context: "throttleBurst", Default: "200", Rule: number(1, 100_000),
			Meaning: "how many of these requests may come at once"},
		{Context: "domainName", Rule: pattern(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}$`,
			"must be a domain name such as chat.example.com"),
			Meaning: "a domain of your own for WebSocket clients"},
		{Context: "certificateArn", Rule: pattern(`^arn:[a-z-]+:acm:[a-z0-9-]+:[0-9]{12}:certificate/[A-Za-z0-9-]+$`,
			"must be the ARN of a certificate, arn:aws:acm:REGION:ACCOUNT:certificate/ID"),
			Meaning: "the ARN of the domain's certificate, in the stack's Region"},
		{Context: "allowedOrigins", Variable: AllowedOrigins, Flag: "allowed-origins", Rule: Origins(HostInASCII),
			Meaning: "the `ORIGINS` of web pages that may connect, besides the chat's own; without it, all"},
		{Context: "alarmEmail", Rule: pattern(`^[^@\s]+@[^@\s]+\.[^@\s]+$`,
			"must be an e-mail address such as ops@example.com"),
			Meaning: "an address that alarms are mailed to"},
		// no FIFO topic
		{Context: "alarmTopic", Rule: pattern(`^arn:[a-z-]+:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,256}$`,
			"must be the ARN of a standard topic in the stack's Region, arn:aws:sns:REGION:ACCOUNT:NAME"),
			Meaning: "the ARN of an SNS topic that alarms are sent to"},
		{Context: "metrics", Variable: Metrics, Default: MetricsFree, Rule: oneOf(MetricsFree, MetricsAll),
			Meaning: "metrics and alarms: those that an account has for nothing, or all"},
		{Context: "logLevel", Variable: LogLevel, Default: "info", Rule: oneOf("info", "debug", "warn", "error"),
			Meaning: "the level of the function's log"},
		{Context: "tracing", Default: "off", Rule: onOff(),
			Meaning: "whether invocations are traced with X-Ray"},

		{Variable: ConnectionsTable, Rule: anything(), Meaning: "the `NAME` of the connections table"},
		{Variable: ConnectionsEndpoint, Rule: urlOf("https://ID.execute-api.REGION.amazonaws.com/STAGE", "https",
			"http"),
			Meaning: "the `URL` of the stage's callbacks; without it, that of each event"},
		{Variable: WebSocketURL, Rule: urlOrPath("wss://ID.execute-api.REGION.amazonaws.com/STAGE", "wss", "ws"),
			Meaning: "the `URL` that the page connects to, or a path on its own host"},
	}
}
