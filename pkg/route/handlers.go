package route

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"wschat/pkg/auth"
	"wschat/pkg/chat"
	"wschat/pkg/protocol"
	"wschat/pkg/telemetry"
	"wschat/pkg/webclient"
)

// Route keys that API Gateway itself defines, and those of the HTTP API.
const (
	Connect    = "$connect"
	Disconnect = "$disconnect"
	Default    = "$default"
	GetPing    = "GET /ping"
)

// headPrefix begins the keys of routes whose answers have no body.
const headPrefix = "HEAD "

// webSocketRoutes is every route of the WebSocket API.
func webSocketRoutes() map[string]routeFunc {
	return map[string]routeFunc{
		Connect:                    connect,
		Disconnect:                 disconnect,
		Default:                    unknownAction,
		protocol.SendMessage:       sendMessage,
		protocol.GetRecentMessages: getRecentMessages,
		protocol.JoinRoom:          joinRoom,
		protocol.LeaveRoom:         leaveRoom,
		protocol.GetMembers:        getMembers,
		protocol.Ping:              pong,
		protocol.EditMessage:       editMessage,
		protocol.DeleteMessage:     deleteMessage,
		protocol.AddReaction:       addReaction,
		protocol.RemoveReaction:    removeReaction,
		protocol.GetChanges:        getChanges,
		protocol.Signal:            signal,
		protocol.MarkRead:          markRead,
		protocol.GetRooms:          getRooms,
		protocol.GetRoom:           getRoom,
		protocol.OpenDirect:        openDirect,
		protocol.CreateRoom:        moderate(chat.ActionCreateRoom),
		protocol.SetRoom:           moderate(chat.ActionSetRoom),
		protocol.AddMember:         moderate(chat.ActionAddMember),
		protocol.RemoveMember:      moderate(chat.ActionRemoveMember),
		protocol.SetRole:           moderate(chat.ActionSetRole),
		protocol.BanUser:           moderate(chat.ActionBanUser),
		protocol.UnbanUser:         moderate(chat.ActionUnbanUser),
		protocol.MuteUser:          moderate(chat.ActionMuteUser),
		protocol.UnmuteUser:        moderate(chat.ActionUnmuteUser),
	}
}

// httpRoutes is every route of the HTTP API: the health check, and the files of the browser client. Each has one for
// HEAD beside it, which does the same and is answered without the body.
func httpRoutes() map[string]routeFunc {
	routes := map[string]routeFunc{GetPing: ping}
	for _, path := range webclient.Paths() {
		routes["GET "+path] = page
	}
	for key, do := range maps.Clone(routes) {
		routes[headPrefix+strings.TrimPrefix(key, "GET ")] = do
	}
	return routes
}

// WebSocketKeys returns the route keys of the WebSocket API, sorted.
func WebSocketKeys() []string { return slices.Sorted(maps.Keys(webSocketRoutes())) }

// HTTPKeys returns the route keys of the HTTP API, sorted.
func HTTPKeys() []string { return slices.Sorted(maps.Keys(httpRoutes())) }

func table() map[string]routeFunc {
	all := webSocketRoutes()
	maps.Copy(all, httpRoutes())
	return all
}

