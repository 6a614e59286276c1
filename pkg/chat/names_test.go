package chat_test

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"wschat/pkg/chat"
)

// canonicalForms are names and what becomes of them, for users, for rooms, and in tokens.
func canonicalForms() map[string]string {
	return map[string]string{
		"":                                      "", // the caller says whether there must be a name
		"lobby":                                 "lobby",
		"caf\u00e9":                             "caf\u00e9",
		"cafe\u0301":                            "caf\u00e9",
		"e\u0323\u0302":                         "\u1ec7",             // two marks in one letter
		"\u1ec7":                                "\u1ec7",             //
		"\u00ea\u0323":                          "\u1ec7",             // the mark that is under the letter comes first
		"q\u0307\u0323":                         "q\u0323\u0307",      // and if there is no such letter
		"\u1112\u1161\u11ab":                    "\ud55c",             // Hangul: three parts of a syllable
		"\ud558\u11ab":                          "\ud55c",             // a syllable of two, and the third
		"\u1100\u1161":                          "\uac00",             //
		"\u212b":                                "\u00c5",             // Angstrom, which is Å
		"\u212bngstro\u0308m":                   "\u00c5ngstr\u00f6m", //
		"\u2126":                                "\u03a9",             // Ohm, which is Omega
		"\u212a":                                "K",                  // Kelvin
		"\u1fef":                                "`",                  //
		"x\u0340\u0341":                         "x\u0300\u0301",      //
		"\u0958":                                "\u0915\u093c",       // what is never composed
		"\u0915\u093c":                          "\u0915\u093c",       //
		"\u2adc":                                "\u2add\u0338",       //
		"\ufb1d":                                "\u05d9\u05b4",       //
		"\U0001d15e":                            "\U0001d157\U0001d165",
		"\uf900":                                "\u8c48", // an ideograph that stands twice in Unicode
		"\U0002f800":                            "\u4e3d",
		"\ufb01 \u2460 \uff21 K\u00b2":          "\ufb01 \u2460 \uff21 K\u00b2", // NFC, not NFKC
		"\u0421\u0410\u0422":                    "\u0421\u0410\u0422",           // Cyrillic, and not CAT
		"\U0001f469\u200d\U0001f680 \U0001f3fd": "\U0001f469\u200d\U0001f680 \U0001f3fd",
		"*\u0338 =\u0338 >*":                    "*\u0338 \u2260 >*",

		strings.Repeat("n", 128):                           strings.Repeat("n", 128),
		strings.Repeat("e\u0301", 64):                      strings.Repeat("\u00e9", 64), // 192 bytes, and 128
		strings.Repeat("\u1112\u1161\u11ab", 42) + "ab":    strings.Repeat("\ud55c", 42) + "ab",
		strings.Repeat("\u1fbe\u0308\u0301", 64):           strings.Repeat("\u0390", 64), // 448 bytes, and 128
		"x" + strings.Repeat("\u0315", 30):                 "x" + strings.Repeat("\u0315", 30),
		strings.Repeat("x"+strings.Repeat("\u0315", 7), 8): strings.Repeat("x"+strings.Repeat("\u0315", 7), 8),
	}
}

func TestCanonicalNames(t *testing.T) {
	for name, want := range canonicalForms() {
		for kind, canonical := range map[string]func(string) (string, error){
			"room": chat.CanonicalRoom, "user": chat.CanonicalUser, "user of a token": chat.CanonicalTokenUser,
		} {
			if got, err := canonical(name); err != nil || got != want {
				t.Errorf("%s %+q: got %+q, %v; want %+q", kind, name, got, err, want)
			}
		}
		if got := chat.CanonicalPattern(name + "*"); got != want+"*" {
			t.Errorf("pattern %+q: got %+q, want %+q", name+"*", got, want+"*")
		}
	}
}

// A pattern gets the form of names, but never covers more rooms by it.
func TestCanonicalPatterns(t *testing.T) {
	for pattern, want := range map[string]string{
		"*": "*", "**": "**", "team *": "team *", " team  *": "team *", "team\u00a0*": "team *", " ann ": "ann",
		"ann": "ann",
		" *":  " *", "\u3000 *": "\u3000 *", "\u200b*": "\u200b*", "\u3164*": "\u3164*", "ann\u200b*": "ann\u200b*",
		"ann\ufe0f": "ann\ufe0f", "\xff*": "\xff*", "\u0915\u094d\u200d*": "\u0915\u094d\u200d*",
		"\U0001f469\u200d*": "\U0001f469\u200d*", "cafe\u0301*": "caf\u00e9*", "\u2764\ufe0f*": "\u2764\ufe0f*",
	} {
		if got := chat.CanonicalPattern(pattern); got != want {
			t.Errorf("%+q: got %+q, want %+q", pattern, got, want)
		}
	}
}

