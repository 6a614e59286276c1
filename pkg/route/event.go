package route

// Event is what this package reads of API Gateway's events: those of a WebSocket API
// (https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-mapping-template-reference.html)
// and those of an HTTP API in payload format 2.0, which carry their route key in the same place. It is written by
// hand: the types of aws-lambda-go/events are one for each kind of API, and have fields that are not needed here.
type Event struct {
	Context Context `json:"requestContext"`
	// Query has every value of each parameter of a handshake; absent if there is no query.
	Query map[string][]string `json:"multiValueQueryStringParameters"`
	// Headers has every value of each header of a handshake, its names spelt as the client spelt them.
	Headers map[string][]string `json:"multiValueHeaders"`
	// Header has the headers of an HTTP request, their names in lower case and repeated values joined by commas.
	Header map[string]string `json:"headers"`
	Body   string            `json:"body"`
}

// Context is an event's requestContext.
type Context struct {
	RouteKey     string `json:"routeKey"`
	EventType    string `json:"eventType"` // CONNECT, MESSAGE or DISCONNECT; "" from an HTTP API
	RequestID    string `json:"requestId"`
	ConnectionID string `json:"connectionId"` // "" from an HTTP API
	ConnectedAt  int64  `json:"connectedAt"`  // milliseconds since the epoch
	DomainName   string `json:"domainName"`
	Stage        string `json:"stage"`
	// DisconnectStatusCode is the close code of a connection that has ended; 0 in other events.
	DisconnectStatusCode int `json:"disconnectStatusCode"`
	// Authorizer is what the authorizer of $connect said of the client; absent without one.
	Authorizer map[string]any `json:"authorizer"`
}
