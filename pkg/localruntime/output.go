package localruntime

import (
	"bytes"
	"io"
	"sync"
)

// longestLine is how much of a line is waited for.
const longestLine = 1 << 20

// lines passes on what one process prints, in whole lines, so that those of several processes do not get mixed.
type lines struct {
	to    io.Writer
	begun []byte // the line that has not ended yet
}

func (l *lines) Write(p []byte) (int, error) {
	l.begun = append(l.begun, p...)
	end := bytes.LastIndexByte(l.begun, '\n') + 1
	if end == 0 && len(l.begun) > longestLine {
		end = len(l.begun)
	}
	if end > 0 {
		// If nobody can read it, the process goes on all the same.
		_, _ = l.to.Write(l.begun[:end])
		l.begun = append([]byte(nil), l.begun[end:]...)
	}
	return len(p), nil
}

// end passes on what the process printed last, if it was no whole line.
func (l *lines) end() {
	if len(l.begun) > 0 {
		_, _ = l.to.Write(append(l.begun, '\n'))
	}
}

// serial is a Writer for several goroutines.
type serial struct {
	mu sync.Mutex
	to io.Writer
}

func (s *serial) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.to.Write(p)
}