func TestNamesThatNobodyHas(t *testing.T) {
	const marks = "must be in Unicode's normal form C, without more than 30 combining marks in a row"
	for name, says := range map[string]string{
		"a\nb":                                 "must not contain control characters",
		"a\u0085b":                             "must not contain control characters",
		"\xff":                                 "must be valid UTF-8",
		"e\u0301\xcc":                          "must be valid UTF-8",
		strings.Repeat("n", 129):               "must be at most 128 bytes, not 129",
		strings.Repeat("e\u0301", 65):          "must be at most 128 bytes, not 130",
		strings.Repeat("\u0958", 42):           "must be at most 128 bytes, not 252", // 126 before
		strings.Repeat("n", 513):               "must be at most 128 bytes, not 513",
		strings.Repeat("\u0301", 40_000):       "must be at most 128 bytes, not 80000",
		"x" + strings.Repeat("\u0315", 31):     marks,
		"e" + strings.Repeat("\u0301", 40):     marks,
		strings.Repeat("\u0315\u0323", 20):     marks,
		"e\u0301" + strings.Repeat("x", 1<<20): fmt.Sprint("must be at most 128 bytes, not ", 1<<20+3),
	} {
		for field, canonical := range map[string]func(string) (string, error){
			"room_name": chat.CanonicalRoom, "user_name": chat.CanonicalUser,
		} {
			got, err := canonical(name)
			e := chat.AsError(err)
			if err == nil || e.Code != chat.CodeInvalidField || e.Message != field+" "+says || got != "" {
				t.Errorf("%.40q: got %q, %v; want %q", name, got, err, field+" "+says)
			}
		}
		if _, err := chat.CanonicalTokenUser(name); err == nil {
			t.Errorf("a token's user may be called %.40q", name)
		}
	}
	for _, name := range []string{"#", "#e\u0301", "#\u0338"} {
		if _, err := chat.CanonicalRoom(name); err == nil {
			t.Errorf("a room may be called %q", name)
		}
		if _, err := chat.CanonicalUser(name); err != nil {
			t.Errorf("a user may not be called %q: %v", name, err)
		}
	}
}

// Users cannot choose what their tokens call them.
func TestNamesOfTokens(t *testing.T) {
	for _, name := range []string{
		"\u05d3\u05e0\u05d9\u200f", "\u200eDani", "\u0633\u0644\u0645\u0649\u061c",
		"Lang\u00adstrumpf", england, "Harry " + england,
		"\u06a9\u200c\u0645", "\U0001f469\u200d\U0001f680", "\u200bann", "ann\ufeff", "a\u2060b", "\u0600\u0661",
		"ann #1", "#", "*", " ann ", "an  n", "ann\u00a0", "an\u200dn", "ann\ufe0f", "ann\ue000", "\u2764\ufe0f",
	} {
		if got, err := chat.CanonicalTokenUser(name); err != nil || got != name {
			t.Errorf("%+q: got %+q, %v", name, got, err)
		}
	}
	for _, name := range []string{
		"a\u202eb", "a\u202a", "\u202bb", "\u202c", "a\u202d", "\u2066a", "a\u2067", "a\u2068b", "a\u2069",
		"a\tb", "a\x7f", "a\u009fb",
		"\u200f", "\u00ad\u200b", "\ufeff", england[4:], " ", "\u3000\u00a0", "\u3164", "\u2800", "\ufe0f", "\u034f",
		"\u0301", " \u0301", "\ue000", "ann\u3164", "ann\u2800", "ann\u115f", "a\u2028b", "a\u2029", "J\ufffdrg",
	} {
		if got, err := chat.CanonicalTokenUser(name); err == nil || got != "" {
			t.Errorf("%+q is taken as %+q", name, got)
		}
	}
}

// The bound on what is looked at keeps no name out: no text is four times as long as its canonical form.
func TestNothingShrinksToAQuarter(t *testing.T) {
	longest := map[string]int{} // by what a character is decomposed into: the most bytes that such a character has
	most := 0                   // characters that one is decomposed into
	for r := range utf8.MaxRune + 1 {
		if utf8.ValidRune(r) {
			parts := norm.NFD.String(string(r))
			longest[parts] = max(longest[parts], utf8.RuneLen(r))
			most = max(most, utf8.RuneCountInString(parts))
		}
	}
	for r := range utf8.MaxRune + 1 {
		if !utf8.ValidRune(r) || norm.NFC.String(string(r)) != string(r) {
			continue
		}
		parts := []rune(norm.NFD.String(string(r)))
		bytes := make([]int, len(parts)+1) // that the first so many parts can take at most
		for end := range bytes {
			for begin := max(0, end-most); begin < end; begin++ {
				if n, ok := longest[string(parts[begin:end])]; ok {
					bytes[end] = max(bytes[end], bytes[begin]+n)
				}
			}
		}
		if bytes[len(parts)] >= 4*utf8.RuneLen(r) {
			t.Errorf("%U has %d bytes, and can be written with %d", r, utf8.RuneLen(r), bytes[len(parts)])
		}
	}
}

