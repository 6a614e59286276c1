package chat

import (
	"context"
	"slices"

	"wschat/pkg/parallel"
)

// inboxes are the connections of people that are to be told of a room that they are not in, because they have got a
// role in it, or may no longer be in it. The tokens of the connections must allow the room, unless it is a direct one.
func (s Service) inboxes(ctx context.Context, people []string, before, now Rules) []Member {
	news := slices.DeleteFunc(slices.Clone(people), func(userID string) bool {
		came := before.People[userID].Role == "" && now.People[userID].Role != ""
		went := before.Admits(userID, false, s.Now()) && !now.Admits(userID, false, s.Now())
		return !came && !went
	})
	found := make([][]Member, len(news))
	parallel.ForEach(s.Workers, len(news), func(i int) { found[i] = s.inbox(ctx, news[i], now) })
	return slices.Concat(found...)
}

// inbox are the connections of one user that are to be told of a room.
func (s Service) inbox(ctx context.Context, userID string, r Rules) []Member {
	members, _ := s.Roster.Members(ctx, inboxOf(userID), mostInbox) // a list tells the same later
	return slices.DeleteFunc(members, func(m Member) bool {
		return !r.Direct && m.Patterns != nil && !Covers(m.Patterns, r.Room)
	})
}

// inboxOf is the name of a roster that is no room's: of a user's connections that are told of rooms that the user is
// added to. No room's name has such a character.
func inboxOf(userID string) string { return "#inbox\x00" + userID }

// mostInbox is how many connections of one user are told.
const mostInbox = 50

// openInbox has a connection be told of rooms that its user is added to or removed from.
func (s Service) openInbox(ctx context.Context, connectionID string, q RoomsQuery) error {
	if s.Rules == nil {
		return nil
	}
	m := Member{Room: inboxOf(q.By.ID), ConnectionID: connectionID, UserID: q.By.ID, ConnectedAt: q.ConnectedAt,
		Opened: true, Moderates: q.By.Moderates, Patterns: q.By.Patterns}
	m.begin(s.Now(), q.MembershipEnds)
	return s.withoutErasing(ctx, []string{m.UserID}, func(ctx context.Context) error {
		_, err := s.Roster.Join(ctx, m)
		return err
	})
}
