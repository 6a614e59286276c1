package route

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"wschat/pkg/auth"
	"wschat/pkg/chat"
	"wschat/pkg/protocol"
)

// A program that IAM allows to invoke the function has no connection. Its event is an action, {"action": …}, or several
// in order, {"actions": […]}. It acts under any name and id, in any room, and moderates.

// answer is what a direct invocation returns.
type answer struct {
	StatusCode int               `json:"statusCode"` // of the first refusal; 200 if there was none
	Frames     []json.RawMessage `json:"frames"`     // what a socket would have been sent
}

// directConnection stands for the connection of a program. API Gateway gives no such id.
const directConnection = "\x00direct"

// mostAnswerBytes is how long the frames of an answer may be before another action is begun, whose own may be as much
// as 3 MB. Lambda takes 6 MB
// (https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html).
const mostAnswerBytes = 2 << 20

// isDirect tells a program's event from API Gateway's, each of which has a requestContext, whatever a client sends.
func isDirect(payload []byte) bool {
	var event map[string]json.RawMessage
	if json.Unmarshal(payload, &event) != nil {
		return false
	}
	for name := range event {
		if strings.EqualFold(name, "requestContext") {
			return false
		}
	}
	return event["action"] != nil || event["actions"] != nil
}

// direct carries out what a program asks for. The error, by which AWS repeats an asynchronous invocation, says that a
// repeat may succeed. Every other refusal is among the frames.
func (h *Handler) direct(ctx context.Context, payload []byte) ([]byte, error) {
	posted := &collector{Poster: h.config.Poster("", "")}
	status := 200
	for i, body := range actionsOf(payload) {
		refusal := h.directAction(ctx, string(body), posted)
		if refusal == nil {
			continue
		}
		if slices.Contains([]chat.Retry{chat.Later, chat.SameID}, refusal.Code.Retry()) {
			return nil, fmt.Errorf("action %d: %s: %s", i+1, refusal.Code, refusal.Message)
		}
		if status == 200 {
			status = refusal.Code.Status()
		}
	}
	return json.Marshal(answer{status, posted.frames})
}

// actionsOf returns the frames of a program's event.
func actionsOf(payload []byte) []json.RawMessage {
	var event struct {
		Actions []json.RawMessage `json:"actions"`
	}
	if json.Unmarshal(payload, &event) == nil && len(event.Actions) > 0 {
		return event.Actions
	}
	return []json.RawMessage{payload}
}

// directAction carries out one action, and returns its refusal.
func (h *Handler) directAction(ctx context.Context, body string, posted *collector) *chat.Error {
	start := time.Now()
	ctx, metrics := h.config.Meter.Begin(ctx)
	in := &invocation{config: &h.config, site: h.site, chat: h.config.Chat, metrics: metrics, direct: true}
	in.chat.Poster, in.chat.Charge = posted, nil
	in.Context.EventType, in.Context.ConnectionID = "MESSAGE", directConnection
	if l, ok := lambdacontext.FromContext(ctx); ok {
		in.Context.RequestID = l.AwsRequestID
	}
	r, err := h.inTime(ctx, func(ctx context.Context) (reply, error) {
		return h.recovered(in, func() (reply, error) {
			if len(posted.frames) > 0 && posted.bytes > mostAnswerBytes {
				return reply{}, &chat.Error{Code: chat.CodeTooLarge,
					Message: "the answers to the actions before are as long as one answer may be; ask again for this"}
			}
			return h.carryOutDirectly(ctx, in, body)
		})
	})
	h.finish(ctx, in, r, err, start)
	if err == nil {
		return nil
	}
	return chat.AsError(err)
}

// carryOutDirectly admits a program's action, and carries it out.
func (h *Handler) carryOutDirectly(ctx context.Context, in *invocation, body string) (reply, error) {
	var err error
	if in.frame, err = protocol.Decode(body); err != nil {
		return reply{}, namingActions(err)
	}
	action := in.frame.Text("action")
	f, ok := h.routes[action]
	if !ok || !slices.Contains(Actions(), action) {
		f, ok = programRoutes()[action]
	}
	if !ok {
		return unknownAction(ctx, in)
	}
	in.Context.RouteKey = action
	switch action {
	case protocol.JoinRoom, protocol.LeaveRoom:
		return reply{}, &chat.Error{Code: chat.CodeForbidden,
			Message: "a program has no connection that could be in a room"}
	case protocol.SendMessage:
		if in.frame.Text("message_id") == "" {
			return reply{}, chat.MissingField("message_id")
		}
	}
	by, err := in.frame.Actor()
	if err != nil {
		return reply{}, err
	}
	in.access = access{on: true, program: true, grant: auth.Grant{ID: by.ID, User: by.Name}}
	in.admission, err = in.chat.Admit(ctx, chat.Action(action), in.frame.Room(), in.access.actor())
	if err != nil {
		return reply{}, err
	}
	return f(ctx, in)
}

// programRoutes are the actions that only programs may ask for.
func programRoutes() map[string]routeFunc {
	return map[string]routeFunc{protocol.ExportUser: exportUser, protocol.EraseUser: eraseUser}
}

func exportUser(ctx context.Context, in *invocation) (reply, error) {
	export, err := in.frame.Export()
	if err != nil {
		return reply{}, err
	}
	part, err := in.chat.ExportUser(ctx, in.Context.ConnectionID, export)
	return reply{body: "Sent the messages.", attrs: []slog.Attr{
		slog.Int("messages", len(part.Messages)), slog.Int("looked", part.Looked), slog.Bool("more", part.Next != ""),
	}}, err
}

// eraseUser logs nobody's name or id: the log would remember what is erased.
func eraseUser(ctx context.Context, in *invocation) (reply, error) {
	erasure, err := in.frame.Erasure()
	if err != nil {
		return reply{}, err
	}
	erased, err := in.chat.EraseUser(ctx, in.Context.ConnectionID, erasure)
	return reply{body: "Erased.", attrs: []slog.Attr{
		slog.Bool("done", erased.Done), slog.Int("messages", erased.Messages), slog.Int("looked", erased.Looked),
	}}, err
}

// collector is a poster that keeps what is posted to a program.
type collector struct {
	chat.Poster
	mu     sync.Mutex
	frames []json.RawMessage
	bytes  int
}

// Post keeps a frame for the program, and posts every other.
func (c *collector) Post(ctx context.Context, connectionID string, frame []byte) error {
	if connectionID != directConnection {
		return c.Poster.Post(ctx, connectionID, frame)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.frames = append(c.frames, slices.Clone(frame))
	c.bytes += len(frame)
	return nil
}

// Close closes every other connection.
func (c *collector) Close(ctx context.Context, connectionID string) error {
	if connectionID == directConnection {
		return errors.New("a program has no connection")
	}
	return c.Poster.Close(ctx, connectionID)
}
