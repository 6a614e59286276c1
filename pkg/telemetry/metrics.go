package telemetry

// Metric is the name of something that is measured.
type Metric string

// The metrics; Specs says what they mean.
const (
	Requests          Metric = "Requests"
	ColdStarts        Metric = "ColdStarts"
	Errors            Metric = "Errors"
	Refusals          Metric = "Refusals"
	AuthRefusals      Metric = "AuthRefusals"
	MessagesStored    Metric = "MessagesStored"
	Duplicates        Metric = "Duplicates"
	Conflicts         Metric = "Conflicts"
	StoreTime         Metric = "StoreTime"
	SendTime          Metric = "SendTime"
	Age               Metric = "Age"
	Rounds            Metric = "Rounds"
	Posts             Metric = "Posts"
	Deliveries        Metric = "Deliveries"
	MessagesPerPost   Metric = "MessagesPerPost"
	PostsAgain        Metric = "PostsAgain"
	GoneConnections   Metric = "GoneConnections"
	BrokenConnections Metric = "BrokenConnections"
	StoreRetries      Metric = "StoreRetries"
	Undelivered       Metric = "Undelivered"
	Postponed         Metric = "Postponed"
	SendErrors        Metric = "SendErrors"
	Moderations       Metric = "Moderations"
	Unreviewed        Metric = "Unreviewed"
)

// Spec is what CloudWatch is told of a metric. It bills each metric, for each value of its dimensions.
type Spec struct {
	Unit string
	By   string // the dimension beside FunctionName; "" for none

	Meaning string // of 1, or of the time
}

// Free returns the metrics that a Meter of NewFree tells CloudWatch of: as many as an account has for nothing, for ever
// (https://aws.amazon.com/cloudwatch/pricing/). Metrics with a second dimension are not among them: each value counts.
func Free() []Metric {
	return []Metric{Requests, Errors, MessagesStored, Posts, Deliveries, PostsAgain, Undelivered, Postponed, Age,
		StoreTime}
}

// Specs returns every metric that the code can emit.
func Specs() map[Metric]Spec {
	const count, milliseconds = "Count", "Milliseconds"
	return map[Metric]Spec{
		Requests:       {count, "", "invocations, each of which is in the log"},
		ColdStarts:     {count, "", "processes that began"},
		Errors:         {count, "", "invocations that ended with a status of 500 or more"},
		Refusals:       {count, "Code", "what was refused, by the code that the client was told"},
		AuthRefusals:   {count, "Reason", "handshakes that the authorizer did not let in, by the reason"},
		MessagesStored: {count, "", "new messages"},
		Duplicates:     {count, "", "messages that had been stored before"},
		Conflicts:      {count, "", "attempts to store a message that met another's"},
		StoreTime:      {milliseconds, "", "from a sender's frame to its message being stored"},
		SendTime: {milliseconds, "",
			"from a sender's frame to its broadcaster's first round being taken by the last member"},
		Age: {milliseconds, "",
			"the largest delay between a message's writing and its delivery in a broadcast; up to a second too long"},
		Rounds:            {count, "", "times that a broadcaster posted to the members"},
		Posts:             {count, "", "frames that were taken"},
		Deliveries:        {count, "", "messages in the frames that were taken"},
		MessagesPerPost:   {"None", "", "messages in a frame, on average of one broadcast"},
		PostsAgain:        {count, "", "posts that were throttled or failed, to be tried again"},
		GoneConnections:   {count, "", "connections that a post found closed"},
		BrokenConnections: {count, "", "connections that ended without a close frame"},
		StoreRetries:      {count, "", "calls of DynamoDB that were repeated"},
		Undelivered:       {count, "", "messages that a member will not be sent, each counted for each member"},
		Postponed: {count, "", "messages that were left to a room's next broadcaster, each counted for each " +
			"member"},
		SendErrors:  {count, "", "broadcasts and replies that met an error"},
		Moderations: {count, "Action", "changes of the rules of rooms, by the action"},
		Unreviewed:  {count, "", "messages and edits that were stored although their review did not answer"},
	}
}
