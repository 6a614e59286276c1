package client

import (
	"errors"
	"testing"
)

// Two people in a room of the real chat.
func TestTwoPeopleTalk(t *testing.T) {
	s := startChat(t, nil)
	ann := connect(t, Config{URL: urlOf(s.Addr), User: "ann"}, nil)
	bob := connect(t, Config{URL: urlOf(s.Addr), User: "bob"}, nil)
	a, b := ann.Join("lobby"), bob.Join("lobby")
	expectEvents(t, a, "ready")
	expectEvents(t, b, "ready")
	if err := ann.WaitOnline(within(t)); err != nil || ann.State() != Online {
		t.Fatal(err, ann.State())
	}
	sent, err := a.SendDraft(within(t), Draft{Content: "hello", Metadata: map[string]any{"mood": "good"}})
	if err != nil || sent.Index != 1 || sent.UserName != "ann" || string(sent.Metadata) != `{"mood":"good"}` {
		t.Fatal(sent, err)
	}
	expectEvents(t, a, "1 hello")
	m := until[Message](t, b, nil)
	if !ann.IsMe(m) || bob.IsMe(m) {
		t.Errorf("whose is %+v?", m)
	}
	if m, err = b.React(within(t), m.Index, "👍"); err != nil || len(m.Reactions) != 1 || m.Reactions[0].Count != 1 {
		t.Fatal(m, err)
	}
	expectEvents(t, a, "change 1 hello")
	edited, err := a.Edit(within(t), sent, "hello, bob")
	if err != nil || edited.Content != "hello, bob" || edited.EditedAt == 0 {
		t.Fatal(edited, err)
	}
	expectEvents(t, a, "change 1 hello, bob")
	_, err = a.Edit(within(t), sent, "late")
	if e, ok := errors.AsType[*Error](err); !ok || e.Code != "conflict" || e.Current.Content != "hello, bob" ||
		e.RequestID == "" {
		t.Errorf("a late edit: %v", err)
	}
	if _, err := b.Unreact(within(t), 1, "👍"); err != nil {
		t.Fatal(err)
	}
	gone, err := a.Delete(within(t), 1)
	if err != nil || gone.Content != "" || gone.DeletedAt == 0 {
		t.Fatal(gone, err)
	}
	if page, err := b.History(within(t), Span{}); err != nil || len(page.Messages) != 1 ||
		page.Messages[0].Version < 4 {
		t.Errorf("the history is %+v, %v", page, err)
	}
	users, err := b.Members(within(t))
	if err != nil || len(users) != 2 {
		t.Errorf("the members are %+v, %v", users, err)
	}
	if err := a.MarkRead(within(t), 1); !isCode(err, "forbidden") {
		t.Errorf("a marker in an open chat: %v", err)
	}
	if err := a.Signal(within(t), "waving", "both hands"); err != nil {
		t.Fatal(err)
	}
	if got := until[Signal](t, b, nil); got.Name != "waving" || string(got.Data) != `"both hands"` ||
		got.UserName != "ann" {
		t.Errorf("the signal is %+v", got)
	}
	if frames, err := a.Do(within(t), "getRoom", nil); err == nil {
		t.Errorf("an open chat has rules: %s", frames)
	}
	if frames, err := ann.Do(within(t), "ping", nil); err != nil || len(frames) != 1 {
		t.Errorf("a ping is answered with %s, %v", frames, err)
	}
}

func isCode(err error, code string) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Code == code
}

// A room can be left, and joined again at once.
func TestLeave(t *testing.T) {
	s := startChat(t, nil)
	c := connect(t, Config{URL: urlOf(s.Addr), User: "ann"}, nil)
	other := connect(t, Config{URL: urlOf(s.Addr), User: "bob"}, nil).Join("lobby")
	ready(t, other)
	for range 5 {
		r := c.Join("lobby", History(0))
		if c.Join("lobby") != r {
			t.Fatal("a room is joined twice")
		}
		ready(t, r)
		r2 := make(chan error, 1)
		go func() { r2 <- r.Leave(within(t)) }()
		<-r.ctx.Done()
		again := c.Join("lobby", History(0)) // while the leave is under way
		ready(t, again)
		if err := <-r2; err != nil {
			t.Fatal(err)
		}
		if _, err := r.Send(within(t), "too late"); !isCode(err, CodeClosed) || !isCode(r.Err(), CodeClosed) {
			t.Errorf("after it was left: %v, %v", err, r.Err())
		}
		users, err := other.Members(within(t))
		if err != nil || len(users) != 2 {
			t.Fatalf("the members are %+v, %v", users, err)
		}
		if err := again.Leave(within(t)); err != nil {
			t.Fatal(err)
		}
		if users, err := other.Members(within(t)); err != nil || len(users) != 1 {
			t.Fatalf("after a leave, the members are %+v, %v", users, err)
		}
	}
}

