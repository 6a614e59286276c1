package chat

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"wschat/pkg/parallel"
)

// Presence says that a user came to a room or went from it.
type Presence struct {
	Room   string
	User   string // the name; "" for a connection that gave none
	UserID string // "" if there is none
	Event  PresenceEvent
	Ref    string // of the request that this answers; "" in what the others in the room are sent
	Part   bool   // more frames of the same answer follow
}

// PresenceEvent is what a user did.
type PresenceEvent string

// The events.
const (
	Joined PresenceEvent = "joined"
	Left   PresenceEvent = "left"
)

// User is somebody in a room.
type User struct {
	Name        string // "" for all connections that gave no name; of several names under one id, the latest
	ID          string // "" if there is none
	Connections int    // how many of the user's connections are in the room
	Read        int64  // how far the user has read, in a room of at most ten users; 0 if that is not known
}

// Attendance is a list of the users in a room.
type Attendance struct {
	Room      string
	Users     []User // by name, and users of one name by id
	Version   int64  // of the room's last announcement before the roster was read; 0 if there was none
	OverLimit bool   // there are too many for a list, which is no longer sent; Users is empty then
	Ref       string // of the request that this answers
}

// DefaultPresenceLimit is how many connections a room may have for its members to be announced in it.
const DefaultPresenceLimit = 100

// presenceBudget is how long the posts of an announcement may take. The announcement is made in a handshake, and
// must not hold it up.
const presenceBudget = time.Second

// Members reads who is in a room and posts it to the connection that asked, in at most MaxAnswerFrames.
func (s Service) Members(ctx context.Context, connectionID, room, ref string) (Attendance, error) {
	if err := errors.Join(checkRoom(room), checkOptionalName("ref", ref)); err != nil {
		return Attendance{}, err
	}
	return s.members(ctx, connectionID, room, ref, MaxAnswerFrames)
}

// members is Members without the checks, in at most so many frames.
func (s Service) members(ctx context.Context, connectionID, room, ref string, most int) (Attendance, error) {
	a, err := s.attendance(ctx, room)
	if err != nil {
		return Attendance{}, unavailable("The room's members could not be read. Ask again.", err)
	}
	a.Ref = ref
	return a, s.Reply(ctx, connectionID, s.Encoder.Members(a, most)...)
}

// attendance reads the users in a room. The version is read before the roster: a list that is announced later has a
// greater version, and counts.
func (s Service) attendance(ctx context.Context, room string) (a Attendance, err error) {
	var announced Announcement
	if s.PresenceLimit > 0 {
		if announced, err = s.Announcements.Announcement(ctx, room); err != nil {
			return Attendance{}, err
		}
	}
	members, err := s.Present(ctx, room, 0)
	if err != nil {
		return Attendance{}, err
	}
	list := s.readersOf(ctx, room, users(members))
	return Attendance{Room: room, Users: list, Version: announced.Version}, nil
}

// users counts the connections of each user. Users are told apart by their id, and without one by their name.
func users(members []Member) []User {
	slices.SortStableFunc(members, func(a, b Member) int { return a.JoinedAt.Compare(b.JoinedAt) })
	type key struct{ id, name string } // just one of them
	counts := map[key]User{}
	for _, m := range members {
		k := key{id: m.UserID}
		if k.id == "" {
			k.name = m.User
		}
		counts[k] = User{Name: m.User, ID: m.UserID, Connections: counts[k].Connections + 1}
	}
	return slices.SortedFunc(maps.Values(counts), func(a, b User) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
	})
}

// change is what changed in the roster of a room.
type change struct {
	room string
	came Member   // the zero Member for nobody
	went []Member // one after the other
}

// hasName reports whether somebody with a name came or went.
func (c change) hasName() bool {
	return c.came.User != "" || slices.ContainsFunc(c.went, func(m Member) bool { return m.User != "" })
}

// announceJoin tells a room that a member came. before is the membership that it replaced, if any. If that was the
// same user's, nothing has changed.
func (s Service) announceJoin(ctx context.Context, m, before Member) {
	switch {
	case before.ConnectionID == "":
		s.announce(ctx, change{room: m.Room, came: m})
	case !before.isUser(m):
		s.announce(ctx, change{room: m.Room, came: m, went: []Member{before}})
	}
}

// announceLeave tells rooms that members went. The rooms are told concurrently, because each may have to wait.
func (s Service) announceLeave(ctx context.Context, gone ...Member) {
	changes := map[string]change{}
	for _, m := range gone {
		if m.ConnectionID != "" {
			changes[m.Room] = change{room: m.Room, went: append(changes[m.Room].went, m)}
		}
	}
	rooms := slices.Collect(maps.Values(changes))
	parallel.ForEach(len(rooms), len(rooms), func(i int) { s.announce(ctx, rooms[i]) })
}

