package chat_test

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/secure/precis"
	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"

	"wschat/pkg/chat"
)

const (
	england = "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"
	bavaria = "\U0001f3f4\U000e0064\U000e0065\U000e0062\U000e0079\U000e007f" // of which there is no picture
)

// chosenForms are names that clients choose, and what becomes of them.
func chosenForms() map[string]string {
	return map[string]string{
		" ann ": "ann", "an  n": "an n", "an\u00a0n": "an n", "\u3000ann\u2003": "ann", "a\u2009\u202f\u1680b": "a b",
		"a \u00a0 \u205f b": "a b", "a\u2000b\u2001c": "a b c", "a b c": "a b c", "\u2007\u2008a": "a",
		"a \u0301b": "a \u0301b", "cafe\u0301  1": "caf\u00e9 1",

		"\u06a9\u200c\u0645": "\u06a9\u200c\u0645", // Persian, which needs the non-joiner
		"\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645": "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
		"\u0628\u064e\u200c\u064e\u0645":                   "\u0628\u064e\u200c\u064e\u0645", // with vowels between
		// Devanagari, half a letter
		"\u0915\u094d\u200d\u0937": "\u0915\u094d\u200d\u0937",
		"\u0915\u094d\u200c\u0937": "\u0915\u094d\u200c\u0937", // and no ligature
		// Malayalam, a letter of old
		"\u0d28\u0d4d\u200d":             "\u0d28\u0d4d\u200d",
		"\u0dc1\u0dca\u200d\u0dbb\u0dd3": "\u0dc1\u0dca\u200d\u0dbb\u0dd3", // Sri Lanka
		"\u0915\u093c\u094d\u200d\u0937": "\u0915\u093c\u094d\u200d\u0937",
		"\u0915\u094d\u093c\u200d\u0937": "\u0915\u093c\u094d\u200d\u0937", // in the other order

		england: england, "Harry " + england + "!": "Harry " + england + "!",
		"\u2764\ufe0f": "\u2764\ufe0f", "\u2764": "\u2764", // red and black
		"\U0001f600\ufe0f": "\U0001f600", "\u231a\ufe0f": "\u231a", "\u25fd\ufe0fx": "\u25fdx",
		"\U0001f44d\U0001f3fd": "\U0001f44d\U0001f3fd", "\u261d\ufe0f\U0001f3fd": "\u261d\U0001f3fd",
		"\u2764\ufe0f\U0001f3fd": "\u2764\ufe0f\U0001f3fd",
		"1\ufe0f\u20e3":          "1\ufe0f\u20e3", "1\u20e3": "1\ufe0f\u20e3", "x #\u20e3": "x #\ufe0f\u20e3",
		"\U0001f1f8\U0001f1ea":                         "\U0001f1f8\U0001f1ea",
		"\U0001f3f3\u200d\U0001f308":                   "\U0001f3f3\ufe0f\u200d\U0001f308",
		"\U0001f3f3\ufe0f\u200d\U0001f308":             "\U0001f3f3\ufe0f\u200d\U0001f308",
		"\U0001f468\U0001f3fe\u200d\u2695":             "\U0001f468\U0001f3fe\u200d\u2695\ufe0f",
		"a\U0001f469\u200d\U0001f467\u200d\U0001f466b": "a\U0001f469\u200d\U0001f467\u200d\U0001f466b",
		// newer than some tables
		"\U0001fae8 \U0001fade": "\U0001fae8 \U0001fade",
		// the Arabic sign of a number can be seen
		"\u0600\u0661": "\u0600\u0661",
	}
}

func chosen() map[string]func(string) (string, error) {
	return map[string]func(string) (string, error){"room_name": chat.CanonicalRoom, "user_name": chat.CanonicalUser}
}

func TestNamesThatClientsChoose(t *testing.T) {
	for name, want := range chosenForms() {
		for kind, canonical := range chosen() {
			if got, err := canonical(name); err != nil || got != want {
				t.Errorf("%s %+q: got %+q, %v; want %+q", kind, name, got, err, want)
			}
			if got, err := canonical(want); err != nil || got != want {
				t.Errorf("%s %+q: got %+q, %v", kind, want, got, err)
			}
		}
	}
}

