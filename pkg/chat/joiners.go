package chat

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// The joiners. They cannot be seen themselves, but some scripts need them: they change the shape of the letters beside
// them. Where they do is said by RFC 5892, appendix A.1 and A.2, and by the sequences of emoji.
const (
	nonJoiner = '\u200c'
	joiner    = '\u200d'
)

// joins reports whether a joiner changes what is seen, between the text before it and the text after it. It is stricter
// than RFC 5892 in two points, where the joiner could not be seen: a virama must stand on a letter of its own script,
// and a non-joiner after one must be followed by such a letter.
func joins(before []rune, r rune, after []rune) bool {
	i := len(before) - 1
	virama := rune(0)
	for ; i >= 0 && unicode.Is(unicode.M, before[i]); i-- {
		if isVirama(before[i]) {
			virama = before[i]
		}
	}
	switch {
	case i < 0:
		return false
	case virama != 0 && isVirama(before[len(before)-1]):
		return sameScript(before[i], virama) && (r == joiner || len(after) > 0 && sameScript(after[0], virama))
	case r == joiner || !inRanges(joinsNext(), before[i]):
		return false
	}
	for len(after) > 0 && unicode.Is(unicode.Mn, after[0]) {
		after = after[1:]
	}
	return len(after) > 0 && inRanges(joinsPrevious(), after[0])
}

// isVirama reports whether a mark takes the vowel from its letter, as its canonical combining class says
// (https://www.unicode.org/reports/tr44/#Canonical_Combining_Class_Values).
func isVirama(r rune) bool {
	const classOfViramas = 9
	return norm.NFC.PropertiesString(string(r)).CCC() == classOfViramas
}

// sameScript reports whether a letter can carry a virama: both are in one block, or in two beside each other.
func sameScript(letter, virama rune) bool {
	return unicode.Is(unicode.Lo, letter) && letter>>8 == virama>>8
}

// inRanges reports whether a character is in a list of ranges, of which two characters each are the first and the last.
func inRanges(list string, r rune) bool {
	ends := []rune(list)
	for i := 0; i < len(ends); i += 2 {
		if r >= ends[i] && r <= ends[i+1] {
			return true
		}
	}
	return false
}

// isOneOf reports whether a character is in a list.
func isOneOf(list string, r rune) bool { return strings.ContainsRune(list, r) }

// joinsNext are the letters that are written in one stroke with the next: Joining_Type D and L of Unicode 15
// (https://www.unicode.org/Public/15.0.0/ucd/extracted/DerivedJoiningType.txt).
func joinsNext() string {
	return "" +
		"\u0620\u0620\u0626\u0626\u0628\u0628\u062a\u062e\u0633\u063f\u0641\u0647\u0649\u064a\u066e\u066f\u0678\u0687" +
		"\u069a\u06bf\u06c1\u06c2\u06cc\u06cc\u06ce\u06ce\u06d0\u06d1\u06fa\u06fc\u06ff\u06ff\u0712\u0714\u071a\u071d" +
		"\u071f\u0727\u0729\u0729\u072b\u072b\u072d\u072e\u074e\u0758\u075c\u076a\u076d\u0770\u0772\u0772\u0775\u0777" +
		"\u077a\u077f\u07ca\u07ea\u0841\u0845\u0848\u0848\u084a\u0853\u0855\u0855\u0860\u0860\u0862\u0865\u0868\u0868" +
		"\u0886\u0886\u0889\u088d\u08a0\u08a9\u08af\u08b0\u08b3\u08b8\u08ba\u08c8\u1807\u1807\u1820\u1878\u1887\u18a8" +
		"\u18aa\u18aa\ua840\ua872\U00010ac0\U00010ac4\U00010acd\U00010acd\U00010ad3\U00010adc\U00010ade\U00010ae0" +
		"\U00010aeb\U00010aee\U00010b80\U00010b80\U00010b82\U00010b82\U00010b86\U00010b88\U00010b8a\U00010b8b" +
		"\U00010b8d\U00010b8d\U00010b90\U00010b90\U00010bad\U00010bae\U00010d00\U00010d21\U00010d23\U00010d23" +
		"\U00010f30\U00010f32\U00010f34\U00010f44\U00010f51\U00010f53\U00010f70\U00010f73\U00010f76\U00010f81" +
		"\U00010fb0\U00010fb0\U00010fb2\U00010fb3\U00010fb8\U00010fb8\U00010fbb\U00010fbc\U00010fbe\U00010fbf" +
		"\U00010fc1\U00010fc1\U00010fc4\U00010fc4\U00010fca\U00010fcb\U0001e900\U0001e943"
}

// joinsPrevious are those that are written in one stroke with the one before: Joining_Type D and R.
func joinsPrevious() string {
	return "" +
		"\u0620\u0620\u0622\u063f\u0641\u064a\u066e\u066f\u0671\u0673\u0675\u06d3\u06d5\u06d5\u06ee\u06ef\u06fa\u06fc" +
		"\u06ff\u06ff\u0710\u0710\u0712\u072f\u074d\u077f\u07ca\u07ea\u0840\u0858\u0860\u0860\u0862\u0865\u0867\u086a" +
		"\u0870\u0882\u0886\u0886\u0889\u088e\u08a0\u08ac\u08ae\u08c8\u1807\u1807\u1820\u1878\u1887\u18a8\u18aa\u18aa" +
		"\ua840\ua871\U00010ac0\U00010ac5\U00010ac7\U00010ac7\U00010ac9\U00010aca\U00010ace\U00010ad6" +
		"\U00010ad8\U00010ae1\U00010ae4\U00010ae4\U00010aeb\U00010aef\U00010b80\U00010b91\U00010ba9\U00010bae" +
		"\U00010d01\U00010d23\U00010f30\U00010f44\U00010f51\U00010f54\U00010f70\U00010f81\U00010fb0\U00010fb0" +
		"\U00010fb2\U00010fb6\U00010fb8\U00010fbf\U00010fc1\U00010fc4\U00010fc9\U00010fca\U0001e900\U0001e943"
}
