package main

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"wschat/infra/price"
	"wschat/pkg/chat"
	"wschat/pkg/webclient"
)

// What AWS lets an account do by default, in one Region.
const (
	accountMessages    = 10_000 // in from clients and posted to them, a second
	accountConcurrency = 1_000  // invocations of all functions at once
)

const hour = 3600 // seconds

// worstHour is what an hour costs in which clients use all that the limits let through, in dollars.
type worstHour struct {
	messages, bytesOut, connections, function, database, rest float64
}

func (w worstHour) sum() float64 {
	return w.messages + w.bytesOut + w.connections + w.function + w.database + w.rest
}

// worstHourOf adds bounds, each of which is reached only by clients that do nothing else. The WebSocket API and the
// HTTP API have a throttle each. A burst adds nothing that counts in an hour.
func worstHourOf(s settings) worstHour {
	rate := float64(s.throttleRate)
	atOnce := float64(s.reservedConcurrency)
	if atOnce == 0 {
		atOnce = accountConcurrency
	}
	const minutesOpen = 120 // of a connection at most: those that were opened in so many minutes are there at once
	return worstHour{
		messages:    accountMessages * hour * price.Message,
		bytesOut:    (max(0, accountMessages-rate)*chat.MaxFrameBytes + rate*fileBytes) * hour / 1e9 * price.GBOut,
		connections: rate * minutesOpen * 60 * 60 * price.ConnectionMinute,
		function:    atOnce*hour*float64(s.memorySize)/1024*price.GBSecond + 2*rate*hour*price.Request,
		database:    rate * hour * dearestRequest(s),
		rest:        rate*hour*price.HTTPRequest + 2*rate*hour*logBytes/1e9*price.LogGB,
	}
}

// logBytes is what one request leaves in the logs: about 2 KB from the function, and a line of the access log.
const logBytes = 2_500

// rowBytes is the size of the largest message's row.
const rowBytes = chat.MaxContentBytes + 1<<10

// dearestRequest is what the tables cost for the request that costs the most there.
func dearestRequest(s settings) float64 {
	history := chat.MaxHistory * rowBytes / (4 << 10) * price.ReadUnit
	// A transaction takes two units for each KB. Beside the message it writes the marker of its id, and with a
	// retention the room's row; the broadcast writes the lease and reads the members.
	units := 2.0*rowBytes/(1<<10) + 2*2 + 3
	send := units*price.WriteUnit + 2*price.ReadUnit
	// Changes are looked at, and the messages read that they name: as many bytes as an answer has, and a batch more.
	const pointerBytes, batch = 100, 16
	read := chat.MaxChanges*pointerBytes + chat.MaxAnswerFrames*chat.MaxFrameBytes + batch*rowBytes
	changes := float64(read) / (4 << 10) * price.ReadUnit
	return max(history, send, changes)
}

// fileBytes is more than the largest file of the page has.
const fileBytes = 128 << 10

func TestThePagesFilesAreAsSmallAsTheWorstHourCounts(t *testing.T) {
	site := webclient.New("wss://chat.example.com", true)
	for _, path := range webclient.Paths() {
		if r, err := site.Serve(path, webclient.Request{}); err != nil || len(r.Body) > fileBytes {
			t.Errorf("%s has %d bytes, more than %d (%v)", path, len(r.Body), fileBytes, err)
		}
	}
}

// README.md says what the worst hour costs, with the settings that bound it.
func TestTheWorstHourIsInTheReadme(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name    string
		context map[string]any
	}{
		{"the defaults", nil},
		{"`reservedConcurrency=50`", map[string]any{"reservedConcurrency": 50.0}},
		{"`throttleRate=50`, `reservedConcurrency=50`",
			map[string]any{"throttleRate": 50.0, "reservedConcurrency": 50.0}},
	} {
		s, err := readSettings(func(name string) any { return tc.context[name] })
		if err != nil {
			t.Fatal(err)
		}
		w := worstHourOf(s)
		row := fmt.Sprintf("| %s | %.0f | %.0f | %.0f | %.0f | %.0f | %.0f | **%.0f** |\n", tc.name,
			w.messages, w.bytesOut, w.connections, w.function, w.database, w.rest, w.sum())
		if !strings.Contains(string(readme), row) {
			t.Errorf("README.md has not the row\n%s", row)
		}
	}
}

// README.md says what part of the account's quota one connection can use.
func TestTheShareOfOneConnectionIsInTheReadme(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	s, err := readSettings(func(string) any { return nil })
	if err != nil {
		t.Fatal(err)
	}
	percent := func(n int) float64 { return 100 * float64(n) / accountMessages }
	for _, sentence := range []string{
		fmt.Sprintf("%d messages and %d posts of answers a second, %.0f%% of the account's", s.actionsPerSecond,
			s.actionsPerSecond, percent(2*s.actionsPerSecond)),
		fmt.Sprintf("to at most %d messages a second, %.0f%%", s.throttleRate, percent(s.throttleRate)),
	} {
		if !strings.Contains(strings.Join(strings.Fields(string(readme)), " "), sentence) {
			t.Errorf("README.md does not say %q", sentence)
		}
	}
}
