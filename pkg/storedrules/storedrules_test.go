package storedrules_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"wschat/pkg/chat"
	"wschat/pkg/storedrules"
)

// What is kept comes back.
func TestRulesComeBack(t *testing.T) {
	roles := []chat.Role{"", "owner", "moderator", "member", "reader"}
	rapid.Check(t, func(t *rapid.T) {
		until := rapid.OneOf(rapid.Just(int64(0)), rapid.Just(chat.Forever), rapid.Int64Range(1, 1<<40))
		r := chat.Rules{
			Room: "r", Version: rapid.Int64Range(1, 1<<60).Draw(t, "version"),
			Title: rapid.String().Draw(t, "title"), Topic: rapid.String().Draw(t, "topic"),
			Private: rapid.Bool().Draw(t, "private"), ReadOnly: rapid.Bool().Draw(t, "read-only"),
			SlowMode: rapid.IntRange(0, chat.MaxSlowMode).Draw(t, "slow mode"),
			People: rapid.MapOf(rapid.StringN(1, 20, 255), rapid.Custom(func(t *rapid.T) chat.Standing {
				return chat.Standing{
					Name:        rapid.String().Draw(t, "name"),
					Role:        rapid.SampledFrom(roles).Draw(t, "role"),
					BannedUntil: until.Draw(t, "banned"), MutedUntil: until.Draw(t, "muted"),
					Reason: rapid.String().Draw(t, "reason"),
				}
			})).Draw(t, "people"),
		}
		text, err := storedrules.Encode(r)
		if err != nil {
			t.Fatal(err)
		}
		back, err := storedrules.Decode("r", r.Version, text)
		if err != nil || !back.Equal(r) {
			t.Fatalf("%+v came back as %+v, %v", r, back, err)
		}
	})
}

// What cannot be read, or not be meant, is no rules at all: the room stays closed.
func TestWhatCannotBeReadIsRefused(t *testing.T) {
	for name, text := range map[string]string{
		"nothing":                "",
		"no JSON":                "{",
		"a list":                 "[]",
		"null":                   "null",
		"no format":              `{"private":true}`,
		"a later format":         `{"format":2,"private":true}`,
		"a field of later":       `{"format":1,"only_on_mondays":true}`,
		"a wrong type":           `{"format":1,"private":"no"}`,
		"two of them":            `{"format":1} {"format":1}`,
		"a role that is none":    `{"format":1,"people":{"a":{"r":"king"}}}`,
		"a role of nobody":       `{"format":1,"people":{"a":{"r":"stranger"}}}`,
		"a negative ban":         `{"format":1,"people":{"a":{"b":-1}}}`,
		"a negative slow mode":   `{"format":1,"slow_mode":-1}`,
		"a direct room of three": `{"format":1,"direct":true,"private":true,"people":{"a":{},"b":{},"c":{}}}`,
		"an open direct room":    `{"format":1,"direct":true,"people":{"a":{"r":"member"}}}`,
		"bytes":                  "\xff\xfe",
	} {
		if r, err := storedrules.Decode("r", 1, text); err == nil {
			t.Errorf("%s: %+v", name, r)
		}
	}
	if r, err := storedrules.Decode("r", 0, `{"format":1}`); err == nil {
		t.Errorf("no version: %+v", r)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(`{"format":1,"private":true,"people":{"a":{"n":"ann","r":"owner","b":1,"m":2,"why":"x"}}}`)
	f.Add(`{"format":1,"direct":true,"private":true,"people":{"a":{"r":"member"},"b":{"r":"member"}}}`)
	f.Fuzz(func(t *testing.T, text string) {
		r, err := storedrules.Decode("r", 1, text)
		if err != nil {
			return
		}
		again, err := storedrules.Encode(r)
		if err != nil {
			return // it was too large
		}
		if back, err := storedrules.Decode("r", 1, again); err != nil || !back.Equal(r) {
			t.Errorf("%q is %+v and then %+v, %v", text, r, back, err)
		}
	})
}

// Rules that no row can hold are refused in words.
func TestTooLargeRulesAreRefused(t *testing.T) {
	r := chat.Rules{Room: "r", Version: 1, People: map[string]chat.Standing{}}
	for i := range 1000 {
		r.People[strings.Repeat("x", 251)+string(rune(0x4e00+i))] = chat.Standing{Name: strings.Repeat("n", 128)}
	}
	if _, err := storedrules.Encode(r); chat.AsError(err).Code != chat.CodeTooLarge {
		t.Errorf("%v", err)
	}
}
