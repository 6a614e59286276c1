package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"wschat/pkg/client"
	"wschat/pkg/localgateway/template"
	"wschat/test/dynamolocal"
	"wschat/test/installed"
	"wschat/test/issuer"
	"wschat/test/localchat"
	"wschat/test/logbuffer"
	"wschat/test/wscat"
)

// The template of the whole chat, as the CDK app makes it.
var ownTemplate = filepath.Join("infra", "testdata", "auth.json")

// deployed is the stack of a template under the command gateway, with what AWS or others would have beside it.
type deployed struct {
	stack     *template.Stack
	variables map[string]any // the function's, as the template has them
	ws, http  string         // URLs
	log       *logbuffer.Buffer
	issuer    *issuer.Provider
	dynamo    *dynamodb.Client
	reviews   *atomic.Int64 // how often the function asked for the review that the template names
	end       func() error  // interrupts the command, and waits
}

// deploy runs the template until the test ends.
func deploy(t *testing.T) deployed {
	t.Helper()
	root := filepath.Dir(installed.Dir())
	text, err := os.ReadFile(filepath.Join(root, ownTemplate))
	if err != nil {
		t.Fatal(err)
	}
	d := deployed{log: &logbuffer.Buffer{}, issuer: issuer.Start(t), reviews: &atomic.Int64{}}
	if d.stack, err = template.Read(text, template.Options{}); err != nil {
		t.Fatal(err)
	}
	var written struct {
		Resources map[string]struct {
			Properties struct {
				Environment struct{ Variables map[string]any }
			}
		}
	}
	if err := json.Unmarshal(text, &written); err != nil {
		t.Fatal(err)
	}
	for id := range d.stack.Functions {
		d.variables = written.Resources[id].Properties.Environment.Variables
	}
	// The function reaches no review: what it asks for goes to this proxy.
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host == "lambda.eu-north-1.amazonaws.com:443" {
			d.reviews.Add(1)
		}
		w.WriteHeader(http.StatusBadGateway)
	}))
	t.Cleanup(proxy.Close)
	tables := dynamolocal.Start(t)
	d.dynamo = dynamolocal.Client(tables)
	cmd := exec.Command(localchat.Build(t, "./pkg/localgateway/cmd/gateway"), "-addr", "127.0.0.1:0",
		"-template", ownTemplate, "-function", "Function=go:./lambda", "-dynamodb", tables,
		"-parameter", "AWS::Region=local", // the one of the tests' client, since DynamoDB Local keeps Regions apart
		"-env", "AUTH_ISSUER="+d.issuer.URL, "-env", "HTTPS_PROXY="+proxy.URL)
	cmd.Dir, cmd.Stderr = root, d.log
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	ended := false
	d.end = func() error {
		if ended {
			return nil
		}
		ended = true
		_ = cmd.Process.Signal(os.Interrupt)
		return cmd.Wait()
	}
	t.Cleanup(func() {
		_ = d.end()
		if t.Failed() {
			t.Logf("the command's log: %.10000s", d.log)
		}
	})
	for lines := bufio.NewScanner(out); d.ws == "" && lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), ": ")
		switch name {
		case "HTTP API":
			d.http = value
		case "WebSocket API":
			d.ws = value
		case "Note":
			if !strings.HasPrefix(value, "The throttles of the HTTP API's stage") {
				t.Errorf("the command leaves something out: %s", value)
			}
		}
	}
	if d.ws == "" || d.http == "" {
		t.Fatalf("it does not start: %v: %s", d.end(), d.log)
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	return d
}

// token is one with the claims that the template names.
func (d deployed) token(name string, more map[string]any) string {
	claims := map[string]any{"name": nil, "profile": "id-" + name, "nickname": name, "rooms": []string{"*"}}
	for claim, value := range more {
		claims[claim] = value
	}
	return d.issuer.Token(claims)
}

// guest is a client that asks, and gets answers.
type guest struct {
	t      *testing.T
	socket socket
	seen   []string // frames
	refs   int
}

