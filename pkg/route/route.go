// Package route takes API Gateway's events to the chat's use cases: requestContext.routeKey picks the handler, and what
// it returns becomes a status and, for a client that waits on a socket, an error frame.
package route

import (
	"context"
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

	// AllowedOrigins are the origins of web pages that may connect, as config.ParseOrigins returns them; empty for all. A
	// client that is no browser has none, and may. Where WebSocketURL is a path, the pages of the API's own host may too.
	AllowedOrigins []string

	// Auth says that only who has a grant, which an authorizer gave, may do anything.
	Auth bool

	// IDClaim is the claim that grants must have users' ids from; "" for auth.DefaultIDClaim. A connection with another
	// one is closed.
	IDClaim string

	// Authorizer answers the authorizer's events, where this function is that too. Optional.
	Authorizer Authorizer

	// ActionsPerSecond is how many actions one connection may ask this process for, where an answer of several frames counts as
	// so many actions; 0 means any number. At once it may be three times Chat.MaxRooms, which is what coming back costs.
	ActionsPerSecond int

	// WebSocketURL is where the browser client connects: a wss:// URL, or a path on its own host. "" where nobody said.
	WebSocketURL string

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
	config Config
	routes map[string]routeFunc
	site   *webclient.Site
	pacer  *pacer
}

// routeFunc carries out one route. It returns the result that callers of the handshake and the log see.
type routeFunc func(ctx context.Context, in *invocation) (result string, err error)

// invocation is one event on its way through a handler.
type invocation struct {
	Event
	chat        chat.Service // with the poster for this event
	site        *webclient.Site
	allow       []string          // Config.AllowedOrigins
	ownHost     bool              // the page connects to the host that it is from
	access      access            // what the client may do
	frame       protocol.Frame    // of a MESSAGE event; nil where its body is no JSON object
	nameIgnored bool              // the frame gave another name than the token's
	close       bool              // the connection may not go on
	file        *Response         // what the route answers in place of its result
	headers     map[string]string // that the route adds to its answer
	log         []slog.Attr       // what the route adds to the log line
	metrics     *telemetry.Record
	level       slog.Level // of the log line, where the route has one to say
}

// New returns a Handler, which lambda.Start and lambda.NewHandler take as it is.
func New(c Config) *Handler {
	return &Handler{
		config: c,
		routes: table(),
		site:   webclient.New(c.WebSocketURL, c.Auth),
		pacer:  newPacer(c.ActionsPerSecond, c.Chat.MaxRooms),
	}
}

// Response is API Gateway's proxy response, for WebSocket routes and HTTP routes alike
// (https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html).
type Response struct {
	StatusCode int               `json:"statusCode"`
	Headers    map[string]string `json:"headers,omitempty"`
	Body       string            `json:"body"`
}

// Invoke handles one event, JSON in and JSON out; it makes Handler a lambda.Handler. (A plain function would do for
// Lambda, but what lambda.NewHandler makes of one is not safe for concurrent use: aws-lambda-go v1.55.1 returns a
// buffer that its next invocation overwrites, https://github.com/aws/aws-lambda-go/pull/639.)
//
// Every refusal and failure is a Response: to a WebSocket client it also goes as an error
// frame, because API Gateway shows no client the response to a message. The error is not nil only for an event that is
// none of API Gateway's.
func (h *Handler) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	if isAuthorizerEvent(payload) {
		return h.authorize(ctx, payload)
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
	in := &invocation{metrics: metrics, chat: h.config.Chat, site: h.site, allow: h.config.AllowedOrigins,
		ownHost: strings.HasPrefix(h.config.WebSocketURL, "/")}
	if err := json.Unmarshal(payload, &in.Event); err != nil || in.Context.RouteKey == "" {
		return Response{}, fmt.Errorf("the event has no requestContext.routeKey, so it is none of API Gateway's: %d bytes", len(payload))
	}
	in.chat.Poster = h.config.Poster(in.Context.DomainName, in.Context.Stage)
	in.chat.Charge = h.chargeOf(in.Context.ConnectionID)
	result, err := h.dispatchInTime(ctx, in)
	response := Response{StatusCode: 200, Headers: plainText(), Body: result}
	if in.file != nil {
		response = *in.file
	}
	maps.Copy(response.Headers, in.headers)
	level := in.level
	attrs := append([]slog.Attr{
		slog.String("request_id", in.Context.RequestID),
		slog.String("route_key", in.Context.RouteKey),
		slog.String("connection_id", in.Context.ConnectionID),
	}, in.log...)
	if metrics.Cold() {
		attrs = append(attrs, slog.Bool("cold_start", true))
	}
	if err != nil {
		refusal := chat.AsError(err)
		response.StatusCode, response.Body = status(refusal.Code), refusal.Message
		attrs = append(attrs, slog.String("code", string(refusal.Code)))
		metrics.AddBy(telemetry.Refusals, string(refusal.Code), 1)
		if refusal.Err != nil {
			attrs = append(attrs, slog.String("error", refusal.Err.Error()))
		}
		if response.StatusCode >= 500 {
			level = slog.LevelError
			metrics.Add(telemetry.Errors, 1)
		}
		if in.Context.EventType == "MESSAGE" {
			attrs = append(attrs, h.tellRefusal(ctx, in, refusal)...)
		}
	} else if in.nameIgnored {
		if err := in.tellName(ctx); err != nil {
			metrics.Add(telemetry.SendErrors, 1)
			attrs = append(attrs, slog.String("reply_error", err.Error()))
		}
	}
	if strings.HasPrefix(in.Context.RouteKey, headPrefix) {
		response.Body = ""
	}
	attrs = append(attrs, slog.Int("status", response.StatusCode),
		slog.Float64("ms", milliseconds(time.Since(start))))
	metrics.Log(ctx, h.config.Logger, level, "invocation", attrs...)
	return response, nil
}

