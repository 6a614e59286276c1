package localgateway_test

import (
	"fmt"
	"net/http"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// TestMain fails the suite where a goroutine is left behind. It also is the processes of the test with many
// connections.
func TestMain(m *testing.M) {
	switch os.Getenv("LOCALGATEWAY_PROCESS") {
	case "gateway":
		gatewayProcess()
	case "clients":
		clientsProcess()
	default:
		code := m.Run()
		http.DefaultClient.CloseIdleConnections()
		if err := goleak.Find(); err != nil && code == 0 {
			fmt.Fprintln(os.Stderr, "goroutines are left:", err)
			code = 1
		}
		os.Exit(code)
	}
}