// What cannot be seen is refused, and the refusal says which name can be had.
func TestNamesThatCannotBeSeen(t *testing.T) {
	for name, right := range map[string]string{
		"\u3164": "", "\u2800": "", "\ufe0f": "", "\u034f": "", "\u200d": "", "\u00ad": "", "\u2800 \u3164": "",
		"ann\u3164": "ann", "ann\u2800": "ann", "a\ufe0fnn": "ann", "a\u034fnn": "ann", "an\u200dn": "ann",
		"an\u200cn": "ann", "\u200bann": "ann", "ann\ufeff": "ann", "a\u2060nn": "ann", "a\u00adnn": "ann",
		"ann\u200e": "ann", "\u05d3\u05e0\u05d9\u200f": "\u05d3\u05e0\u05d9", "a\u061cnn": "ann",
		"ann\u115f": "ann", "ann\u1160": "ann", "ann\uffa0": "ann", "ann\u17b4": "ann", "ann\u180b": "ann",
		"ann\u180e": "ann", "ann\u2063": "ann", "ann\u206a": "ann", "ann\ufff9": "ann", "ann\ufffc": "ann",
		"ann\U000e0061": "ann", "ann\U000e0001": "ann", "ann\U000e0100": "ann", "ann\U000e0fff": "ann",
		"ann\U0001d159": "ann", "ann\U0001d173": "ann", "ann\U0001bca0": "ann", "ann\U00013441": "ann",
		"ann\U00016fe4": "ann", "ann\u2028": "ann", "an\u2029n": "ann", "ann\u202e": "ann", "an\u2066n\u2069": "ann",
		"ann\ue000": "ann", "ann\U000f0000": "ann", "ann\ufdd0": "ann", "ann\uffff": "ann", "ann\U0010ffff": "ann",
		"ann \u200b": "ann", "\u200b ann": "ann", "an \u200b n": "an n",
		"e\u034f\u0301": "\u00e9",

		// no letters to part
		"\u0627\u200c\u0628": "\u0627\u0628", "\u0628\u200c1": "\u06281", "\u0628\u200c": "\u0628",
		"\u0628\u200d\u0645": "\u0628\u0645", "\u0628\u200c\u200c\u0645": "\u0628\u200c\u0645",
		"\u0915\u200d\u0937": "\u0915\u0937", "\u0915\u094d\u200c": "\u0915\u094d", "a\u094d\u200db": "a\u094db",
		"\u0915\u094d\u200d\u200d\u0937": "\u0915\u094d\u200d\u0937", "\u0915\u094d\u200cx": "\u0915\u094dx",

		bavaria: "\U0001f3f4", england[:24]: "\U0001f3f4", "a" + england[4:]: "a",
		"1\ufe0f": "1", "1\ufe0f2": "12", "\u2764\ufe0f\ufe0f": "\u2764\ufe0f", "\u2764\ufe0e": "\u2764",
		"\u845b\U000e0100\u98fe": "\u845b\u98fe", "\U0001f436\u200d\U0001f431": "\U0001f436\U0001f431",
		"\U0001f469\u200d\u2764\ufe0f": "\U0001f469\u2764\ufe0f", "\U0001f680\u200d": "\U0001f680",
		"\u2800\U0001f3fd": "\U0001f3fd", "\ufffc\U0001f3fd": "\U0001f3fd", "\U0001d159\ufe0f": "",
		"\u00a9\u200d\u00ae": "\u00a9\u00ae", "\U0001f469\u200d\u200d\U0001f680": "\U0001f469\U0001f680",
	} {
		for field, canonical := range chosen() {
			got, err := canonical(name)
			e := chat.AsError(err)
			if err == nil || e.Code != chat.CodeInvalidField || got != "" ||
				!strings.HasPrefix(e.Message, field+" must not contain U+") {
				t.Errorf("%+q: got %+q, %v", name, got, err)
				continue
			}
			if _, says, named := strings.Cut(e.Message, "; the right form is "); named != (right != "") || named &&
				says != fmt.Sprintf("%q", right) {
				t.Errorf("%+q: %s; want %+q", name, e.Message, right)
			}
		}
	}
	for name, says := range map[string]string{
		" ": "must have a character that can be seen", "\u3000\u00a0": "must have a character that can be seen",
		"\u0301": "must not begin with a combining mark", " \u0301a": "must not begin with a combining mark",
		"\u20e3": "must not begin with a combining mark", "\u093e": "must not begin with a combining mark",
		"a\ufffd": "must not contain U+FFFD",
	} {
		for field, canonical := range chosen() {
			if got, err := canonical(name); err == nil || !strings.HasPrefix(chat.AsError(err).Message,
				field+" "+says) {
				t.Errorf("%+q: got %+q, %v", name, got, err)
			}
		}
	}
}

