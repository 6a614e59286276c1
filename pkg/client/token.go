package client

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"math"
	"regexp"
	"strings"
	"time"
)

// tokenPattern is what a subprotocol may consist of (RFC 7230, section 3.2.6).
const tokenPattern = "^[!#$%&'*+\\-.^_`|~0-9A-Za-z]+$"

// token asks for the token of the next connection. It is "" in an open chat.
func (c *Client) token() (string, error) {
	if c.config.Token == nil {
		return "", nil
	}
	ctx, cancel := context.WithTimeout(c.ctx, c.timing.handshake)
	defer cancel()
	token, err := c.config.Token(ctx)
	switch {
	case err != nil:
		return "", &Error{Code: CodeTokenFailed, Message: "There is no token.", Err: err}
	case token == "":
		return "", &Error{Code: CodeSignedOut, Message: "Nobody is signed in: there is no token."}
	}
	if ok, err := regexp.MatchString(tokenPattern, token); !ok || err != nil {
		return "", &Error{Code: CodeTokenFailed,
			Message: "The token has characters that no token has: was all of it copied, and no more?"}
	}
	return token, nil
}

// expiry returns when a JWT ends, by its exp. It is zero if the token does not say.
func expiry(token string) time.Time {
	parts := strings.Split(token, ".")
	if len(parts) < 2 {
		return time.Time{}
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	if err != nil {
		return time.Time{}
	}
	var claims struct {
		Exp *float64 `json:"exp"`
	}
	if json.Unmarshal(payload, &claims) != nil || claims.Exp == nil || math.Abs(*claims.Exp) > 1<<40 {
		return time.Time{}
	}
	return time.UnixMilli(int64(*claims.Exp * 1000))
}

// lifetime says when the token of a connection must be replaced. The chat's clock decides, so it begins to count when
// the chat has told the time.
type lifetime struct {
	expires time.Time     // zero for never
	total   time.Duration // what was left at first; 0 until the chat has told the time
}

// left returns how much is left of the token, and how long it may still be used. It is never 0 or less at first: the
// chat has accepted the token, so the clocks differ, and the chat will say when it is over.
func (l *lifetime) left(now time.Time, renew time.Duration) (left, due time.Duration, known bool) {
	if l.expires.IsZero() {
		return 0, 0, false
	}
	left = l.expires.Sub(now)
	if l.total == 0 {
		l.total = left
	}
	if l.total <= 0 {
		return 0, 0, false
	}
	// A token function may return the old token until it has almost ended. Then the margin shrinks each time.
	return left, left - min(renew, l.total/3), true
}