func (d deployed) enter(t *testing.T, token string) *guest {
	t.Helper()
	s, err := dial(d.ws, "chat", token)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.close() })
	return &guest{t: t, socket: s}
}

// ask sends a frame, and returns the last frame of the function's answer.
func (g *guest) ask(frame string) string {
	g.t.Helper()
	answer := g.try(frame)
	if isGateways(answer) {
		g.t.Fatalf("%s: the gateway answers %s", frame, answer)
	}
	return answer
}

// isGateways reports whether a frame is one of the gateway's own.
func isGateways(frame string) bool { return strings.HasPrefix(frame, `{"message":`) }

// try sends a frame, and returns the last frame of its answer, or what the gateway says.
func (g *guest) try(frame string) string {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(g.t.Context(), 3*patience)
	defer cancel()
	g.refs++
	field := "ref"
	if strings.Contains(frame, `"sendMessage"`) {
		field = "message_id"
	}
	ref := fmt.Sprintf(`"%s":"r%d"`, field, g.refs)
	if err := g.socket.send(strings.TrimSuffix(frame, "}") + "," + ref + "}"); err != nil {
		g.t.Fatal(err)
	}
	for {
		answer, err := g.socket.next(ctx)
		if err != nil {
			g.t.Fatalf("%s: %v", frame, err)
		}
		g.seen = append(g.seen, answer)
		if strings.Contains(answer, ref) && !strings.Contains(answer, `"part":true`) || isGateways(answer) {
			return answer
		}
	}
}

// conversation has a request for each action. Each succeeds after those before it, but for the signal.
var conversation = []struct{ who, frame string }{
	{"ann", `{"action":"ping"}`},
	{"ann", `{"action":"createRoom","room_name":"plans","private":true,"title":"Plans","members":["id-bob"]}`},
	{"ann", `{"action":"joinRoom","room_name":"plans"}`},
	{"bob", `{"action":"joinRoom","room_name":"plans","limit":10,"members":true,"rules":true}`},
	{"ann", `{"action":"sendMessage","room_name":"plans","content":"Hello."}`},
	{"bob", `{"action":"sendMessage","room_name":"plans","content":"Hello, ann."}`},
	{"ann", `{"action":"editMessage","room_name":"plans","index":1,"content":"Hello!"}`},
	{"bob", `{"action":"addReaction","room_name":"plans","index":1,"reaction":"👍"}`},
	{"bob", `{"action":"removeReaction","room_name":"plans","index":1,"reaction":"👍"}`},
	{"bob", `{"action":"deleteMessage","room_name":"plans","index":2}`},
	{"bob", `{"action":"markRead","room_name":"plans","index":2}`},
	{"bob", `{"action":"signal","room_name":"plans","name":"typing"}`}, // refused: see PRESENCE_LIMIT
	{"bob", `{"action":"getChanges","room_name":"plans","after":0}`},
	{"bob", `{"action":"getRecentMessages","room_name":"plans"}`},
	{"bob", `{"action":"getMembers","room_name":"plans"}`},
	{"bob", `{"action":"getRooms"}`},
	{"bob", `{"action":"leaveRoom","room_name":"plans"}`},
	{"ann", `{"action":"setRoom","room_name":"plans","topic":"What comes next"}`},
	{"ann", `{"action":"getRoom","room_name":"plans","people":true}`},
	{"ann", `{"action":"addMember","room_name":"plans","user_id":"id-carl"}`},
	{"ann", `{"action":"setRole","room_name":"plans","user_id":"id-carl","role":"moderator"}`},
	{"ann", `{"action":"removeMember","room_name":"plans","user_id":"id-carl"}`},
	{"ann", `{"action":"muteUser","room_name":"plans","user_id":"id-bob","seconds":60}`},
	{"ann", `{"action":"unmuteUser","room_name":"plans","user_id":"id-bob"}`},
	{"ann", `{"action":"banUser","room_name":"plans","user_id":"id-bob"}`},
	{"ann", `{"action":"unbanUser","room_name":"plans","user_id":"id-bob"}`},
	{"ann", `{"action":"openDirect","user_id":"id-bob","name":"bob"}`},
}

