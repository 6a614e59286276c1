package localruntime

import (
	"bytes"
	"io"
	"sync"
)

// longestLine is how many bytes are kept for a line that does not end. A longer line is written in pieces.
const longestLine = 1 << 20

// lines forwards the output of one process in whole lines, so that lines of several processes do not mix.
type lines struct {
	to    io.Writer
	begun []byte // the start of a line that has not ended yet
}

func (l *lines) Write(p []byte) (int, error) {
	l.begun = append(l.begun, p...)
	end := bytes.LastIndexByte(l.begun, '\n') + 1
	if end == 0 && len(l.begun) > longestLine {
		end = len(l.begun)
	}
	if end > 0 {
		// A failed write must not stop the process.
		_, _ = l.to.Write(l.begun[:end])
		l.begun = append([]byte(nil), l.begun[end:]...)
	}
	return len(p), nil
}

// end forwards the rest of the output if it does not end with a line break.
func (l *lines) end() {
	if len(l.begun) > 0 {
		_, _ = l.to.Write(append(l.begun, '\n'))
	}
}

// serial makes a Writer safe for concurrent use.
type serial struct {
	mu sync.Mutex
	to io.Writer
}

func (s *serial) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.to.Write(p)
}
