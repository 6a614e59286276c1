package chat

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"wschat/pkg/parallel"
)

// Limits of rules. Sizes are bytes of UTF-8.
const (
	MaxTitleBytes  = 128
	MaxTopicBytes  = 1024
	MaxReasonBytes = 256
	MaxUserIDBytes = 255
	MaxSlowMode    = 6 * 60 * 60          // seconds
	MaxBanSeconds  = 10 * 365 * 24 * 3600 // of a ban or a mute with an end
	MaxRoomMembers = 1000                 // people with a role in one room
	MaxSanctions   = 1000                 // people with a ban or a mute in one room
	MaxPeople      = 100                  // people in one answer about a room, and in one createRoom
)

// Moderation is somebody's wish to change the rules of a room. Which fields count depends on the action.
type Moderation struct {
	Admission
	Room string
	Ref  string // the client's own name for the request, which the answer repeats; "" for none

	UserID  string // of the person that it is about; "" in createRoom and setRoom
	Name    string // what the room's people call that person, if the actor says so
	Role    Role   // setRole and addMember
	Seconds int64  // how long a ban or a mute lasts; 0 for ever
	Reason  string // of a ban or a mute

	Title, Topic *string  // createRoom (the title) and setRoom; nil leaves it
	SlowMode     *int     // setRoom; nil leaves it
	ReadOnly     *bool    // setRoom; nil leaves it
	Private      bool     // createRoom
	Members      []string // createRoom: ids of others who are members from the beginning
}

// Moderated says what became of a Moderation.
type Moderated struct {
	Rules    Rules    // as they are now
	Same     bool     // they were so already, and nothing was stored
	Until    int64    // the end of a ban or a mute, in seconds since the epoch; 0 if it has none
	Removed  int      // connections that are no longer in the room
	Delivery Delivery // of the change to the room's members, and of the answer
}

// Moderate changes the rules of a room and tells its members. It answers with the room as it is then. The connections
// of people that may no longer be in the room are removed from it, and are sent nothing more of the room but that.
//
// A moderation that changes nothing may be a repeat of one that was not acknowledged. So it removes and tells as well.
func (s Service) Moderate(ctx context.Context, connectionID string, m Moderation) (Moderated, error) {
	m.Title, m.Topic, m.Reason = composed(m.Title), composed(m.Topic), compose(m.Reason)
	if err := s.checkModeration(ctx, m); err != nil {
		return Moderated{}, err
	}
	done := Moderated{}
	apply := changesOfRules()[m.action]
	var before Rules
	rules, err := s.Rules.ChangeRules(ctx, m.Room, func(r Rules) (Rules, error) {
		before = r
		now := s.Now()
		if m.Seconds > 0 {
			done.Until = now.Unix() + m.Seconds
		}
		if err := r.mayModerate(m, now); err != nil {
			return r, err
		}
		to, err := apply(r, m, now)
		if err == nil {
			to = to.withoutPast(now)
			err = to.check(r)
		}
		done.Same = err == nil && r.Equal(to)
		return to, err
	})
	if err != nil {
		return Moderated{}, unavailable("The change could not be confirmed as stored. Ask for it again.", err)
	}
	done.Rules = rules
	return done, s.settle(ctx, connectionID, m, before, &done)
}