// The stack's own template runs under the command gateway, as a process: each of its routes, its authorizer, its stage
// and its tables do what they are for, and the function works by each variable of its environment.
func TestOwnTemplate(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds the commands")
	}
	d := deploy(t)
	ann, bob := d.enter(t, d.token("ann", nil)), d.enter(t, d.token("bob", nil))
	t.Run("routes", func(t *testing.T) { d.everyRoute(t, ann, bob) })
	t.Run("HTTP routes", d.everyHTTPRoute)
	t.Run("authorizer", d.theAuthorizer)
	t.Run("stage", d.theStage)
	t.Run("variables", func(t *testing.T) { d.everyVariable(t, ann) })
	t.Run("Go client", d.byTheGoClient)
	t.Run("wscat", d.byWscat)
	if err := d.end(); err != nil {
		t.Errorf("it ends with %v", err)
	}
	for line := range strings.Lines(d.log.String()) {
		if strings.HasPrefix(line, "gateway: ") && !strings.HasPrefix(line, "gateway: invocations have ") {
			t.Errorf("the gateway had a failure: %s", line)
		}
	}
}

// everyRoute asks something at each route of the WebSocket API. Only the function can have answered.
func (d deployed) everyRoute(t *testing.T, ann, bob *guest) {
	asked := map[string]bool{}
	for _, line := range conversation {
		var frame struct{ Action string }
		if err := json.Unmarshal([]byte(line.frame), &frame); err != nil {
			t.Fatal(err)
		}
		asked[frame.Action] = true
		answer := map[string]*guest{"ann": ann, "bob": bob}[line.who].ask(line.frame)
		refused := strings.HasPrefix(answer, `{"error":{"code":"room_too_large"`)
		if strings.HasPrefix(answer, `{"error"`) && !refused || refused != (frame.Action == "signal") {
			t.Errorf("%s says %s and is answered %s", line.who, line.frame, answer)
		}
	}
	// A refusal in the function's words.
	if answer := ann.ask(`{"action":"dance"}`); !strings.Contains(answer, "there is no action") {
		t.Errorf("$default answers %s", answer)
	}
	asked["$default"] = true
	if status, body, err := handshakeWith(d.ws+"?colour=red", d.token("ann", nil)); err != nil || status != 400 ||
		!strings.Contains(body, "is no query parameter here") {
		t.Errorf("$connect answers %d, %s, %v", status, body, err)
	}
	asked["$connect"] = true
	carl := d.enter(t, d.token("carl", nil))
	carl.ask(`{"action":"joinRoom","room_name":"hall"}`)
	ann.ask(`{"action":"joinRoom","room_name":"hall"}`)
	members := func() string { return ann.ask(`{"action":"getMembers","room_name":"hall"}`) }
	if got := members(); !strings.Contains(got, "id-carl") {
		t.Errorf("in the hall are %s", got)
	}
	_ = carl.socket.close()
	for deadline := time.Now().Add(3 * patience); strings.Contains(members(), "id-carl"); {
		if time.Now().After(deadline) {
			t.Fatal("$disconnect does not tell that carl has left")
		}
		time.Sleep(100 * time.Millisecond) // fewer requests than a connection may make
	}
	asked["$disconnect"] = true
	for _, r := range d.stack.Routes {
		if !asked[r.Key] {
			t.Errorf("the template has a route %s, and this test asks nothing there", r.Key)
		}
	}
	if len(asked) != len(d.stack.Routes) {
		t.Errorf("%d routes were asked, of %d", len(asked), len(d.stack.Routes))
	}
}

