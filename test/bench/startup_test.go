package bench

import (
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"wschat/test/installed"
)

// BenchmarkStartup is the time from the start of a process to its first request for work, which is what the program
// adds to a cold start: of the Lambda function, and of the smallest program that Lambda can run.
func BenchmarkStartup(b *testing.B) {
	for _, program := range []string{"lambda", "test/bench/testdata/minimal"} {
		b.Run(filepath.Base(program), func(b *testing.B) {
			path := filepath.Join(b.TempDir(), "bootstrap")
			build := exec.Command("go", "build", "-tags", "lambda.norpc", "-trimpath", "-ldflags", "-s -w", "-o", path,
				"./"+program)
			build.Dir = filepath.Dir(installed.Dir())
			if out, err := build.CombinedOutput(); err != nil {
				b.Fatalf("%v\n%s", err, out)
			}
			asked := make(chan bool)
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				b.Fatal(err)
			}
			srv := &http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				asked <- true
				<-r.Context().Done()
			})}
			go func() { _ = srv.Serve(listener) }()
			defer srv.Close()
			for b.Loop() {
				cmd := exec.Command(path)
				cmd.Env = []string{
					"AWS_LAMBDA_RUNTIME_API=" + listener.Addr().String(), "AWS_REGION=eu-north-1",
					"AWS_ACCESS_KEY_ID=id",
					"AWS_SECRET_ACCESS_KEY=key", "CONNECTIONS_TABLE=connections", "MESSAGES_TABLE=messages",
				}
				var said strings.Builder
				cmd.Stdout, cmd.Stderr = &said, &said
				if err := cmd.Start(); err != nil {
					b.Fatal(err)
				}
				ended := make(chan error, 1)
				go func() { ended <- cmd.Wait() }()
				select {
				case <-asked:
				case err := <-ended:
					b.Fatalf("the program ended: %v\n%s", err, said.String())
				}
				b.StopTimer()
				_ = cmd.Process.Kill()
				<-ended
				b.StartTimer()
			}
		})
	}
}
