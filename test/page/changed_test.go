package page_test

import (
	"testing"
	"time"

	"wschat/pkg/chat"
)

// A message that was edited is shown as it is now, and says so; a deleted one says that it was deleted.
func TestBrowserChangedMessages(t *testing.T) {
	t.Parallel()
	b := startBrowsers(t, nil)
	for i, change := range []func(m *chat.Message){
		func(m *chat.Message) { m.Content, m.EditedAt = "as it is now", time.Now().Unix() },
		func(m *chat.Message) { m.Content, m.DeletedAt = "", time.Now().Unix() },
	} {
		index := say(t, b.server, "lobby", "bob", "as it was")
		_, err := b.server.Log.(chat.ChangeLog).Change(t.Context(), "lobby", index,
			func(m chat.Message) (chat.Message, error) {
				change(&m)
				return m, nil
			})
		if err != nil || index != int64(i+1) {
			t.Fatal(index, err)
		}
	}
	ann := b.enter(t, "ann", "lobby")
	ann.WaitFor(t, `((edited, deleted) =>
	  edited?.querySelector(".content").textContent === "as it is now" && edited.querySelector(".edited") &&
	  deleted?.querySelector(".content").textContent === "This message was deleted." &&
	  deleted.matches(".deleted") && !deleted.querySelector(".edited"))(
	  document.querySelector("[data-index='1']"), document.querySelector("[data-index='2']"))`, 5*time.Second)
}
