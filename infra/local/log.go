package main

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"os"
	"sync"

	"wschat/pkg/telemetry"
)

// newLogHandler writes log lines for whoever reads them: for people at a terminal, in colour where something is wrong; and
// elsewhere in JSON, as the function does on AWS.
func newLogHandler(w io.Writer) slog.Handler {
	if f, ok := w.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
			return newTerminal(w)
		}
	}
	return slog.NewJSONHandler(w, nil)
}

// terminal is a slog.Handler for people.
type terminal struct {
	slog.Handler // writes to line
	line         *bytes.Buffer
	out          io.Writer
	mu           *sync.Mutex
}

func newTerminal(out io.Writer) slog.Handler {
	line := &bytes.Buffer{}
	text := slog.NewTextHandler(line, &slog.HandlerOptions{ReplaceAttr: forPeople})
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
