package abuse

import (
	"context"
	"testing"
	"time"

	"wschat/test/localchat"
)

// Whatever one client does, a room that it has nothing to do with sees nothing of it: what is said there comes in
// time, is not lost and is not refused. Time is measured with the attack and without it in one run, on a chat whose
// account may make 2,000 posts and take as many messages a second, where a post takes 10 ms.
func TestOneClientHurtsNobodyElse(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes six seconds for each attack")
	}
	address := localchat.Start(t, "-requests-per-second", "2000", "-post-delay", "10ms").URL()
	victims := open(t, address, "unrelated", 20)
	open(t, address, crowd, 98)
	if err := fill(t.Context(), address); err != nil {
		t.Fatal(err)
	}
	const d = 4 * time.Second
	speak := func() seen {
		t.Helper()
		s, err := victims.speak(t.Context(), "unrelated", d)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	time.Sleep(2 * time.Second) // the list of members has been announced
	before := speak()
	t.Logf("without an attack: %v", before)
	for _, a := range attacks() {
		t.Run(a.name, func(t *testing.T) {
			for try := 1; ; try++ {
				during := underAttack(t, address, a, d, speak)
				if during.lost > 0 || during.refused > 0 {
					t.Fatalf("an unrelated room sees %v; without an attack %v", during, before)
				}
				most := max(60*time.Millisecond, before.p99*5/2)
				if during.p99 <= most {
					return
				}
				if try == 3 {
					t.Fatalf("an unrelated room sees %v, and three times more than %v; without an attack %v", during,
						most, before)
				}
				// The machine may have been busy with something else. What an attack does, it does each time.
				before = speak()
				t.Logf("%v is more than %v; without an attack it is now: %v", during.p99, most, before)
			}
		})
	}
}

// underAttack is what the unrelated room sees during an attack of at least d.
func underAttack(t *testing.T, address string, a attack, d time.Duration, speak func() seen) seen {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d+time.Second)
	defer cancel()
	done := make(chan int)
	go func() { done <- a.run(ctx, address) }()
	time.Sleep(200 * time.Millisecond)
	during := speak()
	cancel()
	t.Logf("%d times: %v", <-done, during)
	time.Sleep(time.Second) // what the account has in reserve is full again
	return during
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
