package localruntime_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"

	"wschat/pkg/localruntime"
)

// TestMain makes this very test binary the function that the tests invoke.
func TestMain(m *testing.M) {
	if os.Getenv("FUNCTION") == "" {
		os.Exit(m.Run())
	}
	switch os.Getenv("FUNCTION") {
	case "dies at init":
		fmt.Println("no configuration")
		os.Exit(3)
	case "leaves its API to the test":
		fmt.Println(os.Getenv("AWS_LAMBDA_RUNTIME_API"))
		select {}
	}
	count := 0
	lambda.Start(func(ctx context.Context, event string) (string, error) {
		count++
		switch event {
		case "fail":
			return "", errors.New("on purpose")
		case "panic":
			panic("on purpose")
		case "exit":
			os.Exit(7)
		case "hang":
			select {}
		case "print":
			fmt.Println("hello from the function")
		case "wait":
			time.Sleep(100 * time.Millisecond)
		case "deadline":
			deadline, _ := ctx.Deadline()
			return fmt.Sprint(deadline.UnixMilli()), nil
		case "environment":
			return strings.Join(os.Environ(), "\n"), nil
		case "place":
			dir, err := os.Getwd()
			return strings.Join(append([]string{dir}, os.Args[1:]...), "|"), err
		case "id":
			lc, _ := lambdacontext.FromContext(ctx)
			return lc.AwsRequestID, nil
		case "pid":
			return fmt.Sprint(os.Getpid()), nil
		}
		return fmt.Sprint(event, " ", count), nil
	})
}

func pool(t *testing.T, c localruntime.Config) *localruntime.Pool {
	t.Helper()
	c.Bootstrap = os.Args[0]
	if c.Env == nil {
		c.Env = []string{"FUNCTION=serve"}
	}
	p, err := localruntime.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

func invoke(t *testing.T, p *localruntime.Pool, event string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	b, err := p.Invoke(ctx, []byte(`"`+event+`"`))
	return strings.Trim(string(b), `"`), err
}

func want(t *testing.T, p *localruntime.Pool, event, answer string) {
	t.Helper()
	if got, err := invoke(t, p, event); err != nil || got != answer {
		t.Errorf("%s: got %q, %v; want %q", event, got, err, answer)
	}
}

func TestAProcessServesOneInvocationAfterTheOther(t *testing.T) {
	t.Parallel()
	p := pool(t, localruntime.Config{})
	for i := range 5 {
		want(t, p, "hi", fmt.Sprint("hi ", i+1))
	}
}

func TestFailures(t *testing.T) {
	t.Parallel()
	p := pool(t, localruntime.Config{})
	for _, tc := range []struct{ event, says, next string }{
		{"fail", "on purpose", "hi 2"},  // the same process goes on
		{"panic", "on purpose", "hi 1"}, // another one replaces it
		{"exit", "the process ended while it handled an event: exit status 7", "hi 1"},
	} {
		_, err := invoke(t, p, tc.event)
		if _, ok := errors.AsType[*localruntime.FunctionError](err); !ok || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: got %v, want %q", tc.event, err, tc.says)
		}
		want(t, p, "hi", tc.next)
	}
}

func TestADeadlineIsPassedOnAndKept(t *testing.T) {
	t.Parallel()
	p := pool(t, localruntime.Config{})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	deadline, _ := ctx.Deadline()
	if b, err := p.Invoke(ctx, []byte(`"deadline"`)); err != nil ||
		string(b) != fmt.Sprintf(`"%d"`, deadline.UnixMilli()) {
		t.Errorf("got %s, %v; want %d", b, err, deadline.UnixMilli())
	}
	ctx, cancel = context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := p.Invoke(ctx, []byte(`"hang"`)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	want(t, p, "hi", "hi 1") // the hanging process is gone
}

// API Gateway tells an authorizer's errors apart by their message.
func TestAFailureHasItsErrorMessage(t *testing.T) {
	t.Parallel()
	p := pool(t, localruntime.Config{})
	for event, says := range map[string]string{
		"fail": `^on purpose$`,
		"exit": `^RequestId: [0-9a-f-]{36} Error: Runtime exited with error: exit status 7$`,
	} {
		_, err := invoke(t, p, event)
		failed, ok := errors.AsType[*localruntime.FunctionError](err)
		if !ok || !regexp.MustCompile(says).MatchString(failed.ErrorMessage()) {
			t.Errorf("%s: got %v", event, err)
		}
	}
}

func TestInvocationsAtOnceHaveAProcessEach(t *testing.T) {
	t.Parallel()
	p := pool(t, localruntime.Config{MaxProcesses: 4})
	var wg sync.WaitGroup
	start := time.Now()
	for range 12 {
		wg.Go(func() {
			if _, err := invoke(t, p, "wait"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if took := time.Since(start); took < 300*time.Millisecond {
		t.Errorf("12 invocations of 100 ms in %v: more than 4 at once", took)
	}
	pids := map[string]bool{}
	for range 8 {
		pid, err := invoke(t, p, "pid")
		if err != nil {
			t.Fatal(err)
		}
		pids[pid] = true
	}
	if len(pids) != 1 {
		t.Errorf("one invocation after the other used %d processes", len(pids))
	}
}

func TestTheEnvironmentIsWhatWasGiven(t *testing.T) {
	t.Setenv("SECRET_OF_THE_PARENT", "x")
	p := pool(t, localruntime.Config{Env: []string{"FUNCTION=serve", "A=b"}})
	got, err := invoke(t, p, "environment")
	if err != nil || !strings.Contains(got, "A=b") || !strings.Contains(got, "AWS_LAMBDA_RUNTIME_API=127.0.0.1:") ||
		strings.Contains(got, "SECRET_OF_THE_PARENT") {
		t.Errorf("got %s, %v", got, err)
	}
	if id, err := invoke(t, p, "id"); err != nil || id == "" {
		t.Errorf("the request id is %q, %v", id, err)
	}
}

func TestOutputIsPassedOn(t *testing.T) {
	t.Parallel()
	var out syncBuffer
	p := pool(t, localruntime.Config{Output: &out})
	want(t, p, "print", "print 1")
	p.Close()
	if got := out.String(); !strings.Contains(got, "hello from the function") {
		t.Errorf("got %q", got)
	}
	if _, err := invoke(t, p, "hi"); err == nil {
		t.Error("a closed pool invokes")
	}
}

func TestABootstrapThatDoesNotComeUp(t *testing.T) {
	t.Parallel()
	var out syncBuffer
	p := pool(t, localruntime.Config{Env: []string{"FUNCTION=dies at init"}, Output: &out})
	_, err := invoke(t, p, "hi")
	if failed, ok := err.(*localruntime.FunctionError); !ok || !strings.Contains(err.Error(), "exit status 3") ||
		failed.ErrorType() != "Runtime.ExitError" {
		t.Errorf("got %v", err)
	}
	if !strings.Contains(out.String(), "no configuration") {
		t.Errorf("its output is %q", out.String())
	}
	for _, path := range []string{filepath.Join(t.TempDir(), "nothing"), t.TempDir(), "pool_test.go"} {
		if _, err := localruntime.New(localruntime.Config{Bootstrap: path}); err == nil {
			t.Errorf("%s is taken for a bootstrap", path)
		}
	}
}

// syncBuffer is a buffer that processes write to while the test reads.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
