package localgateway

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// The values that AWS would fill in.
const (
	accountID = "000000000000"
	apiID     = "local"
	region    = "us-east-1"
)

// event is the event that a WebSocket API sends to a Lambda function. It leaves out the fields that API Gateway leaves
// out.
type event struct {
	Headers           map[string]string   `json:"headers,omitempty"`
	MultiValueHeaders map[string][]string `json:"multiValueHeaders,omitempty"`
	Query             map[string]string   `json:"queryStringParameters,omitempty"`
	MultiValueQuery   map[string][]string `json:"multiValueQueryStringParameters,omitempty"`
	StageVariables    map[string]string   `json:"stageVariables,omitempty"`
	Context           requestContext      `json:"requestContext"`
	Body              string              `json:"body,omitempty"`
	IsBase64Encoded   bool                `json:"isBase64Encoded"`
}

type requestContext struct {
	RouteKey             string         `json:"routeKey"`
	Authorizer           map[string]any `json:"authorizer,omitempty"`
	DisconnectStatusCode *int           `json:"disconnectStatusCode,omitempty"`
	MessageID            string         `json:"messageId,omitempty"`
	EventType            string         `json:"eventType"`
	ExtendedRequestID    string         `json:"extendedRequestId"`
	RequestTime          string         `json:"requestTime"`
	MessageDirection     string         `json:"messageDirection"`
	DisconnectReason     *string        `json:"disconnectReason,omitempty"`
	Stage                string         `json:"stage"`
	ConnectedAt          int64          `json:"connectedAt"`
	RequestTimeEpoch     int64          `json:"requestTimeEpoch"`
	Identity             identity       `json:"identity"`
	RequestID            string         `json:"requestId"`
	DomainName           string         `json:"domainName"`
	ConnectionID         string         `json:"connectionId"`
	APIID                string         `json:"apiId"`
}

type identity struct {
	*caller // nil without IAM
	client
}

// client is what a connection knows of its client.
type client struct {
	SourceIP  string `json:"sourceIp"`
	UserAgent string `json:"userAgent,omitempty"`
}

// caller is what IAM authorization adds to an identity: the variables that AWS lists for WebSocket APIs
// (https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-mapping-template-reference.html)
// and the access key, which aws-lambda-go has in the same type (APIGatewayRequestIdentity). On AWS they name a user.
// Here no user is known, so the access key stands for one, which is a choice.
type caller struct {
	AccessKey string `json:"accessKey"`
	AccountID string `json:"accountId"`
	Caller    string `json:"caller"`
	User      string `json:"user"`
	UserARN   string `json:"userArn"`
}

// newCaller returns the caller that signs with these keys.
func newCaller(accessKeyID string) *caller {
	return &caller{
		AccessKey: accessKeyID,
		AccountID: accountID,
		Caller:    accessKeyID,
		User:      accessKeyID,
		UserARN:   "arn:aws:iam::" + accountID + ":user/" + accessKeyID,
	}
}

// requestTimeFormat is the time format of access logs.
const requestTimeFormat = "02/Jan/2006:15:04:05 -0700"

// newContext returns the request context of a connection's event, with a new request id.
func (g *Gateway) newContext(c *connection, routeKey, eventType string) requestContext {
	now := g.clock.Now()
	requestID := newID()
	return requestContext{
		RouteKey:          routeKey,
		Authorizer:        c.authorizer,
		EventType:         eventType,
		RequestID:         requestID,
		ExtendedRequestID: requestID,
		RequestTime:       now.UTC().Format(requestTimeFormat),
		RequestTimeEpoch:  now.UnixMilli(),
		MessageDirection:  "IN",
		Stage:             g.config.Stage,
		ConnectedAt:       c.connectedAt.UnixMilli(),
		Identity:          identity{g.caller, c.client},
		DomainName:        c.domainName,
		ConnectionID:      c.id,
		APIID:             apiID,
	}
}