// settle carries the rules of a room out: it answers the actor, tells the people that the moderation is about, removes
// those that may no longer be in the room, and tells the others. before are the rules before the moderation.
//
// Another moderation may have come since. So all but the answer goes by the rules as they are after the members were
// read: each membership that this leaves in place is one that the rules admit, or that was written later, and judged by
// the one that wrote it.
func (s Service) settle(ctx context.Context, connectionID string, m Moderation, before Rules, done *Moderated) error {
	replied := parallel.Go(func() error {
		return s.Reply(ctx, connectionID, s.Encoder.Room(s.roomFor(done.Rules, m.by, m.Ref))...)
	})
	people := m.people()
	if s.Charge != nil {
		s.Charge(len(people))
	}
	members, err := insistOnReading(ctx, func() ([]Member, error) { return s.Roster.Members(ctx, m.Room, 0) })
	rules, rulesErr := s.Rules.fresh(ctx, m.Room)
	if rulesErr != nil {
		rules = done.Rules
	}
	errs := make([]error, len(people))
	parallel.ForEach(s.Workers, len(people), func(i int) { errs[i] = s.list(ctx, people[i], rules) })
	now := s.Now()
	outside := slices.DeleteFunc(slices.Clone(members), func(m Member) bool {
		return rules.Admits(m.UserID, m.Moderates, now)
	})
	about := slices.DeleteFunc(members, func(m Member) bool { return !slices.Contains(people, m.UserID) })
	s.tellPeople(ctx, rules, slices.Concat(about, outside, s.inboxes(ctx, people, before, rules)))
	removed, removeErr := s.removeAll(ctx, outside)
	done.Removed = len(removed)
	var broadcast error
	if done.Rules.Version > 0 {
		done.Delivery, broadcast = s.Broadcaster.BroadcastChange(ctx, s,
			m.Room, ChangedMessage{Change: done.Rules.Version, Rules: &done.Rules})
		s.announceLeave(ctx, s.prune(ctx, done.Delivery.Gone)...)
	}
	s.announceLeave(ctx, removed...)
	done.Delivery.countReply(<-replied)
	if err := errors.Join(append(errs, err, removeErr, broadcast)...); err != nil {
		return &Error{Code: CodeNotSent, Err: err, Message: "The change is stored, and counts within five seconds, " +
			"but not everybody could be told. Ask for it again."}
	}
	return nil
}

// people are the ids of the people that a moderation is about.
func (m Moderation) people() []string {
	if m.action == ActionCreateRoom {
		return append([]string{m.by.ID}, m.Members...)
	}
	if m.UserID == "" {
		return nil
	}
	return []string{m.UserID}
}

// list has a room in the list of a user's rooms if the user has a role in it, and not if the user is kept out.
func (s Service) list(ctx context.Context, userID string, r Rules) error {
	if !r.Admits(userID, false, s.Now()) {
		return s.ReadMarkers.ForgetRoom(ctx, userID, r.Room)
	}
	if r.People[userID].Role == "" {
		return nil
	}
	tail, err := s.Log.Tail(ctx, r.Room)
	if err != nil {
		return err
	}
	return s.ReadMarkers.Begin(ctx, userID, r.Room, tail)
}

// removeAll removes memberships as they were read, and returns those that it removed.
func (s Service) removeAll(ctx context.Context, members []Member) (removed []Member, err error) {
	errs, gone := make([]error, len(members)), make([]bool, len(members))
	parallel.ForEach(s.Workers, len(members), func(i int) { gone[i], errs[i] = s.Roster.Remove(ctx, members[i]) })
	for i, m := range members {
		if gone[i] {
			removed = append(removed, m)
		}
	}
	return removed, errors.Join(errs...)
}

// tellPeople tells members, and connections with an inbox, what a room is for them now: each once.
func (s Service) tellPeople(ctx context.Context, r Rules, members []Member) {
	seen := map[string]bool{}
	members = slices.DeleteFunc(withoutVoid(members, s.Now()), func(m Member) bool {
		twice := seen[m.ConnectionID]
		seen[m.ConnectionID] = true
		return twice
	})
	type reader struct {
		id        string
		moderates bool
	}
	frames := map[reader][]byte{}
	for _, m := range members {
		if of := (reader{m.UserID, m.Moderates}); frames[of] == nil {
			by := Actor{Person: Person{Name: m.User, ID: m.UserID}, Moderates: m.Moderates}
			frames[of] = s.Encoder.Room(s.roomFor(r, by, ""))[0]
		}
	}
	s.tell(ctx, members, func(ctx context.Context, m Member) error {
		return s.insist(ctx, m.ConnectionID, frames[reader{m.UserID, m.Moderates}])
	})
}

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

