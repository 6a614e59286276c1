package localstore

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync/atomic"
	"time"
)

// watchPause is how long the file goes without a look while nothing is stored.
const watchPause = 250 * time.Millisecond

// dataFile is the open file, as bbolt has it, and what must stay true of it.
type dataFile struct {
	path     string
	file     *os.File
	pageSize int
	size     atomic.Int64 // the greatest that was seen: bbolt never cuts the file
	heads    []byte       // its two meta pages, as of the last transaction of this process; guarded by Log.writing
}

// inPlace tells what is wrong if the file was removed, replaced by another or cut.
func (d *dataFile) inPlace() error {
	before := d.size.Load()
	named, err := os.Stat(d.path)
	if errors.Is(err, fs.ErrNotExist) {
		return errors.New("it was removed")
	}
	open, openErr := d.file.Stat()
	switch {
	case err != nil || openErr != nil: // as where its folder may not be read for a while; it proves nothing
		return nil
	case !os.SameFile(named, open):
		return errors.New("another file has taken its name")
	case open.Size() < before:
		return fmt.Errorf("it was cut to %d bytes, of %d", open.Size(), before)
	}
	for size := open.Size(); size > before && !d.size.CompareAndSwap(before, size); before = d.size.Load() {
	}
	return nil
}

// intact is inPlace, and tells also if another program has written into the file. It must not be called during a
// commit.
func (d *dataFile) intact() error {
	if err := d.inPlace(); err != nil {
		return err
	}
	now, err := readHeads(d.file, d.pageSize)
	if err == nil && !bytes.Equal(now, d.heads) {
		err = errOverwritten
	}
	return err
}

var errOverwritten = errors.New("another program has written into it")

// noteHeads notes the meta pages after a transaction, which writes one of them.
func (d *dataFile) noteHeads() error {
	before := d.heads
	now, err := readHeads(d.file, d.pageSize)
	if err != nil {
		return err
	}
	d.heads = now
	if before != nil &&
		!bytes.Equal(now[:headBytes], before[:headBytes]) && !bytes.Equal(now[headBytes:], before[headBytes:]) {
		return errOverwritten
	}
	return nil
}

// readHeads returns what bbolt has written at the beginning of both meta pages. It changes with each transaction.
func readHeads(file *os.File, pageSize int) ([]byte, error) {
	heads := make([]byte, 2*headBytes)
	_, err := file.ReadAt(heads[:headBytes], 0)
	if err == nil {
		_, err = file.ReadAt(heads[headBytes:], int64(pageSize))
	}
	if err != nil {
		return nil, fmt.Errorf("its first pages cannot be read: %w", err)
	}
	return heads, nil
}

// watch looks after the file until it finds trouble or the log is closed.
func (l *Log) watch() {
	defer close(l.watched)
	ticker := time.NewTicker(watchPause)
	defer ticker.Stop()
	for {
		select {
		case <-l.closing:
			return
		case <-ticker.C:
		}
		look := l.file.inPlace
		if l.writing.TryLock() { // otherwise update looks at the rest
			look = func() error {
				defer l.writing.Unlock()
				return l.file.intact()
			}
		}
		if err := look(); err != nil {
			l.guard.fail(err)
			return
		}
	}
}