func (g *Gateway) connectEvent(c *connection, r *http.Request) event {
	headers := g.forwardedHeaders(r)
	e := event{
		Headers:           lastValues(headers),
		MultiValueHeaders: headers,
		StageVariables:    g.config.StageVariables,
		Context:           g.newContext(c, routeConnect, "CONNECT"),
	}
	if query := r.URL.Query(); len(query) > 0 {
		e.Query, e.MultiValueQuery = lastValues(query), query
	}
	return e
}

func (g *Gateway) messageEvent(c *connection, routeKey, body string) event {
	e := event{
		StageVariables: g.config.StageVariables,
		Context:        g.newContext(c, routeKey, "MESSAGE"),
		Body:           body,
	}
	e.Context.MessageID = newID()
	return e
}

func (g *Gateway) disconnectEvent(c *connection, code int, reason string) event {
	headers := map[string]string{"Host": c.domainName, "x-api-key": "", "X-Forwarded-For": "", "x-restapi": ""}
	multi := map[string][]string{}
	for name, value := range headers {
		multi[name] = []string{value}
	}
	e := event{
		Headers:           headers,
		MultiValueHeaders: multi,
		StageVariables:    g.config.StageVariables,
		Context:           g.newContext(c, routeDisconnect, "DISCONNECT"),
	}
	e.Context.DisconnectStatusCode, e.Context.DisconnectReason = &code, &reason
	return e
}

// httpEvent is the event that an HTTP API sends, in payload format 2.0
// (https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html).
type httpEvent struct {
	Version         string            `json:"version"`
	RouteKey        string            `json:"routeKey"`
	RawPath         string            `json:"rawPath"`
	RawQueryString  string            `json:"rawQueryString"`
	Cookies         []string          `json:"cookies,omitempty"`
	Headers         map[string]string `json:"headers"`
	Query           map[string]string `json:"queryStringParameters,omitempty"`
	Context         httpContext       `json:"requestContext"`
	StageVariables  map[string]string `json:"stageVariables,omitempty"`
	IsBase64Encoded bool              `json:"isBase64Encoded"`
}

type httpContext struct {
	AccountID    string      `json:"accountId"`
	APIID        string      `json:"apiId"`
	DomainName   string      `json:"domainName"`
	DomainPrefix string      `json:"domainPrefix"`
	HTTP         httpRequest `json:"http"`
	RequestID    string      `json:"requestId"`
	RouteKey     string      `json:"routeKey"`
	Stage        string      `json:"stage"`
	Time         string      `json:"time"`
	TimeEpoch    int64       `json:"timeEpoch"`
}

type httpRequest struct {
	Method    string `json:"method"`
	Path      string `json:"path"`
	Protocol  string `json:"protocol"`
	SourceIP  string `json:"sourceIp"`
	UserAgent string `json:"userAgent"`
}

func (g *Gateway) httpEvent(r *http.Request) httpEvent {
	now := g.clock.Now()
	routeKey := r.Method + " " + r.URL.Path
	domainName := g.domainName(r)
	prefix, _, _ := strings.Cut(domainName, ".")
	e := httpEvent{
		Version:        "2.0",
		RouteKey:       routeKey,
		RawPath:        r.URL.EscapedPath(),
		RawQueryString: r.URL.RawQuery,
		Headers:        map[string]string{},
		Context: httpContext{
			AccountID:    accountID,
			APIID:        apiID,
			DomainName:   domainName,
			DomainPrefix: prefix,
			HTTP:         httpRequest{r.Method, r.URL.Path, r.Proto, sourceIP(r), r.UserAgent()},
			RequestID:    newID(),
			RouteKey:     routeKey,
			Stage:        "$default",
			Time:         now.UTC().Format(requestTimeFormat),
			TimeEpoch:    now.UnixMilli(),
		},
		StageVariables: g.config.StageVariables,
	}
	for name, values := range g.forwardedHeaders(r) { // names are lower case, repeated values are joined
		if name == "Cookie" {
			for _, value := range values {
				e.Cookies = append(e.Cookies, strings.Split(value, "; ")...)
			}
			continue
		}
		e.Headers[strings.ToLower(name)] = strings.Join(values, ",")
	}
	for name, values := range r.URL.Query() {
		if e.Query == nil {
			e.Query = map[string]string{}
		}
		e.Query[name] = strings.Join(values, ",")
	}
	return e
}

