package route

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"
	"time"

	"wschat/pkg/auth"
	"wschat/pkg/chat"
	"wschat/pkg/protocol"
)

// access is what the client of an event may do. Without authentication it is everything, under any name.
type access struct {
	on          bool
	program     bool // it has invoked the function, and may do everything under any name
	grant       auth.Grant
	nameIgnored bool // the frame gave another name than the token's
	over        bool // the connection may not go on
}

// admit reads the event's grant, and refuses what it or the rules of the room do not allow: every action of every
// client passes this one place. Only $disconnect and the HTTP routes, whose keys have a blank, need no grant.
func (h *Handler) admit(ctx context.Context, in *invocation) (access, error) {
	if !h.config.Auth || in.Context.RouteKey == Disconnect || strings.Contains(in.Context.RouteKey, " ") {
		return access{}, nil
	}
	grant, err := auth.FromContext(in.Context.Authorizer)
	if err != nil { // the connection came before there was an authorizer
		return access{over: true}, &chat.Error{Code: chat.CodeForbidden,
			Message: "this chat is for those who have signed in", Err: err}
	}
	if grant.IDClaim != cmp.Or(h.config.IDClaim, auth.DefaultIDClaim) {
		// The connection came before the claim was chosen, and its id may be none to show.
		return access{over: true}, &chat.Error{Code: chat.CodeForbidden,
			Message: "the chat's sign-in has changed; connect again"}
	}
	a := access{on: true, grant: grant}
	if !grant.Expires.After(h.config.Chat.Now()) {
		a.over = true
		return a, &chat.Error{Code: chat.CodeTokenExpired,
			Message: "the token's time is over; connect again with a new one"}
	}
	if in.frame != nil {
		room := in.frame.Room() // "" means no room: a route that needs one refuses it
		a.nameIgnored = in.frame.SetUser(grant.User)
		in.admission, err = in.chat.Admit(ctx, chat.Action(in.Context.RouteKey), room, a.actor())
	}
	return a, err
}

// actor is the client's user, with what the token says; the zero value without authentication.
func (a access) actor() chat.Actor {
	switch {
	case !a.on:
		return chat.Actor{}
	case a.program:
		return chat.Actor{Person: chat.Person{Name: a.grant.User, ID: a.grant.ID}, Program: true}
	}
	return chat.Actor{
		Person:    chat.Person{Name: a.grant.User, ID: a.grant.ID},
		Moderates: a.grant.Moderates,
		Patterns:  append([]string{}, a.grant.Rooms...), // never nil, which stands for every room
	}
}

// user is the name that the client acts under: the token's, or without authentication the one that it gives, in its
// canonical form.
func (a access) user(given string) (string, error) {
	if a.on {
		return a.grant.User, nil
	}
	return chat.CanonicalUser(given)
}

// userID tells the client's user from others; "" without authentication.
func (a access) userID() string { return a.grant.ID }

// until is when the client's memberships end at the latest; zero if there is no bound.
func (a access) until() time.Time {
	if !a.on || a.program {
		return time.Time{}
	}
	return a.grant.Expires
}

// tellName tells a client that gave another name than its token's under which name the action was carried out. It
// returns what the log line says of that.
func (in *invocation) tellName(ctx context.Context) []slog.Attr {
	if !in.access.nameIgnored {
		return nil
	}
	// Without the ref and the message id, by which the client would take it for the action's answer.
	return in.told(in.chat.Reply(ctx, in.Context.ConnectionID, protocol.EncodeError(protocol.ErrorFrame{
		Code: chat.CodeNameIgnored,
		Message: "user_name is ignored: the action was carried out under your token's name, " +
			chat.Quote(in.access.grant.User),
		Action:    in.frame.Text("action"),
		RequestID: in.Context.RequestID,
	})))
}

// authorize lets the authorizer answer an event of its own, and leaves the log time to say how that ended.
func (h *Handler) authorize(ctx context.Context, payload []byte) (answer []byte, err error) {
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline.Add(-lastWords))
		defer cancel()
	}
	if h.config.Authorizer == nil {
		return nil, fmt.Errorf("an authorizer's event came, but AUTH_ISSUER is not set")
	}
	ctx, _ = h.config.Meter.Begin(ctx)
	defer func() {
		if p := recover(); p != nil { // it must not take the process along
			answer, err = nil, fmt.Errorf("panic in the authorizer: %v\n%s", p, debug.Stack())
		}
	}()
	return h.config.Authorizer.Invoke(ctx, payload)
}

// isAuthorizerEvent tells an authorizer's event from those of routes, which have no type.
func isAuthorizerEvent(payload []byte) bool {
	var e struct {
		Type string `json:"type"`
	}
	return json.Unmarshal(payload, &e) == nil && e.Type == "REQUEST"
}

// closeConnection closes a connection that may not go on, and returns what the log line says of that.
func (in *invocation) closeConnection(ctx context.Context) []slog.Attr {
	if err := in.chat.Close(ctx, in.Context.ConnectionID); err != nil {
		return []slog.Attr{slog.String("close_error", err.Error())}
	}
	return []slog.Attr{slog.Bool("closed", true)}
}

// offersChat reports whether a client offers the subprotocol that its token travels behind, which then must be granted.
func (in *invocation) offersChat() bool {
	for _, protocol := range auth.Offered(in.Headers) {
		if protocol == auth.Subprotocol {
			return true
		}
	}
	return false
}
