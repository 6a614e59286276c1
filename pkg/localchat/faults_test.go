package localchat

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"wschat/pkg/localgateway"
	"wschat/pkg/telemetry"
	"wschat/test/dynamolocal"
	"wschat/test/logbuffer"
)

// watched is what an alarm of the stack watches.
type watched struct {
	metrics   []string // with their namespaces
	statistic string   // of the one metric; "" if there are more
	threshold float64
}

// stackAlarms are the alarms of a stack, by their ids, as infra's golden template of that name has them.
func stackAlarms(t *testing.T, golden string) map[string]watched {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "infra", "testdata", golden+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var template struct {
		Resources map[string]struct {
			Type       string
			Properties struct {
				Threshold             float64
				Namespace, MetricName string
				Statistic             string
				ExtendedStatistic     string
				Metrics               []struct {
					MetricStat struct {
						Stat   string
						Metric struct{ Namespace, MetricName string }
					}
				}
			}
		}
	}
	if err := json.Unmarshal(b, &template); err != nil {
		t.Fatal(err)
	}
	alarms := map[string]watched{}
	for id, r := range template.Resources {
		if r.Type != "AWS::CloudWatch::Alarm" {
			continue
		}
		p := r.Properties
		name, _, _ := strings.Cut(id, "Alarm")
		w := watched{[]string{p.Namespace + " " + p.MetricName}, p.Statistic + p.ExtendedStatistic, p.Threshold}
		if len(p.Metrics) > 0 {
			w.metrics = nil
		}
		for _, m := range p.Metrics {
			if m.MetricStat.Stat != "" { // no expression
				w.metrics, w.statistic = append(w.metrics,
					m.MetricStat.Metric.Namespace+" "+m.MetricStat.Metric.MetricName), m.MetricStat.Stat
			}
		}
		if len(w.metrics) > 1 {
			w.statistic = ""
		}
		alarms[name] = w
	}
	return alarms
}

// patient is a chat in which something goes wrong, with Ann and Bob in a room.
type patient struct {
	*Server
	clock    *localgateway.ManualClock // nil where time goes on by itself
	dynamodb dynamolocal.Network       // to where the state is, if it is in DynamoDB
	stats    stats
	log      *logbuffer.Buffer
	ann, bob *websocket.Conn
}

func newPatient(t *testing.T, dynamoURL string, manual bool) *patient {
	t.Helper()
	p := &patient{log: &logbuffer.Buffer{}}
	p.stats = newStats(slog.NewJSONHandler(p.log, nil))
	o := Config{Addr: "127.0.0.1:0", Data: filepath.Join(t.TempDir(), "chat.db"), Logger: slog.New(p.stats)}
	if manual {
		p.clock = localgateway.NewManualClock(time.Now())
		o.Clock = p.clock
	}
	if dynamoURL != "" {
		to, err := url.Parse(dynamoURL)
		if err != nil {
			t.Fatal(err)
		}
		through := httputil.NewSingleHostReverseProxy(to)
		through.Transport = &p.dynamodb
		// breaks the connection
		through.ErrorHandler = func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) }
		proxy := httptest.NewServer(through)
		t.Cleanup(proxy.Close)
		o.DynamoDB = proxy.URL
	}
	var err error
	if p.Server, err = Start(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
	})
	room := strings.ReplaceAll(t.Name(), "/", ".")
	p.ann, p.bob = p.connect(t, room, "ann"), p.connect(t, room, "bob")
	return p
}

func (p *patient) connect(t *testing.T, room, user string) *websocket.Conn {
	t.Helper()
	c, _, err := websocket.Dial(t.Context(), "ws://"+p.Addr+"/dev?"+url.Values{"room_name": {room},
		"user_name": {user}}.Encode(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.CloseNow() })
	return c
}

// say has Ann send messages, or one, and waits until all that follows from them has ended.
func (p *patient) say(t *testing.T, contents ...string) {
	t.Helper()
	if len(contents) == 0 {
		contents = []string{"hi"}
	}
	room := strings.ReplaceAll(t.Name(), "/", ".")
	p.Gateway.WaitForInvocations()
	before := p.lines()
	for i, content := range contents {
		text, err := json.Marshal(map[string]string{"action": "sendMessage", "room_name": room, "user_name": "ann",
			"content": content})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(min(i, 1)) * 100 * time.Millisecond)
		if err := p.ann.Write(t.Context(), websocket.MessageText, text); err != nil {
			t.Fatal(err)
		}
	}
	for p.lines() == before { // it is under way, or has failed
		time.Sleep(10 * time.Millisecond)
	}
	p.Gateway.WaitForInvocations()
}

// lines is how many lines there are in the log.
func (p *patient) lines() int { return strings.Count(p.log.String(), "\n") }

