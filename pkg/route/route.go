// Package route takes API Gateway's events to the chat's use cases. requestContext.routeKey picks the route. Its
// reply becomes the response, and a refusal also an error frame for a client on a socket.
package route

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"

	"wschat/pkg/chat"
	"wschat/pkg/protocol"
	"wschat/pkg/telemetry"
	"wschat/pkg/webclient"
)

// Config is what a Handler needs.
type Config struct {
	// Chat carries out the use cases. Its Poster is replaced by what Poster returns. Required.
	Chat chat.Service

	// Poster returns the poster for the API and stage that an event came from. Required.
	Poster func(domainName, stage string) chat.Poster

	// AllowedOrigins are the origins of web pages that may connect, as config.ParseOrigins returns them; empty for
	// all. A client that is no browser has none, and may. If WebSocketURL is a path, the pages of the API's own
	// host may too.
	AllowedOrigins []string

	// Auth says that only connections with a grant, which an authorizer gave, may do anything.
	Auth bool

	// IDClaim is the claim that grants must have users' ids from; "" for auth.DefaultIDClaim. A connection with another
	// one is closed.
	IDClaim string

	// Authorizer answers the authorizer's events, if this function is the authorizer too. Optional.
	Authorizer Authorizer

	// Enrich answers the records of the messages table's stream; it is not ok for other events. Optional.
	Enrich func(payload []byte) (answer []byte, ok bool)

	// ActionsPerSecond is how many actions a second one connection may ask this process for. An answer of several
	// frames counts as so many actions. 0 means any number. At once it may be three times Chat.MaxRooms, which is
	// what coming back costs.
	ActionsPerSecond int

	// WebSocketURL is where the browser client connects: a wss:// URL, or a path on its own host. "" if nobody said.
	WebSocketURL string

	// Provider returns the provider at which the page signs people in, without much delay. Nil if people give tokens to
	// the page.
	Provider func(context.Context) webclient.Provider

	// Logger gets one line for each invocation. Required.
	Logger *slog.Logger

	// Meter measures the invocations, for the same line. Optional.
	Meter *telemetry.Meter
}

// Authorizer is a Lambda authorizer.
type Authorizer interface {
	Invoke(ctx context.Context, payload []byte) ([]byte, error)
}

// Handler serves every event of the WebSocket API and of the HTTP API.
type Handler struct {
	config  Config
	routes  map[string]routeFunc
	site    *webclient.Site
	limiter *limiter
}

// routeFunc carries out one route. Its reply counts also if there is an error, which says why the request is refused.
type routeFunc func(ctx context.Context, in *invocation) (reply, error)

// reply is what a route answers, and what the log line says of it. The zero value is an empty answer with status 200.
type reply struct {
	body    string
	binary  bool              // the body is no text
	headers map[string]string // in place of those of plain text
	added   map[string]string // beside the others
	status  int               // 0 for 200
	attrs   []slog.Attr
	level   slog.Level
	close   bool // the connection may not go on
}

// invocation is one event on its way through a handler. Routes only read it.
type invocation struct {
	Event
	config    *Config
	chat      chat.Service // with the poster of this event
	site      *webclient.Site
	direct    bool           // a program has invoked the function
	access    access         // what the client may do
	admission chat.Admission // to the room that the frame names
	frame     protocol.Frame // of a MESSAGE event; nil if its body is no JSON object
	metrics   *telemetry.Record
}

// New returns a Handler, which lambda.Start and lambda.NewHandler take as it is.
func New(c Config) *Handler {
	if c.Enrich == nil {
		c.Enrich = func([]byte) ([]byte, bool) { return nil, false }
	}
	return &Handler{
		config:  c,
		routes:  table(),
		site:    webclient.New(c.WebSocketURL, c.Auth),
		limiter: newLimiter(c.ActionsPerSecond, c.Chat.MaxRooms),
	}
}

// Response is API Gateway's proxy response, for WebSocket routes and HTTP routes alike
// (https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html).
type Response struct {
	StatusCode int               `json:"statusCode"`
	Headers    map[string]string `json:"headers,omitempty"`
	Body       string            `json:"body"`
	IsBase64   bool              `json:"isBase64Encoded,omitempty"`
}

