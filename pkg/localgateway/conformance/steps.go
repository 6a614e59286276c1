package conformance

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gobwas/ws"
)

// steps are the kinds of actions under when, by the key that names them.
var steps = map[string]func() action{
	"connect": func() action { return &connect{} },
	"send":    func() action { return &send{} },
	"close":   func() action { return &closing{} },
	"drop":    func() action { return &drop{} },
	"await":   func() action { return &await{} },
	"call":    func() action { return &call{} },
	"request": func() action { return &request{} },
	"wait":    func() action { return &wait{} },
}

// texts are the values of a header or a query parameter: null for none, a string, or a list.
type texts []string

func (t *texts) UnmarshalJSON(b []byte) error {
	if strings.HasPrefix(string(b), `"`) {
		*t = make(texts, 1)
		return json.Unmarshal(b, &(*t)[0])
	}
	return json.Unmarshal(b, (*[]string)(t))
}

// connect sends a handshake. Under the client's name are then the answer and, if it is 101, the client.
type connect struct {
	Connect    string           `json:"connect"`
	Path       string           `json:"path"`  // relative to the stage, such as ../other
	Query      string           `json:"query"` // as it is sent, without ?
	Method     string           `json:"method"`
	Proto      string           `json:"proto"`
	Headers    map[string]texts `json:"headers"` // instead of the usual ones of these names; null for none
	Body       string           `json:"body"`    // sent right behind the handshake
	Script     json.RawMessage  `json:"script"`  // of $connect
	Authorizer json.RawMessage  `json:"authorizer"`
	Unsigned   bool             `json:"unsigned"`  // also with IAM authorization
	Presigned  bool             `json:"presigned"` // the signature is in the query
	Patience   duration         `json:"patience"`  // how long it waits, if that is longer than usual
}

// userAgent is what every client sends, unless a step says otherwise.
const userAgent = "conformance"

// The headers with the scripts of $connect, or of an HTTP route, and of an authorizer.
const (
	scriptHeader     = "Conformance-Script"
	authorizerHeader = "Conformance-Authorizer"
)

// observer is the name of the client that is told of the $disconnect of all others.
const observer = "observer"

func (s *connect) do(r *run) error {
	h := handshake{url: r.resolve(s.Path, s.Query), method: s.Method, proto: s.Proto, body: s.Body,
		header: http.Header{"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"},
			"User-Agent": {userAgent}}}
	if h.method == "" {
		h.method = http.MethodGet
	}
	if h.proto == "" {
		h.proto = "HTTP/1.1"
	}
	if o := r.clients[observer]; o != nil {
		h.header.Set("User-Agent", userAgent+" observer="+o.id)
	}
	for name, script := range map[string]json.RawMessage{scriptHeader: s.Script, authorizerHeader: s.Authorizer} {
		if script != nil {
			h.header.Set(name, compact(script))
		}
	}
	for name, values := range s.Headers {
		h.header[http.CanonicalHeaderKey(name)] = values
	}
	if r.signs && !s.Unsigned {
		if err := s.sign(r, &h); err != nil {
			return err
		}
	}
	c, answer, err := dial(r.ctx, s.Patience.or(r.target.Patience), s.Connect, h)
	r.answers[s.Connect] = answer
	if err != nil || c == nil {
		return err
	}
	r.clients[s.Connect] = c
	if s.Connect == observer || r.needs(s.Connect+".id") {
		return r.learnID(c)
	}
	return nil
}

// sign puts a signature into a handshake.
func (s *connect) sign(r *run, h *handshake) (err error) {
	u := *h.url
	u.Scheme = httpScheme(h.url)
	if s.Presigned {
		if h.url, err = r.presign(&u); err == nil {
			h.url.Scheme = r.base.Scheme
		}
		return err
	}
	request, err := http.NewRequest(h.method, u.String(), nil)
	if err != nil {
		return err
	}
	if err := r.sign(request, nil); err != nil {
		return err
	}
	maps.Copy(h.header, request.Header)
	return nil
}

// learnID asks the function for a client's connection id.
func (r *run) learnID(c *client) error {
	c.write(ws.NewTextFrame([]byte(`{"action":"run","script":{"tell":"self"}}`)))
	ctx, cancel := r.patience()
	defer cancel()
	got, err := c.next(ctx, &c.taken)
	if err != nil {
		return fmt.Errorf("ask for the connection id of %s: %w", c.name, err)
	}
	c.awaited = c.taken
	var told struct {
		Event struct{ RequestContext struct{ ConnectionID string } }
	}
	if err := json.Unmarshal(got.text, &told); err != nil || told.Event.RequestContext.ConnectionID == "" {
		return fmt.Errorf("ask for the connection id of %s: the route run answered with %v", c.name, got)
	}
	c.id = told.Event.RequestContext.ConnectionID
	r.variables[c.name+".id"] = c.id
	return nil
}

// resolve returns a URL of the deployment under test.
func (r *run) resolve(path, query string) *url.URL {
	u := *r.base
	if path != "" {
		base := u
		base.Path = strings.TrimSuffix(base.Path, "/") + "/"
		u = *base.ResolveReference(&url.URL{Path: path})
	}
	u.RawQuery = query
	return &u
}

