package chat

import (
	"context"
	"errors"
	"fmt"
	"time"

	"wschat/pkg/deadline"
	"wschat/pkg/parallel"
)

// Admission is that somebody may do something in a room. The zero value is that of an open chat, in which everybody may
// do everything that does not need sign-in.
type Admission struct {
	action Action
	by     Actor
	rules  Rules
	role   Role      // as the rules have it
	asOf   time.Time // when the reading of the rules began; zero if they are not asked
}

// Admit finds out whether somebody may do something in a room, by the token and by the room's rules. Every request
// passes it, also if it names no room. Without Rules everybody may.
//
// A process does not read the rules for each request. So a right that ends may be used for a little while, but a
// refusal is always by rules that were just read.
func (s Service) Admit(ctx context.Context, action Action, room string, by Actor) (Admission, error) {
	a := Admission{action: action, by: by}
	if by.Program {
		a.role = RoleOwner
	}
	right, known := rightTo(action)
	direct := isReserved(room) && s.Rules != nil // perhaps: then the token does not decide
	switch {
	case room != "" && !direct && !by.covers(room):
		return a, outside(room)
	case s.Rules == nil || !known || action == ActionPing || action == ActionLeaveRoom:
		return a, nil
	}
	var seen time.Time
	mayAct := parallel.Go(func() (err error) {
		seen, err = s.checkErasing(ctx, by.ID)
		return err
	})
	if right.Own == RoleStranger || room == "" {
		return a, <-mayAct
	}
	read, err := s.Rules.recent(ctx, room, rulesLife)
	if err = errors.Join(<-mayAct, err); err != nil {
		return a, err
	}
	var refusal error
	for _, life := range []time.Duration{rulesLife, refusalLife} {
		if read, err = s.Rules.recent(ctx, room, life); err != nil {
			return a, err
		}
		a.rules, a.asOf = read.rules, earlier(read.asOf, seen)
		a.role = a.rules.roleOf(by, s.Now())
		if refusal = s.refusal(ctx, a); refusal == nil {
			return a, nil
		}
	}
	return a, refusal
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// refusal says why an actor may not do what is asked for; nil if it may.
func (s Service) refusal(ctx context.Context, a Admission) error {
	if a.by.Program {
		return nil
	}
	room := a.rules.Room
	if isReserved(room) && !a.rules.Direct {
		if !a.by.covers(room) {
			return outside(room)
		}
		// A room of that kind from before there were direct rooms has messages, and goes on.
		if tail, err := s.Log.Tail(ctx, room); err != nil {
			return unavailable("The room could not be looked at. Try again.", err)
		} else if tail == 0 {
			return outside(room)
		}
	}
	return a.rules.refuse(a.action, a.by, s.Now())
}

// refuse says why somebody may not do something to what is the actor's own; nil if the actor may.
func (r Rules) refuse(action Action, by Actor, at time.Time) error {
	least := leastFor(action)
	role := r.roleOf(by, at)
	if by.Program || r.effective(by.ID, by.Moderates, at).Reaches(least) {
		return nil
	}
	person := r.People[by.ID]
	switch {
	case role == RoleStranger:
		return outside(r.Room)
	case role == RoleBanned:
		return forbidden("you are banned from this room" + sentence(person.BannedUntil, person.Reason))
	case least.Reaches(RoleModerator):
		return forbidden(fmt.Sprintf("only somebody with the role %s may do that in this room", least))
	case role == RoleReader:
		return forbidden("you may read in this room, and not write")
	case person.MutedUntil > at.Unix():
		return forbidden("you are muted in this room" + sentence(person.MutedUntil, person.MuteReason))
	}
	return forbidden("this room is read-only: only its moderators write in it")
}

// sentence is how long a ban or a mute is, and why.
func sentence(until int64, reason string) (s string) {
	if until != Forever {
		s = " until " + time.Unix(until, 0).UTC().Format(time.RFC3339)
	}
	if reason != "" {
		s += ": " + reason
	}
	return s
}

func forbidden(sentence string) error { return &Error{Code: CodeForbidden, Message: sentence} }

// outside is the refusal of a room to somebody that it is not for. It is the same whether the token does not allow the
// room or the room is private, so it does not tell that there is a private room.
func outside(room string) error {
	return forbidden(fmt.Sprintf("your token does not allow the room %s, or the room is private", Quote(room)))
}

// Quote makes a client's own words fit to be repeated to it: short, and nothing unprintable.
func Quote(s string) string {
	const most = 40
	if len(s) > most {
		return fmt.Sprintf("%.*q…", most, s)
	}
	return fmt.Sprintf("%q", s)
}

func (a Actor) covers(room string) bool { return a.Patterns == nil || Covers(a.Patterns, room) }

// actsOnOthers reports whether the actor may do it to what is somebody else's.
func (a Admission) actsOnOthers() bool {
	others := leastForOthers(a.action)
	return others != "" && a.role.Reaches(others)
}

// Bound returns a context that ends when nothing may be done by an admission any more, for an action that tells the
// actor something. Those that store something see to that themselves, and joining reads the rules again.
func (a Admission) Bound(ctx context.Context) (context.Context, context.CancelFunc) {
	switch a.action {
	case ActionGetRecentMessages, ActionGetChanges, ActionGetMembers, ActionGetRoom, ActionSignal, ActionMarkRead:
		if !a.asOf.IsZero() {
			return context.WithDeadline(ctx, a.asOf.Add(RightsGrace))
		}
	}
	return context.WithCancel(ctx)
}

// within does what an admission allows, and stops where that would be too long after the rules were read. If nothing
// was done until then, the rules are read again, and do is called with the admission by these. do must end with
// CodeRoomBusy if it is known that nothing was done.
func (s Service) within(ctx context.Context, a Admission, do func(context.Context, Admission) error) (err error) {
	patience, done := deadline.TwoThirds(ctx)
	defer done()
	for {
		if a.asOf.IsZero() {
			return do(ctx, a)
		}
		if s.Now().Sub(a.asOf) > rulesLife { // something took long
			if a, err = s.Admit(ctx, a.action, a.rules.Room, a.by); err != nil {
				return err
			}
		}
		until := a.asOf.Add(RightsGrace)
		if deadline, ok := ctx.Deadline(); ok && deadline.Before(until) {
			return do(ctx, a)
		}
		bounded, cancel := context.WithDeadline(ctx, until)
		err := do(bounded, a)
		cancel()
		if e, ok := errors.AsType[*Error](err); !ok || e.Code != CodeRoomBusy || patience.Err() != nil {
			return err
		}
	}
}
