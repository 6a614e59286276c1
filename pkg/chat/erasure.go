package chat

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"wschat/pkg/backoff"
	"wschat/pkg/deadline"
	"wschat/pkg/parallel"
)

// Erasure asks for everything that the stores hold of a person to be erased.
type Erasure struct {
	Of  Person // known by the id or, if it is "", by the name
	Ref string // the client's own name for the request, which the answer repeats; "" for none
}

// Erased is what erasing a person has done so far, in all its steps.
type Erased struct {
	Done        bool // nothing of the person remains
	Messages    int  // that are tombstones now
	Reactions   int  // that were removed
	Rules       int  // of rooms, which name the person no more
	Memberships int  // that were removed
	Rows        int  // that were deleted: read markers, markers of message ids and the like
	Damaged     int  // rows that could not be read, and remain
	Looked      int  // rows that were looked at
}

// eraseRows is how many rows are looked at at once. All of them may be one person's messages in one room, which are
// changed one after the other.
const eraseRows = 400

// ErasedUser is the name of the sender of messages that were erased.
const ErasedUser = "erased"

// EraseUser does a step of erasing everything that the stores hold of a person: as much as the time allows. The next
// call goes on, also if this one dies. Messages become tombstones without a sender. They keep their indexes, and the
// members of their rooms learn of it. Nobody acts as a person that is being erased.
//
// A step that is repeated erases what is left. Of a step that died, what it erased may be missing in the counts.
func (s Service) EraseUser(ctx context.Context, connectionID string, e Erasure) (Erased, error) {
	if err := errors.Join(checkSubject(e.Of), checkOptionalName("ref", e.Ref)); err != nil {
		return Erased{}, err
	}
	e.Of = e.Of.key()
	erased, err := s.erase(ctx, e)
	if err != nil {
		return Erased{}, unavailable("The person was not erased completely. Ask again, to go on.", err)
	}
	return erased, s.Reply(ctx, connectionID, s.Encoder.Erased(erased, e.Ref))
}

func (s Service) erase(ctx context.Context, e Erasure) (Erased, error) {
	enough, cancel := deadline.TwoThirds(ctx)
	defer cancel()
	progress, err := s.beginErasure(ctx, e.Of)
	if err != nil {
		return Erased{}, err
	}
	finders := []PersonFinder{s.PersonalData.Log, s.PersonalData.Roster}
	for kept := s.Now(); progress.Stores < len(finders) && enough.Err() == nil; {
		finder := finders[progress.Stores]
		found, err := finder.Find(ctx, e.Of, progress.Next, eraseRows)
		if err == nil {
			err = s.eraseFound(ctx, enough, e.Of, found, finder, &progress.Erased)
		}
		if errors.Is(err, errEnough) {
			break // the next step begins with this part again
		}
		if err != nil {
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastProgress)
			defer cancel()
			return Erased{}, errors.Join(err, s.keepProgress(last, e.Of, progress))
		}
		if progress.Next = found.Next; found.Next == "" {
			progress.Stores++
		}
		if s.Now().Sub(kept) > time.Second {
			kept = s.Now()
			if err := s.keepProgress(ctx, e.Of, progress); err != nil {
				return Erased{}, err
			}
		}
	}
	progress.Done = progress.Stores == len(finders)
	return progress.Erased, s.keepProgress(ctx, e.Of, progress)
}

// beginErasure keeps the person out, and waits until nothing is done any more by what was allowed before.
func (s Service) beginErasure(ctx context.Context, of Person) (progress ErasureState, err error) {
	isKept := of.ID != "" && s.Rules != nil // a name proves nothing, and cannot be kept out
	wasKept := !isKept
	if isKept {
		if wasKept, err = s.keepOut(ctx, of.ID); err != nil {
			return progress, err
		}
	}
	progress, err = s.PersonalData.Progress.Erasure(ctx, progressKey(of))
	if err != nil {
		return progress, err
	}
	if progress.Began.IsZero() || !wasKept { // what came while the person was not kept out may be anywhere
		progress = ErasureState{Erased: progress.Erased, Began: s.Now()}
		if err := s.keepProgress(ctx, of, progress); err != nil {
			return progress, err
		}
	}
	if !isKept {
		return progress, nil
	}
	return progress, backoff.Sleep(ctx, progress.Began.Add(RightsGrace).Sub(s.Now()))
}

func (s Service) keepProgress(ctx context.Context, of Person, progress ErasureState) error {
	return s.PersonalData.Progress.KeepErasure(ctx, progressKey(of), progress)
}

func progressKey(of Person) string {
	if of.ID == "" {
		return erasingKey("\x00" + of.Name)
	}
	return erasingKey(of.ID)
}

// errEnough says that the time of a step is over.
var errEnough = errors.New("the time of this step is over")

