package route

import (
	"context"
	"log/slog"
	"time"

	"wschat/pkg/chat"
	"wschat/pkg/telemetry"
)

// moderate returns the route of an action that changes the rules of a room.
func moderate(action chat.Action) routeFunc {
	return func(ctx context.Context, in *invocation) (reply, error) {
		m, err := in.frame.Moderation(action)
		if err != nil {
			return reply{}, err
		}
		m.Admission = in.admission
		done, err := in.chat.Moderate(ctx, in.Context.ConnectionID, m)
		r := reply{body: "Changed the room."}
		if done.Rules.Room == "" {
			return r, err
		}
		in.metrics.AddBy(telemetry.Moderations, string(action), 1)
		r.attrs = append([]slog.Attr{slog.Int64("version", done.Rules.Version), slog.Bool("same", done.Same)},
			in.moderationAttrs(m, done)...)
		r.attrs = append(r.attrs, deliveryAttrs(done.Delivery)...)
		in.measureDelivery(done.Delivery)
		in.noteFailure(&r, done.Delivery, err)
		return r, err
	}
}

// moderationAttrs says who has done what to whom. Nothing else logs the names and ids of people.
func (in *invocation) moderationAttrs(m chat.Moderation, done chat.Moderated) []slog.Attr {
	attrs := []slog.Attr{
		slog.String("by_name", in.access.grant.User), slog.String("by_id", in.access.grant.ID),
		slog.Int("removed", done.Removed),
	}
	if m.UserID != "" {
		attrs = append(attrs, slog.String("user_id", m.UserID))
	}
	if m.Role != "" {
		attrs = append(attrs, slog.String("role", string(m.Role)))
	}
	if done.Until > 0 {
		attrs = append(attrs, slog.Time("until", time.Unix(done.Until, 0).UTC()))
	}
	return attrs
}

func getRoom(ctx context.Context, in *invocation) (reply, error) {
	query, err := in.frame.RoomQuery()
	if err != nil {
		return reply{}, err
	}
	query.Admission = in.admission
	view, err := in.chat.Room(ctx, in.Context.ConnectionID, query)
	return reply{body: "Sent the room.", attrs: []slog.Attr{slog.Int("people", len(view.People))}}, err
}

func openDirect(ctx context.Context, in *invocation) (reply, error) {
	d, err := in.frame.Direct()
	if err != nil {
		return reply{}, err
	}
	d.By = in.access.actor()
	view, err := in.chat.OpenDirect(ctx, in.Context.ConnectionID, d)
	r := reply{body: "Opened the room."}
	if view.Rules.Room != "" {
		r.attrs = []slog.Attr{roomAttr(view.Rules.Room)}
	}
	return r, err
}

func getRooms(ctx context.Context, in *invocation) (reply, error) {
	query, err := in.frame.RoomsQuery()
	if err != nil {
		return reply{}, err
	}
	query.By = in.access.actor()
	query.ConnectedAt, query.MembershipEnds = in.connectedAt(), in.access.until()
	page, err := in.chat.Rooms(ctx, in.Context.ConnectionID, query)
	return reply{body: "Sent the rooms.", attrs: []slog.Attr{slog.Int("rooms", len(page.Rooms))}}, err
}