// unseen says which character of a canonical name cannot be seen, or "". It judges by the character alone, and takes
// joiners, the style of emoji and tags where they can be seen.
func unseen(name string) string {
	runes := []rune(name)
	for i, r := range runes {
		switch {
		case r == '\u200d' || r == '\u200c' || r == '\ufe0f' && i > 0 || r >= 0xe0020 && r <= 0xe007f &&
			strings.Contains(name, "\U0001f3f4\U000e0067\U000e0062"):
		case r == ' ' && (i == 0 || i == len(runes)-1 || runes[i-1] == ' '):
			return "a blank that cannot be seen"
		case r == ' ':
		case isIgnorable(r), isBlank(r):
			return fmt.Sprintf("%U", r)
		}
	}
	if strings.Trim(name, " \u200c\u200d\ufe0f") == "" {
		return "nothing that can be seen"
	}
	return ""
}

// isIgnorable is Default_Ignorable_Code_Point, as Unicode 17 derives it
// (https://www.unicode.org/Public/17.0.0/ucd/DerivedCoreProperties.txt), in ranges.
func isIgnorable(r rune) bool {
	ranges := []rune{0xad, 0xad, 0x34f, 0x34f, 0x61c, 0x61c, 0x115f, 0x1160, 0x17b4, 0x17b5, 0x180b, 0x180f,
		0x200b, 0x200f, 0x202a, 0x202e, 0x2060, 0x206f, 0x3164, 0x3164, 0xfe00, 0xfe0f, 0xfeff, 0xfeff, 0xffa0, 0xffa0,
		0xfff0, 0xfff8, 0x1bca0, 0x1bca3, 0x1d173, 0x1d17a, 0xe0000, 0xe0fff}
	for i := 0; i < len(ranges); i += 2 {
		if r >= ranges[i] && r <= ranges[i+1] {
			return true
		}
	}
	return false
}

// isBlank is every other character that is blank, or has no look of its own.
func isBlank(r rune) bool {
	return unicode.In(r, unicode.White_Space, unicode.Co, unicode.Noncharacter_Code_Point, unicode.Cc) ||
		r == '\u2800' || r >= 0xfff9 && r <= 0xfffd || r == 0x16fe4 || r == 0x1d159 || r == 0x13441 || r == 0x13442
}

// No character that is ignorable or blank gets into a name, and no other is kept out.
func TestEveryCharacter(t *testing.T) {
	for r := range utf8.MaxRune + 1 {
		alike := r >= 0x40000 && r < 0xe0000 || r >= 0xf0000 // what nothing is assigned to, and what is for private use
		if !utf8.ValidRune(r) || alike && r&0xff > 0 && r&0xff < 0xfe {
			continue
		}
		got, err := chat.CanonicalUser("a" + string(r) + "b")
		switch {
		case unicode.Is(unicode.Zs, r):
			if err != nil || got != "a b" {
				t.Errorf("%U: %+q, %v", r, got, err)
			}
		case isIgnorable(r), isBlank(r):
			if err == nil {
				t.Errorf("%U is taken: %+q", r, got)
			}
		case err == nil && got == norm.NFC.String("a"+string(r)+"b"):
		case unicode.Is(unicode.Cf, r) && !unicode.Is(unicode.Prepended_Concatenation_Mark, r): // of hieroglyphs
		case r == '\u2d7f' || r == 0x1107f: // joiners, by another name
		default:
			t.Errorf("%U is refused: %v", r, err)
		}
	}
}

