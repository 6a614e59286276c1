package localgateway

import (
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"time"
)

// serveConnections serves the @connections of the Management API
// (https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-how-to-call-websocket-api-connections.html).
func (g *Gateway) serveConnections(w http.ResponseWriter, r *http.Request, id string) {
	if b, err := base64.URLEncoding.DecodeString(id); err != nil || len(b) == 0 {
		refuse(w, http.StatusBadRequest, "BadRequestException", "Invalid connectionId: "+id)
		return
	}
	switch r.Method {
	case http.MethodPost:
		g.post(w, r, id)
	case http.MethodGet:
		g.describe(w, id)
	case http.MethodDelete:
		g.delete(w, id)
	default:
		refuse(w, http.StatusForbidden, "ForbiddenException", "Forbidden")
	}
}

// post sends the body as one text frame.
func (g *Gateway) post(w http.ResponseWriter, r *http.Request, id string) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxMessageBytes))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		refuse(w, http.StatusRequestEntityTooLarge, "PayloadTooLargeException", "Payload too large")
		return
	}
	if err != nil {
		refuse(w, http.StatusBadRequest, "BadRequestException", "The body could not be read")
		return
	}
	err = errGone
	if c := g.connection(id); c != nil {
		err = c.send(body)
	}
	switch {
	case err == nil:
		w.WriteHeader(http.StatusOK)
	case errors.Is(err, errFull):
		refuse(w, http.StatusTooManyRequests, "LimitExceededException", "Client buffer is full")
	default:
		refuseGone(w)
	}
}

// describe tells about a connection.
func (g *Gateway) describe(w http.ResponseWriter, id string) {
	c := g.connection(id)
	if c == nil {
		refuseGone(w)
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{
		"connectedAt":  c.connectedAt.UTC().Format(time.RFC3339),
		"identity":     map[string]string{"sourceIp": c.identity.SourceIP, "userAgent": c.identity.UserAgent},
		"lastActiveAt": time.Unix(0, c.lastActive.Load()).UTC().Format(time.RFC3339),
	})
}

// delete closes a connection, which leads to its $disconnect. It is gone from here on.
func (g *Gateway) delete(w http.ResponseWriter, id string) {
	c := g.connection(id)
	if c == nil {
		refuseGone(w)
		return
	}
	g.remove(c)
	c.close(closeNormal, "Connection deleted")
	w.WriteHeader(http.StatusNoContent)
}

// refuse answers as the Management API does: the error's name in a header and in the body, where SDKs look for it.
func refuse(w http.ResponseWriter, status int, name, message string) {
	w.Header().Set("x-amzn-ErrorType", name)
	writeJSON(w, status, map[string]string{"__type": name, "message": message})
}

// refuseGone is the answer for a connection that is closed, never existed, or is still in its own $connect. Its message
// is empty, as AWS's is.
func refuseGone(w http.ResponseWriter) { refuse(w, http.StatusGone, "GoneException", "") }
