package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
)

// subject is the person that a command is about: known by the id or, in an open chat, by the name.
func subject(id string, byName bool) action {
	if byName {
		return action{"name": id}
	}
	return action{"user_id": id}
}

func (a *admin) export() command {
	var byName bool
	var file string
	return command{
		name: "export", args: "USER_ID", meaning: "writes all messages of a user, a line of JSON for each", least: 1,
		most: 1,
		flags: func(set *flag.FlagSet) {
			set.BoolVar(&byName, "name", false, "USER_ID is a name, in a chat without sign-in")
			set.StringVar(&file, "o", "", "a new `FILE` in place of stdout; a second run goes on where one was "+
				"interrupted")
		},
		run: func(ctx context.Context, args []string) error {
			e := exporting{admin: a, of: subject(args[0], byName)}
			if file == "" {
				return e.to(ctx, a.stdout, func(string) error { return nil })
			}
			return e.toFile(ctx, file)
		},
	}
}

// exporting is an export that is under way.
type exporting struct {
	*admin
	of             action
	next           string
	messages, rows int
}

// to writes messages, and calls written with where to go on after each part.
func (e *exporting) to(ctx context.Context, w io.Writer, written func(next string) error) error {
	for {
		what := action{"action": "exportUser", "after": e.next}
		for name, value := range e.of {
			what[name] = value
		}
		frames, err := e.chat.do(ctx, what)
		if err != nil {
			return err
		}
		var part struct {
			Export struct {
				Messages []json.RawMessage
				Looked   int
				Next     string
			}
		}
		if err := json.Unmarshal(frames[0], &part); err != nil {
			return err
		}
		for _, m := range part.Export.Messages {
			if _, err := fmt.Fprintf(w, "%s\n", harmless(m)); err != nil {
				return err
			}
		}
		e.messages, e.rows = e.messages+len(part.Export.Messages), e.rows+part.Export.Looked
		fmt.Fprintf(e.stderr, "%d messages, in %d rows\n", e.messages, e.rows)
		if e.next = part.Export.Next; e.next == "" {
			return nil
		}
		if err := written(e.next); err != nil {
			return err
		}
	}
}

// partSuffix is that of the file in which an export is until it is complete. Beside it stands how far it has come.
const (
	partSuffix     = ".part"
	positionSuffix = ".position"
)

// position is how far an export has come.
type position struct {
	Of    action `json:"of"`
	Next  string `json:"next"`
	Bytes int64  `json:"bytes"` // of the file, that are messages before next
}

// toFile writes into a file, which has its name when it is complete.
func (e *exporting) toFile(ctx context.Context, name string) error {
	if _, err := os.Stat(name); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s is there already: choose another file", name)
	}
	f, err := os.OpenFile(name+partSuffix, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	at, err := e.resume(f, name)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(f)
	err = e.to(ctx, w, func(next string) error {
		if err := errors.Join(w.Flush(), f.Sync()); err != nil {
			return err
		}
		bytes, err := f.Seek(0, io.SeekCurrent)
		if err != nil {
			return err
		}
		at.Next, at.Bytes = next, bytes
		text, err := json.Marshal(at)
		if err != nil {
			return err
		}
		return os.WriteFile(name+positionSuffix, text, 0o600)
	})
	if err != nil {
		return fmt.Errorf("the export is interrupted, and goes on if you repeat the command: %w", err)
	}
	if err := errors.Join(w.Flush(), f.Sync(), f.Close(), os.Rename(name+partSuffix, name)); err != nil {
		return err
	}
	if err := os.Remove(name + positionSuffix); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// resume has the export go on where one of the same person was interrupted, and cuts off what came after.
func (e *exporting) resume(f *os.File, name string) (at position, err error) {
	text, err := os.ReadFile(name + positionSuffix)
	if err == nil {
		err = json.Unmarshal(text, &at)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return at, fmt.Errorf("read %s: %w", name+positionSuffix, err)
	}
	if at.Next != "" && fmt.Sprint(at.Of) != fmt.Sprint(e.of) {
		return at, fmt.Errorf("%s is of somebody else's export: choose another file", name+partSuffix)
	}
	if at.Next != "" {
		fmt.Fprintf(e.stderr, "going on after %d bytes\n", at.Bytes)
	}
	at.Of, e.next = e.of, at.Next
	_, seekErr := f.Seek(at.Bytes, io.SeekStart)
	return at, errors.Join(f.Truncate(at.Bytes), seekErr)
}

func (a *admin) erase() command {
	var byName, sure bool
	return command{
		name: "erase", args: "USER_ID", meaning: "erases everything that the chat holds of a user", least: 1, most: 1,
		flags: func(set *flag.FlagSet) {
			set.BoolVar(&byName, "name", false, "USER_ID is a name, in a chat without sign-in")
			set.BoolVar(&sure, "yes", false, "do not ask whether that is meant")
		},
		run: func(ctx context.Context, args []string) error {
			if !sure {
				fmt.Fprintf(a.stderr, "This cannot be undone. Type %s to erase this user: ", args[0])
				answer, _ := bufio.NewReader(a.stdin).ReadString('\n')
				if strings.TrimRight(answer, "\r\n") != args[0] {
					return errors.New("nothing was erased")
				}
			}
			what := subject(args[0], byName)
			what["action"] = "eraseUser"
			for {
				steps, err := ask[struct {
					Erased struct {
						Done                                                           bool
						Messages, Reactions, Rules, Memberships, Rows, Damaged, Looked int
					}
				}](ctx, a, what)
				if err != nil {
					return fmt.Errorf("the erasure is interrupted, and goes on if you repeat the command: %w", err)
				}
				e := steps[0].Erased
				fmt.Fprintf(a.stderr, "%d messages, %d reactions, %d rooms' rules, %d memberships and %d other rows, "+
					"in %d rows\n", e.Messages, e.Reactions, e.Rules, e.Memberships, e.Rows, e.Looked)
				if e.Done {
					if e.Damaged > 0 {
						return fmt.Errorf("%d rows could not be read, and may remain", e.Damaged)
					}
					return nil
				}
			}
		},
	}
}
