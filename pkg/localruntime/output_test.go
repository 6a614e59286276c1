package localruntime

import (
	"strings"
	"testing"
)

// chunks are what came in each Write.
type chunks []string

func (c *chunks) Write(p []byte) (int, error) {
	*c = append(*c, string(p))
	return len(p), nil
}

func TestLinesAreWhole(t *testing.T) {
	var out chunks
	l := &lines{to: &out}
	for _, printed := range []string{"a", "b\nc", "d\ne\nf", "", "\n", "no end"} {
		if n, err := l.Write([]byte(printed)); n != len(printed) || err != nil {
			t.Error(n, err)
		}
	}
	l.end()
	l = &lines{to: &out}
	l.end()
	_, _ = l.Write([]byte(strings.Repeat("x", longestLine+1)))
	if got := strings.Join(out[:4], "|"); got != "ab\n|cd\ne\n|f\n|no end\n" || len(out) != 5 ||
		len(out[4]) != longestLine+1 {
		t.Errorf("got %d: %q", len(out), out[:4])
	}
}