func composed(text *string) *string {
	if text == nil {
		return nil
	}
	c := compose(*text)
	return &c
}

// checkModeration refuses what no rules could make right.
func (s Service) checkModeration(ctx context.Context, m Moderation) error {
	if s.Rules == nil {
		return forbidden("rooms have rules only in a chat in which people sign in")
	}
	err := errors.Join(checkRoom(m.Room), checkOptionalName("ref", m.Ref), checkOptionalUserField("name", m.Name))
	if rightTo(m.action).Others != "" {
		err = errors.Join(err, checkUserID(m.UserID))
	}
	for _, member := range m.Members {
		err = errors.Join(err, checkUserID(member))
	}
	if len(m.Members) > MaxPeople {
		err = errors.Join(err,
			tooLarge(fmt.Sprintf("a room can begin with at most %d members; add the others", MaxPeople)))
	}
	if m.Title != nil {
		err = errors.Join(err, checkLine("title", *m.Title, MaxTitleBytes))
		if *m.Title != "" && !strings.ContainsFunc(*m.Title, isSeen) {
			err = errors.Join(err, InvalidField("title", mustBeSeen))
		}
	}
	if m.Topic != nil {
		err = errors.Join(err, checkLine("topic", *m.Topic, MaxTopicBytes))
	}
	err = errors.Join(err, checkLine("reason", m.Reason, MaxReasonBytes))
	if m.SlowMode != nil && (*m.SlowMode < 0 || *m.SlowMode > MaxSlowMode) {
		err = errors.Join(err, InvalidField("slow_mode",
			fmt.Sprintf("must be a whole number of seconds from 0 to %d", MaxSlowMode)))
	}
	if m.Seconds < 0 || m.Seconds > MaxBanSeconds {
		err = errors.Join(err, InvalidField("seconds",
			fmt.Sprintf("must be a whole number from 1 to %d; leave it out for no end", MaxBanSeconds)))
	}
	if err == nil && m.action == ActionCreateRoom {
		err = s.checkNewRoom(ctx, m)
	}
	return err
}

// checkNewRoom refuses to make rules for a room that is in use, of which the actor is not the owner. The refusal does
// not say which of the reasons it has.
func (s Service) checkNewRoom(ctx context.Context, m Moderation) error {
	if isReserved(m.Room) {
		return InvalidField("room_name", "must not begin with @, which is for direct rooms")
	}
	if m.by.ID == "" { // a program did not say
		return MissingField("user_id")
	}
	switch tail, err := s.Log.Tail(ctx, m.Room); {
	case err != nil:
		return unavailable("The room could not be looked at. Try again.", err)
	case tail == 0:
		return nil
	}
	// It may be the actor's own room, and this a repeat.
	r, err := s.Rules.Rules(ctx, m.Room)
	switch {
	case err != nil:
		return unavailable("The room could not be looked at. Try again.", err)
	case !r.madeBy(m):
		return taken(m.Room)
	}
	return nil
}

func taken(room string) error {
	return forbidden(fmt.Sprintf("you cannot create a room %s: it is in use, or your token does not allow it",
		Quote(room)))
}

func checkUserID(id string) error {
	const field = "user_id"
	switch {
	case id == "":
		return InvalidField(field, "must not be empty")
	case len(id) > MaxUserIDBytes:
		return InvalidField(field, fmt.Sprintf("must be at most %d bytes, not %d", MaxUserIDBytes, len(id)))
	case strings.ContainsRune(id, utf8.RuneError):
		return InvalidField(field, "must be valid Unicode")
	}
	return nil
}

