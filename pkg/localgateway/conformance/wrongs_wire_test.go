package conformance

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"time"

	"github.com/gobwas/ws"

	"wschat/pkg/localgateway"
)

// wireWrongs are faults in handshakes, frames and @connections.
var wireWrongs = map[string]wrong{
	"410 is 404": {
		front: editStatus(410, 404, "/@connections/"),
		fails: "call-errors-have-a-type *-of-a-connection-that-* delete-of-a-connection " +
			"handshake-is-answered-after-connect",
	},
	"400 of calls is 410": {
		front: editStatus(400, 410, "/@connections/"),
		fails: "call-with-an-id-that-cannot-be-one",
	},
	"413 is 400": {
		front: editStatus(413, 400, "/@connections/"),
		fails: "call-errors-have-a-type post-over-128-kb",
	},
	"403 of calls is 404": {
		front: editStatus(403, 404, "/@connections/"),
		fails: "call-of-another-stage call-with-another-method " +
			"call-with-the-signature-of-another-body call-without-a-signature",
	},
	"a DELETE is 200": {
		front: editStatus(204, 200, "/@connections/"),
		fails: "delete-of-a-connection",
	},
	"426 is 400": {
		front: editStatus(426, 400, "open"),
		fails: "get-below-the-stage get-without-an-upgrade handshake-of-another-version",
	},
	"another stage is 404": {
		front: editStatus(403, 404, "nowhere"),
		fails: "call-of-another-stage handshake-of-another-stage",
	},
	"403 of authorizers is 401": {
		front: editStatus(403, 401, "authorized"),
		fails: "authorizer-allows-a* authorizer-allows-the-pattern-of-a-rest-api " +
			"authorizer-denial-beats-permission authorizer-denies authorizer-refusals-say-why " +
			"disconnect-after-a-refusal",
	},
	"401 of authorizers is 403": {
		front: editStatus(401, 403, "i"),
		fails: "authorizer-missing-* authorizer-refusals-say-why authorizer-says-unauthorized",
	},
	"500 of authorizers is 403": {
		front: editStatus(500, 403, "authorized"),
		fails: "authorizer-fails authorizer-with-a-list-in-its-context authorizer-with-a-long-answer " +
			"authorizer-with-an-object-in-its-context authorizer-without-a-principal",
	},
	"404 of HTTP is 403": {
		front: editStatus(404, 403, "/nothing"),
		fails: "http-route-that-is-not-there",
	},
	"201 of HTTP is 200": {
		front: editStatus(201, 200, "/ping"),
		fails: "http-response",
	},
	"500 of HTTP is 502": {
		front: editStatus(500, 502, "/ping"),
		fails: "http-failure",
	},
	"without $connect nobody gets in": {
		front: editRequests(func(r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "bare") {
				r.Header.Del("Upgrade")
			}
		}),
		fails: "route-connect-missing",
	},
	"handshakes are not checked": {
		front: editRequests(func(r *http.Request) {
			if r.Header.Get("Upgrade") == "" {
				return
			}
			r.Header.Set("Sec-WebSocket-Version", "13")
			if key := r.Header.Values("Sec-WebSocket-Key"); len(key) != 1 || len(key[0]) != 24 {
				r.Header.Set("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
			}
			r.Method, r.Proto, r.ProtoMajor, r.ProtoMinor, r.ContentLength = "GET", "HTTP/1.1", 1, 1, 0
			if strings.Contains(r.URL.RawQuery, "%z") || len(r.URL.RawQuery) > 4000 {
				r.URL.RawQuery = ""
			}
		}),
		fails: "handshake-by-post handshake-of-another-version handshake-of-http-1-0 handshake-with-* " +
			"handshake-without-a-key",
	},
	"an encoded @ is unknown": {
		front: editRequests(func(r *http.Request) {
			if strings.Contains(r.URL.RawPath, "%40") || strings.Contains(r.RequestURI, "%40") {
				r.URL.Path = "/nowhere"
			}
		}),
		fails: "call-with-an-encoded-path",
	},
	"only the function may post": {
		front: editRequests(func(r *http.Request) {
			if r.Method == http.MethodPost && strings.HasPrefix(r.UserAgent(), "Go-http-client") {
				r.Method = http.MethodPut
			}
		}),
		fails: "call-errors-have-a-type call-of-a-connection-* call-with-an-encoded-path " +
			"call-with-an-id-that-cannot-be-one delete-of-a-connection handshake-then-post post " +
			"post-in-* post-of-* post-that-*",
	},
	"the function may tell its events alone": {
		front: editRequests(func(r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			r.Body = io.NopCloser(bytes.NewReader(body))
			if r.Method == http.MethodPost && r.UserAgent() == "node" && !bytes.HasPrefix(body, []byte(`{"event"`)) {
				r.Method = http.MethodPut
			}
		}),
		fails: "frame-of-32-kb handshake-is-answered-after-connect message-of-128-kb post-by-the-function",
	},
	"times have no milliseconds": {
		front: func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/@connections/") {
					w = &withoutMilliseconds{w}
				}
				next.ServeHTTP(w, r)
			})
		},
		fails: "get-of-a-connection",
	},
	"errors of calls have no type": {
		front: func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if strings.Contains(r.URL.Path, "/@connections/") {
					w = &withoutErrorType{w}
				}
				next.ServeHTTP(w, r)
			})
		},
		fails: "call-errors-have-a-type",
	},
	"pings are not answered": {
		front: editFrames(func(f ws.Frame) []ws.Frame {
			if f.Header.OpCode == ws.OpPong {
				return nil
			}
			return []ws.Frame{f}
		}, nil),
		fails: "message-in-fragments ping",
	},
	"pongs are not understood": {
		front: editFrames(nil, func(c net.Conn, b []byte) int {
			if b[0] == 0x8a {
				_ = c.Close()
			}
			return len(b)
		}),
		fails: "pong-that-nobody-asked-for",
	},
	"empty messages are dropped": {
		front: editFrames(nil, func(c net.Conn, b []byte) int {
			if string(b) == "\x81\x80" { // the gateway reads a frame's first two bytes alone
				_, _ = io.ReadFull(c, make([]byte, 4))
				return 0
			}
			return len(b)
		}),
		fails: "message-without-text",
	},
	"every close frame is normal": {
		front: editFrames(func(f ws.Frame) []ws.Frame {
			if f.Header.OpCode == ws.OpClose {
				f = ws.NewCloseFrame(ws.NewCloseFrameBody(ws.StatusNormalClosure, ""))
			}
			return []ws.Frame{f}
		}, nil),
		fails: "close-* frame-of-binary-data frame-of-text-in-a-message frame-over-32-kb " +
			"frame-that-continues-nothing frame-with* message-over-128-kb ping-* text-*",
	},
	"a DELETE takes its time": {
		front: func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method != http.MethodDelete {
					next.ServeHTTP(w, r)
					return
				}
				w.WriteHeader(http.StatusNoContent)
				time.AfterFunc(time.Second, func() {
					next.ServeHTTP(httptest.NewRecorder(), r.Clone(context.WithoutCancel(r.Context())))
				})
			})
		},
		fails: "call-of-a-connection-that-is-gone delete-of-a-connection message-after-a-delete",
	},
	"403 of IAM is 401": {
		front: editStatus(403, 401, "signed"),
		fails: "iam-handshake-unsigned",
	},
	"handshakes are not signed in headers": {
		front: editRequests(func(r *http.Request) {
			if r.Header.Get("Upgrade") != "" {
				r.Header.Del("Authorization")
			}
		}),
		fails: "iam-event iam-handshake-signed",
	},
	"handshakes are not signed in the query": {
		front: editRequests(func(r *http.Request) {
			if strings.Contains(r.URL.RawQuery, "X-Amz-Signature") {
				r.URL.RawQuery = ""
			}
		}),
		fails: "iam-handshake-signed-in-the-query",
	},
	"a DELETE drops the socket": {
		front: editFrames(func(f ws.Frame) []ws.Frame {
			if code, _ := ws.ParseCloseFrameData(f.Payload); f.Header.OpCode == ws.OpClose && code == 1000 {
				return nil
			}
			return []ws.Frame{f}
		}, nil),
		fails: "delete-of-a-connection",
	},
	"frames have 16 KB": {
		front: editFrames(func(f ws.Frame) (frames []ws.Frame) {
			for op := f.Header.OpCode; len(f.Payload) > 16<<10; op = ws.OpContinuation {
				frames = append(frames, ws.NewFrame(op, false, f.Payload[:16<<10]))
				f = ws.NewFrame(ws.OpContinuation, f.Header.Fin, f.Payload[16<<10:])
			}
			return append(frames, f)
		}, nil),
		fails: "post-in-frames-of-32-kb",
	},
	"posts of over 64 KB arrive without their end": {
		front: editFrames(func(f ws.Frame) []ws.Frame {
			if f.Header.OpCode == ws.OpContinuation && f.Header.Fin && f.Header.Length >= 16<<10 {
				f = ws.NewFrame(ws.OpContinuation, true, nil)
			}
			return []ws.Frame{f}
		}, nil),
		fails: "post-of-128-kb",
	},
	"posts keep bytes that are not UTF-8": {
		front: editFrames(func(f ws.Frame) []ws.Frame {
			return []ws.Frame{ws.NewFrame(f.Header.OpCode, f.Header.Fin,
				bytes.ReplaceAll(f.Payload, []byte("\uFFFD"), []byte{0xff}))}
		}, nil),
		fails: "post-that-is-not-utf-8",
	},
	"a message without a route is ignored": {
		front: editFrames(func(f ws.Frame) []ws.Frame {
			if bytes.Contains(f.Payload, []byte(`"Forbidden"`)) {
				return nil
			}
			return []ws.Frame{f}
		}, nil),
		fails: "route-missing",
	},
	"all routes have a route response, but empty ones are dropped": {
		config: func(c *localgateway.Config) { c.RouteResponses = c.Routes },
		front: editFrames(func(f ws.Frame) []ws.Frame {
			if f.Header.OpCode == ws.OpText && f.Header.Length == 0 {
				return nil
			}
			return []ws.Frame{f}
		}, nil),
		fails: "one-way-body two-way-without-a-body",
	},
}

type withoutMilliseconds struct{ http.ResponseWriter }

// milliseconds matches those of a time.
var milliseconds = regexp.MustCompile(`\.\d{3}Z`)

func (w *withoutMilliseconds) Write(b []byte) (int, error) {
	_, err := w.ResponseWriter.Write(milliseconds.ReplaceAll(b, []byte("Z")))
	return len(b), err
}

type withoutErrorType struct{ http.ResponseWriter }

func (w *withoutErrorType) WriteHeader(status int) {
	w.Header().Del("x-amzn-ErrorType")
	w.ResponseWriter.WriteHeader(status)
}