// lastWords is what a route leaves of its invocation's time, to tell the client and the log how it ended.
const lastWords = time.Second

func (h *Handler) dispatchInTime(ctx context.Context, in *invocation) (string, error) {
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline.Add(-lastWords))
		defer cancel()
	}
	return h.dispatch(ctx, in)
}

// dispatch runs the route's handler. A panic becomes an error, with its stack in the log: it must not take the process,
// and with it the next invocations, along.
func (h *Handler) dispatch(ctx context.Context, in *invocation) (result string, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
			in.log = append(in.log, slog.String("stack", string(debug.Stack())))
		}
	}()
	isMessage := in.Context.EventType == "MESSAGE"
	var malformed error
	if isMessage {
		in.frame, malformed = protocol.Decode(in.Body)
	}
	if isMessage && !h.pacer.take(in.Context.ConnectionID) {
		return "", &chat.Error{Code: chat.CodeRateLimited, Message: "this connection asks for too much at once; try again in a second"}
	}
	if err := h.admit(in); err != nil {
		return "", err
	}
	if malformed != nil {
		return "", namingActions(malformed)
	}
	f, ok := h.routes[in.Context.RouteKey]
	if !ok {
		return "", fmt.Errorf("no handler for route key %q", in.Context.RouteKey)
	}
	return f(ctx, in)
}

// chargeOf returns what takes the posts of one request's answers off its connection's share. The first is paid for.
func (h *Handler) chargeOf(connectionID string) func(posts int) {
	var paid atomic.Bool
	return func(posts int) {
		if posts > 0 && paid.CompareAndSwap(false, true) {
			posts--
		}
		h.pacer.charge(connectionID, posts)
	}
}

// tellRefusal tells the connection of a MESSAGE event why it is refused, and closes it where it may not go on. Where it has
// been told so often that it does not listen, it is closed without a word. It returns what the log line says of that.
func (h *Handler) tellRefusal(ctx context.Context, in *invocation, e *chat.Error) (attrs []slog.Attr) {
	if !h.pacer.refuse(in.Context.ConnectionID) {
		return in.closeConnection(ctx)
	}
	if err := in.refuse(ctx, e); err != nil {
		in.metrics.Add(telemetry.SendErrors, 1)
		attrs = append(attrs, slog.String("reply_error", err.Error()))
	}
	if in.close {
		attrs = append(attrs, in.closeConnection(ctx)...)
	}
	return attrs
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
	}))
}

// status is the HTTP status that stands for a code.
func status(code chat.Code) int {
	switch code {
	case chat.CodeForbidden:
		return 403
	case chat.CodeTokenExpired:
		return 401
	case chat.CodeTooManyRooms, chat.CodeRateLimited:
		return 429
	case chat.CodeInvalidJSON, chat.CodeUnknownAction, chat.CodeMissingField, chat.CodeInvalidField, chat.CodeTooLarge:
		return 400
	case chat.CodeRoomBusy, chat.CodeNotSent, chat.CodeUnavailable:
		return 503
	default:
		return 500
	}
}

// plainText is the headers of an answer that is no file. A browser must not take it for anything else.
func plainText() map[string]string {
	return map[string]string{"Content-Type": "text/plain; charset=utf-8", "X-Content-Type-Options": "nosniff"}
}
