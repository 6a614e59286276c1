package chat

import (
	"errors"
	"time"
)

// Code is a stable name for a kind of refusal. Clients may branch on it; the sentence beside it is for people.
type Code string

// The codes. Codes has their table.
const (
	CodeInvalidJSON   Code = "invalid_json"
	CodeUnknownAction Code = "unknown_action"
	CodeMissingField  Code = "missing_field"
	CodeInvalidField  Code = "invalid_field"
	CodeTooLarge      Code = "too_large"
	CodeForbidden     Code = "forbidden"
	CodeTokenExpired  Code = "token_expired"
	CodeNameIgnored   Code = "name_ignored"
	CodeConflict      Code = "conflict"
	CodeRejected      Code = "rejected"
	CodeSlowMode      Code = "slow_mode"
	CodeTooManyRooms  Code = "too_many_rooms"
	CodeRoomTooLarge  Code = "room_too_large"
	CodeRateLimited   Code = "rate_limited"
	CodeRoomBusy      Code = "room_busy"
	CodeNotSent       Code = "not_sent"
	CodeUnavailable   Code = "unavailable"
	CodeInternal      Code = "internal"
)

// Retry says whether sending the same frame again can help.
type Retry string

// The kinds of retries.
const (
	Never   Retry = "never"   // the same frame is refused again
	Later   Retry = "later"   // nothing was done; the same frame may be taken after a pause
	SameID  Retry = "same id" // it may have been done; a sendMessage frame with its message_id is safe to send again
	Renewed Retry = "renewed" // after connecting again with a new token
)

// CodeRow is a row of the table of codes.
type CodeRow struct {
	Code    Code
	Status  int // the HTTP status, for the response to the handshake and for the access log
	Retry   Retry
	Meaning string
}

// Codes returns the table of codes: what each means, and what a client can do. The router's statuses, the AsyncAPI
// document, the protocol's README and client.js are checked against it.
func Codes() []CodeRow {
	return []CodeRow{
		{CodeInvalidJSON, 400, Never, "the frame is no JSON object"},
		{CodeUnknownAction, 400, Never, "there is no such action"},
		{CodeMissingField, 400, Never, "a required field is missing"},
		{CodeInvalidField, 400, Never, "a field has the wrong type or value"},
		{CodeTooLarge, 400, Never, "the content is over 16 KB, the message over 32 KB, or a count at its limit"},
		{CodeForbidden, 403, Never, "this client may not do that"},
		{CodeTokenExpired, 401, Renewed, "the token's time is over, and the connection is closed"},
		{CodeNameIgnored, 200, Never, "no refusal: it was done under the token's name, not the frame's"},
		{CodeConflict, 409, Never, "the message is no longer as the frame takes it; the error has it as it is"},
		{CodeRejected, 403, Never, "the chat's review of messages does not take the content"},
		{CodeSlowMode, 429, Later, "the room is in slow mode; the error has the seconds to wait, as `retry_after`"},
		{CodeTooManyRooms, 429, Never, "the connection is in as many rooms as one may be; leave one first"},
		{CodeRoomTooLarge, 403, Never, "the room has more connections than signals are sent to"},
		{CodeRateLimited, 429, Later, "the connection asks for too much at once"},
		{CodeRoomBusy, 503, Later, "too many senders at once; nothing was stored"},
		{CodeNotSent, 503, SameID, "the message is stored, but perhaps not sent; members find it in history"},
		{CodeUnavailable, 503, SameID, "a store did not answer in time"},
		{CodeInternal, 500, SameID, "a fault of this program; the log has it under the request id"},
	}
}

// Status returns the HTTP status that stands for a code; 500 for a code that is not in the table.
func (c Code) Status() int { return c.row().Status }

// Retry says whether sending the same again can help after a code.
func (c Code) Retry() Retry { return c.row().Retry }

// row is a code's row of the table. A code that is not there is like CodeInternal.
func (c Code) row() CodeRow {
	for _, row := range Codes() {
		if row.Code == c {
			return row
		}
	}
	return CodeRow{Code: c, Status: 500, Retry: SameID}
}

// Error is a refusal: a code and a plain sentence for the client, and the cause, which is for the log only.
type Error struct {
	Code    Code
	Message string
	Err     error
	Current *Message // with CodeConflict: the message as it is now; otherwise nil

	RetryAfter time.Duration // with CodeSlowMode: after which the same request may succeed; otherwise 0
}

// Error is the sentence and, if there is one, the cause. It is for logs; clients get Message.
func (e *Error) Error() string {
	if e.Err == nil {
		return string(e.Code) + ": " + e.Message
	}
	return string(e.Code) + ": " + e.Message + ": " + e.Err.Error()
}

// Unwrap returns the cause, or nil.
func (e *Error) Unwrap() error { return e.Err }

// AsError returns err as an *Error. What is none already becomes CodeInternal with err as its cause, so that
// nothing that was not written for a client reaches one.
func AsError(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return &Error{Code: CodeInternal, Message: "Internal error. Quote the request_id when you report it.", Err: err}
}

// MissingField is the refusal of a frame or query that lacks a required field.
func MissingField(name string) *Error {
	return &Error{Code: CodeMissingField, Message: name + " not in message dict"}
}

// InvalidField is the refusal of a field's value; rule is what the value must be, as in "must be a string".
func InvalidField(name, rule string) *Error {
	return &Error{Code: CodeInvalidField, Message: name + " " + rule}
}

// unavailable wraps what a store answered, keeping a refusal that the store itself worded.
func unavailable(sentence string, err error) error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return &Error{Code: CodeUnavailable, Message: sentence, Err: err}
}
