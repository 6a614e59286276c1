package chat

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// composed is a text in normal form C; nil for none.
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
	if leastForOthers(m.action) != "" {
		err = errors.Join(err, checkUserID(m.UserID))
	}
	for _, member := range m.Members {
		err = errors.Join(err, checkUserID(member))
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
