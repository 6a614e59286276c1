package chat

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Names are compared byte for byte, in the stores and in the check of access. So a name has one form, the canonical
// one. It gets it where it enters: out of a frame, out of the query of $connect, out of a token. The use cases refuse
// any other form. Function spell says what the form is. Two names that look alike because their letters do, as a Latin
// and a Cyrillic "a", are two names.
//
// The profiles of golang.org/x/text/secure/precis are not used. Nickname (RFC 8266) makes "Ann" and "ann" one and maps
// to NFKC. The freeform class under it refuses each joined emoji, "❤️" and every character that is newer than its
// tables. It would also make the function's binary larger by 330 KB.

// maxGivenBytes is how long a name can be before it has its canonical form. No character of that form has another form
// that is four times as long. Only names with very many blanks are kept out by it.
const maxGivenBytes = 4 * MaxNameBytes

// CanonicalRoom returns the canonical form of a room's name. Its error is an *Error with CodeInvalidField, which names
// the right form if there is one. The empty name stays empty: the caller knows whether there must be one.
func CanonicalRoom(name string) (string, error) { return canonical("room_name", name, checkRoom) }

// CanonicalUser does the same for a user's name that a client chose.
func CanonicalUser(name string) (string, error) { return canonical("user_name", name, checkChosenUser) }

// CanonicalTokenUser does the same for a user's name in a token. The user cannot choose another one, and would be kept
// out. A provider can hold two names apart that differ in a blank only, and must find them apart here as well. So no
// more than normal form C is applied. Blanks and invisible characters are taken that real names have, as soft hyphens,
// marks of direction and the tags in flags. Refused are blank letters, which no real name has, characters that turn
// around the text beside the name, and a name without a visible character.
func CanonicalTokenUser(name string) (string, error) {
	if len(name) <= maxGivenBytes {
		name = compose(name)
	}
	if name == "" {
		return "", nil
	}
	if err := checkUser(name); err != nil {
		return "", err
	}
	return name, nil
}

// CanonicalPattern returns the canonical form of a room's name or of a beginning of such names, of any length. A text
// that has none is returned as it is: no name begins so.
func CanonicalPattern(s string) string {
	spelled, left := spell(s)
	prefix, isPattern := strings.CutSuffix(s, "*")
	blank := isPattern && prefix != "" && spelled == "*" // blanks and *, which must not become every room
	if left != 0 || blank || !utf8.ValidString(s) {
		return s
	}
	return spelled
}

// canonical returns the canonical form of a name that a client chose, if the check takes it. The check must refuse a
// name that is too long or not valid UTF-8.
func canonical(field, name string, check func(name string) error) (string, error) {
	if name == "" {
		return "", nil
	}
	if len(name) > maxGivenBytes || !utf8.ValidString(name) {
		return "", check(name)
	}
	spelled, left := spell(name)
	switch {
	case left != 0 && check(spelled) == nil:
		return "", InvalidField(field, fmt.Sprintf("%s; the right form is %q", mustNot(left), spelled))
	case left != 0:
		return "", InvalidField(field, mustNot(left))
	case spelled == "":
		return "", InvalidField(field, mustBeSeen)
	}
	if err := check(spelled); err != nil {
		return "", err
	}
	return spelled, nil
}

const mustBeSeen = "must have a character that can be seen"

// mustNot is the rule that a character of a name breaks.
func mustNot(r rune) string {
	return fmt.Sprintf("must not contain %U, which cannot be seen there or has no look of its own", r)
}

// checkRoom refuses names that are not in the canonical form, and those that are reserved for the store's own rows
// ("#…").
func checkRoom(room string) error {
	if strings.HasPrefix(room, "#") {
		return InvalidField("room_name", "must not begin with #")
	}
	return checkChosen("room_name", room)
}

// checkChosenUser refuses what is not the canonical form of a name that a client chose.
func checkChosenUser(name string) error { return checkChosen("user_name", name) }

func checkChosen(field, name string) error {
	if err := checkForm(field, name); err != nil {
		return err
	}
	spelled, left := spell(name)
	first, _ := utf8.DecodeRuneInString(name)
	switch {
	case left != 0:
		return InvalidField(field, mustNot(left))
	case unicode.Is(unicode.M, first):
		return InvalidField(field, "must not begin with a combining mark, which would stand on the text before it")
	case spelled != name:
		return InvalidField(field, fmt.Sprintf("must have its canonical form, which is %q", spelled))
	}
	return nil
}

// checkUser refuses what is no name of a user, be it one that a client chose or one of a token.
func checkUser(name string) error {
	const field = "user_name"
	if err := checkForm(field, name); err != nil {
		return err
	}
	switch {
	case strings.ContainsFunc(name, turnsText):
		return InvalidField(field, "must not contain characters that turn text around")
	case strings.ContainsFunc(name, isBlankLetter):
		return InvalidField(field, "must not contain letters that are blank")
	case !strings.ContainsFunc(name, isSeen):
		return InvalidField(field, mustBeSeen)
	}
	return nil
}

// checkOptionalUser allows the empty name, which stands for none.
func checkOptionalUser(name string) error {
	if name == "" {
		return nil
	}
	return checkUser(name)
}

// checkForm refuses names that are empty, too long, with control characters, line breaks or characters that were lost,
// or not in normal form C.
func checkForm(field, name string) error {
	if err := checkName(field, name); err != nil {
		return err
	}
	return checkText(field, name)
}

// checkText refuses a line of text with control characters, line breaks or characters that were lost, or that is not in
// normal form C.
func checkText(field, text string) error {
	switch {
	case !utf8.ValidString(text):
		return InvalidField(field, "must be valid UTF-8")
	case strings.ContainsFunc(text, unicode.IsControl):
		return InvalidField(field, "must not contain control characters")
	case strings.ContainsFunc(text, func(r rune) bool { return unicode.In(r, unicode.Zl, unicode.Zp) }):
		return InvalidField(field, "must not contain line breaks")
	case strings.ContainsRune(text, utf8.RuneError):
		return InvalidField(field, "must not contain U+FFFD, which stands for any character that was lost on the way")
	case !norm.NFC.IsNormalString(text):
		return InvalidField(field, "must be in Unicode's normal form C, without more than 30 combining marks in a row")
	}
	return nil
}
