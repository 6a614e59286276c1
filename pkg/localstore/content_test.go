package localstore_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"

	"wschat/pkg/chat"
	"wschat/pkg/localstore"
)

// Each byte of the two heads counts: with one of them damaged, bbolt would take the older, and forget a message.
func TestADamagedHead(t *testing.T) {
	image, rooms := sample(t)
	for i := range 80 {
		for _, page := range []int{0, 4096} {
			b := bytes.Clone(image)
			b[page+i] ^= 0x10
			isUnused := i >= 10 && i < 16 // of the page's header
			if o := openDamaged(t, b, rooms); !o.refused && !isUnused {
				t.Errorf("opened with a damaged byte %d", page+i)
			}
		}
	}
}

// What is wrong with the rows although all pages are right is found, and what concerns single rows costs them alone.
func TestDamagedContent(t *testing.T) {
	key := func(index uint64) []byte { return binary.BigEndian.AppendUint64(nil, index) }
	for name, tc := range map[string]struct {
		damage  func(tx *bolt.Tx, rows, ids *bolt.Bucket) error
		refused string // what the error says
		logged  string // or else what the log says
	}{
		"a row is missing": {func(_ *bolt.Tx, rows, _ *bolt.Bucket) error { return rows.Delete(key(3)) },
			"has the key 0000000000000004", ""},
		"the last row is missing": {func(_ *bolt.Tx, rows, _ *bolt.Bucket) error { return rows.Delete(key(5)) },
			"its last message is 4, and the count is 5", ""},
		"the count is wrong": {func(_ *bolt.Tx, rows, _ *bolt.Bucket) error { return rows.SetSequence(69) },
			"the count is 69", ""},
		"a key is no index": {func(_ *bolt.Tx, rows, _ *bolt.Bucket) error { return rows.Put([]byte("key"), key(1)) },
			"has the key", ""},
		"a bucket is strange": {func(tx *bolt.Tx, _, _ *bolt.Bucket) error {
			_, err := tx.CreateBucket([]byte("mesrages"))
			return err
		}, `bucket "mesrages"`, ""},
		"a bucket is missing": {func(tx *bolt.Tx, _, _ *bolt.Bucket) error { return tx.DeleteBucket([]byte("ids")) },
			"buckets is missing", ""},
		"a room is there in part": {func(tx *bolt.Tx, _, _ *bolt.Bucket) error {
			return tx.Bucket([]byte("messages")).DeleteBucket([]byte("r"))
		}, `room "r" is there in part`, ""},
		"a row is in the place of another": {func(_ *bolt.Tx, rows, _ *bolt.Bucket) error {
			return rows.Put(key(2), bytes.Clone(rows.Get(key(3))))
		}, "", "messages in the data file cannot be read"},
		"an id leads astray": {func(_ *bolt.Tx, _, ids *bolt.Bucket) error {
			return ids.Put([]byte("u\x00id 1"),
				key(2))
		},
			"", "message ids in the data file are damaged"},
		"an id leads nowhere": {func(_ *bolt.Tx, _, ids *bolt.Bucket) error {
			return ids.Put([]byte("u\x00id 1"),
				key(77))
		},
			"", "message ids in the data file are damaged"},
		"an id is missing": {func(_ *bolt.Tx, _, ids *bolt.Bucket) error { return ids.Delete([]byte("u\x00id 1")) },
			"", "message ids in the data file are damaged"},
		"an entry is for no message": {func(_ *bolt.Tx, _, ids *bolt.Bucket) error {
			return ids.Put([]byte("u\x00id 9"), key(2))
		},
			"", "message ids in the data file are damaged"},
		"nothing": {func(_ *bolt.Tx, _, _ *bolt.Bucket) error { return nil }, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "chat.db")
			log := open(t, path)
			for i := range 5 {
				_, _, err := log.Append(t.Context(), chat.Message{Room: "r", User: "u", Content: "c",
					ID: fmt.Sprint("id ", i+1)})
				must(t, err)
			}
			must(t, log.Close())
			db, err := bolt.Open(path, 0o600, nil)
			must(t, err)
			must(t, db.Update(func(tx *bolt.Tx) error {
				in := func(bucket string) *bolt.Bucket { return tx.Bucket([]byte(bucket)).Bucket([]byte("r")) }
				return tc.damage(tx, in("messages"), in("ids"))
			}))
			must(t, db.Close())
			said := &lines{}
			log, err = localstore.OpenLog(path, said.logger())
			if tc.refused != "" {
				if err == nil || !strings.Contains(err.Error(), tc.refused) || strings.Contains(err.Error(), "\n") {
					t.Fatalf("got %v", err)
				}
				return
			}
			must(t, err)
			defer func() { must(t, log.Close()) }()
			if s := said.String(); !strings.Contains(s, tc.logged) || tc.logged == "" && s != "" {
				t.Errorf("the log says %q", s)
			}
			// A message that is sent again is the one that was stored, if its id leads there, and otherwise new.
			again, repeat, err := log.Append(t.Context(), chat.Message{Room: "r", User: "u", Content: "c", ID: "id 1"})
			isStray, want := strings.HasPrefix(name, "an id"), int64(1)
			if isStray {
				want = 6
			}
			if err != nil || repeat == isStray || again.Index != want {
				t.Errorf("sent again it is %d, %v, %v", again.Index, repeat, err)
			}
		})
	}
}

// A file that is refused is not touched: it may be somebody else's.
func TestAFileThatIsRefusedIsLeftAsItWas(t *testing.T) {
	path := filepath.Join(t.TempDir(), "chat.db")
	before := []byte(strings.Repeat("no data file\n", 1000))
	must(t, os.WriteFile(path, before, 0o600))
	if _, err := localstore.OpenLog(path, quiet()); err == nil {
		t.Fatal("it was opened")
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
		t.Errorf("it was changed: %v", err)
	}
}