// memberID is the connection id of a user.
func (p *patient) memberID(t *testing.T, user string) string {
	t.Helper()
	members, err := p.Roster.Members(context.Background(), strings.ReplaceAll(t.Name(), "/", "."), 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range members {
		if m.User == user {
			return m.ConnectionID
		}
	}
	t.Fatalf("%s is no member", user)
	return ""
}

// strike has a fault of the gateway happen to a user's connection.
func (p *patient) strike(t *testing.T, user string, f localgateway.Fault) {
	t.Helper()
	f.ConnectionID = p.memberID(t, user)
	if err := p.Gateway.SetFaults(1, f); err != nil {
		t.Fatal(err)
	}
}

// Whatever can go wrong is seen by somebody: a metric moves, and if it must not go on like that, an alarm that
// watches this metric wakes them. With metrics=all every such alarm is there. By default at least one of them is;
// what wakes nobody is in the log line, and some of it is a metric too.
func TestEveryFaultIsSeen(t *testing.T) {
	alarms := stackAlarms(t, "auth")        // with all metrics
	byDefault := stackAlarms(t, "defaults") // with those that cost nothing
	const (
		own        = telemetry.Namespace + " "
		lambdaErrs = "AWS/Lambda Errors"
		apiErrs    = "AWS/ApiGateway ExecutionError"
	)
	type story struct {
		name   string
		onAWS  bool // the state is in DynamoDB
		manual bool // the gateway's clock is moved by hand
		happen func(t *testing.T, p *patient)
		moves  []telemetry.Metric
		aws    []string // metrics that AWS itself would move
		// with metrics=all; none if nobody need be woken: what is under moves can be seen on the dashboard
		alarms []string

		byDefault []string // those of the alarms that are there by default
		inLogOnly bool     // by default, no metric shows it
	}
	unreached := []telemetry.Metric{telemetry.PostsAgain, telemetry.Undelivered, telemetry.SendErrors}
	stories := []story{
		{name: "nothing", happen: func(t *testing.T, p *patient) { p.say(t) },
			moves: []telemetry.Metric{telemetry.MessagesStored, telemetry.Deliveries, telemetry.SendTime,
				telemetry.StoreTime}},
		{name: "drop socket", happen: func(t *testing.T, p *patient) {
			p.strike(t, "ann", localgateway.Fault{Effect: localgateway.DropSocket})
			p.say(t)
		}, moves: []telemetry.Metric{telemetry.BrokenConnections}, inLogOnly: true},
		{name: "fail post", happen: func(t *testing.T, p *patient) {
			bob := p.memberID(t, "bob")
			p.strike(t, "bob", localgateway.Fault{Effect: localgateway.FailPost})
			p.say(t)
			p.hasLine(t, "WARN", `"failures":["post`, "to connection "+bob, "status 500")
		}, moves: unreached, alarms: []string{"Undelivered", "Throttled"}, byDefault: []string{"Undelivered"}},
		{name: "throttle post", happen: func(t *testing.T, p *patient) {
			p.strike(t, "bob", localgateway.Fault{Effect: localgateway.ThrottlePost})
			p.say(t)
		}, moves: unreached, alarms: []string{"Undelivered", "Throttled"}, byDefault: []string{"Undelivered"}},
		{name: "delay post", happen: func(t *testing.T, p *patient) {
			p.strike(t, "bob", localgateway.Fault{Effect: localgateway.DelayPost, Delay: 1900 * time.Millisecond})
			p.say(t, "this", "and while it is under way, that")
		}, moves: []telemetry.Metric{telemetry.SendTime, telemetry.Age}, alarms: []string{"Slow"},
			byDefault: []string{"Slow"}},
		{name: "fail handler", happen: func(t *testing.T, p *patient) {
			p.strike(t, "ann", localgateway.Fault{Effect: localgateway.FailHandler, RouteKey: "sendMessage"})
			p.say(t)
			p.hasLine(t, "ERROR", "this failure was asked for")
		}, aws: []string{lambdaErrs, apiErrs}, alarms: []string{"FunctionErrors", "ExecutionErrors"},
			byDefault: []string{"FunctionErrors", "ExecutionErrors"}},
		{name: "hang handler", manual: true, happen: func(t *testing.T, p *patient) {
			p.strike(t, "ann", localgateway.Fault{Effect: localgateway.HangHandler, RouteKey: "sendMessage"})
			ended := make(chan struct{})
			var ticking sync.WaitGroup
			ticking.Go(func() {
				for tick := time.Tick(20 * time.Millisecond); ; {
					select {
					case <-tick:
						p.clock.Advance(time.Second)
					case <-ended:
						return
					}
				}
			})
			p.say(t)
			close(ended)
			ticking.Wait()
			p.hasLine(t, "ERROR", "timeout")
		}, aws: []string{lambdaErrs, apiErrs}, alarms: []string{"FunctionErrors", "ExecutionErrors"},
			byDefault: []string{"FunctionErrors", "ExecutionErrors"}},
		{name: "lose $disconnect", happen: func(t *testing.T, p *patient) {
			p.strike(t, "bob", localgateway.Fault{Effect: localgateway.LoseDisconnect})
			_ = p.bob.CloseNow()
			time.Sleep(2500 * time.Millisecond) // until a 410 cannot be the connection's own $connect
			p.say(t)
		}, moves: []telemetry.Metric{telemetry.GoneConnections}, inLogOnly: true},
	}
	for _, f := range dynamolocal.AllFaults() {
		stories = append(stories,
			story{name: "DynamoDB once " + string(f), onAWS: true, happen: func(t *testing.T, p *patient) {
				p.dynamodb.Begin(func(n int, _ string) dynamolocal.Fault {
					if n == 0 {
						return f
					}
					return dynamolocal.None
				})
				p.say(t)
			}, moves: []telemetry.Metric{telemetry.StoreRetries, telemetry.MessagesStored, telemetry.Deliveries}},
			story{name: "DynamoDB " + string(f), onAWS: true, happen: func(t *testing.T, p *patient) {
				p.dynamodb.Begin(func(int, string) dynamolocal.Fault { return f })
				p.say(t)
				p.dynamodb.Begin(nil)
			}, moves: []telemetry.Metric{telemetry.StoreRetries, telemetry.Errors, telemetry.Refusals},
				alarms:    []string{"Errors"},
				byDefault: []string{"Errors"}})
	}
	dynamoURL := database.Apart(t)
	if _, err := tables(t.Context(), dynamoURL); err != nil { // or several would make them at once
		t.Fatal(err)
	}
	for _, s := range stories {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			where := ""
			if s.onAWS {
				where = dynamoURL
			}
			p := newPatient(t, where, s.manual)
			s.happen(t, p)
			moved := slices.Clone(s.aws)
			for _, metric := range s.moves {
				moved = append(moved, own+string(metric))
				if p.measured(metric).sum <= 0 {
					t.Errorf("%s has not moved", metric)
				}
			}
			for _, name := range s.alarms {
				p.checkAlarm(t, name, alarms, moved)
			}
			for _, name := range s.byDefault {
				p.checkAlarm(t, name, byDefault, moved)
			}
			if len(s.alarms) > 0 && len(s.byDefault) == 0 {
				t.Errorf("by default, none of the alarms %v is there", s.alarms)
			}
			seen := len(s.aws) > 0 || slices.ContainsFunc(s.moves, func(m telemetry.Metric) bool {
				return slices.Contains(telemetry.Free(), m)
			})
			if seen == s.inLogOnly {
				t.Errorf("by default, a metric shows it: %v", seen)
			}
			if t.Failed() {
				t.Log(p.log.String())
			}
		})
	}
}

