package chat

import "errors"

// Code is a stable name for a kind of refusal. Clients may branch on it; the sentence beside it is for people.
type Code string

// The codes, and whether sending the same thing again can help.
const (
	CodeInvalidJSON   Code = "invalid_json"   // the body is no JSON object; a retry cannot help
	CodeUnknownAction Code = "unknown_action" // no such action; a retry cannot help
	CodeMissingField  Code = "missing_field"  // a required field is not there; a retry cannot help
	CodeInvalidField  Code = "invalid_field"  // a field has the wrong type or value; a retry cannot help
	CodeTooLarge      Code = "too_large"      // content or encoded message over the limit; a retry cannot help
	CodeForbidden     Code = "forbidden"      // not allowed to this client; a retry cannot help
	CodeTokenExpired  Code = "token_expired"  // the client's token is over, and the connection is closed; come back with a new one
	CodeNameIgnored   Code = "name_ignored"   // no refusal: the action was carried out under the token's name, not the frame's
	CodeTooManyRooms  Code = "too_many_rooms" // the connection is in as many rooms as one may be; leave one first
	CodeRateLimited   Code = "rate_limited"   // this connection asks too much at once; retry after a pause
	CodeRoomBusy      Code = "room_busy"      // too many senders at once, nothing stored; retry after a pause
	CodeNotSent       Code = "not_sent"       // stored, but perhaps not sent to the members; they find it in history
	CodeUnavailable   Code = "unavailable"    // a store did not answer in time; retry with the same message_id
	CodeInternal      Code = "internal"       // a fault of this program; the log has it under the request id
)

// Error is a refusal: a code and a plain sentence for the client, and the cause, which is for the log only.
type Error struct {
	Code    Code
	Message string
	Err     error
}

// Error is the sentence and, where there is one, the cause. It is for logs; clients get Message.
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
