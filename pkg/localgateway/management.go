package localgateway

import (
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"time"
	"unicode/utf8"
)

// serveConnections serves the @connections of the Management API
// (https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-how-to-call-websocket-api-connections.html).
func (g *Gateway) serveConnections(w http.ResponseWriter, r *http.Request, id string) {
	if !g.quotas.requests.take() {
		refuse(w, http.StatusTooManyRequests, "LimitExceededException", tooMany.message)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxMessageBytes))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		refuse(w, http.StatusRequestEntityTooLarge, "PayloadTooLargeException", "Payload too large")
		return
	}
	if err != nil {
		refuse(w, http.StatusBadRequest, "BadRequestException", "The body could not be read")
		return
	}
	if problem := g.checkSignature(r, body); problem != nil {
		refuse(w, http.StatusForbidden, problem.name, problem.message)
		return
	}
	if b, err := base64.URLEncoding.DecodeString(id); err != nil || len(b) == 0 {
		refuse(w, http.StatusBadRequest, "BadRequestException", "Invalid connectionId: "+id)
		return
	}
	c := g.connection(id)
	switch {
	case r.Method != http.MethodPost && r.Method != http.MethodGet && r.Method != http.MethodDelete:
		refuse(w, http.StatusForbidden, "ForbiddenException", "Forbidden")
	case c == nil:
		refuseGone(w)
	case r.Method == http.MethodPost:
		g.post(w, r, c, body)
	case r.Method == http.MethodGet:
		describe(w, c)
	default:
		g.delete(w, c)
	}
}

// post sends the body as one text message.
func (g *Gateway) post(w http.ResponseWriter, r *http.Request, c *connection, body []byte) {
	if fault, ok := g.faults.Load().strikes(DelayPost, c, ""); ok && !g.wait(r, fault.Delay) {
		return // the caller has gone, so the post is dropped
	}
	if _, ok := g.faults.Load().strikes(FailPost, c, ""); ok {
		refuse(w, http.StatusInternalServerError, "InternalServerErrorException", internalError.message)
		return
	}
	if _, ok := g.faults.Load().strikes(ThrottlePost, c, ""); ok {
		refuse(w, http.StatusTooManyRequests, "LimitExceededException", tooMany.message)
		return
	}
	if _, ok := g.faults.Load().strikes(DropSocket, c, ""); ok {
		c.abandon()
		w.WriteHeader(http.StatusOK)
		return
	}
	switch err := c.send(asText(body)); {
	case err == nil:
		w.WriteHeader(http.StatusOK)
	case errors.Is(err, errFull):
		refuse(w, http.StatusTooManyRequests, "LimitExceededException", "Client buffer is full")
	default:
		refuseGone(w)
	}
}

// asText makes a post's bytes valid in a text message. No source says what API Gateway does with bytes that are not
// UTF-8. What is known: the body is a blob to the SDKs
// (https://docs.aws.amazon.com/cli/latest/reference/apigatewaymanagementapi/post-to-connection.html), the page on
// binary media types knows no binary frames
// (https://docs.aws.amazon.com/apigateway/latest/developerguide/websocket-api-develop-binary-media-types.html), and
// people send binary data as base64 (https://github.com/yjs/y-websocket/pull/78). A text message must be UTF-8 (RFC
// 6455, section 8.1), and a browser fails the connection if it is not.
//
// So here each byte that is not UTF-8 becomes U+FFFD, as where a server decodes bytes to a string and sends that. The
// post succeeds and the connection lives, and a test sees that the bytes did not arrive.
func asText(body []byte) []byte {
	if utf8.Valid(body) {
		return body
	}
	return []byte(string([]rune(string(body))))
}

// wait waits for d on the gateway's clock. It returns false if the request ends first.
func (g *Gateway) wait(r *http.Request, d time.Duration) bool {
	passed := make(chan struct{})
	stop := g.clock.AfterFunc(d, func() { close(passed) })
	defer stop()
	select {
	case <-passed:
		return true
	case <-r.Context().Done():
		return false
	}
}

// timeFormat has milliseconds, as in the example of the AWS CLI
// (https://docs.aws.amazon.com/cli/v1/reference/apigatewaymanagementapi/get-connection.html). So connectedAt is that
// of the connection's events, and lastActiveAt differs within a second. The example has no UserAgent, like the events
// of a client that sent none.
const timeFormat = "2006-01-02T15:04:05.000Z"

// description is the state of a connection.
type description struct {
	ConnectedAt  string `json:"connectedAt"`
	Identity     client `json:"identity"`
	LastActiveAt string `json:"lastActiveAt"`
}

// describe answers with the state of a connection.
func describe(w http.ResponseWriter, c *connection) {
	writeJSON(w, http.StatusOK, description{
		ConnectedAt:  c.connectedAt.UTC().Format(timeFormat),
		Identity:     c.client,
		LastActiveAt: time.Unix(0, c.lastActive.Load()).UTC().Format(timeFormat),
	})
}

// delete closes a connection. Its $disconnect follows. Later calls for it get 410 at once. The code and the reason are
// those that $disconnect had on AWS after a DELETE (https://github.com/boto/boto3/issues/3789). The reason in the
// client's close frame is the same here, which is a choice: no source shows that frame.
func (g *Gateway) delete(w http.ResponseWriter, c *connection) {
	g.remove(c)
	c.close(closeNormal, reasonNormal)
	w.WriteHeader(http.StatusNoContent)
}

// refuse answers as the Management API does: the error's name is in a header and in the body, because SDKs read either.
func refuse(w http.ResponseWriter, status int, name, message string) {
	w.Header().Set("x-amzn-ErrorType", name)
	writeJSON(w, status, map[string]string{"__type": name, "message": message})
}

// refuseGone answers for a connection that is closed, never existed, or is still in its own $connect. Its message is
// empty, as on AWS.
func refuseGone(w http.ResponseWriter) { refuse(w, http.StatusGone, "GoneException", "") }
