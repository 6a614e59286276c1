package page_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/evanw/esbuild/pkg/api"

	"wschat/pkg/chat"
	"wschat/test/installed"
)

// The hook and the component in the client's README show a room with React, in its strict mode, which runs every effect
// twice.
func TestBrowserReactShowsARoom(t *testing.T) {
	t.Parallel()
	b := startBrowsers(t, nil)
	for i := range 120 {
		if _, _, err := b.server.Log.Append(t.Context(), chat.Message{Room: "lobby", User: "bob",
			Content: fmt.Sprint("message ", i+1), CreateAt: time.Now().Unix()}); err != nil {
			t.Fatal(err)
		}
	}
	script := bundled(t, codeOfREADME(t, "jsx")+fmt.Sprintf(`
		import { StrictMode } from "react";
		import { createRoot } from "react-dom/client";
		import { ChatClient } from "@wschat/client";
		window.chat = new ChatClient(%q, { user: "ann" });
		createRoot(document.querySelector("main")).render(<StrictMode><Lobby client={chat} /></StrictMode>);`,
		"ws://"+b.server.Addr+"/dev"))
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/app.js" {
			w.Header().Set("Content-Type", "text/javascript; charset=utf-8")
			_, _ = w.Write(script)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write([]byte(`<!doctype html><link rel="icon" href="data:,"><main></main>` +
			`<script src="app.js"></script>`))
	}))
	t.Cleanup(app.Close)
	p := b.Open(t, app.URL)
	const texts = `[...document.querySelectorAll("li")].map((li) => li.textContent)`
	p.WaitFor(t, texts+`.at(-1) === "bob: message 120"`, 20*time.Second)
	p.Click(t, "button")
	p.WaitFor(t, texts+`[0] === "bob: message 1" && !document.querySelector("button")`, 10*time.Second)
	bob := b.enter(t, "bob", "lobby")
	bob.say(t, "and one more")
	p.WaitFor(t, texts+`.at(-1) === "bob: and one more"`, 10*time.Second)
	p.WaitFor(t, `document.querySelector("h1").textContent === "Lobby (1)"`, 10*time.Second)
	var inOrder bool
	if p.Eval(t, texts+`.slice(0, 120).every((text, i) => text === "bob: message " + (i + 1))`, &inOrder); !inOrder {
		t.Error("the messages are not in order")
	}
	for _, line := range p.Console() {
		t.Errorf("the page says: %s", line)
	}
}

// codeOfREADME returns the code of a language in the client's README.
func codeOfREADME(t *testing.T, language string) string {
	t.Helper()
	readme, err := os.ReadFile("../../pkg/webclient/README.md")
	if err != nil {
		t.Fatal(err)
	}
	var code strings.Builder
	for _, m := range regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllStringSubmatch(string(readme), -1) {
		code.WriteString(m[1])
	}
	if code.Len() == 0 {
		t.Fatalf("the README has no code in %s", language)
	}
	return code.String()
}

// bundled makes one script of a program that imports React and the client.
func bundled(t *testing.T, program string) []byte {
	t.Helper()
	files, err := filepath.Abs("../../pkg/webclient/files")
	if err != nil {
		t.Fatal(err)
	}
	result := api.Build(api.BuildOptions{
		Stdin:  &api.StdinOptions{Contents: program, ResolveDir: installed.File(t, "."), Loader: api.LoaderJSX},
		Bundle: true, Format: api.FormatIIFE, JSX: api.JSXAutomatic, LogLevel: api.LogLevelSilent,
		Define: map[string]string{"process.env.NODE_ENV": `"development"`},
		Alias: map[string]string{"@wschat/client": filepath.Join(files, "client.js"),
			"@wschat/client/conversation": filepath.Join(files, "conversation.js")},
	})
	if len(result.Errors) > 0 {
		t.Fatal(strings.Join(api.FormatMessages(result.Errors, api.FormatMessagesOptions{}), "\n"))
	}
	return result.OutputFiles[0].Contents
}