func connect(ctx context.Context, in *invocation) (reply, error) {
	if origin, ok := in.refusedOrigin(); ok {
		return reply{}, &chat.Error{Code: chat.CodeForbidden, Message: "pages from " + chat.Quote(origin) +
			" may not connect"}
	}
	query := map[string]string{}
	for name, values := range in.Query {
		switch {
		case name != "room_name" && name != "user_name":
			return reply{}, chat.InvalidField(chat.Quote(name),
				"is no query parameter here; there are room_name and user_name")
		case len(values) != 1:
			return reply{}, chat.InvalidField(name, "must not be given more than once")
		case values[0] == "":
			return reply{}, chat.InvalidField(name, "must not be empty")
		}
		query[name] = values[0]
	}
	room, err := chat.CanonicalRoom(query["room_name"])
	if err != nil {
		return reply{}, err
	}
	r := reply{body: "Connect successful."}
	if room != "" {
		r.attrs = []slog.Attr{roomAttr(room)}
	}
	user, err := in.access.user(query["user_name"])
	if err != nil {
		return r, err
	}
	if room != "" {
		if _, err := in.chat.Admit(ctx, chat.ActionJoinRoom, room, in.access.actor()); err != nil {
			return r, err
		}
	}
	if in.offersChat() {
		r.added = map[string]string{"Sec-WebSocket-Protocol": auth.Subprotocol}
	}
	return r, in.chat.Connect(ctx, chat.Member{
		Room: room, ConnectionID: in.Context.ConnectionID, User: user, UserID: in.access.userID(),
		Moderates: in.access.grant.Moderates, ExpiresAt: in.access.until(),
	})
}

// refusedOrigin returns the origin of the page that opens the connection, if such pages may not. Browsers always
// send it and let no page change it (RFC 6455, section 10.2).
func (in *invocation) refusedOrigin() (string, bool) {
	if len(in.config.AllowedOrigins) == 0 {
		return "", false
	}
	for name, values := range in.Headers {
		if strings.EqualFold(name, "Origin") {
			for _, origin := range values {
				if !in.allowed(strings.ToLower(origin)) {
					return origin, true
				}
			}
		}
	}
	return "", false
}

// allowed reports whether pages of an origin, in lower case, may connect. A page that connects to its own host may, by
// whatever name and port its browser has found it.
func (in *invocation) allowed(origin string) bool {
	if slices.Contains(in.config.AllowedOrigins, origin) {
		return true
	}
	host := strings.ToLower(in.Context.DomainName)
	ownPage := strings.HasPrefix(in.config.WebSocketURL, "/")
	return ownPage && host != "" && (origin == "http://"+host || origin == "https://"+host)
}

// abnormalClosure is the close code of a connection that ended without one (RFC 6455, section 7.4.1).
const abnormalClosure = 1006

func disconnect(ctx context.Context, in *invocation) (reply, error) {
	r := reply{body: "Disconnect successful.", attrs: []slog.Attr{slog.Int("close_code",
		in.Context.DisconnectStatusCode)}}
	if in.Context.DisconnectStatusCode == abnormalClosure {
		in.metrics.Add(telemetry.BrokenConnections, 1)
	}
	return r, in.chat.Disconnect(ctx, in.Context.ConnectionID)
}

func unknownAction(_ context.Context, in *invocation) (reply, error) {
	sentence := "the frame has no action"
	if raw, ok := in.frame["action"]; ok {
		var action string
		if json.Unmarshal(raw, &action) == nil {
			sentence = "there is no action " + chat.Quote(action)
		} else {
			sentence = "action must be a string"
		}
	}
	return reply{}, namingActions(&chat.Error{Code: chat.CodeUnknownAction, Message: sentence})
}

// namingActions adds the list of actions to a refusal.
func namingActions(err error) error {
	e := *chat.AsError(err)
	e.Message += "; the actions are " + strings.Join(Actions(), ", ")
	return &e
}

// Actions returns the actions that a frame may ask for, sorted.
func Actions() []string {
	return slices.DeleteFunc(WebSocketKeys(), func(key string) bool { return strings.HasPrefix(key, "$") })
}

func sendMessage(ctx context.Context, in *invocation) (reply, error) {
	draft, err := in.frame.Draft()
	if err != nil {
		return reply{}, err
	}
	draft.UserID, draft.Admission = in.access.userID(), in.admission
	sent, err := in.chat.Send(ctx, in.Context.ConnectionID, draft)
	r := reply{body: "Message sent to all connections."}
	if sent.Message.Index > 0 {
		r.attrs = sentAttrs(sent)
		in.measure(sent)
	}
	in.noteFailure(&r, sent.Delivery, err)
	return r, err
}