// Names are made of what is hard to tell apart. Two that are not the same are not told apart by what cannot be seen.
func TestNoTwoNamesLookAlike(t *testing.T) {
	pieces := []string{"a", "b", " ", "\u00a0", "\u3000", "e", "\u0301", "\u200b", "\u200c", "\u200d", "\u00ad",
		"\u034f",
		"\ufe0f", "\ufe0e", "\u2800", "\u3164", "\ufeff", "\u202e", "\u0915", "\u094d", "\u093c", "\u0628", "\u0627",
		"\u064e",
		"\u2764", "\U0001f469", "\U0001f680", "\U0001f3fd", "\U0001f3f4", "\U0001f3f3", "\U0001f308", "1", "\u20e3",
		england, "\U000e0067", "\U000e007f", "\ue000", "\uffff", "\u1100", "\u1161"}
	rapid.Check(t, func(r *rapid.T) {
		name := strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 1, 8).Draw(r, "name"), "")
		got, err := chat.CanonicalUser(name)
		if err != nil {
			return
		}
		if problem := unseen(got); problem != "" {
			r.Fatalf("%+q: got %+q, with %s", name, got, problem)
		}
		if again, err := chat.CanonicalUser(got); err != nil || again != got {
			r.Fatalf("%+q: got %+q, and then %+q, %v", name, got, again, err)
		}
		// One character that cannot be seen is put anywhere. Then the name is refused, or the same as before, or seen
		// to be another: joiners and the style of emoji are seen where they are taken.
		runes := []rune(got)
		at := rapid.IntRange(0, len(runes)).Draw(r, "at")
		invisible := []rune("\u200b\u00ad\u034f\u2800\u3164\u202e\u2060\ufe0e\ue000\U000e0067\U000e007f\u00a0 ")
		hidden := rapid.SampledFrom(invisible).Draw(r, "hidden")
		other, err := chat.CanonicalUser(string(slices.Insert(slices.Clone(runes), at, hidden)))
		seen := unicode.Is(unicode.Zs, hidden) // between two letters
		if err == nil && other != got && !seen {
			r.Fatalf("%+q and %+q differ in %U", got, other, hidden)
		}
		if err == nil && seen && strings.ReplaceAll(other, " ", "") != strings.ReplaceAll(got, " ", "") {
			t.Logf("%+q and %+q", got, other) // the blank took a sequence or a letter apart, which is seen
		}
	})
}

// joinedEmoji are the sequences of emoji with joiners that platforms have pictures of.
func joinedEmoji(t *testing.T) []string {
	t.Helper()
	b, err := os.ReadFile("testdata/joined-emoji.txt")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(b))
}

func TestJoinedEmoji(t *testing.T) {
	sequences := joinedEmoji(t)
	plain := func(s string) string { // without tones and styles
		return strings.Map(func(r rune) rune {
			if r == '\ufe0f' || r >= '🏻' && r <= '🏿' {
				return -1
			}
			return r
		}, s)
	}
	known := map[string]bool{}
	parts, parts3 := map[string]bool{}, map[string]bool{} // of all sequences, and of those of three or more
	for _, s := range sequences {
		known[plain(s)] = true
		for part := range strings.SplitSeq(plain(s), "\u200d") {
			parts[part] = true
			parts3[part] = parts3[part] || strings.Count(s, "\u200d") > 1
		}
		for _, form := range []string{s, strings.ReplaceAll(s, "\ufe0f", "")} {
			if got, err := chat.CanonicalUser("a " + form + "b"); err != nil || got != "a "+s+"b" {
				t.Errorf("%s %+q: got %+q, %v", form, form, got, err)
			}
		}
		if got, err := chat.CanonicalTokenUser(s); err != nil || got != s {
			t.Errorf("%s %+q in a token: got %+q, %v", s, s, got, err)
		}
	}
	// Nothing else is joined of two of their parts, or of three and four of those that stand in such sequences.
	check := func(parts ...string) {
		s := strings.Join(parts, "\u200d")
		_, err := chat.CanonicalUser(s)
		if taken := err == nil; taken != known[s] {
			t.Errorf("%s %+q is taken: %v", s, s, taken)
		}
	}
	for a := range parts {
		for b := range parts {
			check(a, b)
		}
	}
	maps.DeleteFunc(parts3, func(_ string, in3 bool) bool { return !in3 })
	for a := range parts3 {
		for b := range parts3 {
			for c := range parts3 {
				check(a, b, c)
				if strings.Contains("👨👩🧑👦👧🧒❤💋", a) && strings.Contains("👨👩🧑👦👧🧒❤💋", b) {
					for d := range parts3 {
						check(a, b, c, d)
					}
				}
			}
		}
	}
}

// The joiners of scripts are where RFC 5892 wants them, as package precis reads it, or fewer.
func TestNonJoinersAreThoseOfTheRFC(t *testing.T) {
	rule := precis.NewFreeform()
	for r := rune(0x100); r <= 0x1f000; r++ {
		if !unicode.In(r, unicode.L) || unicode.Is(unicode.Hangul, r) || norm.NFC.String(string(r)) != string(r) {
			continue
		}
		if _, err := rule.String(string(r)); err != nil {
			continue // a letter that is newer than the package's tables
		}
		for _, name := range []string{string(r) + "\u200c\u0628", "\u0628\u200c" + string(r), "x" + string(r) +
			"\u200d\u0628"} {
			_, want := rule.String(name)
			if _, err := chat.CanonicalUser(name); (err == nil) != (want == nil) {
				t.Errorf("%+q: got %v, want %v", name, err, want)
			}
		}
	}
}
