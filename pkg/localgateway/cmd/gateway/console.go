package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"sync"
)

// console writes lines to a terminal. Each begins with what it comes from.
type console struct {
	mu    sync.Mutex
	to    io.Writer
	files []os.FileInfo // the files that the command writes to, if it is led to files
}

// newConsole returns a console at stderr.
func newConsole(stdout, stderr io.Writer) *console {
	c := &console{to: stderr}
	for _, w := range []io.Writer{stdout, stderr} {
		if file, ok := w.(*os.File); ok {
			if info, err := file.Stat(); err == nil {
				c.files = append(c.files, info)
			}
		}
	}
	return c
}

// isOwn reports whether the command itself writes to a file.
func (c *console) isOwn(info os.FileInfo) bool {
	return slices.ContainsFunc(c.files, func(own os.FileInfo) bool { return os.SameFile(own, info) })
}

// of returns a Writer for the lines of a function.
func (c *console) of(name string) io.Writer { return source{c, name} }

type source struct {
	console *console
	name    string
}

// Write writes whole lines.
func (s source) Write(text []byte) (int, error) {
	s.console.mu.Lock()
	defer s.console.mu.Unlock()
	for line := range bytes.Lines(text) {
		fmt.Fprintf(s.console.to, "%s: %s\n", s.name, bytes.TrimRight(line, "\r\n"))
	}
	return len(text), nil
}

// say writes a line of the gateway's own.
func (c *console) say(format string, args ...any) {
	_, _ = fmt.Fprintf(c.of("gateway"), format+"\n", args...)
}

// logger returns a logger for the gateway's failures.
func (c *console) logger() *slog.Logger { return slog.New(failures{c}) }

// failures is a slog.Handler that writes the message and the values.
type failures struct{ console *console }

func (failures) Enabled(context.Context, slog.Level) bool { return true }

func (f failures) Handle(_ context.Context, r slog.Record) error {
	line := r.Message
	r.Attrs(func(a slog.Attr) bool {
		line += ": " + a.Value.String()
		return true
	})
	f.console.say("%s", line)
	return nil
}

func (f failures) WithAttrs([]slog.Attr) slog.Handler { return f }
func (f failures) WithGroup(string) slog.Handler      { return f }
