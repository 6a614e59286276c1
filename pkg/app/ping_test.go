package app

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Anybody may ask GET /ping as often as they like: the function writes once in a second.
func TestAFloodOfPingsWritesLittle(t *testing.T) {
	var writes atomic.Int64
	database := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".PutItem") {
			writes.Add(1)
		}
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		_, _ = w.Write([]byte("{}"))
	}))
	defer database.Close()
	handler, err := FromEnv(func(name string) string {
		return map[string]string{
			"CONNECTIONS_TABLE": "c", "MESSAGES_TABLE": "messages", "AWS_ENDPOINT_URL_DYNAMODB": database.URL,
			"AWS_REGION": "eu-north-1", "AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "key", "LOG_LEVEL": "error",
		}[name]
	}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			for range 20 {
				answer, err := handler.Invoke(t.Context(), []byte(`{"requestContext":{"routeKey":"GET /ping"}}`))
				if err != nil || !strings.Contains(string(answer), "PONG!") {
					t.Errorf("%s, %v", answer, err)
				}
			}
		})
	}
	all.Wait()
	if most := 1 + int64(time.Since(began)/time.Second); writes.Load() < 1 || writes.Load() > most {
		t.Errorf("400 pings in %v wrote %d times, want 1 to %d", time.Since(began), writes.Load(), most)
	}
}