// lastProgress is how long the progress may take to be kept after a failure, which may be the end of the time.
const lastProgress = 500 * time.Millisecond

// eraseFound erases what was found, and counts it. It stops when enough ends, with errEnough.
func (s Service) eraseFound(ctx, enough context.Context, of Person, found Found, finder PersonFinder,
	sum *Erased) error {
	err := s.eraseMessages(ctx, enough, of, found.Messages, sum)
	for _, room := range found.Rules {
		err = errors.Join(err, s.eraseFromRules(ctx, of, room, sum))
	}
	removed, removeErr := s.removeAll(ctx, found.Members)
	err = errors.Join(err, removeErr, s.closeAll(ctx, found.Members))
	sum.Memberships += len(removed)
	s.announceLeave(ctx, slices.DeleteFunc(removed, func(m Member) bool { return m.Room == inboxOf(m.UserID) })...)
	errs := make([]error, len(found.Rows))
	parallel.ForEach(s.Workers, len(found.Rows), func(i int) { errs[i] = finder.Delete(ctx, found.Rows[i]) })
	for _, err := range errs {
		if err == nil {
			sum.Rows++
		}
	}
	if err := errors.Join(append(errs, err)...); err != nil {
		return err
	}
	sum.Damaged += found.Damaged
	sum.Looked += found.Looked
	return nil
}

// eraseMessages changes messages, those of a room one after the other, because they compete for the next number in the
// room's changes. Then it sends each room its changes.
func (s Service) eraseMessages(ctx, enough context.Context, of Person, messages []Message, sum *Erased) error {
	inRooms := map[string][]Message{}
	for _, m := range messages {
		inRooms[m.Room] = append(inRooms[m.Room], m)
	}
	rooms := slices.Sorted(maps.Keys(inRooms))
	sums, errs := make([]Erased, len(rooms)), make([]error, len(rooms))
	parallel.ForEach(s.Workers, len(rooms), func(i int) {
		for _, m := range inRooms[rooms[i]] {
			if errs[i] = s.eraseFromMessage(ctx, of, m, &sums[i]); errs[i] != nil {
				break
			}
			if enough.Err() != nil {
				errs[i] = errEnough
				break
			}
		}
		s.sendLeft(ctx, rooms[i], &Delivery{})
	})
	for _, done := range sums {
		sum.Messages += done.Messages
		sum.Reactions += done.Reactions
	}
	return errors.Join(errs...)
}

func (s Service) eraseFromMessage(ctx context.Context, of Person, m Message, sum *Erased) error {
	var messages, reactions int
	_, err := s.Changes.Change(ctx, m.Room, m.Index, func(m Message) (Message, error) {
		to := m.without(of, s.Now())
		messages, reactions = 0, m.reactionsBy(of)
		if !m.Equal(to) && m.sender().Is(of) {
			messages = 1
		}
		return to, nil
	})
	if errors.Is(err, ErrNoMessage) { // it has expired
		return nil
	}
	if err == nil {
		sum.Messages += messages
		sum.Reactions += reactions
	}
	return err
}

// without returns a message without everything of a person: the whole content of one that the person sent, otherwise
// the reactions.
func (m Message) without(of Person, now time.Time) Message {
	if m.sender().Is(of) {
		m = m.deleted(now)
		m.User, m.UserID, m.ID = ErasedUser, "", ""
		return m
	}
	for _, r := range m.Reactions {
		m = m.withoutReaction(r.Reaction, of)
	}
	return m
}

func (m Message) reactionsBy(p Person) (n int) {
	for _, r := range m.Reactions {
		if slices.ContainsFunc(r.Users, p.Is) {
			n++
		}
	}
	return n
}

// eraseFromRules takes a person out of the rules of a room, which may leave it without an owner, and sends the room
// the change.
func (s Service) eraseFromRules(ctx context.Context, of Person, room string, sum *Erased) error {
	if s.Rules == nil {
		return nil
	}
	named := false
	_, err := s.Rules.ChangeRules(ctx, room, func(r Rules) (Rules, error) {
		_, named = r.People[of.ID]
		return r.with(of.ID, Standing{}), nil
	})
	if err == nil && named {
		sum.Rules++
		s.sendLeft(ctx, room, &Delivery{})
	}
	return err
}

// closeAll closes the connections of members.
func (s Service) closeAll(ctx context.Context, members []Member) error {
	ids := map[string]bool{}
	for _, m := range members {
		ids[m.ConnectionID] = true
	}
	list := slices.Sorted(maps.Keys(ids))
	errs := make([]error, len(list))
	parallel.ForEach(s.Workers, len(list), func(i int) {
		if err := s.Poster.Close(ctx, list[i]); !errors.Is(err, ErrGone) {
			errs[i] = err
		}
	})
	return errors.Join(errs...)
}
