package page_test

import (
	"testing"
	"time"

	"wschat/pkg/chat"
)

// BenchmarkScroll scrolls up through ten thousand messages, page by page, and reports the frames of the browser: how
// long the middle one and the 99th of a hundred took, and for how long the page was busy altogether.
func BenchmarkScroll(b *testing.B) {
	const messages = 10_000
	s := startBrowsers(b, nil)
	for range messages {
		_, _, err := s.server.Log.Append(b.Context(), chat.Message{Room: "lobby", User: "bob",
			Content: "a message of some words, as people write them all day long", CreateAt: time.Now().Unix()})
		if err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		p := s.enter(b, "ann", "lobby")
		p.WaitFor(b, `recorded.shown.has(10000)`, 10*time.Second)
		p.Eval(b, `{
			window.frames = [];
			window.busy = 0;
			new PerformanceObserver((list) => {
				for (const { duration } of list.getEntries()) busy += duration;
			}).observe({ type: "longtask" });
			const scroller = document.querySelector("#scroller");
			let before = performance.now();
			const step = (now) => {
				frames.push(now - before);
				before = now;
				scroller.scrollTop -= scroller.clientHeight / 4;
				if (document.querySelector("#beginning").hidden) requestAnimationFrame(step);
				else window.done = true;
			};
			requestAnimationFrame(step);
		}`, nil)
		p.WaitFor(b, `window.done`, 5*time.Minute)
		var got struct{ Middle, Slow, Busy float64 }
		p.Eval(b, `{
			frames.sort((a, b) => a - b);
			({ middle: frames[Math.floor(frames.length / 2)], slow: frames[Math.floor(frames.length * 0.99)], busy });
		}`, &got)
		b.ReportMetric(got.Middle, "p50-ms/frame")
		b.ReportMetric(got.Slow, "p99-ms/frame")
		b.ReportMetric(got.Busy, "busy-ms")
		p.Close()
	}
}
