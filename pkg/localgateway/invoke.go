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
	Body            string            `json:"body"`
	IsBase64Encoded bool              `json:"isBase64Encoded"`
}

// invoke calls the handler with an event, for at most the integration timeout. The error is
// context.DeadlineExceeded where that passed; any other means that the handler failed or answered no proxy response.
//
// The invocation is the gateway's own, not the client's: it goes on where the client leaves. A handler that ignores its
// context also goes on after the timeout, as a Lambda function does when API Gateway has given up on it.
func (g *Gateway) invoke(e any) (response, error) {
	ctx, cancel := context.WithTimeout(context.Background(), g.config.IntegrationTimeout)
	type result struct {
		response response
		err      error
	}
	done := make(chan result, 1)
	go func() {
		r, err := g.call(ctx, e)
		done <- result{r, err}
	}()
	defer cancel()
	select {
	case r := <-done:
		return r.response, r.err
	case <-ctx.Done():
		return response{}, ctx.Err()
	}
}

func (g *Gateway) call(ctx context.Context, e any) (r response, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the handler panicked: %v", p)
		}
		if err != nil {
			g.config.Logger.LogAttrs(ctx, slog.LevelError, "invocation failed", slog.String("error", err.Error()))
		}
	}()
	payload, err := g.config.Handler.Invoke(ctx, mustJSON(e))
	if err != nil {
		if ctx.Err() != nil {
			return r, ctx.Err()
		}
		return r, err
	}
	if err := json.Unmarshal(payload, &r); err != nil || r.StatusCode < 100 || r.StatusCode > 599 {
		return r, fmt.Errorf("the handler's response is no proxy response with a statusCode: %.200q", payload)
	}
	return r, nil
}

// handleMessage invokes the route of one message, which its caller has begun. The handler's response reaches no client, because no route has a route
// response; its failure does, as API Gateway words it.
func (g *Gateway) handleMessage(c *connection, body []byte) {
	defer g.work.Done()
	route := g.selectRoute(body)
	e := g.messageEvent(c, route, string(body))
	if route == "" {
		c.tell("Forbidden", e.Context.RequestID)
		return
	}
	_, err := g.invoke(e)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		c.tell("Endpoint request timed out", e.Context.RequestID)
	case err != nil:
		c.tell("Internal server error", e.Context.RequestID)
	}
}

// tell sends one of API Gateway's own error frames. A client whose buffer is full does not get it.
func (c *connection) tell(message, requestID string) {
	_ = c.send(mustJSON(struct {
		Message      string `json:"message"`
		ConnectionID string `json:"connectionId"`
		RequestID    string `json:"requestId"`
	}{message, c.id, requestID}))
}

// serveRoute invokes the handler for a route of the HTTP API.
func (g *Gateway) serveRoute(w http.ResponseWriter, r *http.Request) {
	if !g.begin() {
		writeJSON(w, http.StatusServiceUnavailable, map[string]string{"message": "Service Unavailable"})
		return
	}
	defer g.work.Done()
	answer, err := g.invoke(g.httpEvent(r))
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
	w.WriteHeader(r.StatusCode)
	_, _ = w.Write(body)
}
