package events_test

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"wschat/pkg/chat"
	"wschat/pkg/events"
	"wschat/pkg/localstore"
	"wschat/test/logbuffer"
)

// envelope is an event as it is delivered.
type envelope struct {
	Type   string `json:"detail-type"`
	Source string
	Time   time.Time
	Detail struct {
		Type    string
		Room    string `json:"room_name"`
		Index   int64
		Version *int64
		Content string
	}
}

// Every message and every change is posted, in the form of EventBridge, also to a program that fails at first. A change
// that changes nothing, and a message that is refused, are not.
func TestPoster(t *testing.T) {
	got := make(chan envelope, 100)
	var failures atomic.Int64
	failures.Store(2)
	program := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var e envelope
		if err := json.NewDecoder(r.Body).Decode(&e); err != nil || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%v", err)
		}
		if failures.Add(-1) >= 0 {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		got <- e
	}))
	t.Cleanup(program.Close)
	inner, err := localstore.OpenLog(filepath.Join(t.TempDir(), "chat.db"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = inner.Close() })
	lines := &logbuffer.Buffer{}
	poster := events.NewPoster(program.URL, slog.New(slog.NewTextHandler(lines, nil)))
	log, changes := poster.Log(inner), poster.Changes(inner)
	for range 2 { // a repeat is told of, too
		_, _, err := log.Append(t.Context(), chat.Message{Room: "r", User: "ann", Content: "one", ID: "1", CreateAt: 1})
		if err != nil {
			t.Fatal(err)
		}
	}
	edit := func(m chat.Message) (chat.Message, error) {
		m.Content = "ONE"
		return m, nil
	}
	if _, err := changes.Change(t.Context(), "r", 1, edit); err != nil {
		t.Fatal(err)
	}
	if _, err := changes.Change(t.Context(), "r", 7, edit); err == nil {
		t.Fatal("there is a message 7")
	}
	for i, want := range []envelope{
		{Type: "MessageStored"}, {Type: "MessageStored"}, {Type: "MessageChanged"},
	} {
		select {
		case e := <-got:
			if e.Type != want.Type || e.Detail.Type != want.Type || e.Source != "chat.dev" || e.Detail.Room != "r" ||
				e.Detail.Index != 1 || e.Detail.Version == nil || (*e.Detail.Version > 0) != (i == 2) ||
				time.Since(e.Time) > time.Minute || !strings.EqualFold(e.Detail.Content, "one") {
				t.Errorf("event %d is %+v", i, e)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("event %d does not come", i)
		}
	}
	select {
	case e := <-got:
		t.Errorf("one more event: %+v", e)
	case <-time.After(100 * time.Millisecond):
	}
	if lines.String() != "" {
		t.Errorf("the log has %s", lines)
	}
}

// Nothing but an array of records is taken for one, and other rows are no events.
func TestEnrich(t *testing.T) {
	const record = `{"eventSource":"aws:dynamodb","eventName":"INSERT","dynamodb":{"NewImage":{` +
		`"room_name":{"S":"ROOM"},"index":{"N":"3"},"user_name":{"S":"ann"},"content":{"S":"hi"},"create_at":{"N":"7"}}}}`
	for _, tc := range []struct {
		payload string
		ok      bool
		want    string
	}{
		{`[` + strings.ReplaceAll(record, "ROOM", "r") + `]`, true,
			`[{"type":"MessageStored","room_name":"r","index":3,` +
				`"user_name":"ann","content":"hi","create_at":7,"version":0}]`},
		{`[` + strings.ReplaceAll(record, "ROOM", `#id\u0000r`) + `]`, true, `[]`},
		{`[{"eventSource":"aws:dynamodb","eventName":"REMOVE","dynamodb":{}}]`, true, `[]`},
		{`[{"eventSource":"aws:sqs"}]`, false, ""},
		{`[]`, false, ""},
		{`{"eventSource":"aws:dynamodb"}`, false, ""},
		{`{"requestContext":{"routeKey":"sendMessage"},"body":"[{\"eventSource\":\"aws:dynamodb\"}]"}`, false, ""},
		{`[1]`, false, ""},
		{`[`, false, ""},
	} {
		answer, ok := events.Enrich([]byte(tc.payload))
		if ok != tc.ok || string(answer) != tc.want {
			t.Errorf("%s: %s, %v", tc.payload, answer, ok)
		}
	}
}

// What comes out is JSON, whatever comes in.
func FuzzEnrich(f *testing.F) {
	f.Add([]byte(`[{"eventSource":"aws:dynamodb","dynamodb":{"NewImage":{"room_name":{"S":"r"},"index":{"N":"1"},` +
		`"metadata":{"S":"{"},"reactions":{"S":"x"}}}}]`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		if answer, ok := events.Enrich(payload); ok && !json.Valid(answer) {
			t.Errorf("the answer to %q is %q", payload, answer)
		}
	})
}
