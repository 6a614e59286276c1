package storedrules

import (
	"fmt"
	"strconv"
	"strings"
)

// Pair is the text under which the name of the direct room of two people is kept: the length of the first id tells
// where the second one begins.
func Pair(one, other string) string { return fmt.Sprintf("%d:%s%s", len(one), one, other) }

// IsOfPair reports whether a user is one of the two of a Pair.
func IsOfPair(pair, userID string) bool {
	length, ids, _ := strings.Cut(pair, ":")
	n, err := strconv.Atoi(length)
	return err == nil && n >= 0 && n <= len(ids) && (ids[:n] == userID || ids[n:] == userID)
}