// forwardedHeaders are a request's headers as a function gets them: without Connection and Upgrade, and with the
// headers that API Gateway adds. net/http changes the case of all names. The names of WebSocket headers are changed
// back, because clients send and functions expect Sec-WebSocket.
func (g *Gateway) forwardedHeaders(r *http.Request) map[string][]string {
	headers := make(map[string][]string, len(r.Header)+5)
	for name, values := range r.Header {
		if rest, ok := strings.CutPrefix(name, "Sec-Websocket-"); ok {
			name = "Sec-WebSocket-" + rest
		}
		headers[name] = values
	}
	delete(headers, "Connection")
	delete(headers, "Upgrade")
	proto, port := forwarded(r)
	headers["Host"] = []string{g.domainName(r)}
	headers["X-Amzn-Trace-Id"] = []string{newTraceID(g.clock.Now())}
	headers["X-Forwarded-For"] = []string{strings.Join(append(slices.Clone(r.Header.Values("X-Forwarded-For")),
		sourceIP(r)), ", ")}
	headers["X-Forwarded-Port"] = []string{port}
	headers["X-Forwarded-Proto"] = []string{proto}
	return headers
}

// forwarded returns the protocol and the port that a client used. On AWS they are always https and 443. Here they are
// those of the client's URL, as serverless-offline's tests, which also run against AWS, expect of X-Forwarded-Port and
// X-Forwarded-Proto (tests/manual/websocket/main/test/e2e/ws.e2e.js). A proxy in front that ends TLS says so in its own
// X-Forwarded-Proto. API Gateway replaces that header; here it is believed, because it can only make an event more like
// AWS's.
func forwarded(r *http.Request) (proto, port string) {
	proto, port = "http", "80"
	first, _, _ := strings.Cut(r.Header.Get("X-Forwarded-Proto"), ",")
	if r.TLS != nil || strings.EqualFold(strings.TrimSpace(first), "https") {
		proto, port = "https", "443"
	}
	if u := (&url.URL{Host: r.Host}); u.Port() != "" {
		port = u.Port()
	}
	return proto, port
}

// domainName returns the host that the client asked for, for the events. An API of API Gateway has no port but 443, so
// neither the header Host nor domainName has one there (see the events in aws-lambda-go's events/testdata, and the
// tests of serverless-offline, which expect the host name alone).
func (g *Gateway) domainName(r *http.Request) string {
	if g.config.KeepPort {
		return r.Host
	}
	return withoutPort(r.Host)
}

func withoutPort(host string) string {
	return strings.TrimSuffix(host, ":"+(&url.URL{Host: host}).Port())
}

func sourceIP(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

func lastValues(multi map[string][]string) map[string]string {
	last := make(map[string]string, len(multi))
	for name, values := range multi {
		if len(values) > 0 {
			last[name] = values[len(values)-1]
		}
	}
	return last
}

// newID returns an id of the form that API Gateway gives to connections, requests and messages: 16 characters of
// URL-safe base64, the last of which is "=".
func newID() string {
	var b [11]byte
	_, _ = rand.Read(b[:]) // never fails
	return base64.URLEncoding.EncodeToString(b[:])
}

// newTraceID returns a trace id as API Gateway makes it
// (https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html).
func newTraceID(now time.Time) string {
	var b [12]byte
	_, _ = rand.Read(b[:]) // never fails
	return fmt.Sprintf("Root=1-%08x-%x", now.Unix(), b)
}

// mustJSON encodes a value that encoding/json can always encode.
func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic("localgateway: " + err.Error())
	}
	return b
}
