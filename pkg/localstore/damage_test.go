package localstore_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"

	"wschat/pkg/chat"
	"wschat/pkg/localstore"
)

// sample makes a data file with rooms of several sizes, and returns it with all its messages by room.
func sample(t *testing.T) (image []byte, rooms map[string][]chat.Message) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sample.db")
	log := open(t, path)
	rooms = map[string][]chat.Message{}
	random := rand.New(rand.NewPCG(1, 1))
	for i := range 300 {
		room := []string{"lobby", "lobby", "lobby", "large", "small"}[random.IntN(5)]
		if room == "small" && len(rooms[room]) == 3 {
			continue
		}
		m := chat.Message{Room: room, User: fmt.Sprint("user ", i%7), CreateAt: int64(1000 + i)}
		m.Content = strings.Repeat("word ", 1+random.IntN(20))
		if room == "large" {
			m.Content = strings.Repeat("large ", 300+random.IntN(2000))
		}
		if i%3 > 0 {
			m.ID = fmt.Sprint("id ", i)
		}
		stored, _, err := log.Append(t.Context(), m)
		if err != nil {
			t.Fatal(err)
		}
		rooms[room] = append(rooms[room], stored)
	}
	must(t, log.Ping(t.Context()))
	must(t, log.Close())
	image, err := os.ReadFile(path)
	must(t, err)
	return image, rooms
}

// used is how many bytes at the beginning of an image may hold something.
func used(image []byte) int { return len(bytes.TrimRight(image, "\x00")) }

// outcome is what became of a damaged file.
type outcome struct {
	refused bool
	says    string // of a refused file
	lost    int
}

// openDamaged opens a damaged image. It fails unless that is refused in one line, or all messages are there but those
// that say that they are not, and the rooms go on.
func openDamaged(t *testing.T, image []byte, rooms map[string][]chat.Message) (o outcome) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "chat.db")
	must(t, os.WriteFile(path, image, 0o600))
	lines := &bytes.Buffer{}
	log, err := localstore.OpenLog(path, slog.New(slog.NewTextHandler(lines, nil)))
	if err != nil {
		if s := err.Error(); !strings.Contains(s, path) || !strings.Contains(s, "damaged") ||
			strings.Contains(s, "\n") {
			t.Errorf("the error is %q; want one line", s)
		}
		return outcome{refused: true, says: err.Error()}
	}
	defer func() { must(t, log.Close()) }()
	for room, want := range rooms {
		found, err := log.Read(t.Context(), room, chat.Span{Limit: 1 << 20})
		newest, newestErr := log.Read(t.Context(), room, chat.Span{Limit: 1, Newest: true})
		if newestErr != nil || len(newest) != 1 || !newest[0].Equal(found[len(found)-1]) {
			t.Errorf("%s: the last is %+v, %v", room, newest, newestErr)
		}
		if err != nil || len(found) != len(want) {
			t.Fatalf("%s: %d messages of %d, %v", room, len(found), len(want), err)
		}
		for i, m := range found {
			if m.Equal(want[i]) {
				continue
			}
			o.lost++
			if m.Index != want[i].Index || !strings.Contains(m.Content, "damaged") || m.CreateAt < 1000 ||
				m.CreateAt > 1300 {
				t.Errorf("%s: got %+v, want %+v", room, m, want[i])
			}
		}
		again := want[len(want)-1]
		again.ID = "new"
		if stored, _, err := log.Append(t.Context(), again); err != nil || stored.Index != int64(len(want)+1) {
			t.Errorf("%s: the next is %d, %v", room, stored.Index, err)
		}
	}
	if said := strings.Count(lines.String(), "a message cannot be read"); said != o.lost {
		t.Errorf("%d messages are lost, and the log has %d lines of them", o.lost, said)
	}
	if o.lost > 0 && strings.Count(lines.String(), "messages in the data file cannot be read") != 1 {
		t.Errorf("the log has no line of the start:\n%s", lines)
	}
	return o
}

// refusal is what is said of a damaged image, which must be refused.
func refusal(t *testing.T, image []byte, rooms map[string][]chat.Message) string {
	t.Helper()
	o := openDamaged(t, image, rooms)
	if !o.refused {
		t.Fatal("it was opened")
	}
	return o.says
}

func TestAFileThatWasCut(t *testing.T) {
	image, rooms := sample(t)
	random := rand.New(rand.NewPCG(2, 2))
	end := used(image)
	lengths := []int{1, 79, 80, 4095, 4096, 8191, 8192, 16384, end - 1, end, len(image) - 1}
	for range 50 {
		lengths = append(lengths, 1+random.IntN(len(image)))
	}
	for _, length := range lengths {
		t.Run(fmt.Sprint(length), func(t *testing.T) {
			if o := openDamaged(t, image[:length], rooms); length < end && !o.refused {
				t.Errorf("it was opened; %d bytes are used", end)
			}
		})
	}
}