// checkAlarm fails if an alarm is not there, if it watches nothing that has moved, or if what it watches has moved
// too little.
func (p *patient) checkAlarm(t *testing.T, name string, alarms map[string]watched, moved []string) {
	t.Helper()
	a, ok := alarms[name]
	if !ok || !slices.ContainsFunc(a.metrics, func(m string) bool { return slices.Contains(moved, m) }) {
		t.Errorf("the alarm %s watches %+v, and what moves is %v", name, a, moved)
		return
	}
	if own, chats := strings.CutPrefix(a.metrics[0], telemetry.Namespace+" "); chats &&
		strings.HasPrefix(a.statistic, "p") {
		if got := p.measured(telemetry.Metric(own)).greatest; got < a.threshold {
			t.Errorf("%s is %v, under the alarm's %v", own, got, a.threshold)
		}
	}
}

// measured is what the stats have of a metric.
func (p *patient) measured(m telemetry.Metric) summary {
	p.stats.sums.mu.Lock()
	defer p.stats.sums.mu.Unlock()
	for at, s := range p.stats.sums.all {
		if at.metric == m {
			return s
		}
	}
	return summary{}
}

// hasLine fails where the log has no such line.
func (p *patient) hasLine(t *testing.T, level string, says ...string) {
	t.Helper()
	for line := range strings.Lines(p.log.String()) {
		if strings.Contains(line, `"level":"`+level+`"`) &&
			!slices.ContainsFunc(says, func(s string) bool { return !strings.Contains(line, s) }) {
			return
		}
	}
	t.Errorf("the log has no line of level %s with %q", level, says)
}
