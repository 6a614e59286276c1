package chat

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// spell returns the canonical spelling of a text. Blanks of every kind become a space, one between two words and none
// at either end. Emoji have one spelling. Characters that cannot be seen are left out, and the first of them is
// returned; it is 0 if there is none. The rest is in Unicode's normal form C
// (https://www.unicode.org/reports/tr15/): an "é" that was typed as one character and one that was typed as two
// become the same. Control characters stay.
func spell(s string) (spelled string, left rune) {
	if !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= utf8.RuneSelf }) {
		return s, 0
	}
	given := []rune(compose(s))
	var kept []rune
	for i := 0; i < len(given); i++ {
		r := given[i]
		emoji, length := emojiAt(given[i:])
		switch {
		case length > 0:
			kept = append(kept, emoji...)
			i += length - 1
		case unicode.Is(unicode.Zs, r):
			if len(kept) > 0 && kept[len(kept)-1] != ' ' {
				kept = append(kept, ' ')
			}
		case (r == joiner || r == nonJoiner) && joins(kept, r, given[i+1:]), !isUnseen(r):
			kept = append(kept, r)
		case left == 0:
			left = r
		}
	}
	return compose(strings.TrimSuffix(string(kept), " ")), left
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

// isUnseen reports whether a character cannot be seen, or has no look that two readers agree on. It is every character
// with the property Default_Ignorable_Code_Point (https://www.unicode.org/reports/tr44/#Default_Ignorable_Code_Point),
// other format characters, blank letters, separators of lines, characters for private use, and noncharacters.
func isUnseen(r rune) bool {
	return unicode.In(r, unicode.Cf, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector,
		unicode.Co, unicode.Noncharacter_Code_Point, unicode.Zl, unicode.Zp) &&
		!unicode.Is(unicode.Prepended_Concatenation_Mark, r) || isBlankLetter(r)
}

// isBlankLetter reports whether a character is a letter, mark or symbol by its category, and blank by its name or by
// its description in the code charts: the fillers of Hangul and Khitan, the empty pattern of Braille, the half and
// the full blank of hieroglyphs, the inherent vowels of Khmer, a note without a head, what stands for an object, and
// signs that only tie their neighbours.
func isBlankLetter(r rune) bool {
	return isOneOf("\u115f\u1160\u3164\uffa0\U00016fe4\u2800\U00013441\U00013442\u17b4\u17b5\U0001d159\ufffc"+
		"\u2d7f\U0001107f", r)
}

// isSeen reports whether a character is seen without another one.
func isSeen(r rune) bool { return !isUnseen(r) && !unicode.In(r, unicode.Zs, unicode.M, unicode.Cc) }

// turnsText reports whether a character changes the direction of text up to another one: the embeddings, overrides and
// isolates of https://www.unicode.org/reports/tr9/.
func turnsText(r rune) bool { return r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069' }