// announce sends the list of a room's members to the members that have a name, about once a second at most, whatever
// happens in the room. A change in between is in the next list. So the cost depends on the size of the room, and not
// on how often members come and go.
//
// It is a courtesy. Each member is posted to once, and the next list makes good what was lost. Above all it does not
// retry posts to connections that are in their own $connect: their handshakes may be waiting for this call.
//
// Connections with no name cause no list: they are not people. The next list has their number.
func (s Service) announce(ctx context.Context, c change) {
	if s.PresenceLimit == 0 || !c.hasName() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, announcePause+2*presenceBudget)
	defer cancel()
	a, ok := s.takeTurn(ctx, c.room)
	if !ok {
		return
	}
	members, err := s.membersToTell(ctx, c.room)
	if err != nil {
		return
	}
	list := Attendance{Room: c.room, Users: s.readersOf(ctx, c.room, users(members)), Version: a.Version}
	frames := s.Encoder.Members(list, 2)
	over := len(members) > s.PresenceLimit || len(frames) > 1
	if over != a.OverLimit && s.noteOverLimit(ctx, c.room, a, over) != nil {
		return
	}
	var events []event
	switch {
	case !over && a.Streak <= calm:
		events = s.events(c, members)
	case over && a.OverLimit:
		return // they know
	case over:
		frames = s.Encoder.Members(Attendance{Room: c.room, Version: a.Version, OverLimit: true}, 1)
	}
	s.tell(ctx, members, func(ctx context.Context, m Member) error { return s.tellOne(ctx, m, frames[0], events) })
}

// membersToTell reads a room's members, up to twice as many as a list may have: all that may have been told before.
func (s Service) membersToTell(ctx context.Context, room string) ([]Member, error) {
	return insistOn(ctx, func() ([]Member, error) { return s.Present(ctx, room, 2*s.PresenceLimit) })
}

// event is the frame that says that a user came or went, for all but the connection by which it did.
type event struct {
	frame []byte
	by    string
}

// events are what a change means for its users. A user that came is told of unless the user was there before. A user
// that went is told of unless the user is still there. If many went at once, the first is told of: the list has the
// others.
func (s Service) events(c change, members []Member) (events []event) {
	add := func(m Member, what PresenceEvent, unless func(other Member) bool) {
		same := func(other Member) bool {
			return other.isUser(m) && other.ConnectionID != m.ConnectionID && unless(other)
		}
		if m.User != "" && !slices.ContainsFunc(members, same) {
			frame := s.Encoder.Presence(Presence{Room: c.room, User: m.User, UserID: m.UserID, Event: what})
			events = append(events, event{frame, m.ConnectionID})
		}
	}
	if i := slices.IndexFunc(c.went, func(m Member) bool { return m.User != "" }); i >= 0 {
		add(c.went[i], Left, func(Member) bool { return true })
	}
	// Of connections that came at the same moment, one tells of the user.
	add(c.came, Joined, func(other Member) bool {
		return cmp.Or(other.JoinedAt.Compare(c.came.JoinedAt), cmp.Compare(other.ConnectionID, c.came.ConnectionID)) < 0
	})
	return events
}

// tell posts a courtesy to each of the members, in presenceBudget, and removes those that are gone.
func (s Service) tell(ctx context.Context, members []Member, post func(context.Context, Member) error) {
	budget, cancel := context.WithTimeout(ctx, presenceBudget)
	defer cancel()
	errs := make([]error, len(members))
	parallel.ForEach(s.Workers, len(members), func(i int) { errs[i] = post(budget, members[i]) })
	var gone []Member
	for i, m := range members {
		if m.IsClosed(errs[i]) { // of others a broadcaster finds out, which has the time
			gone = append(gone, m)
		}
	}
	s.announceLeave(ctx, s.prune(ctx, gone)...)
}

// tellOne posts the list to a member that has a name, and the events unless they are its own.
func (s Service) tellOne(ctx context.Context, m Member, list []byte, events []event) error {
	for _, e := range events {
		if e.by == m.ConnectionID {
			continue
		}
		if err := s.Poster.Post(ctx, m.ConnectionID, e.frame); err != nil {
			return err
		}
	}
	if m.User == "" {
		return nil
	}
	return s.Poster.Post(ctx, m.ConnectionID, list)
}
