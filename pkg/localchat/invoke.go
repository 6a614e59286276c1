package localchat

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"wschat/pkg/localgateway"
)

// invokePattern is Lambda's Invoke API (https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html), so that the AWS
// CLI and every SDK can invoke the function as a program of the owner's does.
const invokePattern = "POST /2015-03-31/functions/{name}/invocations"

const (
	// functionName is the name of the function here.
	functionName = "chat"

	// The longest payloads (https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html).
	maxPayloadBytes = 6 << 20

	// functionTime is how long an invocation may take, as the CDK app sets it.
	functionTime = 29 * time.Second

	// An asynchronous invocation that fails is repeated twice
	// (https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html), on AWS after one and two
	// minutes.
	asyncRepeats = 2
	asyncPause   = time.Second
)

// invoker serves Lambda's Invoke API for one function.
type invoker struct {
	function localgateway.Handler
	host     string // at which this machine reaches the server
	logger   *slog.Logger
	ctx      context.Context // ends the asynchronous invocations
}

// ServeHTTP handles one call. It demands a signature, which it does not verify: on this machine everybody may invoke
// the function but web pages. These cannot send that header to another site, and not reach this one under a name of
// theirs.
func (i *invoker) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case !strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 "):
		refuseCall(w, 403, "MissingAuthenticationTokenException", "Missing Authentication Token")
		return
	case !i.isOwnHost(r.Host):
		refuseCall(w, 403, "AccessDeniedException", "call this chat at localhost or by its address, not as "+r.Host)
		return
	case !names(r.PathValue("name")):
		refuseCall(w, 404, "ResourceNotFoundException", "the function here is called "+functionName)
		return
	}
	payload, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxPayloadBytes))
	switch {
	case err != nil:
		refuseCall(w, 413, "RequestTooLargeException", fmt.Sprintf("a payload has at most %d bytes", maxPayloadBytes))
		return
	case !json.Valid(payload):
		refuseCall(w, 400, "InvalidRequestContentException", "the payload is not JSON")
		return
	}
	w.Header().Set("X-Amz-Executed-Version", "$LATEST")
	switch kind := r.Header.Get("X-Amz-Invocation-Type"); kind {
	case "", "RequestResponse":
		i.answer(r.Context(), w, payload)
	case "Event":
		go i.insist(payload)
		w.WriteHeader(http.StatusAccepted)
	case "DryRun":
		w.WriteHeader(http.StatusNoContent)
	default:
		refuseCall(w, 400, "InvalidParameterValueException", "there is no invocation type "+kind)
	}
}

// isOwnHost reports whether a Host header is an address, this machine, or the name that the server was given.
func (i *invoker) isOwnHost(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return host == "localhost" || host == i.host || net.ParseIP(strings.Trim(host, "[]")) != nil
}

// names reports whether a name or an ARN, with or without a qualifier, is the function's.
func names(name string) bool {
	if _, after, ok := strings.Cut(name, "function:"); ok {
		name = after
	}
	name, _, _ = strings.Cut(name, ":")
	return name == functionName
}

func refuseCall(w http.ResponseWriter, status int, kind, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Amzn-ErrorType", kind)
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"Type": "User", "Message": message})
}

// answer invokes the function and answers with what it returns. A function that fails is no failure of the call.
func (i *invoker) answer(ctx context.Context, w http.ResponseWriter, payload []byte) {
	result, err := i.invoke(ctx, payload)
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		w.Header().Set("X-Amz-Function-Error", "Unhandled")
		result, _ = json.Marshal(map[string]string{"errorMessage": err.Error(), "errorType": fmt.Sprintf("%T", err)})
	}
	_, _ = w.Write(result)
}

// insist invokes the function, and repeats that if it fails.
func (i *invoker) insist(payload []byte) {
	for repeats := 0; ; repeats++ {
		_, err := i.invoke(i.ctx, payload)
		if err == nil || i.ctx.Err() != nil {
			return
		}
		if repeats == asyncRepeats {
			i.logger.Error("an asynchronous invocation failed", slog.String("error", err.Error()))
			return
		}
		select {
		case <-time.After(asyncPause << repeats):
		case <-i.ctx.Done():
		}
	}
}

func (i *invoker) invoke(ctx context.Context, payload []byte) (result []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, functionTime)
	defer cancel()
	ctx = lambdacontext.NewContext(ctx, &lambdacontext.LambdaContext{AwsRequestID: rand.Text()})
	result, err = i.function.Invoke(ctx, payload)
	if err == nil && !json.Valid(result) {
		err = errors.New("the function returned no JSON")
	}
	return result, err
}
