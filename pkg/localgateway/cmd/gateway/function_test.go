package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"wschat/test/installed"
	"wschat/test/logbuffer"
)

// The end of a function is also that of the processes of an earlier build, whose invocations have not ended.
func TestTheEndOfAFunctionWithAnEarlierBuild(t *testing.T) {
	installed.Program(t, "sh")
	bootstrap := filepath.Join(t.TempDir(), "bootstrap")
	if err := os.WriteFile(bootstrap, []byte("#!/bin/sh\necho $$\nexec sleep 600\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	log := &logbuffer.Buffer{}
	f := &function{spec: &spec{name: "fn", target: target{path: bootstrap}}, console: &console{to: log}}
	if err := f.renew(t.Context()); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		_, err := f.Invoke(t.Context(), []byte("{}"))
		ended <- err
	}()
	log.Await(t, time.Minute, "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(strings.TrimPrefix(log.String(), "fn: ")))
	if err != nil {
		t.Fatal(err)
	}
	if err := f.renew(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !isAlive(pid) {
		t.Error("the process ends before its invocation")
	}
	f.close()
	if isAlive(pid) {
		t.Fatalf("the process %d is there", pid)
	}
	if err := <-ended; err == nil {
		t.Error("the invocation returns")
	}
	if err := f.renew(t.Context()); err != nil {
		t.Errorf("after the end: %v", err)
	}
}