// A use case takes no name that is not in its canonical form, so no entrance can forget about it.
func TestUseCasesRefuseOtherForms(t *testing.T) {
	w := &world{}
	s, ctx := w.Service(), t.Context()
	const nfd = "cafe\u0301"
	send := func(d chat.Draft) error { _, err := s.Send(ctx, "c", d); return err }
	for name, do := range map[string]func() error{
		"send to":    func() error { return send(chat.Draft{Room: nfd, User: "u", Content: "c"}) },
		"send under": func() error { return send(chat.Draft{Room: "r", User: nfd, Content: "c"}) },
		"history":    func() error { _, err := s.History(ctx, "c", chat.Query{Room: nfd, Limit: 1}); return err },
		"connect":    func() error { return s.Connect(ctx, chat.Member{ConnectionID: "c", Room: nfd}) },
		"connect as": func() error { return s.Connect(ctx, chat.Member{ConnectionID: "c", User: nfd}) },
		"join":       func() error { return s.Join(ctx, chat.Member{Room: nfd, ConnectionID: "c"}, chat.CatchUp{}) },
		"join as": func() error {
			return s.Join(ctx, chat.Member{Room: "r", ConnectionID: "c", User: nfd},
				chat.CatchUp{})
		},
		"leave":   func() error { return s.Leave(ctx, "c", nfd, "") },
		"members": func() error { _, err := s.Members(ctx, "c", nfd, ""); return err },
	} {
		if err := do(); chat.AsError(err).Code != chat.CodeInvalidField {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, room := range []string{"a  b", " a", "a\u00a0b", "a\u200b", "\U0001f600\ufe0f", "\u0301", "a\ufffd"} {
		if err := s.Leave(ctx, "c", room, ""); chat.AsError(err).Code != chat.CodeInvalidField {
			t.Errorf("leave %+q: %v", room, err)
		}
	}
	if len(w.Calls) > 0 {
		t.Errorf("calls %v", w.Calls)
	}
}

// FuzzCanonicalNames: what comes out is in the normal form and within the limit, and passes itself; and all forms of a
// name become one. Names that clients chose can be seen, and nothing in them cannot be.
func FuzzCanonicalNames(f *testing.F) {
	for name := range canonicalForms() {
		f.Add(name)
	}
	for name := range chosenForms() {
		f.Add(name)
	}
	f.Add("x" + strings.Repeat("\u0315", 31))
	f.Add("e" + strings.Repeat("\u0301", 30))
	f.Add("\u1ec7" + strings.Repeat("\u0301", 29))
	f.Add("a\u034f" + strings.Repeat("\u0301", 30) + "\u034f")
	f.Add("\xff\u0301")
	f.Fuzz(func(t *testing.T, name string) {
		for kind, canonical := range map[string]func(string) (string, error){
			"room": chat.CanonicalRoom, "user": chat.CanonicalUser, "user of a token": chat.CanonicalTokenUser,
		} {
			got, err := canonical(name)
			if err != nil {
				if got != "" {
					t.Errorf("%s %+q: got %+q with %v", kind, name, got, err)
				}
				continue
			}
			normal := utf8.ValidString(got) && norm.NFC.IsNormalString(got)
			if !normal || len(got) > chat.MaxNameBytes || (got == "") != (name == "") {
				t.Errorf("%s %+q: got %+q", kind, name, got)
			}
			for _, form := range []string{got, norm.NFD.String(got), norm.NFD.String(name)} {
				if again, err := canonical(form); err != nil || again != got {
					t.Errorf("%s %+q: got %+q, and of %+q %+q, %v", kind, name, got, form, again, err)
				}
			}
			if kind == "user of a token" || got == "" {
				continue
			}
			if pattern := chat.CanonicalPattern(got + "*"); pattern != got+"*" {
				t.Errorf("pattern %+q: got %+q", got+"*", pattern)
			}
			if problem := unseen(got); problem != "" {
				t.Errorf("%s %+q: got %+q, with %s", kind, name, got, problem)
			}
		}
	})
}
