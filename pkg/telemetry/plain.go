package telemetry

import (
	"fmt"
	"io"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Plain returns a Writer for the lines of a log. Characters that cannot be seen are written as JSON escapes, "\u202e"
// for one: control characters, those that turn text around, line separators, and every other of the category Cf. A
// client chooses some of what is logged, and must not write to a terminal or make one line look like two or like
// another. What a line of JSON says stays the same, because such characters stand only within its strings. Line feeds
// and tabs stay. Bytes that are not UTF-8 become "\ufffd". Each call must get whole characters, as log/slog writes
// whole lines.
func Plain(w io.Writer) io.Writer { return plainWriter{w} }

type plainWriter struct{ to io.Writer }

// Write writes a line. It returns the length of what it was given, or 0 and the error of the Writer below.
func (w plainWriter) Write(p []byte) (int, error) {
	if _, err := w.to.Write(plain(p)); err != nil {
		return 0, err
	}
	return len(p), nil
}

// plain is a text with escapes; the same one where it needs none.
func plain(text []byte) []byte {
	var escaped []byte
	kept := 0 // how much of the text has been taken
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && size == 1 || mustEscape(r) {
			escaped = append(escaped, text[kept:i]...)
			for _, unit := range utf16.Encode([]rune{r}) {
				escaped = fmt.Appendf(escaped, `\u%04x`, unit)
			}
			kept = i + size
		}
		i += size
	}
	if kept == 0 {
		return text
	}
	return append(escaped, text[kept:]...)
}

func mustEscape(r rune) bool {
	return r != '\n' && r != '\t' && unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp)
}
