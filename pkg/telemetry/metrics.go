package telemetry

// Metric is the name of something that is measured.
type Metric string

// The metrics.
const (
	ColdStarts        Metric = "ColdStarts"        // processes that began
	Errors            Metric = "Errors"            // invocations that ended with a status of 500 or more
	Refusals          Metric = "Refusals"          // what was refused, by the code that the client was told
	AuthRefusals      Metric = "AuthRefusals"      // handshakes that the authorizer did not let in, by the reason
	MessagesStored    Metric = "MessagesStored"    // new messages
	Duplicates        Metric = "Duplicates"        // messages that had been stored before
	Conflicts         Metric = "Conflicts"         // attempts to store a message that met another's
	StoreTime         Metric = "StoreTime"         // from a sender's frame to its message being stored
	SendTime          Metric = "SendTime"          // from a sender's frame to its broadcaster's first round being taken by the last member
	Age               Metric = "Age"               // how long ago the oldest message of a broadcast was written, when a member got it; up to a second too much
	Rounds            Metric = "Rounds"            // of broadcasters
	Posts             Metric = "Posts"             // frames that were taken
	Deliveries        Metric = "Deliveries"        // messages in them
	MessagesPerPost   Metric = "MessagesPerPost"   // of one broadcaster
	PostsAgain        Metric = "PostsAgain"        // posts that were throttled or failed, to be tried again
	GoneConnections   Metric = "GoneConnections"   // connections that a post found closed
	BrokenConnections Metric = "BrokenConnections" // connections that ended without a close frame
	StoreRetries      Metric = "StoreRetries"      // calls of DynamoDB that were repeated
	Undelivered       Metric = "Undelivered"       // messages that a member will not be sent, each counted for each member
	Postponed         Metric = "Postponed"         // messages that were left to a room's next broadcaster, counted likewise
	SendErrors        Metric = "SendErrors"        // broadcasts and replies that met an error
)

// Spec is what CloudWatch is told of a metric. It bills each metric, for each value of its dimensions.
type Spec struct {
	Unit string
	By   string // the dimension beside FunctionName; "" for none
}

// Specs returns every metric that the code can emit.
func Specs() map[Metric]Spec {
	const count, milliseconds = "Count", "Milliseconds"
	return map[Metric]Spec{
		ColdStarts:        {count, ""},
		Errors:            {count, ""},
		Refusals:          {count, "Code"},
		AuthRefusals:      {count, "Reason"},
		MessagesStored:    {count, ""},
		Duplicates:        {count, ""},
		Conflicts:         {count, ""},
		StoreTime:         {milliseconds, ""},
		SendTime:          {milliseconds, ""},
		Age:               {milliseconds, ""},
		Rounds:            {count, ""},
		Posts:             {count, ""},
		Deliveries:        {count, ""},
		MessagesPerPost:   {"None", ""},
		PostsAgain:        {count, ""},
		GoneConnections:   {count, ""},
		BrokenConnections: {count, ""},
		StoreRetries:      {count, ""},
		Undelivered:       {count, ""},
		Postponed:         {count, ""},
		SendErrors:        {count, ""},
	}
}