func (d deployed) everyHTTPRoute(t *testing.T) {
	if len(d.stack.HTTPRoutes) < 50 {
		t.Errorf("the template has only %d", len(d.stack.HTTPRoutes))
	}
	for _, r := range d.stack.HTTPRoutes {
		method, path, _ := strings.Cut(r.Key, " ")
		status, body := d.request(t, method, path)
		if status != http.StatusOK || (body == "") != (method == http.MethodHead) {
			t.Errorf("%s: %d, %.100q", r.Key, status, body)
		}
	}
	if status, _ := d.request(t, http.MethodGet, "/nothing"); status != http.StatusNotFound {
		t.Errorf("a path without a route: %d", status)
	}
}

func (d deployed) request(t *testing.T, method, path string) (int, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, d.http+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(body)
}

func (d deployed) theAuthorizer(t *testing.T) {
	if d.stack.Authorizer == nil {
		t.Fatal("the template has none")
	}
	other := issuer.Start(t)
	for name, tc := range map[string]struct {
		status int
		tokens []string
	}{
		"no token":                  {401, nil},
		"a good one":                {101, []string{d.token("ann", nil)}},
		"one that is none":          {403, []string{"x"}},
		"an old one":                {403, []string{d.token("ann", map[string]any{"exp": 1})}},
		"one for others":            {403, []string{d.token("ann", map[string]any{"aud": "others"})}},
		"one of another provider":   {403, []string{other.Token(map[string]any{"profile": "x", "nickname": "x"})}},
		"one with another's issuer": {403, []string{other.Token(map[string]any{"iss": d.issuer.URL, "profile": "x"})}},
	} {
		if status, body, err := handshakeWith(d.ws, tc.tokens...); err != nil || status != tc.status {
			t.Errorf("%s: %d, %s, %v; want %d", name, status, body, err, tc.status)
		}
	}
}

// handshakeWith is handshake with a token.
func handshakeWith(url string, token ...string) (int, string, error) {
	if len(token) == 0 {
		return handshake(url)
	}
	return handshake(url, append([]string{"chat"}, token...)...)
}

func (d deployed) theStage(t *testing.T) {
	if !strings.HasSuffix(d.ws, "/"+d.stack.Stage.Name) {
		t.Errorf("the stage is %s, and the URL %s", d.stack.Stage.Name, d.ws)
	}
	if status, body, err := handshakeWith(strings.TrimSuffix(d.ws, d.stack.Stage.Name)+"other",
		d.token("ann", nil)); err != nil || status != http.StatusForbidden {
		t.Errorf("another stage: %d, %s, %v", status, body, err)
	}
}

// byTheGoClient has two people at the Go client.
func (d deployed) byTheGoClient(t *testing.T) {
	ann := join(t, client.Config{URL: d.ws, Token: always(d.token("ann", nil))}, "lobby")
	bob := join(t, client.Config{URL: d.ws, Token: always(d.token("bob", nil))}, "lobby", client.After(0))
	ctx, cancel := context.WithTimeout(t.Context(), 3*patience)
	defer cancel()
	said, err := ann.Send(ctx, "Hello.")
	if err != nil {
		t.Fatal(err)
	}
	if got := nextOf[client.Message](t, bob); got.ID != said.ID || got.UserID != "id-ann" || got.Content != "Hello." {
		t.Errorf("bob sees %+v of %+v", got, said)
	}
}

// byWscat has a person at the real wscat.
func (d deployed) byWscat(t *testing.T) {
	c, err := wscat.Start(installed.Node(t, "wscat"), d.ws, "-s", "chat", "-s", d.token("ida", nil))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	ctx, cancel := context.WithTimeout(t.Context(), 3*patience)
	defer cancel()
	if err := c.Send(`{"action":"joinRoom","room_name":"lobby","ref":"1"}`); err != nil {
		t.Fatal(err)
	}
	if answer, err := c.Next(ctx); err != nil || !strings.Contains(answer, `"ref":"1"`) {
		t.Errorf("wscat prints %s, %v", answer, err)
	}
}
