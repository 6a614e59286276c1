package localgateway

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
)

// response is a Lambda proxy integration's answer.
type response struct {
	StatusCode      int               `json:"statusCode"`
	Headers         map[string]string `json:"headers"`
	Cookies         []string          `json:"cookies"` // of HTTP routes
	Body            string            `json:"body"`
	IsBase64Encoded bool              `json:"isBase64Encoded"`
}

// invoke calls the handler for a route, for at most the integration timeout. The error is context.DeadlineExceeded where
// that passed; any other means that the handler failed or answered no proxy response. c is nil for an HTTP route.
func (g *Gateway) invoke(c *connection, routeKey string, e any) (r response, err error) {
	handler := g.config.Handler
	if _, ok := g.faults.Load().strikes(FailHandler, c, routeKey); ok {
		handler = deadHandler{}
	} else if _, ok := g.faults.Load().strikes(HangHandler, c, routeKey); ok {
		handler = hangingHandler{}
	}
	payload, err := g.call(handler, e)
	if err == nil {
		if err = json.Unmarshal(payload, &r); err != nil || r.StatusCode < 100 || r.StatusCode > 599 {
			err = fmt.Errorf("the handler's response is no proxy response with a statusCode: %.200q", payload)
		}
	}
	if err != nil {
		g.logFailure("the invocation of "+routeKey+" failed", err)
	}
	return r, err
}

// call calls a function with an event, for at most the integration timeout.
//
// The invocation is the gateway's own, not the client's: it goes on where the client leaves. A function that ignores its
// context also goes on after the timeout, as on AWS when API Gateway has given up on it.
func (g *Gateway) call(handler Handler, e any) ([]byte, error) {
	defer g.countInvocation()()
	ctx, cancel := context.WithTimeout(context.Background(), g.config.IntegrationTimeout)
	defer cancel()
	type result struct {
		payload []byte
		err     error
	}
	done := make(chan result, 1)
	go func() {
		payload, err := invokeSafely(ctx, handler, mustJSON(e))
		done <- result{payload, err}
	}()
	expired := make(chan struct{})
	stop := g.clock.AfterFunc(g.config.IntegrationTimeout, func() { close(expired) })
	defer stop()
	select {
	case r := <-done:
		if r.err != nil && ctx.Err() != nil { // it met the deadline that it was given
			return nil, ctx.Err()
		}
		return r.payload, r.err
	case <-expired:
		return nil, context.DeadlineExceeded
	}
}

// invokeSafely makes an error of a panic, as the Lambda runtime does.
func invokeSafely(ctx context.Context, handler Handler, payload []byte) (answer []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the handler panicked: %v", p)
		}
	}()
	return handler.Invoke(ctx, payload)
}

func (g *Gateway) logFailure(what string, err error) {
	g.config.Logger.LogAttrs(context.Background(), slog.LevelError, what, slog.String("error", err.Error()))
}

// deadHandler is what FailHandler puts in the handler's place.
type deadHandler struct{}

func (deadHandler) Invoke(context.Context, []byte) ([]byte, error) {
	return nil, errors.New("this failure was asked for")
}

// hangingHandler is what HangHandler puts in the handler's place.
type hangingHandler struct{}

func (hangingHandler) Invoke(ctx context.Context, _ []byte) ([]byte, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// handleMessage invokes the route of one message, which its caller has begun. The handler's response reaches no client,
// because no route has a route response; its failure does, as API Gateway words it.
func (g *Gateway) handleMessage(c *connection, body []byte) {
	defer g.work.Done()
	route := g.selectRoute(body)
	e := g.messageEvent(c, route, string(body))
	if route == "" {
		c.tell("Forbidden", e.Context.RequestID)
		return
	}
	_, err := g.invoke(c, route, e)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		c.tell("Endpoint request timed out", e.Context.RequestID)
	case err != nil:
		c.tell("Internal server error", e.Context.RequestID)
	}
}

// notice is how API Gateway itself tells a client what went wrong, in a frame or in the answer to a handshake.
type notice struct {
	Message      string `json:"message"`
	ConnectionID string `json:"connectionId"`
	RequestID    string `json:"requestId"`
}

// tell sends one of API Gateway's own error frames. A client whose buffer is full does not get it.
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
	answer, err := g.invoke(nil, r.Method+" "+r.URL.Path, g.httpEvent(r))
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		writeJSON(w, http.StatusServiceUnavailable, map[string]string{"message": "Service Unavailable"})
	case err != nil:
		writeJSON(w, http.StatusInternalServerError, map[string]string{"message": "Internal Server Error"})
	default:
		answer.write(w)
	}
}

// write passes a handler's response on to an HTTP client.
func (r response) write(w http.ResponseWriter) {
	body := []byte(r.Body)
	if r.IsBase64Encoded {
		decoded, err := base64.StdEncoding.DecodeString(r.Body)
		if err != nil {
			writeJSON(w, http.StatusInternalServerError, map[string]string{"message": "Internal Server Error"})
			return
		}
		body = decoded
	}
	for name, value := range r.Headers {
		w.Header().Set(name, value)
	}
	for _, cookie := range r.Cookies {
		w.Header().Add("Set-Cookie", cookie)
	}
	w.WriteHeader(r.StatusCode)
	_, _ = w.Write(body)
}
