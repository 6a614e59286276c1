package chat

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// Names are compared byte for byte, in the stores and in the check of access. So a name has one form, the canonical
// one: Unicode's normal form C (https://www.unicode.org/reports/tr15/). An "é" that was typed as one character and an
// "é" that was typed as two are the same name then; letters that only look alike are not. A name gets this form where
// it enters: out of a frame, out of the query of $connect, out of a token. The use cases refuse any other form.

// maxGivenBytes is how long a name can be before it has its canonical form. No character of that form has another form
// that is four times as long.
const maxGivenBytes = 4 * MaxNameBytes

// CanonicalRoom returns the canonical form of a room's name. Its error is an *Error with CodeInvalidField. The empty
// name stays empty: the caller knows whether there must be one.
func CanonicalRoom(name string) (string, error) { return canonical(name, checkRoom) }

// CanonicalUser does the same for a user's name that a client chose.
func CanonicalUser(name string) (string, error) { return canonical(name, checkUser) }

// CanonicalTokenUser does the same for a user's name in a token. The user cannot choose another one, and would be kept
// out. So invisible characters are taken that real names have, as soft hyphens, marks of direction and the tags in the
// flags of some countries. Refused are characters that turn around the text beside the name, and a name without a
// visible character.
func CanonicalTokenUser(name string) (string, error) { return canonical(name, checkTokenUser) }

// CanonicalPattern returns the canonical form of a name or of a beginning of names, of any length. A text that has none
// is returned as it is: no name begins so.
func CanonicalPattern(s string) string { return compose(s) }

// canonical returns the canonical form of a name if the check takes it. The check must refuse a name that is too long,
// is not valid UTF-8, or has no canonical form.
func canonical(name string, check func(name string) error) (string, error) {
	if name == "" {
		return "", nil
	}
	if len(name) <= maxGivenBytes {
		name = compose(name)
	}
	if err := check(name); err != nil {
		return "", err
	}
	return name, nil
}

// compose returns the normal form C of a text. A text with more than 30 combining marks in a row is returned as it is:
// package norm separates these marks by a character of its own, and so would make another name of it. No language needs
// as many (https://www.unicode.org/reports/tr15/#Stream_Safe_Text_Format).
func compose(s string) string {
	const graphemeJoiner = "\u034f"
	composed := norm.NFC.String(s)
	if strings.Count(composed, graphemeJoiner) > strings.Count(s, graphemeJoiner) {
		return s
	}
	return composed
}

// checkRoom refuses what is no user's name, and names that are reserved for the store's own rows ("#…").
func checkRoom(room string) error {
	if strings.HasPrefix(room, "#") {
		return InvalidField("room_name", "must not begin with #")
	}
	return checkCanonical("room_name", room)
}

func checkUser(name string) error { return checkCanonical("user_name", name) }

// checkOptionalUser allows the empty name, which stands for none.
func checkOptionalUser(name string) error {
	if name == "" {
		return nil
	}
	return checkUser(name)
}

func checkTokenUser(name string) error {
	const field = "user_name"
	switch {
	case strings.ContainsFunc(name, turnsText):
		return InvalidField(field, "must not contain characters that turn text around")
	case !strings.ContainsFunc(name, func(r rune) bool { return !unicode.Is(unicode.Cf, r) }):
		return InvalidField(field, "must have a character that can be seen")
	}
	return checkUser(name)
}

// turnsText tells whether a character changes the direction of text up to another one: the embeddings, overrides and
// isolates of https://www.unicode.org/reports/tr9/.
func turnsText(r rune) bool { return r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069' }

// checkCanonical refuses names that are empty, too long, with control characters, or not in the canonical form.
func checkCanonical(field, name string) error {
	if err := checkName(field, name); err != nil {
		return err
	}
	if !norm.NFC.IsNormalString(name) {
		return InvalidField(field, "must be in Unicode's normal form C, without more than 30 combining marks in a row")
	}
	return nil
}
