package localruntime

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// FunctionError is a failure of the function: the error that it posted, or the one that Lambda makes up when a process
// ends or is too slow. Payload is what Lambda's Invoke would return.
type FunctionError struct {
	Payload []byte // an error object: errorMessage, errorType, and what else the runtime client posted
	Reason  string // what happened, for people

	notTaken bool // the event has not reached the function
}

// Error says what happened.
func (e *FunctionError) Error() string {
	if len(e.Payload) == 0 {
		return e.Reason
	}
	return fmt.Sprintf("%s: %.500s", e.Reason, e.Payload)
}

// ErrorMessage is the errorMessage of Payload, or "" if it has none.
func (e *FunctionError) ErrorMessage() string { return e.posted().ErrorMessage }

// ErrorType is the errorType of Payload, or "" if it has none.
func (e *FunctionError) ErrorType() string { return e.posted().ErrorType }

func (e *FunctionError) posted() (posted errorObject) {
	_ = json.Unmarshal(e.Payload, &posted)
	return posted
}

// errorObject is what Lambda and its runtime API answer for an error.
type errorObject struct {
	ErrorMessage string `json:"errorMessage"`
	ErrorType    string `json:"errorType"`
}

func (o errorObject) payload() []byte {
	b, err := json.Marshal(o)
	if err != nil {
		panic(err) // two strings can be encoded
	}
	return b
}

// exitError is Lambda's error for a process that ended instead of an answer: with a status
// (https://repost.aws/knowledge-center/lambda-runtime-error), or with 0
// (https://github.com/swift-serverless/aws-lambda-swift-sprinter/issues/27). ended is what Wait returned.
func exitError(id, when string, ended error) *FunctionError {
	how, status := "Runtime exited without providing a reason", "exit status 0"
	if ended != nil {
		how, status = "Runtime exited with error: "+ended.Error(), ended.Error()
	}
	return &FunctionError{
		Payload: errorObject{"RequestId: " + id + " Error: " + how, "Runtime.ExitError"}.payload(),
		Reason:  fmt.Sprintf("the process ended %s: %s", when, status),
	}
}

// timeoutError is Lambda's error for a function that is too slow, as users of the service show it
// (https://github.com/seek-oss/aws-codedeploy-hooks, the change log of 2.1.3;
// https://github.com/aws/aws-appsync-community/issues/386). Before 2024 it had a time and no errorType.
func timeoutError(id string, after time.Duration) *FunctionError {
	return &FunctionError{
		Payload: errorObject{
			fmt.Sprintf("RequestId: %s Error: Task timed out after %.2f seconds", id, after.Seconds()),
			"Sandbox.Timedout",
		}.payload(),
		Reason: fmt.Sprintf("the function did not answer within its timeout of %v, and was killed", after),
	}
}

// tooLargeError is Lambda's error for a response of more than maxPayload bytes.
func tooLargeError() *FunctionError {
	return &FunctionError{
		Payload: errorObject{
			fmt.Sprintf("Response payload size exceeded maximum allowed payload size (%d bytes).", maxPayload),
			"Function.ResponseSizeTooLarge",
		}.payload(),
		Reason: "the response is too large",
	}
}

// isNotTaken reports whether an invocation has not reached the function.
func isNotTaken(err error) bool {
	failed, ok := errors.AsType[*FunctionError](err)
	return ok && failed.notTaken
}

// errTimedOut is the cause of a context that ends with Config.Timeout.
var errTimedOut = errors.New("the function's timeout has passed")
