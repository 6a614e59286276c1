package conformance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// expectations are the kinds of actions under then, by the key that names them.
var expectations = map[string]func() action{
	"answer": func() action { return &answered{} },
	"frame":  func() action { return &framed{} },
	"event":  func() action { return &told{} },
	"pong":   func() action { return &ponged{} },
	"closed": func() action { return &closed{} },
}

// answered compares the answer to a handshake, a call or a request.
type answered struct {
	Answer  string                     `json:"answer"` // the client's name, or the one under as
	Status  json.RawMessage            `json:"status"`
	Headers map[string]json.RawMessage `json:"headers"` // several values of a name are joined with a comma
	Text    json.RawMessage            `json:"text"`    // the body
	JSON    json.RawMessage            `json:"json"`    // the body
}

func (e *answered) do(r *run) error {
	got, ok := r.answers[e.Answer]
	if !ok {
		return fmt.Errorf("nothing has asked for the answer %s", e.Answer)
	}
	if err := r.comparison.value(json.Number(fmt.Sprint(got.status)), e.Status); err != nil {
		return fmt.Errorf("the status: %w; the body is %.200q", err, got.body)
	}
	for name, want := range e.Headers {
		var value any = absent{}
		if values := got.header[http.CanonicalHeaderKey(name)]; values != nil {
			value = strings.Join(values, ",")
		}
		if err := r.comparison.value(value, want); err != nil {
			return fmt.Errorf("the header %s: %w", name, err)
		}
	}
	return r.compareText("the body", got.body, e.Text, e.JSON)
}

// compareText compares a text with two matchers, either of which may be nil.
func (r *run) compareText(title string, got []byte, text, json json.RawMessage) error {
	if text != nil {
		if err := r.comparison.value(string(got), text); err != nil {
			return fmt.Errorf("%s: %w", title, err)
		}
	}
	if json != nil {
		if err := r.comparison.json(got, json); err != nil {
			return fmt.Errorf("%s: %w", title, err)
		}
	}
	return nil
}

// framed compares the next thing that came to a client, which must be a text message.
type framed struct {
	Frame    string          `json:"frame"`
	Text     json.RawMessage `json:"text"`
	JSON     json.RawMessage `json:"json"`
	Sizes    []int           `json:"sizes"` // of the message's frames, in bytes
	Patience duration        `json:"patience"`
}

func (e *framed) do(r *run) error {
	got, err := r.take(e.Frame, "text", e.Patience)
	if err != nil {
		return err
	}
	if e.Sizes != nil && fmt.Sprint(e.Sizes) != fmt.Sprint(got.sizes) {
		return fmt.Errorf("the message has frames of %v bytes, want %v", got.sizes, e.Sizes)
	}
	return r.compareText("the message", got.text, e.Text, e.JSON)
}

// told compares what the function told a client: the event, and the answers to its own calls.
type told struct {
	Event    string          `json:"event"` // the client's name
	Is       json.RawMessage `json:"is"`
	Answers  json.RawMessage `json:"answers"`
	Patience duration        `json:"patience"`
}

func (e *told) do(r *run) error {
	got, err := r.take(e.Event, "text", e.Patience)
	if err != nil {
		return err
	}
	var report struct{ Event, Answers json.RawMessage }
	if err := json.Unmarshal(got.text, &report); err != nil || report.Event == nil {
		return fmt.Errorf("%v came, and no event", got)
	}
	if e.Is != nil {
		if err := r.comparison.json(report.Event, e.Is); err != nil {
			return fmt.Errorf("the event: %w", err)
		}
	}
	if e.Answers != nil {
		if err := r.comparison.json(report.Answers, e.Answers); err != nil {
			return fmt.Errorf("the answers that the function got: %w", err)
		}
	}
	return nil
}

// ponged compares the next thing that came to a client, which must be a pong.
type ponged struct {
	Pong string          `json:"pong"`
	Text json.RawMessage `json:"text"`
}

func (e *ponged) do(r *run) error {
	got, err := r.take(e.Pong, "pong", 0)
	if err != nil {
		return err
	}
	return r.compareText("the pong", got.text, e.Text, nil)
}

// closed compares the next thing that came to a client, which must be a close frame.
type closed struct {
	Closed   string          `json:"closed"`
	Code     int             `json:"code"`
	Reason   json.RawMessage `json:"reason"`
	Patience duration        `json:"patience"`
}

func (e *closed) do(r *run) error {
	got, err := r.take(e.Closed, "close", e.Patience)
	if err != nil {
		return err
	}
	if got.code != e.Code {
		return fmt.Errorf("%v came, want the code %d", got, e.Code)
	}
	return r.compareText("the reason", []byte(got.reason), e.Reason, nil)
}

// take waits for the next thing that comes to a client, which must be of a kind.
func (r *run) take(name, kind string, p duration) (item, error) {
	c, err := r.client(name)
	if err != nil {
		return item{}, err
	}
	ctx, cancel := context.WithTimeoutCause(r.ctx, p.or(r.target.Patience), errLate)
	defer cancel()
	got, err := c.next(ctx, &c.taken)
	if errors.Is(err, errLate) {
		return item{}, fmt.Errorf("nothing came to %s, want %s", name, kind)
	}
	if err == nil && got.kind != kind {
		err = fmt.Errorf("%v came to %s, want %s", got, name, kind)
	}
	return got, err
}
