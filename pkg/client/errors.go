package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// The codes of this package's own errors. Every other code is the chat's: pkg/protocol/README.md has the table.
const (
	// CodeInvalidArgument says that an argument is wrong.
	CodeInvalidArgument = "invalid_argument"

	// CodeClosed says that the client was closed, or that the room was left.
	CodeClosed = "closed"

	// CodeUnavailable says that there is no connection, or that no answer came in time. The chat has this code, too.
	CodeUnavailable = "unavailable"

	// CodeHandshakeFailed says that there is no connection. Err has the reason.
	CodeHandshakeFailed = "handshake_failed"

	// CodeHandshakeRefused says that the handshake was answered with a status of 4xx, which Status has.
	CodeHandshakeRefused = "handshake_refused"

	// CodeTokenFailed says that Config.Token failed, or returned what cannot be a token.
	CodeTokenFailed = "token_failed"

	// CodeSignedOut says that Config.Token returned "": nobody is signed in.
	CodeSignedOut = "signed_out"

	// CodeTooLarge says that a frame would have more than 32 KB. The chat has this code, too.
	CodeTooLarge = "too_large"
)

// Error is a refusal of the chat, or an error of this package. All methods return it, or the error of a context that
// has ended.
type Error struct {
	Code       string        // such as "forbidden": one of pkg/protocol/README.md, or of the constants here
	Message    string        // a sentence for people
	RequestID  string        // under which the chat's log has the refusal; "" if the chat did not refuse
	RetryAfter time.Duration // how long to wait, after "slow_mode"; otherwise 0
	Status     int           // the HTTP status of a handshake that failed; 0 if there was none
	Current    *Message      // after "conflict": the message as it is now; otherwise nil
	Err        error         // the error behind this one, or nil
}

// Error returns the code and the sentence.
func (e *Error) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("%s: %s: %v", e.Code, e.Message, e.Err)
	}
	return e.Code + ": " + e.Message
}

// Unwrap returns the error behind this one, or nil.
func (e *Error) Unwrap() error { return e.Err }

// isPassing reports whether the same request can succeed later, and is repeated.
func isPassing(err error) bool {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		return false
	}
	switch e.Code {
	case "room_busy", "not_sent", CodeUnavailable, "internal", "rate_limited", "slow_mode":
		return true
	}
	return false
}

// isPassingStatus reports whether a handshake that was answered with this status of 4xx can succeed later.
func isPassingStatus(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return true
	}
	return false
}

func errClosed(sentence string) *Error { return &Error{Code: CodeClosed, Message: sentence} }

func errUnavailable(sentence string) *Error { return &Error{Code: CodeUnavailable, Message: sentence} }

// handshakeError is the error for a handshake that failed. The response is nil if there was none.
func handshakeError(answer *http.Response, err error) *Error {
	if answer == nil || answer.StatusCode == http.StatusSwitchingProtocols {
		return &Error{Code: CodeHandshakeFailed, Message: "There is no connection to the chat.", Err: err}
	}
	e := &Error{Code: CodeHandshakeFailed, Status: answer.StatusCode,
		Message: fmt.Sprintf("The handshake was answered with status %d.", answer.StatusCode)}
	if e.Status >= 400 && e.Status < 500 {
		e.Code = CodeHandshakeRefused
	}
	return e
}

// causeOf returns why a context of this package has ended.
func causeOf(ctx context.Context) error { return context.Cause(ctx) }