// noteFailure marks a reply and counts it, if not everything was sent.
func (in *invocation) noteFailure(r *reply, d chat.Delivery, err error) {
	if d.Err != nil {
		r.level = slog.LevelWarn
	}
	if d.Err != nil || chat.AsError(err).Code == chat.CodeNotSent {
		in.metrics.Add(telemetry.SendErrors, 1)
	}
}

// sentAttrs says what became of a message, so that the log tells its story by its room and index. In a busy room the
// sender is not the broadcaster: then rounds is 0, and the broadcaster's line has the posts.
func sentAttrs(sent chat.Sent) []slog.Attr {
	attrs := []slog.Attr{
		slog.Int64("index", sent.Message.Index),
		slog.Bool("repeat", sent.Repeat),
		slog.Float64("stored_ms", milliseconds(sent.StoredAfter)),
		slog.Float64("posted_ms", milliseconds(sent.PostedAfter)),
	}
	return append(attrs, deliveryAttrs(sent.Delivery)...)
}

func deliveryAttrs(d chat.Delivery) []slog.Attr {
	attrs := []slog.Attr{
		slog.Int("rounds", d.Rounds),
		slog.Int("delivered", d.Delivered),
		slog.Int("gone", len(d.Gone)),
		slog.Int("failed", d.Failed),
	}
	if d.Rounds > 0 {
		attrs = append(attrs, slog.Int64("sent_after", d.SentAfter), slog.Int64("sent_up_to", d.SentUpTo))
	}
	if d.Left > 0 {
		attrs = append(attrs, slog.Int("left", d.Left))
	}
	if len(d.Failures) > 0 {
		attrs = append(attrs, slog.Any("failures", texts(d.Failures)))
	}
	if d.Err != nil {
		attrs = append(attrs, slog.String("post_error", d.Err.Error()))
	}
	return attrs
}

// measure counts what became of a message.
func (in *invocation) measure(sent chat.Sent) {
	d, stored := sent.Delivery, telemetry.MessagesStored
	if sent.Repeat {
		stored = telemetry.Duplicates
	}
	in.metrics.Add(stored, 1)
	in.metrics.AddTime(telemetry.StoreTime, sent.StoredAfter)
	in.measureDelivery(d)
	if d.Rounds > 0 && sent.PostedAfter > 0 {
		in.metrics.AddTime(telemetry.SendTime, sent.PostedAfter)
	}
}

// measureDelivery counts what became of what a broadcaster sent.
func (in *invocation) measureDelivery(d chat.Delivery) {
	for metric, n := range map[telemetry.Metric]int{
		telemetry.Rounds: d.Rounds, telemetry.Posts: d.Posts, telemetry.Deliveries: d.Delivered,
		telemetry.PostsAgain:      d.Again,
		telemetry.GoneConnections: len(d.Gone), telemetry.Undelivered: d.Failed, telemetry.Postponed: d.Left,
	} {
		if n > 0 {
			in.metrics.Add(metric, float64(n))
		}
	}
	if d.Rounds == 0 {
		return
	}
	if d.Oldest > 0 {
		in.metrics.AddTime(telemetry.Age, d.Oldest)
	}
	if d.Posts > 0 {
		in.metrics.Add(telemetry.MessagesPerPost, float64(d.Delivered)/float64(d.Posts))
	}
}

func texts(errs []error) []string {
	list := make([]string, len(errs))
	for i, err := range errs {
		list[i] = err.Error()
	}
	return list
}

func getRecentMessages(ctx context.Context, in *invocation) (reply, error) {
	query, err := in.frame.Query()
	if err != nil {
		return reply{}, err
	}
	page, err := in.chat.History(ctx, in.Context.ConnectionID, query)
	return reply{body: "Sent recent messages.", attrs: []slog.Attr{slog.Int("messages", len(page.Messages))}}, err
}

