package route

import (
	"context"
	"log/slog"

	"wschat/pkg/chat"
)

func editMessage(ctx context.Context, in *invocation) (reply, error) {
	content, ifVersion, err := in.frame.Edit()
	if err != nil {
		return reply{}, err
	}
	return in.change(func(a chat.Act) (chat.Changed, error) {
		return in.chat.Edit(ctx, in.Context.ConnectionID, a, content, ifVersion)
	})
}

func deleteMessage(ctx context.Context, in *invocation) (reply, error) {
	return in.change(func(a chat.Act) (chat.Changed, error) {
		return in.chat.Delete(ctx, in.Context.ConnectionID, a)
	})
}

func addReaction(ctx context.Context, in *invocation) (reply, error) {
	reaction, err := in.frame.Reaction()
	if err != nil {
		return reply{}, err
	}
	return in.change(func(a chat.Act) (chat.Changed, error) {
		return in.chat.AddReaction(ctx, in.Context.ConnectionID, a, reaction)
	})
}

func removeReaction(ctx context.Context, in *invocation) (reply, error) {
	reaction, err := in.frame.Reaction()
	if err != nil {
		return reply{}, err
	}
	return in.change(func(a chat.Act) (chat.Changed, error) {
		return in.chat.RemoveReaction(ctx, in.Context.ConnectionID, a, reaction)
	})
}

// change carries out what a frame asks to be done to a message.
func (in *invocation) change(do func(chat.Act) (chat.Changed, error)) (reply, error) {
	act, err := in.frame.Act()
	if err != nil {
		return reply{}, err
	}
	act.By.ID, act.Admission = in.access.userID(), in.admission
	changed, err := do(act)
	r := reply{body: "Changed the message.", attrs: []slog.Attr{slog.Int64("index", act.Index)}}
	if changed.Message.Index > 0 {
		r.attrs = append(r.attrs, slog.Int64("version", changed.Message.Version), slog.Bool("same", changed.Same),
			slog.Float64("stored_ms", milliseconds(changed.StoredAfter)))
		r.attrs = append(r.attrs, deliveryAttrs(changed.Delivery)...)
		in.measureDelivery(changed.Delivery)
	}
	in.noteFailure(&r, changed.Delivery, err)
	return r, err
}

func getChanges(ctx context.Context, in *invocation) (reply, error) {
	query, err := in.frame.ChangesQuery()
	if err != nil {
		return reply{}, err
	}
	page, err := in.chat.GetChanges(ctx, in.Context.ConnectionID, query)
	return reply{body: "Sent the changes.", attrs: []slog.Attr{slog.Int("messages", len(page.Messages))}}, err
}