func checkLine(field, text string, most int) error {
	switch {
	case len(text) > most:
		return InvalidField(field, fmt.Sprintf("must be at most %d bytes, not %d", most, len(text)))
	case text == "":
		return nil
	}
	if err := checkText(field, text); err != nil {
		return err
	}
	if strings.ContainsFunc(text, turnsText) {
		return InvalidField(field, "must not contain characters that turn text around")
	}
	return nil
}

func checkOptionalUserField(field, name string) error {
	if name == "" || checkUser(name) == nil {
		return nil
	}
	return InvalidField(field, "must be a name that a user can have")
}

// mayModerate refuses what the actor has no right to, by the rules as they are in the moment of the change.
func (r Rules) mayModerate(m Moderation, now time.Time) error {
	if m.action == ActionCreateRoom {
		if r.Version > 0 && !r.madeBy(m) {
			return taken(m.Room)
		}
		return nil
	}
	if err := r.refuse(m.action, m.by, now); err != nil {
		return err
	}
	if m.UserID == "" {
		return r.mayBeModerated()
	}
	if m.UserID == m.by.ID && !m.by.Program {
		if m.action != ActionRemoveMember && m.action != ActionSetRole {
			return InvalidField("user_id", "must be of somebody else")
		}
		if err := r.staysReader(m, r.People[m.UserID].Role, RoleReader); err != nil {
			return err
		}
		return r.mayBeModerated()
	}
	mine, theirs := r.roleOf(m.by, now), r.People[m.UserID].Role
	if err := r.staysReader(m, theirs, mine); err != nil {
		return err
	}
	if !mine.Reaches(rightTo(m.action).Others) || mine != RoleOwner && theirs.Reaches(mine) {
		return forbidden("in this room your role does not let you do that to this person")
	}
	return r.mayBeModerated()
}

// staysReader refuses to take the role of a reader from somebody in an open room, who would be a member then. Owners
// may.
func (r Rules) staysReader(m Moderation, theirs, mine Role) error {
	if m.action == ActionRemoveMember && !r.Private && theirs == RoleReader && mine != RoleOwner {
		return forbidden("in an open room, only an owner can let a reader write again")
	}
	return nil
}

// mayBeModerated refuses to change a direct room, whose people are always the same.
func (r Rules) mayBeModerated() error {
	if r.Direct {
		return forbidden("a direct room has no moderators, and always the same two people")
	}
	return nil
}

// madeBy reports whether rules are what a repeated createRoom has made.
func (r Rules) madeBy(m Moderation) bool {
	made, err := createRoom(Rules{Room: r.Room}, m, time.Time{})
	made.Version = r.Version
	return err == nil && r.Equal(made)
}

// changeOfRules returns what a moderation makes of rules at a time.
type changeOfRules func(Rules, Moderation, time.Time) (Rules, error)

// changesOfRules returns what each action makes of rules.
func changesOfRules() map[Action]changeOfRules {
	of := func(change func(Standing, Moderation, time.Time) Standing) changeOfRules {
		return func(r Rules, m Moderation, now time.Time) (Rules, error) {
			before := r.People[m.UserID]
			after := change(before, m, now)
			if m.Name != "" {
				after.Name = m.Name
			}
			return r.with(m.UserID, after), nil
		}
	}
	end := func(m Moderation, now time.Time) int64 {
		if m.Seconds == 0 {
			return Forever
		}
		return now.Unix() + m.Seconds
	}
	return map[Action]changeOfRules{
		ActionCreateRoom: createRoom,
		ActionSetRoom:    setRoom,
		ActionAddMember:  addMember,
		ActionSetRole:    setRole,
		ActionRemoveMember: of(func(s Standing, _ Moderation, _ time.Time) Standing {
			s.Role = ""
			return s
		}),
		ActionBanUser: of(func(s Standing, m Moderation, now time.Time) Standing {
			s.Role, s.BannedUntil, s.Reason = "", end(m, now), m.Reason
			return s
		}),
		ActionUnbanUser: of(func(s Standing, _ Moderation, _ time.Time) Standing {
			s.BannedUntil = 0
			return s
		}),
		ActionMuteUser: of(func(s Standing, m Moderation, now time.Time) Standing {
			s.MutedUntil, s.MuteReason = end(m, now), m.Reason
			return s
		}),
		ActionUnmuteUser: of(func(s Standing, _ Moderation, _ time.Time) Standing {
			s.MutedUntil = 0
			return s
		}),
	}
}