// Invoke handles one event, JSON in and JSON out; it makes Handler a lambda.Handler. (A plain function would do for
// Lambda, but what lambda.NewHandler makes of one is not safe for concurrent use: aws-lambda-go v1.55.1 returns a
// buffer that its next invocation overwrites, https://github.com/aws/aws-lambda-go/pull/639.)
//
// Every refusal and failure is a Response. To a client on a socket it also goes as an error frame, because API
// Gateway shows no client the response to a message. The error is not nil only for an event that is neither API
// Gateway's nor a program's, and for a program that is to repeat its event.
func (h *Handler) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	switch {
	case isAuthorizerEvent(payload):
		return h.authorize(ctx, payload)
	case isDirect(payload):
		return h.direct(ctx, payload)
	}
	if answer, ok := h.config.Enrich(payload); ok {
		h.config.Logger.InfoContext(ctx, "enrichment", slog.Int("bytes", len(payload)))
		return answer, nil
	}
	response, err := h.handle(ctx, payload)
	if err != nil {
		return nil, err
	}
	return json.Marshal(response)
}

func (h *Handler) handle(ctx context.Context, payload []byte) (Response, error) {
	start := time.Now()
	ctx, metrics := h.config.Meter.Begin(ctx)
	in := &invocation{config: &h.config, site: h.site, chat: h.config.Chat, metrics: metrics}
	if err := json.Unmarshal(payload, &in.Event); err != nil || in.Context.RouteKey == "" {
		return Response{}, fmt.Errorf("the event has no requestContext.routeKey, so it is none of API Gateway's: %d "+
			"bytes", len(payload))
	}
	in.chat.Poster = h.config.Poster(in.Context.DomainName, in.Context.Stage)
	in.chat.Charge = h.chargeOf(in.Context.ConnectionID)
	r, err := h.inTime(ctx, func(ctx context.Context) (reply, error) { return h.dispatch(ctx, in) })
	return h.finish(ctx, in, r, err, start), nil
}

// finish tells the client and the log how an invocation ended, and returns the response.
func (h *Handler) finish(ctx context.Context, in *invocation, r reply, err error, start time.Time) Response {
	response := respond(r, in.Context.RouteKey, err)
	line := logLine{level: r.level}
	line.add(
		slog.String("request_id", in.Context.RequestID),
		slog.String("route_key", in.Context.RouteKey),
		slog.String("connection_id", in.Context.ConnectionID),
	)
	line.add(r.attrs...)
	if in.direct {
		line.add(slog.Bool("direct", true))
	}
	if in.metrics.Cold() {
		line.add(slog.Bool("cold_start", true))
	}
	if err != nil {
		line.add(h.refused(ctx, in, r, chat.AsError(err))...)
	} else {
		line.add(in.tellName(ctx)...)
	}
	if response.StatusCode >= 500 {
		line.level = slog.LevelError
		in.metrics.Add(telemetry.Errors, 1)
	}
	line.add(slog.Int("status", response.StatusCode), slog.Float64("ms", milliseconds(time.Since(start))))
	in.metrics.Log(ctx, h.config.Logger, line.level, "invocation", line.attrs...)
	return response
}

// logLine is what the one log line of an invocation says.
type logLine struct {
	level slog.Level
	attrs []slog.Attr
}

func (l *logLine) add(attrs ...slog.Attr) { l.attrs = append(l.attrs, attrs...) }

// respond is the response for a route's reply or, if there is an error, for the refusal.
func respond(r reply, routeKey string, err error) Response {
	response := Response{StatusCode: cmp.Or(r.status, 200), Headers: r.headers, Body: r.body}
	if response.Headers == nil {
		response.Headers = plainText()
	}
	maps.Copy(response.Headers, r.added)
	if err != nil {
		refusal := chat.AsError(err)
		response.StatusCode, response.Body = refusal.Code.Status(), refusal.Message
	}
	if r.binary && err == nil {
		response.Body, response.IsBase64 = base64.StdEncoding.EncodeToString([]byte(r.body)), true
	}
	if strings.HasPrefix(routeKey, headPrefix) {
		response.Body, response.IsBase64 = "", false
	}
	return response
}

// refused counts a refusal, and tells the client on a socket. It returns what the log line says of that.
func (h *Handler) refused(ctx context.Context, in *invocation, r reply, refusal *chat.Error) (attrs []slog.Attr) {
	attrs = append(attrs, slog.String("code", string(refusal.Code)))
	in.metrics.AddBy(telemetry.Refusals, string(refusal.Code), 1)
	if refusal.Err != nil {
		attrs = append(attrs, slog.String("error", refusal.Err.Error()))
	}
	if in.Context.EventType == "MESSAGE" {
		attrs = append(attrs, h.tellRefusal(ctx, in, refusal, r.close)...)
	}
	return attrs
}

