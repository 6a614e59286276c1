package localgateway

import (
	"context"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

type granting struct{}

func (granting) Invoke(context.Context, []byte) ([]byte, error) {
	return []byte(`{"statusCode":200}`), nil
}

// Not even a timer is left of a connection that has ended, which would keep it in memory for ten minutes.
func TestAnEndedConnectionLeavesNoTimer(t *testing.T) {
	clock := NewManualClock(time.Now())
	gw, err := New(Config{Handler: granting{}, Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(gw)
	defer srv.Close()
	for range 3 {
		conn, _, _, err := ws.Dial(t.Context(), "ws://"+srv.Listener.Addr().String()+"/dev")
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.Close()
	}
	if err := gw.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := len(clock.alarms); n != 0 {
		t.Errorf("%d timers are left", n)
	}
}