// What is delivered at first is a choice.
func TestJoinOptions(t *testing.T) {
	s := startChat(t, nil)
	url := urlOf(s.Addr)
	writer := connect(t, Config{URL: url, User: "ann"}, nil).Join("lobby")
	for _, content := range []string{"a", "b", "c"} {
		send(t, writer, content)
	}
	for _, tc := range []struct {
		name    string
		options []JoinOption
		want    []string
	}{
		{"default", nil, []string{"1 a", "2 b", "3 c", "ready"}},
		{"two", []JoinOption{History(2)}, []string{"2 b", "3 c", "ready"}},
		{"none", []JoinOption{History(0)}, []string{"ready"}},
		{"all", []JoinOption{After(0)}, []string{"1 a", "2 b", "3 c", "ready"}},
		{"after the second", []JoinOption{After(2)}, []string{"3 c", "ready"}},
		{"after the last", []JoinOption{After(3), Hidden()}, []string{"ready"}},
		{"after more than there are", []JoinOption{After(7)}, []string{"reset 7", "1 a", "2 b", "3 c", "ready"}},
	} {
		r := connect(t, Config{URL: url, User: tc.name}, nil).Join("lobby", tc.options...)
		for _, want := range tc.want {
			if got := short(next(t, r)); got != want {
				t.Errorf("%s: the event is %q, not %q", tc.name, got, want)
				break
			}
		}
	}
	if users, err := writer.Members(within(t)); err != nil || len(users) != 8 || users[0].Name != "" {
		t.Errorf("with one hidden, the members are %+v, %v", users, err)
	}
}

// A name is the chat's, in whatever way the program spells it.
func TestNames(t *testing.T) {
	s := startChat(t, nil)
	c := connect(t, Config{URL: urlOf(s.Addr), User: "Zoe\u0308"}, nil)
	r := c.Join(" cafe\u0301  noir ")
	ready(t, r)
	if name, _ := c.User(); name != "Zo\u00eb" || r.Name() != "caf\u00e9 noir" {
		t.Errorf("the names are %q, %q", name, r.Name())
	}
	if m := send(t, r, "hello"); !c.IsMe(m) {
		t.Errorf("whose is %+v?", m)
	}
	expectEvents(t, r, "1 hello")
	if refused := c.Join("#"); !isCode(waitErr(t, refused), "invalid_field") {
		t.Errorf("a name that is not allowed: %v", refused.Err())
	}
}

// waitErr waits for the end of a room.
func waitErr(t *testing.T, r *Room) error {
	t.Helper()
	for range r.Events(within(t)) {
	}
	return r.Err()
}

// What is wrong is refused with the chat's code, and holds up nothing.
func TestRefusals(t *testing.T) {
	s := startChat(t, nil)
	c := connect(t, Config{URL: urlOf(s.Addr), User: "ann"}, nil)
	r := c.Join("lobby", History(0))
	for _, tc := range []struct {
		draft Draft
		code  string
	}{
		{Draft{Content: ""}, "invalid_field"},
		{Draft{Content: string(make([]byte, 17<<10))}, CodeTooLarge},
		{Draft{Content: string(make([]byte, 40<<10))}, CodeTooLarge}, // would close the connection
		{Draft{Content: "a", Metadata: "no object"}, "invalid_field"},
		{Draft{Content: "a", Metadata: func() {}}, CodeInvalidArgument},
	} {
		if _, err := r.SendDraft(within(t), tc.draft); !isCode(err, tc.code) {
			t.Errorf("%.20q: %v, not %s", tc.draft.Content, err, tc.code)
		}
	}
	send(t, r, "right")
	if m := until[Message](t, r, nil); m.Content != "right" || m.Index != 1 {
		t.Errorf("got %+v", m)
	}
	if c.State() != Online {
		t.Errorf("the client is %s", c.State())
	}
}
