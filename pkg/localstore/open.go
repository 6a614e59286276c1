package localstore

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// lockTimeout is how long OpenLog waits for another process to let go of the file, and Close for what hangs in a file
// that was given up.
const lockTimeout = time.Second

// OpenLog opens or creates the file and its folder, and checks the whole file, so that damage is met here and not in
// the middle of a conversation. The error says in one line what is wrong with which file. Single messages that cannot
// be read are no error: the logger gets a line, and Read has something in their places.
//
// Until Close the file is looked after: once it is removed, replaced, cut or written by another program, every call
// fails, and the logger gets a line.
func OpenLog(path string, logger *slog.Logger) (*Log, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("create the folder of the data file: %w", err)
	}
	isNew, err := isNew(path, logger)
	if err != nil {
		return nil, err
	}
	if !isNew {
		if err := checkFile(path); err != nil {
			return nil, err
		}
	}
	l := &Log{
		path: path, logger: logger,
		file: &dataFile{path: path}, guard: newGuard(path, logger),
		closing: make(chan struct{}), watched: make(chan struct{}),
	}
	l.db, err = open(path, false, &l.file.file)
	if err != nil {
		if isNew && !errors.Is(err, bolterrors.ErrTimeout) {
			_ = os.Remove(path) // the next start would call it damaged
		}
		return nil, explain(path, err)
	}
	if err := l.prepare(); err != nil {
		_ = l.db.Close()
		return nil, err
	}
	go l.watch()
	return l, nil
}

// isNew reports whether there is no file yet, or an empty one, which bbolt takes as such.
func isNew(path string, logger *slog.Logger) (bool, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return true, nil
	case err != nil:
		return false, fmt.Errorf("open the data file: %w", err)
	case info.IsDir():
		return false, fmt.Errorf("the data file %s is a directory: choose a file", path)
	case !info.Mode().IsRegular():
		return false, fmt.Errorf("the data file %s is no regular file: choose another", path)
	case info.Size() == 0:
		logger.Warn("the data file is empty: the chat begins without messages", slog.String("file", path))
		return true, nil
	}
	return false, nil
}

// checkFile checks the pages of a file that nobody writes meanwhile: bbolt trusts what it reads, and on damage it
// faults, runs out of stack, or panics in goroutines of its own.
func checkFile(path string) error {
	var file *os.File
	db, err := open(path, true, &file)
	if err != nil {
		return explain(path, err)
	}
	defer db.Close()
	info, err := file.Stat()
	if err != nil {
		return fmt.Errorf("read the data file %s: %w", path, err)
	}
	if err := checkPages(file, info.Size()); err != nil {
		return corrupt(path, err)
	}
	return nil
}

// open opens the file with bbolt, and sets file to what bbolt reads and writes. Reading only, bbolt reads no more than
// the two meta pages.
func open(path string, readOnly bool, file **os.File) (*bolt.DB, error) {
	return recovered(func() (*bolt.DB, error) {
		return bolt.Open(path, 0o600, &bolt.Options{
			Timeout:      lockTimeout,
			FreelistType: bolt.FreelistMapType,
			ReadOnly:     readOnly,
			OpenFile: func(name string, flag int, mode os.FileMode) (opened *os.File, err error) {
				opened, err = os.OpenFile(name, flag, mode)
				*file = opened
				return opened, err
			},
		})
	})
}

// explain words what open returned.
func explain(path string, err error) error {
	_, ofPath := errors.AsType[*fs.PathError](err)
	_, ofSystem := errors.AsType[syscall.Errno](err)
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return fmt.Errorf("the data file %s is in use by another process: stop it, or choose another file", path)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("the data file %s may not be read and written by this user: %w", path, err)
	case ofPath, ofSystem:
		return fmt.Errorf("open the data file %s: %w", path, err)
	}
	return corrupt(path, err) // of what bbolt reads in the file
}

func corrupt(path string, cause error) error {
	return fmt.Errorf(
		"the data file %s is damaged or no data file of this program (%w): move it away, or choose another file", path,
		cause)
}

// prepare checks what the buckets hold, creates those that are missing, and notes what the file looks like.
func (l *Log) prepare() error {
	found, err := recovered(func() (found damage, err error) {
		err = l.db.View(func(tx *bolt.Tx) error { return found.look(tx) })
		return found, err
	})
	if err != nil {
		return corrupt(l.path, err)
	}
	found.log(l.logger, l.path)
	err = l.db.Update(func(tx *bolt.Tx) error {
		for _, name := range buckets() {
			if _, err := tx.CreateBucketIfNotExists([]byte(name)); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		l.file.pageSize = l.db.Info().PageSize
		err = l.file.noteHeads()
	}
	if err == nil {
		err = l.file.inPlace()
	}
	if err != nil {
		return fmt.Errorf("prepare the data file %s: %w", l.path, err)
	}
	return nil
}

// Close closes the file, after the transactions that are under way.
func (l *Log) Close() error {
	select {
	case <-l.closing: // closed before
		return nil
	default:
		close(l.closing)
	}
	<-l.watched
	closed := make(chan error, 1)
	go func() { closed <- l.db.Close() }()
	select {
	case err := <-closed:
		return err
	case <-l.guard.failed:
	}
	select { // transactions may hang in bbolt for ever
	case <-closed:
	case <-time.After(lockTimeout):
	}
	return nil
}
