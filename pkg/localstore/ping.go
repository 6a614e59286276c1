package localstore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	bolt "go.etcd.io/bbolt"

	"wschat/pkg/chat"
)

// pingBytes is how much Ping writes: as much as a message may need.
const pingBytes = chat.MaxFrameBytes

// Ping writes as much as a message may need, twice. In the data file it shows that the file can be written. But bbolt
// uses pages again that are free, and these have their place on a full disk too. So Ping also writes a new file beside
// the data file, and removes it.
func (l *Log) Ping(context.Context) error {
	_, err := guarded(l.guard, func() (none struct{}, err error) {
		noise := make([]byte, pingBytes) // some file systems give no room to zeroes
		_, _ = rand.Read(noise)          // never fails
		err = l.update(func(tx *bolt.Tx) error {
			return tx.Bucket([]byte(pingBucket)).Put([]byte("ping"), noise)
		})
		if err != nil {
			return none, err
		}
		l.pinging.Lock()
		defer l.pinging.Unlock()
		return none, writeBeside(l.path+".ping", noise)
	})
	if err != nil {
		return fmt.Errorf("write the ping row: %w", err)
	}
	return nil
}

// writeBeside writes a file to the disk and removes it. A folder that takes no new files says nothing of the disk.
func writeBeside(path string, content []byte) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) {
		return nil
	}
	if err != nil {
		return err
	}
	if _, err = file.Write(content); err == nil {
		err = file.Sync()
	}
	return errors.Join(err, file.Close(), os.Remove(path))
}
