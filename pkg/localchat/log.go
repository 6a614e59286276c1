package localchat

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"time"

	"wschat/pkg/telemetry"
)

// LogTo returns what a chat writes its log with, to w, and the page of what was measured in it.
func LogTo(w io.Writer) (*slog.Logger, http.Handler, io.Writer) {
	seen := newStats(newLogHandler(w))
	return slog.New(seen), seen, newRelay(seen, w)
}

// newLogHandler writes log lines for their readers: for people at a terminal, in colour where something is
// wrong; and elsewhere in JSON, as the function does on AWS.
func newLogHandler(w io.Writer) slog.Handler {
	if f, ok := w.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
			return newTerminal(w)
		}
	}
	return slog.NewJSONHandler(telemetry.Plain(w), nil)
}

// terminal is a slog.Handler for people. It is written by hand: handlers such as lmittmann/tint write messages and keys
// as they are, and in a log that relays what clients send, that would let a client write to the terminal.
type terminal struct {
	slog.Handler // writes to line
	line         *bytes.Buffer
	out          io.Writer
	mu           *sync.Mutex
}

func newTerminal(out io.Writer) slog.Handler {
	line := &bytes.Buffer{}
	text := slog.NewTextHandler(telemetry.Plain(line), &slog.HandlerOptions{ReplaceAttr: forPeople})
	return terminal{text, line, out, &sync.Mutex{}}
}

// forPeople leaves out what is only for CloudWatch, and the date.
func forPeople(_ []string, a slog.Attr) slog.Attr {
	switch a.Key {
	case telemetry.Directive, telemetry.FunctionName:
		return slog.Attr{}
	case slog.TimeKey:
		return slog.String(slog.TimeKey, a.Value.Time().Format("15:04:05.000"))
	}
	return a
}

// Handle writes one line.
func (t terminal) Handle(ctx context.Context, r slog.Record) error {
	const red, yellow, plain = "\x1b[31m", "\x1b[33m", "\x1b[0m"
	t.mu.Lock()
	defer t.mu.Unlock()
	t.line.Reset()
	if err := t.Handler.Handle(ctx, r); err != nil {
		return err
	}
	line := bytes.TrimSuffix(t.line.Bytes(), []byte("\n"))
	switch {
	case r.Level >= slog.LevelError:
		line = append(append([]byte(red), line...), plain...)
	case r.Level >= slog.LevelWarn:
		line = append(append([]byte(yellow), line...), plain...)
	}
	_, err := t.out.Write(append(line, '\n'))
	return err
}

// relay takes the log of a function that runs in processes of its own, in whole lines, and has a handler write it as
// if it were this process's. What is no log line, as a trace, it writes as it is, but plain.
type relay struct {
	handler slog.Handler
	rest    io.Writer
}

func newRelay(handler slog.Handler, rest io.Writer) relay {
	return relay{handler, telemetry.Plain(rest)}
}

func (r relay) Write(printed []byte) (int, error) {
	for line := range bytes.Lines(printed) {
		record, ok := logRecord(line)
		if !ok {
			if _, err := r.rest.Write(line); err != nil {
				return 0, err
			}
			continue
		}
		if err := r.handler.Handle(context.Background(), record); err != nil {
			return 0, err
		}
	}
	return len(printed), nil
}

// logRecord reads a line that slog has written as JSON. Numbers become floats, as all are that are measured, and what
// is nested stays as it is.
func logRecord(line []byte) (record slog.Record, ok bool) {
	var head struct {
		Time  time.Time   `json:"time"`
		Level *slog.Level `json:"level"`
		Msg   string      `json:"msg"`
	}
	if json.Unmarshal(line, &head) != nil || head.Level == nil {
		return record, false
	}
	record = slog.NewRecord(head.Time, *head.Level, head.Msg, 0)
	fields := json.NewDecoder(bytes.NewReader(line)) // to have them in their order
	_, _ = fields.Token()                            // the brace: it is an object, or would not have been read above
	for fields.More() {
		name, _ := fields.Token()
		var value json.RawMessage
		if fields.Decode(&value) != nil {
			return record, false
		}
		switch name {
		case slog.TimeKey, slog.LevelKey, slog.MessageKey:
		default:
			record.AddAttrs(slog.Attr{Key: name.(string), Value: logValue(value)})
		}
	}
	return record, true
}

func logValue(text json.RawMessage) slog.Value {
	if text[0] == '{' || text[0] == '[' {
		return slog.AnyValue(text)
	}
	var value any
	_ = json.Unmarshal(text, &value) // it is part of what was read before
	return slog.AnyValue(value)
}
