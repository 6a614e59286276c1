package chat_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"wschat/pkg/chat"
	wire "wschat/pkg/protocol"
)

// user makes a connection of a user who has signed in, with a display name, a member of room r.
func user(t *testing.T, s chat.Service, connection, id, name string) {
	t.Helper()
	m := chat.Member{Room: "r", ConnectionID: connection, User: name, UserID: id, ConnectedAt: time.Now()}
	if err := s.Join(t.Context(), m, chat.CatchUp{}); err != nil {
		t.Fatal(err)
	}
}

// If people sign in, the id tells who comes, who is there and who goes, and the name does not.
func TestUsersAreToldApartByTheirIDs(t *testing.T) { synctest.Test(t, testUsersAreToldApartByTheirIDs) }

func testUsersAreToldApartByTheirIDs(t *testing.T) {
	w := &world{}
	s := w.announcing(100)
	join(t, s, "watcher", "")
	expect := func(what string, want ...string) {
		t.Helper()
		if got := w.seen("watcher"); !slices.Equal(got, want) {
			t.Errorf("%s: the room was told %q, want %q", what, got, want)
		}
	}
	members := func(want string) {
		t.Helper()
		if _, err := s.Members(t.Context(), "watcher", "r", ""); err != nil {
			t.Fatal(err)
		}
		expect("members", want)
	}
	leave := func(connection string) {
		t.Helper()
		if err := s.Leave(t.Context(), connection, "r", ""); err != nil {
			t.Fatal(err)
		}
	}
	user(t, s, "a1", "u1", "sam")
	expect("sam comes", "sam=u1 joined r")
	if err := s.Connect(t.Context(), chat.Member{Room: "r", ConnectionID: "b1", User: "sam",
		UserID: "u2"}); err != nil {
		t.Fatal(err)
	}
	expect("another sam connects", "sam=u2 joined r")
	user(t, s, "a2", "u1", "sam")
	expect("a second connection of the first")
	members("r [{ 1} {sam=u1 2} {sam=u2 1}]")
	user(t, s, "a2", "u1", "Sam S.")
	user(t, s, "a3", "u1", "Sam S.")
	expect("one user has two names")
	members("r [{ 1} {Sam S.=u1 3} {sam=u2 1}]")
	leave("b1")
	expect("the other sam goes", "sam=u2 left r")
	leave("a1")
	leave("a2")
	expect("not the last connection")
	user(t, s, "a3", "u3", "Sam S.")
	expect("a connection changes its user, and not its name", "Sam S.=u1 left r", "Sam S.=u3 joined r")
	if err := s.Disconnect(t.Context(), "a3"); err != nil {
		t.Fatal(err)
	}
	expect("the last", "Sam S.=u3 left r")
}

// A membership from before there were ids says nothing of them: it is a user of that name.
func TestMembershipsFromBeforeIDs(t *testing.T) { synctest.Test(t, testMembershipsFromBeforeIDs) }

func testMembershipsFromBeforeIDs(t *testing.T) {
	w := &world{}
	s := w.announcing(100)
	join(t, s, "watcher", "")
	join(t, s, "a1", "sam")
	w.seen("watcher")
	for _, next := range []func(){
		func() { user(t, s, "a1", "u1", "sam") }, // the same connection
		func() { user(t, s, "a2", "u1", "sam") },
		func() { join(t, s, "old", "sam") },
	} {
		time.Sleep(2 * time.Second)
		next()
	}
	if got := w.seen("watcher"); len(got) > 0 {
		t.Errorf("the room was told %q", got)
	}
	if _, err := s.Members(t.Context(), "watcher", "r", ""); err != nil {
		t.Fatal(err)
	}
	if got, want := w.seen("watcher"), []string{"r [{ 1} {sam 1} {sam=u1 2}]"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A message without an id is the repeat's if all that can be told of it is the same.
func TestIsFromBeforeIDs(t *testing.T) {
	repeat := chat.Message{Room: "r", User: "sam", UserID: "u1", Content: "hi", ID: "1", CreateAt: 2}
	for _, tc := range []struct {
		stored chat.Message
		want   bool
	}{
		{chat.Message{Room: "r", Index: 1, User: "sam", Content: "hi", ID: "1", CreateAt: 1}, true},
		{chat.Message{Room: "r", Index: 1, User: "sam", UserID: "u1", Content: "hi", ID: "1"}, false},
		{chat.Message{Room: "r", Index: 1, User: "sam", UserID: "u2", Content: "hi", ID: "1"}, false},
		{chat.Message{Room: "r", Index: 1, User: "Sam", Content: "hi", ID: "1"}, false},
		{chat.Message{Room: "r", Index: 1, User: "sam", Content: "hi ", ID: "1"}, false},
	} {
		if got := tc.stored.IsFromBeforeIDs(repeat); got != tc.want {
			t.Errorf("%+v: %v", tc.stored, got)
		}
	}
}

// A client learns from the answer who it is for the chat.
func TestTheConfirmationHasTheID(t *testing.T) {
	w := &world{}
	s := w.Service()
	m := chat.Member{Room: "r", ConnectionID: "c", User: "sam", UserID: "u1", ConnectedAt: time.Now()}
	if err := errors.Join(s.Join(t.Context(), m, chat.CatchUp{Ref: "1"}),
		s.Leave(t.Context(), "c", "r", "2")); err != nil {
		t.Fatal(err)
	}
	if got, want := w.seen("c"), []string{"sam=u1 joined r1", "sam=u1 left r2"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A message is stored with its sender's id, which counts as a part of the frame that it must fit into.
func TestAMessageHasItsSendersID(t *testing.T) {
	w := &world{}
	s := w.Service()
	for i, id := range []string{"u1", "u2", "", "u1"} {
		sent, err := s.Send(t.Context(), "c", chat.Draft{Room: "r", User: "sam", UserID: id, Content: "hi", ID: "1"})
		if err != nil || sent.Message.UserID != id || sent.Repeat != (i == 3) {
			t.Errorf("%q: got %+v, %v", id, sent, err)
		}
	}
	s.Encoder = wire.Encoder{}
	content := strings.Repeat(`"`, 16_000)
	for id, fits := range map[string]bool{"u1": true, strings.Repeat("\x01", 255): false} {
		_, err := s.Send(t.Context(), "c", chat.Draft{Room: "r", User: "sam", UserID: id, Content: content})
		if (err == nil) != fits || err != nil && chat.AsError(err).Code != chat.CodeTooLarge {
			t.Errorf("an id of %d bytes: %v", len(id), err)
		}
	}
}