// lastWords is what a route leaves of its invocation's time, to tell the client and the log how it ended.
const lastWords = time.Second

// inTime leaves lastWords of an invocation's time.
func (h *Handler) inTime(ctx context.Context, do func(context.Context) (reply, error)) (reply, error) {
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline.Add(-lastWords))
		defer cancel()
	}
	return do(ctx)
}

// recovered makes a panic an error, with its stack in the log: it must not take the process, and with it the next
// invocations, along.
func (h *Handler) recovered(in *invocation, do func() (reply, error)) (r reply, err error) {
	defer func() {
		if p := recover(); p != nil {
			r, err = reply{attrs: []slog.Attr{slog.String("stack", string(debug.Stack()))}}, fmt.Errorf("panic: %v", p)
		}
		if room := in.frame.Room(); room != "" {
			r.attrs = append([]slog.Attr{roomAttr(room)}, r.attrs...)
		}
	}()
	return do()
}

// dispatch admits a client, and runs the route's handler.
func (h *Handler) dispatch(ctx context.Context, in *invocation) (reply, error) {
	return h.recovered(in, func() (reply, error) { return h.carryOut(ctx, in) })
}

func (h *Handler) carryOut(ctx context.Context, in *invocation) (_ reply, err error) {
	isMessage := in.Context.EventType == "MESSAGE"
	var malformed error
	if isMessage {
		in.frame, malformed = protocol.Decode(in.Body)
	}
	if isMessage && !h.limiter.take(in.Context.ConnectionID) {
		return reply{}, &chat.Error{Code: chat.CodeRateLimited,
			Message: "this connection asks for too much at once; try again in a second"}
	}
	if in.access, err = h.admit(ctx, in); err != nil {
		return reply{close: in.access.over}, err
	}
	if malformed != nil {
		return reply{}, namingActions(malformed)
	}
	f, ok := h.routes[in.Context.RouteKey]
	if !ok {
		return reply{}, fmt.Errorf("no handler for route key %q", in.Context.RouteKey)
	}
	ctx, cancel := in.admission.Bound(ctx)
	defer cancel()
	return f(ctx, in)
}

// chargeOf returns the function that charges a connection for the posts of one request's answers. The first post is
// paid for with the request.
func (h *Handler) chargeOf(connectionID string) func(posts int) {
	var paid atomic.Bool
	return func(posts int) {
		if posts > 0 && paid.CompareAndSwap(false, true) {
			posts--
		}
		h.limiter.charge(connectionID, posts)
	}
}

// tellRefusal tells the connection of a MESSAGE event why it is refused, and closes it if it may not go on. A
// connection that was told so often that it does not listen is closed without a word. tellRefusal returns what the
// log line says.
func (h *Handler) tellRefusal(ctx context.Context, in *invocation, e *chat.Error, closes bool) (attrs []slog.Attr) {
	if !in.direct && !h.limiter.refuse(in.Context.ConnectionID) {
		return in.closeConnection(ctx)
	}
	attrs = in.told(in.refuse(ctx, e))
	if closes {
		attrs = append(attrs, in.closeConnection(ctx)...)
	}
	return attrs
}

// told counts that a client could not be told something, and returns what the log line says of that.
func (in *invocation) told(err error) []slog.Attr {
	if err == nil {
		return nil
	}
	in.metrics.Add(telemetry.SendErrors, 1)
	return []slog.Attr{slog.String("reply_error", err.Error())}
}

// refuse tells the connection of a MESSAGE event why it is refused.
func (in *invocation) refuse(ctx context.Context, e *chat.Error) error {
	return in.chat.Reply(ctx, in.Context.ConnectionID, protocol.EncodeError(protocol.ErrorFrame{
		Code:      e.Code,
		Message:   e.Message,
		Action:    in.frame.Text("action"),
		MessageID: in.frame.Text("message_id"),
		RequestID: in.Context.RequestID,
		Ref:       in.frame.Text("ref"),
		Current:   e.Current, RetryAfter: e.RetryAfter,
	}))
}

// plainText is the headers of an answer that is no file. A browser must not take it for anything else.
func plainText() map[string]string {
	return map[string]string{"Content-Type": "text/plain; charset=utf-8", "X-Content-Type-Options": "nosniff"}
}
