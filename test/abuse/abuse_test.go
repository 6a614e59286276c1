package abuse

import (
	"context"
	"testing"
	"time"

	"wschat/test/localchat"
)

// Whatever one client does, a room that it has nothing to do with sees nothing of it: what is said there comes in time, is not lost
// and is not refused. Time is measured with the attack and without it in one run, on a chat whose account may make 2,000 posts
// and take as many messages a second, where a post takes 10 ms.
func TestOneClientHurtsNobodyElse(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes a quarter of a minute for each attack")
	}
	for _, a := range attacks() {
		t.Run(a.name, func(t *testing.T) {
			address := localchat.Start(t, "-requests-per-second", "2000", "-post-delay", "10ms").URL
			victims := open(t, address, "unrelated", 20)
			open(t, address, crowd, 98)
			if a.prepare != nil {
				if err := a.prepare(t.Context(), address); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(2 * time.Second) // who is there has been announced
			const d = 5 * time.Second
			before, err := victims.speak(t.Context(), "unrelated", d)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), d+time.Second)
			defer cancel()
			done := make(chan int)
			go func() { done <- a.run(ctx, address) }()
			time.Sleep(200 * time.Millisecond)
			during, err := victims.speak(t.Context(), "unrelated", d)
			if err != nil {
				t.Fatal(err)
			}
			cancel()
			t.Logf("%d times; without: %v; with: %v", <-done, before, during)
			if most := max(60*time.Millisecond, before.p99*5/2); during.p99 > most || during.lost > 0 || during.refused > 0 {
				t.Errorf("an unrelated room sees %v, where it may be %v; without the attack %v", during, most, before)
			}
		})
	}
}

func open(t *testing.T, address, name string, members int) *room {
	t.Helper()
	r, err := newRoom(t.Context(), address, name, members)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.close)
	return r
}