func createRoom(r Rules, m Moderation, _ time.Time) (Rules, error) {
	r.Private, r.People = m.Private, map[string]Standing{}
	if m.Title != nil {
		r.Title = *m.Title
	}
	for _, member := range m.Members {
		r.People[member] = Standing{Role: RoleMember}
	}
	r.People[m.by.ID] = Standing{Name: m.by.Name, Role: RoleOwner}
	return r, nil
}

func setRoom(r Rules, m Moderation, _ time.Time) (Rules, error) {
	set(&r.Title, m.Title)
	set(&r.Topic, m.Topic)
	set(&r.SlowMode, m.SlowMode)
	set(&r.ReadOnly, m.ReadOnly)
	return r, nil
}

func set[T any](field *T, to *T) {
	if to != nil {
		*field = *to
	}
}

// addMember gives somebody who has none the role of a member. It ends no ban.
func addMember(r Rules, m Moderation, now time.Time) (Rules, error) {
	person := r.People[m.UserID]
	if person.BannedUntil > now.Unix() {
		return r, forbidden("this person is banned from the room; unban the person first")
	}
	if person.Role == "" {
		person.Role = RoleMember
	}
	if m.Name != "" {
		person.Name = m.Name
	}
	return r.with(m.UserID, person), nil
}

// setRole gives somebody another role. In a private room it must be somebody who has one.
func setRole(r Rules, m Moderation, now time.Time) (Rules, error) {
	if !m.Role.IsGiven() {
		return r, InvalidField("role", "must be owner, moderator, member or reader")
	}
	person := r.People[m.UserID]
	switch {
	case person.BannedUntil > now.Unix():
		return r, forbidden("this person is banned from the room; unban the person first")
	case person.Role == "" && r.Private:
		return r, InvalidField("user_id", "must be of a member of the room; add the person first")
	}
	person.Role = m.Role
	if m.Name != "" {
		person.Name = m.Name
	}
	return r.with(m.UserID, person), nil
}

// check refuses rules that have become too large, or that have lost their last owner.
func (r Rules) check(before Rules) error {
	members, sanctions, owners, ownersBefore := 0, 0, 0, 0
	for _, p := range r.People {
		if p.Role != "" {
			members++
		}
		if p.BannedUntil != 0 || p.MutedUntil != 0 {
			sanctions++
		}
		if p.Role == RoleOwner {
			owners++
		}
	}
	for _, p := range before.People {
		if p.Role == RoleOwner {
			ownersBefore++
		}
	}
	switch {
	case owners == 0 && ownersBefore > 0:
		return forbidden("a room keeps an owner: make somebody else the owner first")
	case members > MaxRoomMembers:
		return tooLarge(fmt.Sprintf("at most %d people can have a role in a room", MaxRoomMembers))
	case sanctions > MaxSanctions:
		return tooLarge(fmt.Sprintf("at most %d people can be banned or muted in a room", MaxSanctions))
	}
	return nil
}

// withoutPast leaves out the bans and mutes that are over.
func (r Rules) withoutPast(now time.Time) Rules {
	for id, p := range maps.Clone(r.People) {
		if p.BannedUntil != 0 && p.BannedUntil <= now.Unix() || p.MutedUntil != 0 && p.MutedUntil <= now.Unix() {
			if p.BannedUntil <= now.Unix() {
				p.BannedUntil = 0
			}
			if p.MutedUntil <= now.Unix() {
				p.MutedUntil = 0
			}
			r = r.with(id, p)
		}
	}
	return r
}
