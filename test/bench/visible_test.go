package bench

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"wschat/infra/price"
	"wschat/test/installed"
)

// replyTime is how long the function runs for a question that is answered with one post, and some reads.
const replyTime = postDelay + 5*time.Millisecond

// BenchmarkVisibleHours computes the cost of a thousand hours in which a page is visible, from the client's own times.
// The room has ten people, and nobody speaks. The page sends the heartbeat, and asks for the list of members and for
// news. If people speak, the heartbeat costs less: it comes only after a silence.
func BenchmarkVisibleHours(b *testing.B) {
	const hours = 1000
	for b.Loop() {
		for part, timer := range map[string]struct {
			every time.Duration
			reads float64 // units, of each question
		}{
			"heartbeat": {clientTime(b, "heartbeat"), 0},
			// on average, as they are read at random a little earlier
			"members": {clientTime(b, "members") * 8 / 10, 1},
			"news":    {clientTime(b, "sync") * 95 / 100, 1},
		} {
			n := float64(hours * time.Hour / timer.every)
			dollars := n * (2*price.Message + price.Request + replyTime.Seconds()*functionGB*price.GBSecond +
				timer.reads*price.ReadUnit)
			b.ReportMetric(dollars, "$-"+part)
		}
	}
}

// clientTime is one of the times in client.js, which are in milliseconds and may be products.
func clientTime(b *testing.B, name string) time.Duration {
	b.Helper()
	source, err := os.ReadFile(filepath.Join(filepath.Dir(installed.Dir()), "pkg", "webclient", "files", "client.js"))
	if err != nil {
		b.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^  ` + name + `: ([\d_* ]+),`).FindSubmatch(source)
	if found == nil {
		b.Fatalf("client.js has no time %q", name)
	}
	ms := 1
	for factor := range strings.SplitSeq(string(found[1]), "*") {
		n, err := strconv.Atoi(strings.ReplaceAll(strings.TrimSpace(factor), "_", ""))
		if err != nil {
			b.Fatal(err)
		}
		ms *= n
	}
	return time.Duration(ms) * time.Millisecond
}
