package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"time"

	"wschat/pkg/backoff"
)

// lookEvery is how often a room that is followed is looked at.
const lookEvery = time.Second

func (a *admin) tail() command {
	var follow bool
	var last int
	return command{
		name: "tail", args: "ROOM", meaning: "prints the last messages of a room", least: 1, most: 1,
		flags: func(set *flag.FlagSet) {
			set.BoolVar(&follow, "f", false, "go on with what comes, and with what becomes of messages")
			set.IntVar(&last, "n", 10, "how many `MESSAGES`, at most 100")
		},
		run: func(ctx context.Context, args []string) error {
			t := tailing{admin: a, room: args[0]}
			if err := t.begin(ctx, last); err != nil || !follow {
				return err
			}
			for {
				if err := backoff.Sleep(ctx, lookEvery); err != nil {
					return err
				}
				if err := t.look(ctx); err != nil {
					return err
				}
			}
		},
	}
}

// tailing is a room that is followed.
type tailing struct {
	*admin
	room    string
	last    int64 // the index of the last message that was printed
	changes int64 // the number of the last change that was printed
}

// page is a frame of messages or of changes.
type page struct {
	Messages    []message
	More        bool
	ChangesUpTo int64 `json:"changes_up_to"`
	Tail        *int64
	Changes     struct {
		Messages []message
		UpTo     int64 `json:"up_to"`
		More     bool
	}
}

func (t *tailing) begin(ctx context.Context, last int) error {
	frames, err := t.ask(ctx, "getRecentMessages", action{"limit": last})
	for _, f := range frames {
		t.changes = max(t.changes, f.ChangesUpTo)
	}
	return err
}

// ask asks for messages or changes of the room, and prints those that come.
func (t *tailing) ask(ctx context.Context, name string, fields action) (pages []page, err error) {
	fields["room_name"] = t.room
	frames, err := t.chat.do(ctx, t.of(name, fields))
	if err != nil {
		return nil, err
	}
	for _, frame := range frames {
		var p page
		if err := json.Unmarshal(frame, &p); err != nil {
			return nil, err
		}
		pages = append(pages, p)
		for _, m := range p.Messages {
			t.last = max(t.last, m.Index)
		}
		if t.json && len(p.Messages)+len(p.Changes.Messages) > 0 {
			fmt.Fprintf(t.stdout, "%s\n", harmless(frame))
			continue
		}
		t.show("", p.Messages)
		t.show("~ ", p.Changes.Messages)
	}
	return pages, nil
}

// look prints what is new. If a room's log went back, because its table was restored, it goes on from its end.
func (t *tailing) look(ctx context.Context) error {
	for more := true; more; {
		frames, err := t.ask(ctx, "getRecentMessages", action{"after": t.last, "limit": 100})
		if err != nil {
			return err
		}
		more = false
		for _, f := range frames {
			if f.Tail != nil && *f.Tail < t.last {
				t.last, t.changes = *f.Tail, 0
			}
			more = f.More
		}
	}
	for more := true; more; {
		frames, err := t.ask(ctx, "getChanges", action{"after": t.changes, "limit": 100})
		if err != nil {
			return err
		}
		more = false
		for _, f := range frames {
			t.changes = max(t.changes, f.Changes.UpTo)
			more = f.Changes.More
		}
	}
	return nil
}

func (t *tailing) show(mark string, messages []message) {
	for _, m := range messages {
		content := m.Content
		if m.DeletedAt > 0 {
			content = "(deleted)"
		}
		t.print("%s%d  %s  %s: %s", mark, m.Index, time.Unix(m.CreateAt, 0).UTC().Format(time.DateTime), m.User,
			content)
	}
}