// damages are ways in which a file is damaged at a place.
func damages() map[string]func(image []byte, at int, random *rand.Rand) {
	fill := func(b []byte, random *rand.Rand) {
		for i := range b {
			b[i] = byte(random.Uint32())
		}
	}
	return map[string]func(image []byte, at int, random *rand.Rand){
		"a flipped bit":      func(b []byte, at int, random *rand.Rand) { b[at] ^= 1 << random.IntN(8) },
		"a garbled byte":     func(b []byte, at int, random *rand.Rand) { b[at] ^= byte(1 + random.IntN(255)) },
		"a page of zeroes":   func(b []byte, at int, _ *rand.Rand) { clear(b[at&^4095:][:4096]) },
		"a sector of zeroes": func(b []byte, at int, _ *rand.Rand) { clear(b[at&^511:][:512]) },
		"garbage": func(b []byte, at int, random *rand.Rand) {
			fill(b[at:min(len(b), at+1+random.IntN(9000))], random)
		},
		"garbage in a row": func(b []byte, at int, random *rand.Rand) {
			fill(b[at:min(len(b), at+1+random.IntN(8))], random)
		},
		"another page": func(b []byte, at int, random *rand.Rand) {
			copy(b[at&^4095:][:4096], b[random.IntN(len(b))&^4095:])
		},
		"a number": func(b []byte, at int, random *rand.Rand) { // as the counts and positions in pages
			copy(b[at&^3:], []byte{byte(random.IntN(256)), byte(random.IntN(4)), 0, 0})
		},
	}
}

func TestAFileThatIsDamagedAtAPlace(t *testing.T) {
	image, rooms := sample(t)
	for name, damage := range damages() {
		t.Run(name, func(t *testing.T) {
			random := rand.New(rand.NewPCG(3, 3))
			var refused, lost, whole int
			for range 15 {
				b := bytes.Clone(image)
				at := random.IntN(used(image))
				damage(b, at, random)
				switch o := openDamaged(t, b, rooms); {
				case o.refused:
					refused++
				case o.lost > 0:
					lost++
				default:
					whole++
				}
				if t.Failed() {
					t.Fatalf("damaged at %d", at)
				}
			}
			t.Logf("%d refused, %d opened with lost messages, %d opened whole", refused, lost, whole)
		})
	}
}

// A change of a text that leaves it valid JSON is found, the room's other messages are there, and the line in the log
// names the row once.
func TestARowThatCannotBeRead(t *testing.T) {
	image, rooms := sample(t)
	text := []byte(rooms["small"][1].Content + `","create_at":` + fmt.Sprint(rooms["small"][1].CreateAt))
	if bytes.Count(image, text) < 1 {
		t.Fatal("the message is not in the file")
	}
	image = bytes.ReplaceAll(image, text, bytes.Replace(text, []byte("word"), []byte("wore"), 1))
	if o := openDamaged(t, image, rooms); o.refused || o.lost != 1 {
		t.Errorf("got %+v", o)
	}
	path, said := filepath.Join(t.TempDir(), "chat.db"), &lines{}
	must(t, os.WriteFile(path, image, 0o600))
	log, err := localstore.OpenLog(path, said.logger())
	must(t, err)
	defer func() { must(t, log.Close()) }()
	for range 3 {
		_, err := log.Read(t.Context(), "small", chat.Span{Limit: 10})
		must(t, err)
	}
	if s := said.String(); strings.Count(s, "\n") != 2 || strings.Count(s, "room_name=small index=2") != 1 {
		t.Errorf("the log says %s", s)
	}
}

// Rows of versions that wrote no checksums are readable, and so far as their damage shows, it costs them alone.
func TestRowsOfOlderVersions(t *testing.T) {
	path := filepath.Join(t.TempDir(), "chat.db")
	db, err := bolt.Open(path, 0o600, nil)
	must(t, err)
	must(t, db.Update(func(tx *bolt.Tx) error {
		messages, err := tx.CreateBucket([]byte("messages"))
		must(t, err)
		rows, err := messages.CreateBucket([]byte("r"))
		must(t, err)
		ids, err := tx.CreateBucket([]byte("ids"))
		must(t, err)
		_, err = ids.CreateBucket([]byte("r"))
		must(t, err)
		for i, row := range []string{
			`{"user_name":"ann","content":"hi","create_at":7}`,
			`{"user_name":"ann","content":"hi","create_at":8`,
			"{\"user_name\":\"ann\",\"content\":\"h\xe9\",\"create_at\":9}",
			`{"user_name":"ann","contenu":"hi","create_at":10}`,
			`{"user_name":"ann","content":"bye","create_at":11}`,
		} {
			must(t, rows.Put(binary.BigEndian.AppendUint64(nil, uint64(i+1)), []byte(row)))
		}
		return rows.SetSequence(5)
	}))
	must(t, db.Close())
	found, err := open(t, path).Read(t.Context(), "r", chat.Span{Limit: 10})
	must(t, err)
	got := ""
	for _, m := range found {
		got += fmt.Sprintln(m.Index, m.User, m.Content[:min(9, len(m.Content))], m.CreateAt)
	}
	want := "1 ann hi 7\n2 (unknown) [This mes 7\n3 (unknown) [This mes 7\n4 (unknown) [This mes 7\n5 ann bye 11\n"
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// An empty file is none yet.
func TestAnEmptyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "chat.db")
	must(t, os.WriteFile(path, nil, 0o600))
	lines := &bytes.Buffer{}
	log, err := localstore.OpenLog(path, slog.New(slog.NewTextHandler(lines, nil)))
	must(t, err)
	must(t, errors.Join(log.Ping(t.Context()), log.Close()))
	if !strings.Contains(lines.String(), "the data file is empty") {
		t.Errorf("the log says %q", lines)
	}
}
