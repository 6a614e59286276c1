package localchat

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"testing"
	"time"

	"wschat/pkg/localgateway"
	"wschat/pkg/localruntime"
	"wschat/test/logbuffer"
)

// rolling hands each invocation to one of two functions, as Lambda does while a new version is deployed.
type rolling struct{ previous, current localgateway.Handler }

func (r rolling) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	if rand.IntN(2) == 0 {
		return r.previous.Invoke(ctx, payload)
	}
	return r.current.Invoke(ctx, payload)
}

// While an older version of the function and this one serve one room on the same tables, nothing is lost: once clients
// have caught up, all show the same. PREVIOUS_BOOTSTRAP is the path of the older version's binary.
func TestAnOlderVersionBesideThisOne(t *testing.T) {
	previous := os.Getenv("PREVIOUS_BOOTSTRAP")
	if previous == "" {
		t.Skip("PREVIOUS_BOOTSTRAP names no older version of the function")
	}
	var output logbuffer.Buffer
	c := Config{Addr: freeAddr(t), DynamoDB: database.Apart(t), Bootstrap: function.build(t),
		Logger: slog.New(slog.DiscardHandler), Output: &output}
	var env []string
	for name, value := range environment(c, "http://"+c.Addr+"/"+Stage) {
		env = append(env, name+"="+value)
	}
	pool, err := localruntime.New(localruntime.Config{Bootstrap: previous, Output: &output, Env: env})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	c.Wrap = func(current localgateway.Handler) localgateway.Handler { return rolling{pool, current} }
	s, err := Start(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	stopAtEnd(t, s)
	mirrors := actAtRandom(t, s, 6, 80)
	for range 5 { // the older version refuses to answer half of the requests for changes
		for _, m := range mirrors {
			m.catchUp(t)
		}
	}
	converge(t, s, mirrors, 30*time.Second)
}

// freeAddr is an address of this machine at which nothing listens.
func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
