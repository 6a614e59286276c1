package localruntime

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// maxPayload is how many bytes a response may have: 6 MB and 100 bytes, the number in Lambda's error message
// (https://github.com/getmoto/moto/blob/master/tests/test_awslambda/test_lambda_invoke.py).
const maxPayload = 6<<20 + 100

// maxDiscarded is how many bytes of a response that is too large are read, so that the process can read the answer.
// Choice: a connection that closes in the middle of a request would look to the process like a broken network.
const maxDiscarded = 256 << 20

// What a runtime client says and is told in headers
// (https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html, and for streaming
// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-custom.html#runtimes-custom-response-streaming).
const (
	headerRequestID    = "Lambda-Runtime-Aws-Request-Id"
	headerDeadline     = "Lambda-Runtime-Deadline-Ms"
	headerARN          = "Lambda-Runtime-Invoked-Function-Arn"
	headerTrace        = "Lambda-Runtime-Trace-Id"
	headerResponseMode = "Lambda-Runtime-Function-Response-Mode"
	trailerErrorType   = "Lambda-Runtime-Function-Error-Type"
	trailerErrorBody   = "Lambda-Runtime-Function-Error-Body"
)

// handler is the runtime API of the process. Statuses and bodies of its errors are those of
// https://github.com/aws/aws-lambda-runtime-interface-emulator/tree/develop/lambda/rapi/rendering.
func (p *process) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /2018-06-01/runtime/invocation/next", p.serveNext)
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/response", p.serveResponse)
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/error", p.serveError)
	mux.HandleFunc("POST /2018-06-01/runtime/init/error", p.serveInitError)
	return mux
}

// serveNext waits for an invocation and answers with its event.
func (p *process) serveNext(w http.ResponseWriter, r *http.Request) {
	if !p.asks() {
		refuse(w, http.StatusForbidden, "InvalidStateTransition", "State transition is not allowed: the process asks "+
			"for an event before it has answered the one before, or after it has failed to start")
		return
	}
	select {
	case in := <-p.next:
		p.mu.Lock()
		p.current, p.answered = in, false
		p.mu.Unlock()
		h := w.Header()
		h.Set(headerRequestID, in.id)
		h.Set(headerDeadline, strconv.FormatInt(in.deadline.UnixMilli(), 10))
		h.Set(headerARN, p.arn)
		h.Set(headerTrace, traceID(time.Now()))
		h.Set("Content-Type", "application/json")
		_, _ = w.Write(in.payload)
	case <-r.Context().Done():
	}
}

func (p *process) serveResponse(w http.ResponseWriter, r *http.Request) {
	if mode := r.Header.Get(headerResponseMode); mode != "" && mode != "streaming" {
		refuse(w, http.StatusBadRequest, "InvalidFunctionResponseMode", "Invalid function response mode")
		return
	}
	p.take(w, r, func(body []byte) answer {
		// A function that fails after it has begun to stream says so in trailers.
		if kind := r.Trailer.Get(trailerErrorType); kind != "" {
			return answer{err: &FunctionError{Payload: streamedError(r.Trailer, kind), Reason: "the function failed"}}
		}
		return answer{response: body}
	})
}

// streamedError is the error in the trailers of a response.
func streamedError(trailer http.Header, kind string) []byte {
	payload, err := base64.StdEncoding.DecodeString(trailer.Get(trailerErrorBody))
	if err != nil || len(payload) == 0 {
		return errorObject{ErrorType: kind}.payload()
	}
	return payload
}

func (p *process) serveError(w http.ResponseWriter, r *http.Request) {
	p.take(w, r, func(body []byte) answer {
		return answer{err: &FunctionError{Payload: body, Reason: "the function failed"}}
	})
}

// serveInitError takes the error of a process that cannot start. The invocation for which it was started gets it.
func (p *process) serveInitError(w http.ResponseWriter, r *http.Request) {
	if !p.starting() {
		refuse(w, http.StatusForbidden, "InvalidStateTransition", "State transition is not allowed: the process has "+
			"started, or has failed to start, before")
		return
	}
	body, err := readBody(r.Body)
	if err != nil {
		refuseBody(w, err)
		body = nil
	} else {
		accept(w)
	}
	p.initError <- &FunctionError{Payload: body, Reason: "the function failed to start"}
}

// take gives an answer to the invocation in flight.
func (p *process) take(w http.ResponseWriter, r *http.Request, answered func(body []byte) answer) {
	in, before := p.claim(r.PathValue("id"))
	switch {
	case before:
		refuse(w, http.StatusForbidden, "InvalidStateTransition", "State transition is not allowed: this invocation "+
			"has been answered before")
		return
	case in == nil:
		refuse(w, http.StatusBadRequest, "InvalidRequestID", "Invalid request ID")
		return
	}
	body, err := readBody(r.Body)
	if err != nil {
		refuseBody(w, err)
		if errors.Is(err, errTooLarge) {
			in.answer <- answer{err: tooLargeError()}
		} else {
			in.answer <- answer{err: &FunctionError{Reason: fmt.Sprintf("the answer could not be read: %v", err)}}
		}
		return
	}
	accept(w)
	in.answer <- answered(body)
}

var errTooLarge = errors.New("the body is too large")

// readBody returns errTooLarge for a body of more than maxPayload bytes.
func readBody(r io.Reader) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r, maxPayload+1))
	if err != nil {
		return nil, err
	}
	if len(body) > maxPayload {
		_, _ = io.CopyN(io.Discard, r, maxDiscarded)
		return nil, errTooLarge
	}
	return body, nil
}

// refuseBody answers a request whose body could not be read.
func refuseBody(w http.ResponseWriter, err error) {
	if errors.Is(err, errTooLarge) {
		refuse(w, http.StatusRequestEntityTooLarge, "RequestEntityTooLarge",
			fmt.Sprintf("Exceeded maximum allowed payload size (%d bytes).", maxPayload))
		return
	}
	refuse(w, http.StatusBadRequest, "TruncatedHTTPRequest", "HTTP request detected as truncated")
}

func accept(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusAccepted)
	_, _ = io.WriteString(w, `{"status":"OK"}`)
}

func refuse(w http.ResponseWriter, status int, kind, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(errorObject{message, kind}.payload())
}
