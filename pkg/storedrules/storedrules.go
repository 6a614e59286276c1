// Package storedrules is the form in which both stores keep the rules of a room: a text of JSON. It refuses what it
// cannot read: rules that are misread could open a room.
package storedrules

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"wschat/pkg/chat"
)

// format is the version of the form. A program that keeps something else in it, which older ones must not overlook,
// counts it up.
const format = 1

// rules is chat.Rules in this form.
type rules struct {
	Format   int                 `json:"format"`
	Title    string              `json:"title,omitempty"`
	Topic    string              `json:"topic,omitempty"`
	Private  bool                `json:"private,omitempty"`
	Direct   bool                `json:"direct,omitempty"`
	ReadOnly bool                `json:"read_only,omitempty"`
	SlowMode int                 `json:"slow_mode,omitempty"`
	People   map[string]standing `json:"people,omitempty"`
}

// standing is chat.Standing. There are up to a thousand in a row, so the names are short.
type standing struct {
	Name        string    `json:"n,omitempty"`
	Role        chat.Role `json:"r,omitempty"`
	BannedUntil int64     `json:"b,omitempty"`
	MutedUntil  int64     `json:"m,omitempty"`
	Reason      string    `json:"why,omitempty"`
	MuteReason  string    `json:"whym,omitempty"`
}

// maxBytes is how long the text may be: a row of DynamoDB is at most 400 KB
// (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html#limits-items).
const maxBytes = 350_000

// Encode returns the text of rules, without their room and version. The error is a *chat.Error if they are too large.
func Encode(r chat.Rules) (string, error) {
	kept := rules{Format: format, Title: r.Title, Topic: r.Topic, Private: r.Private, Direct: r.Direct,
		ReadOnly: r.ReadOnly, SlowMode: r.SlowMode}
	for id, s := range r.People {
		if kept.People == nil {
			kept.People = map[string]standing{}
		}
		kept.People[id] = standing(s)
	}
	text, err := json.Marshal(kept)
	if err != nil {
		return "", fmt.Errorf("encode the rules of a room: %w", err)
	}
	if len(text) > maxBytes {
		return "", &chat.Error{Code: chat.CodeTooLarge,
			Message: "the names, ids and reasons of the people in this room's rules are too long to be kept together"}
	}
	return string(text), nil
}

// Decode reads the text of the rules of a room at a version. The error wraps chat.ErrUnreadableRules, and says how the
// text is damaged, or that it is of a later version of this program.
func Decode(room string, version int64, text string) (chat.Rules, error) {
	r, err := decode(room, version, text)
	if err != nil {
		return chat.Rules{}, fmt.Errorf("%w: %w", chat.ErrUnreadableRules, err)
	}
	return r, nil
}

func decode(room string, version int64, text string) (chat.Rules, error) {
	var kept rules
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.DisallowUnknownFields()
	if err := d.Decode(&kept); err != nil {
		return chat.Rules{}, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return chat.Rules{}, errors.New("something follows them")
	}
	r := chat.Rules{Room: room, Version: version, Title: kept.Title, Topic: kept.Topic, Private: kept.Private,
		Direct: kept.Direct, ReadOnly: kept.ReadOnly, SlowMode: kept.SlowMode, People: map[string]chat.Standing{}}
	switch {
	case kept.Format != format:
		return chat.Rules{}, fmt.Errorf("they have the format %d, and this program knows %d", kept.Format, format)
	case version < 1 || kept.SlowMode < 0:
		return chat.Rules{}, errors.New("a number is out of range")
	case kept.Direct && (!kept.Private || len(kept.People) > 2):
		return chat.Rules{}, errors.New("a direct room is not of two people")
	}
	for id, s := range kept.People {
		if s.Role != "" && !s.Role.IsGiven() || s.BannedUntil < 0 || s.MutedUntil < 0 {
			return chat.Rules{}, errors.New("a person has what there is not")
		}
		r.People[id] = chat.Standing(s)
	}
	return r, nil
}
