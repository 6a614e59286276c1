package localgateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
)

// invoke calls the handler for a route. The error is errTimedOut if the integration timeout has passed. Any other error
// means that the handler failed or did not return a proxy response.
func (g *Gateway) invoke(handler Handler, routeKey string, e any, kind apiKind) (r response, err error) {
	payload, err := g.call(handler, e)
	if err == nil {
		if r, err = parseResponse(payload, kind); err != nil {
			err = fmt.Errorf("the handler's response is malformed: %w", err)
		}
	}
	if err != nil {
		g.logFailure("the invocation of "+routeKey+" failed", err)
	}
	return r, err
}

// handler returns the Handler that an invocation calls: the one of the route, or the one of a fault. c is nil for a
// route of the HTTP API.
func (g *Gateway) handler(c *connection, routeKey string) Handler {
	faults := g.faults.Load()
	if _, ok := faults.strikes(FailHandler, c, routeKey); ok {
		return deadHandler{}
	}
	if _, ok := faults.strikes(HangHandler, c, routeKey); ok {
		return hangingHandler{}
	}
	return g.config.handlerOf(routeKey)
}

// errTimedOut is not context.DeadlineExceeded, because a handler may return that if one of its own requests is too
// slow.
var errTimedOut = errors.New("the integration timeout has passed")

// call calls a function with an event. It returns errTimedOut if the integration timeout has passed.
//
// The invocation goes on if the client leaves. A function that ignores its context also goes on after the timeout, as
// it does on AWS after API Gateway has given up.
func (g *Gateway) call(handler Handler, e any) ([]byte, error) {
	defer g.countInvocation()()
	ctx, cancel := context.WithTimeout(context.Background(), g.config.IntegrationTimeout)
	defer cancel()
	type result struct {
		payload []byte
		err     error
	}
	done := make(chan result, 1)
	expired := make(chan struct{})
	// The timer is set before the handler runs: a test that sees the handler run may move the clock at once.
	stop := g.clock.AfterFunc(g.config.IntegrationTimeout, func() { close(expired) })
	defer stop()
	go func() {
		// This value is sent if the handler ends this goroutine, as t.FailNow does.
		r := result{err: errors.New("the handler called runtime.Goexit")}
		defer func() {
			if p := recover(); p != nil { // a panic becomes an error, as in the Lambda runtime
				r = result{err: fmt.Errorf("the handler panicked: %v", p)}
			}
			done <- r
		}()
		payload, err := handler.Invoke(ctx, mustJSON(e))
		r = result{payload, err}
	}()
	select {
	case r := <-done:
		if r.err != nil && ctx.Err() != nil { // the handler stopped because its deadline passed
			return nil, errTimedOut
		}
		return r.payload, r.err
	case <-expired:
		return nil, errTimedOut
	}
}

// unmarshal is json.Unmarshal into a struct, but it matches names with their case, as AWS does.
func unmarshal(payload []byte, into any) error {
	var got, fields map[string]json.RawMessage
	if err := json.Unmarshal(payload, &got); err != nil {
		return err
	}
	if err := json.Unmarshal(mustJSON(into), &fields); err != nil {
		return err
	}
	maps.DeleteFunc(got, func(name string, _ json.RawMessage) bool { return fields[name] == nil })
	return json.Unmarshal(mustJSON(got), into)
}

func (g *Gateway) logFailure(what string, err error) {
	g.config.Logger.LogAttrs(context.Background(), slog.LevelError, what, slog.String("error", err.Error()))
}

// deadHandler replaces the handler for FailHandler.
type deadHandler struct{}

func (deadHandler) Invoke(context.Context, []byte) ([]byte, error) {
	return nil, errors.New("this failure was asked for")
}

// hangingHandler replaces the handler for HangHandler.
type hangingHandler struct{}

func (hangingHandler) Invoke(ctx context.Context, _ []byte) ([]byte, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// handleMessage invokes the route of one message, for which the caller has called begin. If the route has a route
// response, the body of the handler's response goes to the client. If the handler fails, the client gets API Gateway's
// own error frame.
func (g *Gateway) handleMessage(c *connection, handler Handler, route string, body []byte) {
	defer g.work.Done()
	defer g.turns.end(c)
	e := g.messageEvent(c, route, string(body))
	if route == "" {
		c.tell("Forbidden", e.Context.RequestID)
		return
	}
	answer, err := g.invoke(handler, route, e, webSocketAPI)
	if err == nil && g.routes[route].isAnswered {
		err = g.answer(c, route, answer)
	}
	switch {
	case errors.Is(err, errTimedOut):
		c.tell("Endpoint request timed out", e.Context.RequestID)
	case err != nil:
		c.tell("Internal server error", e.Context.RequestID)
	}
}

// answer sends the body of a response to the client of a route that has a route response. Its status does not matter: a
// body with the status 500 arrives as a message
// (https://github.com/yai333/React-Chat-App-using-AWS-API-Gateway-Websocket-and-Serverless-Framework/issues/2).
// Without a body the client gets an empty message (https://github.com/serverless/serverless/issues/6816). No source
// says what isBase64Encoded does. Here the body is decoded, like that of a refused handshake, and is text as a post is.
// A body that is longer than a message may be is an error, which is a choice too.
//
// The gateway waits for a client that does not read, because nothing would send the response again. Meanwhile the
// message keeps its turn, so no more bodies wait than there are turns.
func (g *Gateway) answer(c *connection, route string, r response) error {
	body, err := r.bytes()
	if err == nil && len(body) > maxMessageBytes {
		err = fmt.Errorf("the body has %d bytes, more than %d", len(body), maxMessageBytes)
	}
	if err != nil {
		g.logFailure("the route response of "+route+" cannot be sent", err)
		return err
	}
	for c.send(asText(body)) == errFull && c.waitForReader() {
	}
	return nil
}

// notice is API Gateway's own error message to a client, in a frame or in the answer to a handshake.
type notice struct {
	Message      string `json:"message"`
	ConnectionID string `json:"connectionId"`
	RequestID    string `json:"requestId"`
}

// tell sends one of API Gateway's own error frames. A client with a full buffer does not get it.
func (c *connection) tell(message, requestID string) {
	_ = c.send(mustJSON(notice{message, c.id, requestID}))
}

// serveRoute invokes the handler for a route of the HTTP API.
func (g *Gateway) serveRoute(w http.ResponseWriter, r *http.Request) {
	if !g.begin() {
		writeJSON(w, http.StatusServiceUnavailable, map[string]string{"message": "Service Unavailable"})
		return
	}
	defer g.work.Done()
	if !g.quotas.requests.take() {
		writeJSON(w, http.StatusTooManyRequests, map[string]string{"message": "Too Many Requests"})
		return
	}
	routeKey := r.Method + " " + r.URL.Path
	answer, err := g.invoke(g.handler(nil, routeKey), routeKey, g.httpEvent(r), httpAPI)
	switch {
	case errors.Is(err, errTimedOut):
		writeJSON(w, http.StatusServiceUnavailable, map[string]string{"message": "Service Unavailable"})
	case err != nil:
		writeJSON(w, http.StatusInternalServerError, map[string]string{"message": "Internal Server Error"})
	default:
		answer.write(w)
	}
}