// compact writes a script in one line of ASCII, as a header needs it.
func compact(script json.RawMessage) string {
	var v any
	_ = json.Unmarshal(script, &v) // it was read before
	b, _ := json.Marshal(v)
	var text strings.Builder
	for _, r := range string(b) {
		if r < 0x80 {
			text.WriteRune(r)
		} else {
			fmt.Fprintf(&text, `\u%04x`, r)
		}
	}
	return text.String()
}

// send sends a message or bytes. It has one of Text, Script, Frames and Hex.
type send struct {
	Send   string          `json:"send"`
	Text   *string         `json:"text"`   // a message
	Route  string          `json:"route"`  // of Script; run if it is empty
	Script json.RawMessage `json:"script"` // a message {"action": route, "script": …}
	Pad    int             `json:"pad"`    // x stand before Script until the message has so many bytes
	Split  int             `json:"split"`  // the size of the message's frames; 0 for one frame
	Frames []frame         `json:"frames"` // instead of a message
	Hex    string          `json:"hex"`    // any bytes instead of frames
}

// frame is a frame that need not be valid.
type frame struct {
	Opcode byte   `json:"opcode"`
	More   bool   `json:"more"` // it is not the last of its message
	Text   string `json:"text"`
	Hex    string `json:"hex"` // instead of Text
	Rsv    byte   `json:"rsv"` // the reserved bits, 0 to 7
}

func (s *send) do(r *run) error {
	c, err := r.client(s.Send)
	if err != nil {
		return err
	}
	switch {
	case s.Hex != "":
		b, err := content("", s.Hex)
		if err != nil {
			return err
		}
		c.writeBytes(b)
	case s.Frames != nil:
		frames := make([]ws.Frame, len(s.Frames))
		for i, f := range s.Frames {
			b, err := content(f.Text, f.Hex)
			if err != nil {
				return err
			}
			frames[i] = ws.NewFrame(ws.OpCode(f.Opcode), !f.More, b)
			frames[i].Header.Rsv = f.Rsv
		}
		c.write(frames...)
	default:
		c.write(s.message()...)
	}
	return nil
}

// message returns the frames of a message.
func (s *send) message() (frames []ws.Frame) {
	text := ""
	if s.Text != nil {
		text = *s.Text
	} else {
		route := s.Route
		if route == "" {
			route = "run"
		}
		text = s.scripted(route, "")
		if missing := s.Pad - len(s.scripted(route, "x")); missing >= 0 {
			text = s.scripted(route, strings.Repeat("x", missing+1))
		}
	}
	size := s.Split
	if size == 0 {
		size = max(1, len(text))
	}
	op := ws.OpText
	for first := true; first || text != ""; first = false {
		n := min(size, len(text))
		frames = append(frames, ws.NewFrame(op, n == len(text), []byte(text[:n])))
		text, op = text[n:], ws.OpContinuation
	}
	return frames
}

// scripted is a message with a script. Its padding stands before the script: a server that cuts it, cuts the script.
func (s *send) scripted(route, padding string) string {
	message := struct {
		Action  string          `json:"action"`
		Padding string          `json:"padding,omitempty"`
		Script  json.RawMessage `json:"script"`
	}{route, padding, s.Script}
	b, _ := json.Marshal(message) // the script was read before
	return string(b)
}

// content is the bytes that a step gives as a text or as hexadecimal digits.
func content(text, digits string) ([]byte, error) {
	if digits != "" {
		return hex.DecodeString(strings.ReplaceAll(digits, " ", ""))
	}
	return []byte(text), nil
}

// closing sends a close frame, with a code unless it is 0. The client goes on reading.
type closing struct {
	Close  string `json:"close"`
	Code   int    `json:"code"`
	Reason string `json:"reason"`
}

func (s *closing) do(r *run) error {
	c, err := r.client(s.Close)
	if err != nil {
		return err
	}
	c.writes.Lock()
	c.closing = true
	c.writes.Unlock()
	var body []byte
	if s.Code != 0 {
		body = ws.NewCloseFrameBody(ws.StatusCode(s.Code), s.Reason)
	}
	c.write(ws.NewCloseFrame(body))
	return nil
}

// drop closes a client's socket without a close frame.
type drop struct {
	Drop string `json:"drop"`
}

func (s *drop) do(r *run) error {
	c, err := r.client(s.Drop)
	if err != nil {
		return err
	}
	return c.conn.Close()
}

// await waits until something more has come to a client. It stays there for an expectation.
type await struct {
	Await    string   `json:"await"`
	Patience duration `json:"patience"`
}

func (s *await) do(r *run) error {
	c, err := r.client(s.Await)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(r.ctx, s.Patience.or(r.target.Patience), errLate)
	defer cancel()
	_, err = c.next(ctx, &c.awaited)
	return err
}

// wait waits. A correct server passes whatever it does meanwhile.
type wait struct {
	Wait duration `json:"wait"`
}

func (s *wait) do(r *run) error {
	select {
	case <-time.After(time.Duration(s.Wait)):
		return nil
	case <-r.ctx.Done():
		return r.ctx.Err()
	}
}

// duration is a time.Duration, written as 300ms or 10m.
type duration time.Duration

func (d *duration) UnmarshalText(b []byte) error {
	parsed, err := time.ParseDuration(string(b))
	*d = duration(parsed)
	return err
}

// or returns this duration, or the usual one if that is longer.
func (d duration) or(usual time.Duration) time.Duration { return max(time.Duration(d), usual) }
