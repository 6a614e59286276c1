package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"flag"
	"fmt"
	"io"
	"strings"
	"time"
)

// message is a message in a frame.
type message struct {
	Room      string `json:"room_name"`
	Index     int64  `json:"index"`
	User      string `json:"user_name"`
	UserID    string `json:"user_id"`
	Content   string `json:"content"`
	CreateAt  int64  `json:"create_at"`
	Version   int64  `json:"version"`
	EditedAt  int64  `json:"edited_at"`
	DeletedAt int64  `json:"deleted_at"`
}

// of is an action under the name and id of the flags.
func (a *admin) of(name string, fields action) action {
	fields["action"] = name
	fields["user_name"] = a.as
	if a.asID != "" {
		fields["user_id"] = a.asID
	}
	return fields
}

func (a *admin) send() command {
	var id string
	return command{
		name: "send", args: "ROOM [TEXT]", meaning: "sends a message; without TEXT, what stdin has", least: 1, most: 2,
		flags: func(set *flag.FlagSet) {
			set.StringVar(&id, "id", "", "a `MESSAGE_ID`, under which the message is stored once (default a new one)")
		},
		run: func(ctx context.Context, args []string) error {
			text := strings.Join(args[1:], "")
			if len(args) == 1 {
				b, err := io.ReadAll(io.LimitReader(a.stdin, 1<<20))
				if err != nil {
					return err
				}
				text = strings.TrimRight(string(b), "\n")
			}
			sent, err := ask[struct{ Messages []message }](ctx, a, a.of("sendMessage", action{
				"room_name": args[0], "content": text, "message_id": cmp.Or(id, rand.Text()),
			}))
			if err != nil || a.json {
				return err
			}
			for _, m := range sent[0].Messages {
				a.print("%s %d", m.Room, m.Index)
			}
			return nil
		},
	}
}

func (a *admin) rooms() command {
	return command{
		name: "rooms", args: "USER_ID", meaning: "lists the rooms of a user, and how far the user has read", least: 1,
		most: 1,
		run: func(ctx context.Context, args []string) error {
			for after, more := "", true; more; {
				frames, err := ask[struct {
					Rooms []struct {
						Room       string `json:"room_name"`
						Last, Read int64
						Title      string
						Private    bool
						Direct     bool
					}
					More bool
				}](ctx, a, action{"action": "getRooms", "user_id": args[0], "after": after})
				if err != nil {
					return err
				}
				more = false
				for _, f := range frames {
					for _, r := range f.Rooms {
						after = r.Room
						if !a.json {
							a.print("%s  %d of %d read%s%s  %s", r.Room, r.Read, r.Last, when(r.Private, "  private"),
								when(r.Direct, "  direct"), r.Title)
						}
					}
					more = f.More && len(f.Rooms) > 0
				}
			}
			return nil
		},
	}
}

func when(condition bool, text string) string {
	if condition {
		return text
	}
	return ""
}

func (a *admin) members() command {
	type person struct {
		Name        string `json:"user_name"`
		ID          string `json:"user_id"`
		Role        string
		Banned      bool
		Muted       bool
		BannedUntil int64 `json:"banned_until"`
		Reason      string
	}
	return command{
		name: "members", args: "ROOM", least: 1, most: 1,
		meaning: "lists those who are in a room now, and those who have a role, a ban or a mute in it",
		run: func(ctx context.Context, args []string) error {
			present, err := ask[struct {
				Members struct {
					Users []struct {
						person
						Connections int
					}
				}
			}](ctx, a, a.of("getMembers", action{"room_name": args[0]}))
			if err != nil {
				return err
			}
			type part struct {
				Room struct {
					People []person
					More   bool
				}
			}
			var rules []part
			for after, more := "", true; more; {
				parts, err := ask[part](ctx, a,
					a.of("getRoom", action{"room_name": args[0], "people": true, "after": after}))
				if err != nil && strings.Contains(err.Error(), "sign in") { // an open chat has no rules
					break
				}
				if err != nil {
					return err
				}
				rules, more = append(rules, parts...), false
				for _, p := range parts {
					more = p.Room.More && len(p.Room.People) > 0
					if more {
						after = p.Room.People[len(p.Room.People)-1].ID
					}
				}
			}
			if a.json {
				return nil
			}
			for _, f := range present {
				for _, u := range f.Members.Users {
					a.print("here  %s  %s", u.Name, u.ID)
				}
			}
			for _, f := range rules {
				for _, p := range f.Room.People {
					until := ""
					if p.BannedUntil > 0 {
						until = " until " + time.Unix(p.BannedUntil, 0).UTC().Format(time.RFC3339)
					}
					a.print("%s  %s  %s%s%s  %s", cmp.Or(p.Role, "-"), p.Name, p.ID, when(p.Banned, "  banned"+until),
						when(p.Muted, "  muted"), p.Reason)
				}
			}
			return nil
		},
	}
}

func (a *admin) ban() command {
	var last time.Duration
	var reason string
	var lift bool
	return command{
		name: "ban", args: "ROOM USER_ID", meaning: "keeps a user out of a room", least: 2, most: 2,
		flags: func(set *flag.FlagSet) {
			set.DurationVar(&last, "for", 0, "how long, such as 24h (default for ever)")
			set.StringVar(&reason, "reason", "", "`WHY`, which the user is told")
			set.BoolVar(&lift, "lift", false, "end the ban")
		},
		run: func(ctx context.Context, args []string) error {
			if last < 0 {
				return fmt.Errorf("-for %s: give a time that is not negative, or none for ever", last)
			}
			name, what := "banUser", action{"room_name": args[0], "user_id": args[1], "user_name": a.as}
			if lift {
				name = "unbanUser"
			}
			what["action"] = name
			if a.asID != "" {
				what["by_user_id"] = a.asID
			}
			if last > 0 {
				what["seconds"] = int64(last.Seconds())
			}
			if reason != "" {
				what["reason"] = reason
			}
			_, err := ask[struct{}](ctx, a, what)
			if err == nil && !a.json {
				a.print("%s %s in %s", map[bool]string{false: "banned", true: "unbanned"}[lift], args[1], args[0])
			}
			return err
		},
	}
}
