package localgateway

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// Limits of API Gateway in both directions
// (https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html).
const (
	maxFrameBytes   = 32 << 10
	maxMessageBytes = 128 << 10
)

// A client may send any number of pings and fragments. After this many in a row without a complete message, the gateway
// stops reading from the client for a moment. So a flood slows only the client that sends it.
const (
	floodFrames = 256
	floodPause  = 10 * time.Millisecond
)

// The disconnectReason of API Gateway's events if the client gave none, or the gateway closed.
const (
	reasonNormal    = "Connection Closed Normally"
	reasonGoingAway = "Going away"
	reasonNoStatus  = "Client-side close frame status not set"
	reasonAbnormal  = "Connection Closed Abnormally"
)

// ending says why the gateway stopped reading a client's frames.
type ending struct {
	code   int
	reason string
	broken bool // the client broke the protocol or a limit: what follows cannot be understood
}

// converse handles a client's messages until either side closes, and returns the code and the reason for $disconnect.
func (g *Gateway) converse(c *connection, stream io.Reader) (code int, reason string) {
	end := g.takeMessages(c, stream)
	if end.code == closeAbnormal {
		if code, reason, ok := c.closedWith(); ok { // this side closed, and the client did not answer
			return code, reason
		}
		return end.code, end.reason
	}
	c.close(end.code, end.reason) // the answer to the client's close frame, unless this side closed first
	<-c.closeWritten
	if end.broken {
		// Closing a socket that has unread data resets it, and the client may lose the close frame. So the gateway ends
		// its own stream, and reads until the client ends its stream or the read deadline of a close passes.
		c.closeWrite()
		_, _ = io.Copy(io.Discard, stream)
	}
	code, reason, _ = c.closedWith()
	return code, reason
}

// takeMessages invokes the handler for each message and does not wait for it. API Gateway handles the messages of one
// connection concurrently, and promises no order.
func (g *Gateway) takeMessages(c *connection, stream io.Reader) ending {
	var message []byte
	state := ws.StateServerSide
	for frames := 1; ; frames++ {
		if frames%floodFrames == 0 {
			time.Sleep(floodPause)
		}
		header, err := ws.ReadHeader(stream)
		if errors.Is(err, ws.ErrHeaderLengthMSB) { // RFC 6455, section 5.2
			return ending{code: closeProtocolError, reason: err.Error(), broken: true}
		}
		if err != nil {
			return ending{code: closeAbnormal, reason: reasonAbnormal}
		}
		c.touch()
		if end, ok := checkFrame(header, state, len(message)); !ok {
			return end
		}
		payload, err := readPayload(stream, header)
		if err != nil {
			return ending{code: closeAbnormal, reason: reasonAbnormal}
		}
		switch header.OpCode {
		case ws.OpPing:
			c.pong(payload)
		case ws.OpPong:
		case ws.OpClose:
			return parseClose(payload)
		default:
			message = append(message, payload...)
			if !header.Fin {
				state = state.Set(ws.StateFragmented)
				continue
			}
			state = state.Clear(ws.StateFragmented)
			if !utf8.Valid(message) {
				return ending{code: closeInvalidPayload, reason: "Invalid UTF-8 in text frame", broken: true}
			}
			g.takeMessage(c, message)
			message, frames = nil, 0
		}
	}
}

// takeMessage starts to handle a message. Before that it waits until the client reads its answers and the message gets
// a turn. A message over the account's quota or its route's throttle is not handled. A message is lost if the
// connection closes first. Faults are chosen here, in the order of the client's messages, so that a run is repeatable.
func (g *Gateway) takeMessage(c *connection, message []byte) {
	if _, ok := g.faults.Load().strikes(DropSocket, c, ""); ok {
		c.abandon()
	}
	route := g.selectRoute(message)
	switch {
	case !c.waitForReader():
	case !g.quotas.requests.take() || !g.routes[route].take():
		c.tell(tooMany.message, newID())
	case !g.turns.take(c):
	case g.begin():
		go g.handleMessage(c, g.handler(c, route), route, message)
	default:
		g.turns.end(c)
	}
}

// checkFrame reports from a frame's header, before its payload is read, whether the frame is accepted.
func checkFrame(h ws.Header, state ws.State, before int) (ending, bool) {
	err := ws.CheckHeader(h, state)
	switch {
	case err != nil:
		return ending{code: closeProtocolError, reason: err.Error(), broken: true}, false
	case h.OpCode == ws.OpBinary:
		return ending{code: closeUnsupported, reason: "Binary frames are not supported", broken: true}, false
	case h.Length > maxFrameBytes:
		return ending{code: closeTooLarge, reason: fmt.Sprintf("Frames are at most %d bytes", maxFrameBytes),
			broken: true}, false
	case !h.OpCode.IsControl() && int64(before)+h.Length > maxMessageBytes:
		return ending{code: closeTooLarge, reason: fmt.Sprintf("Messages are at most %d bytes", maxMessageBytes),
			broken: true}, false
	}
	return ending{}, true
}

// readPayload reads and unmasks a frame's payload. Memory grows with the bytes that arrive, not with the announced
// length.
func readPayload(stream io.Reader, h ws.Header) ([]byte, error) {
	var b bytes.Buffer
	n, err := b.ReadFrom(io.LimitReader(stream, h.Length))
	if err == nil && n < h.Length {
		err = io.ErrUnexpectedEOF
	}
	payload := b.Bytes()
	ws.Cipher(payload, h.Mask, 0)
	return payload, err
}

// parseClose reads a client's close frame.
func parseClose(payload []byte) ending {
	if len(payload) == 0 {
		return ending{code: closeNoStatus, reason: reasonNoStatus}
	}
	code, reason := ws.ParseCloseFrameData(payload)
	// 1012 to 1014 were registered after RFC 6455 (https://www.iana.org/assignments/websocket/websocket.xhtml).
	registeredLater := code >= 1012 && code <= 1014
	if err := ws.CheckCloseFrameData(code, reason); err != nil && !registeredLater {
		return ending{code: closeProtocolError, reason: err.Error(), broken: true}
	}
	return ending{code: int(code), reason: reason}
}