func joinRoom(ctx context.Context, in *invocation) (reply, error) {
	m, err := in.frame.Membership()
	if err != nil {
		return reply{}, err
	}
	ask, err := in.frame.CatchUp()
	if err != nil {
		return reply{}, err
	}
	return reply{body: "Joined the room."}, in.chat.Join(ctx, chat.Member{
		Room: m.Room, ConnectionID: in.Context.ConnectionID, User: m.User, UserID: in.access.userID(),
		Moderates: in.access.grant.Moderates, ConnectedAt: in.connectedAt(), ExpiresAt: in.access.until(),
	}, ask)
}

func (in *invocation) connectedAt() time.Time { return time.UnixMilli(in.Context.ConnectedAt) }

func leaveRoom(ctx context.Context, in *invocation) (reply, error) {
	m, err := in.frame.Membership()
	if err != nil {
		return reply{}, err
	}
	forget, err := in.frame.Forget()
	if err != nil {
		return reply{}, err
	}
	if by := in.access.userID(); forget && by != "" { // in an open chat there is nothing to forget
		err = in.chat.ForgetRoom(ctx, chat.Person{ID: by}, m.Room)
	}
	if err != nil { // the member leaves all the same, and is told that it has to ask again
		return reply{}, errors.Join(err, in.chat.Leave(ctx, in.Context.ConnectionID, m.Room, ""))
	}
	return reply{body: "Left the room."}, in.chat.Leave(ctx, in.Context.ConnectionID, m.Room, m.Ref)
}

func getMembers(ctx context.Context, in *invocation) (reply, error) {
	m, err := in.frame.Membership()
	if err != nil {
		return reply{}, err
	}
	a, err := in.chat.Members(ctx, in.Context.ConnectionID, m.Room, m.Ref)
	return reply{body: "Sent the members.", attrs: []slog.Attr{slog.Int("users", len(a.Users))}}, err
}

func signal(ctx context.Context, in *invocation) (reply, error) {
	sig, ref, err := in.frame.Signal()
	if err != nil {
		return reply{}, err
	}
	sig.UserID = in.access.userID()
	sent, err := in.chat.Signal(ctx, in.Context.ConnectionID, sig, ref)
	return reply{body: "Sent the signal.", attrs: []slog.Attr{slog.Bool("sent", sent)}}, err
}

func markRead(ctx context.Context, in *invocation) (reply, error) {
	mark, err := in.frame.Mark()
	if err != nil {
		return reply{}, err
	}
	mark.By.ID = in.access.userID()
	moved, err := in.chat.MarkRead(ctx, in.Context.ConnectionID, mark)
	return reply{body: "Moved the marker.", attrs: []slog.Attr{slog.Bool("moved", moved)}}, err
}

// pong answers the action ping, by which a client learns that its connection works, and what the time is.
func pong(ctx context.Context, in *invocation) (reply, error) {
	ref, err := in.frame.Ref()
	if err != nil {
		return reply{}, err
	}
	return reply{body: "Sent a pong."}, in.chat.Pong(ctx, in.Context.ConnectionID, ref)
}

func ping(ctx context.Context, in *invocation) (reply, error) {
	return reply{body: "PONG!"}, in.chat.Ping(ctx)
}

// page serves a file of the browser client.
func page(ctx context.Context, in *invocation) (reply, error) {
	_, path, _ := strings.Cut(in.Context.RouteKey, " ")
	request := webclient.Request{IfNoneMatch: in.Header["if-none-match"], AcceptEncoding: in.Header["accept-encoding"]}
	if path == "/" && in.config.Provider != nil {
		provider := in.config.Provider(ctx)
		request.Provider = &provider
	}
	r, err := in.site.Serve(path, request)
	if err != nil {
		return reply{}, err
	}
	return reply{status: r.Status, headers: r.Headers, body: r.Body, binary: r.Compressed}, nil
}

// roomAttr is a room's name for the log line.
func roomAttr(room string) slog.Attr {
	return slog.String("room", room[:min(len(room), chat.MaxNameBytes)])
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
