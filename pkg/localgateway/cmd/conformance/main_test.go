package main

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"

	"wschat/pkg/localgateway"
)

// granted is a function without the suite's scripts.
type granted struct{}

func (granted) Invoke(context.Context, []byte) ([]byte, error) {
	return []byte(`{"statusCode":200}`), nil
}

func noEnvironment(string) string { return "" }

func TestTheReport(t *testing.T) {
	gw, err := localgateway.New(localgateway.Config{Handler: granted{}})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(gw)
	defer srv.Close()
	var out strings.Builder
	failed, err := run(t.Context(), []string{"-run", "^(get-without-an-upgrade|handshake-refused|idle-.*|iam-event|" +
		"route-missing)$", "-url", "open=" + strings.Replace(srv.URL, "http", "ws", 1) + "/dev", "-url",
		"signed=ws://127.0.0.1:1/dev"}, noEnvironment, &out)
	if err != nil || failed != 1 {
		t.Errorf("got %d, %v", failed, err)
	}
	const want = `pass get-without-an-upgrade
FAIL handshake-refused
     A $connect whose status is not 2xx refuses the handshake, with its status.
     then 1: the status: it is 101, want 403; the body is ""
     https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-route-keys-connect-disconnect.html
skip iam-event: it needs credentials
skip idle-connection: it takes 10 minutes
skip route-missing: no URL was given for the deployment variables
1 passed, 1 failed, 3 skipped
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}

func TestWrongArguments(t *testing.T) {
	for says, args := range map[string][]string{
		"give at least one -url":                       nil,
		"no other arguments":                           {"-url", "open=ws://127.0.0.1/dev", "x"},
		"not NAME=URL with a NAME of authorized, bare": {"-url", "closed=ws://127.0.0.1/dev"},
		"-run: ":                    {"-url", "open=ws://127.0.0.1/dev", "-run", "("},
		"it matches no behaviour":   {"-url", "open=ws://127.0.0.1/dev", "-run", "no-such-name"},
		"the URL is none, as ws://": {"-url", "open=127.0.0.1"},
	} {
		if _, err := run(t.Context(), args, noEnvironment, &strings.Builder{}); err == nil ||
			!strings.Contains(err.Error(), says) {
			t.Errorf("%q: got %v, want %q", args, err, says)
		}
	}
}

func TestCredentials(t *testing.T) {
	env := map[string]string{"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "s", "AWS_SESSION_TOKEN": "t"}
	getenv := func(name string) string { return env[name] }
	if c := credentials(getenv); c == nil || c.AccessKeyID != "a" || c.SecretAccessKey != "s" ||
		c.SessionToken != "t" || c.Region != "us-east-1" {
		t.Errorf("got %+v", c)
	}
	delete(env, "AWS_SECRET_ACCESS_KEY")
	if c := credentials(getenv); c != nil {
		t.Errorf("without a secret key: got %+v", c)
	}
}

// An end from outside fails no behaviour, and is not a run without failures.
func TestAnInterruptedRun(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out strings.Builder
	failed, err := run(ctx, []string{"-run", "^ping$", "-url", "open=ws://127.0.0.1:1/dev"}, noEnvironment, &out)
	if err == nil || failed != 0 || !strings.Contains(out.String(), "0 passed, 0 failed, 1 skipped") {
		t.Errorf("got %d, %v, %s", failed, err, &out)
	}
}
