package page_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"wschat/test/browser"
	"wschat/test/issuer"
)

// links is the chat with authentication, and a browser.
type links struct {
	*browser.Browser
	door     *door
	provider *issuer.Provider
	url      string
}

func startLinks(t *testing.T) *links {
	t.Helper()
	p := issuer.Start(t)
	d := startDoor(t, p)
	return &links{Browser: browser.Start(t), door: d, provider: p, url: "http://" + d.Addr + "/"}
}

// token is of a person with this subject and name; more adds claims.
func (l *links) token(sub, name string, more map[string]any) string {
	claims := map[string]any{"sub": sub, "name": name, "rooms": []string{"*"}}
	for claim, value := range more {
		claims[claim] = value
	}
	return l.provider.Token(claims)
}

// opens opens the page in a browser that knows nobody, and signs Ann in with this token.
func (l *links) opens(t *testing.T, token string) person {
	t.Helper()
	ann := person{l.Open(t, l.url, browser.Before(recorder))}
	ann.signIn(t, token)
	ann.isIn(t, "Ann")
	return ann
}

// follow opens a link in the page that is there.
func (p person) follow(t *testing.T, hash string) {
	t.Helper()
	p.Eval(t, fmt.Sprintf(`void (location.hash = %q)`, hash), nil)
}

// load opens a link as if it were on another page.
func (p person) load(t *testing.T, url, hash string) {
	t.Helper()
	p.Eval(t, fmt.Sprintf(`void setTimeout(() => (location.href = %q))`, url+"ping"), nil) // once it is answered
	p.WaitFor(t, `location.pathname === "/ping"`, 10*time.Second)
	p.Eval(t, fmt.Sprintf(`void setTimeout(() => (location.href = %q))`, url+hash), nil)
	p.WaitFor(t, `location.pathname === "/" &&
	  document.querySelector("#welcome").hidden !== document.querySelector("#chat").hidden`, 10*time.Second)
}

// showsNoToken waits until no token is in the address, and checks that none is in the history.
func (p person) showsNoToken(t *testing.T) {
	t.Helper()
	p.WaitFor(t, `!/token=|eyJ|forged/i.test(location.href)`, 5*time.Second)
	for _, address := range p.History(t) {
		if strings.Contains(address, "oken=") || strings.Contains(address, "eyJ") {
			t.Errorf("the history has %s", address)
		}
	}
}

// isNotAsked checks that there is no question, for as long as one might take to come.
func (p person) isNotAsked(t *testing.T) {
	t.Helper()
	time.Sleep(500 * time.Millisecond)
	var question string
	if p.Eval(t, `document.querySelector("dialog")?.textContent ?? ""`, &question); question != "" {
		t.Errorf("the page asks %s", question)
	}
}

// asks waits for a question that has all of these words, and answers it with the button of this number.
func (p person) asks(t *testing.T, answer int, words ...string) {
	t.Helper()
	for _, word := range words {
		p.WaitFor(t, fmt.Sprintf(`document.querySelector("dialog").open &&
		  document.querySelector("dialog").textContent.includes(%q)`, word), 10*time.Second)
	}
	p.Click(t, fmt.Sprintf("dialog button:nth-of-type(%d)", answer))
	p.WaitFor(t, `!document.querySelector("dialog")`, 5*time.Second)
}

const notice = `document.querySelector("#notice").hidden ? "" : document.querySelector("#notice-text").textContent`

// If nobody is signed in, a link signs a person in, and the page names the person.
func TestBrowserALinkSignsIn(t *testing.T) {
	t.Parallel()
	l := startLinks(t)
	token := l.token("ann", "Ann", nil)
	for name, open := range map[string]func() person{
		"opened":              func() person { return person{l.Open(t, l.url+"#token="+token)} },
		"on the first page":   func() person { p := person{l.Open(t, l.url)}; p.follow(t, "token="+token); return p },
		"with a query before": func() person { return person{l.Open(t, l.url+"?from=app#token="+token)} },
	} {
		ann := open()
		ann.isIn(t, "Ann")
		ann.showsNoToken(t)
		ann.isNotAsked(t)
		const says = "A link has signed you in as Ann. If that is not you, sign out."
		ann.WaitFor(t, fmt.Sprintf(`(%s) === %q`, notice, says), 5*time.Second)
		if violations := ann.Axe(t); len(violations) > 0 {
			t.Errorf("%s: axe finds %q", name, violations)
		}
		ann.Click(t, "#notice-close")
		ann.WaitFor(t, `document.querySelector("#notice").hidden && document.activeElement.id === "draft"`,
			5*time.Second)
		ann.Reload(t)
		ann.isIn(t, "Ann")
	}
}

// A link never replaces a person who is signed in without being asked, whatever way it comes; the question names both.
func TestBrowserALinkForAnotherPersonAsks(t *testing.T) {
	t.Parallel()
	l := startLinks(t)
	follow := func(p person, hash string) { p.follow(t, hash) }
	load := func(p person, hash string) { p.load(t, l.url, hash) }
	for name, row := range map[string]struct {
		open func(p person, hash string)
		name string   // of the other person
		says []string // the question
	}{
		"in the address":           {follow, "Bob", []string{"You are signed in as Ann.", "Bob"}},
		"loaded":                   {load, "Bob", []string{"You are signed in as Ann.", "Bob"}},
		"of another person's name": {follow, "Ann", []string{"Ann (ann)", "Ann (other)"}},
	} {
		t.Run(name, func(t *testing.T) {
			token := l.token("ann", "Ann", nil)
			ann := l.opens(t, token)
			ann.Type(t, "#draft", "half a sent")
			hash := "#token=" + l.token("other", row.name, nil)
			row.open(ann, hash)
			ann.showsNoToken(t)
			ann.asks(t, 1, row.says...)
			ann.isIn(t, "Ann")
			ann.drafts(t, "half a sent")
			var held string
			if ann.Eval(t, `sessionStorage.getItem('chat ["token"]')`, &held); held != `"`+token+`"` {
				t.Errorf("the token is another one")
			}
			row.open(ann, hash)
			ann.asks(t, 2, row.says...)
			ann.isIn(t, row.name)
			ann.showsNoToken(t)
			ann.drafts(t, "")
			ann.WaitFor(t, `(async () => !/half a sent|"ann|,\\\\"ann/.test(`+storedHere+`))()`, 5*time.Second)
			ann.Close()
		})
	}
}

// A person who is signed out by a link loses what is not sent, and is asked about that; in the other tabs, too.
func TestBrowserALinkAndUnsentMessages(t *testing.T) {
	t.Parallel()
	l := startLinks(t)
	ann := l.opens(t, l.token("ann", "Ann", nil))
	second := person{ann.OpenTab(t, l.url)}
	second.signIn(t, l.token("ann", "Ann", nil))
	second.isIn(t, "Ann")
	second.Offline(t, true)
	second.WaitFor(t, `document.querySelector("#state").dataset.state !== "online"`, 30*time.Second)
	second.say(t, "later")
	second.waits(t, "later")
	for answer := 1; answer <= 2; answer++ {
		ann.follow(t, "#token="+l.token("bob", "Bob", nil))
		ann.asks(t, answer, "You are signed in as Ann.", "Bob", "1 message is not sent yet.")
		ann.isIn(t, []string{"Ann", "Bob"}[answer-1])
	}
	second.isTold(t, "You signed out in another tab.")
	second.WaitFor(t, `(async () => !/later|Ann|ann/.test(`+storedHere+`))()`, 5*time.Second)
	ann.isIn(t, "Bob")
	l.door.stores(t, "lobby")
}

// What an earlier page kept of a person, by name, is the person's once more, and is gone after the sign-out.
func TestBrowserKnowsWhatAnEarlierPageKeptByName(t *testing.T) {
	t.Parallel()
	l := startLinks(t)
	ann := person{l.Open(t, l.url, browser.Before(`localStorage.getItem("was here") ?? Object.entries({
	  "was here": "yes", 'chat ["name"]': '"Ann"',
	  'chat ["room","Ann","attic"]': '{"joined":1}', 'chat ["active","Ann"]': '"attic"',
	  'chat ["draft","Ann","attic","closed"]': '{"text":"half a sent","at":1}',
	  'chat ["unsent","Ann","attic","m1"]': '{"content":"later","at":1,"tab":"closed","error":null,"after":0}',
	}).forEach(([key, value]) => localStorage.setItem(key, value))`))}
	ann.signIn(t, l.token("ann", "Ann", nil))
	ann.isIn(t, "Ann")
	ann.WaitFor(t, `document.querySelector("[data-room=attic]")`, 5*time.Second)
	ann.Click(t, "[data-room=attic] button")
	ann.drafts(t, "half a sent")
	ann.WaitFor(t, `document.querySelector("#messages").textContent.includes("later")`, 10*time.Second)
	l.door.stores(t, "attic", "later")
	ann.Click(t, "#rename")
	ann.WaitFor(t, `(async () => `+storedHere+` === "was here,yes")()`, 5*time.Second)
}

// In another tab of a browser in which a person is signed in, a link asks too. There, both can be.
func TestBrowserALinkBesideAnotherPersonAsks(t *testing.T) {
	t.Parallel()
	l := startLinks(t)
	token := l.token("bob", "Bob", nil)
	ann := l.opens(t, l.token("ann", "Ann", nil))
	for name, open := range map[string]func() person{
		"opened": func() person { return person{ann.OpenTab(t, l.url+"#token="+token)} },
		"on the first page": func() person {
			p := person{ann.OpenTab(t, l.url)}
			p.follow(t,
				"#token="+token)
			return p
		},
	} {
		second := open()
		second.showsNoToken(t)
		second.asks(t, 1, "Ann is signed in in this browser.", "Bob")
		second.WaitFor(t, `!document.querySelector("#welcome").hidden && sessionStorage.length === 0`, 5*time.Second)
		second.follow(t, "#token="+token)
		second.asks(t, 2, "Ann is signed in in this browser.", "Bob")
		second.isIn(t, "Bob")
		second.showsNoToken(t)
		ann.isIn(t, "Ann")
		ann.isNotAsked(t)
		if name == "opened" {
			again := person{ann.OpenTab(t, l.url+"#token="+token)} // this browser knows both
			again.isIn(t, "Bob")
			again.isNotAsked(t)
			third := person{ann.OpenTab(t, l.url+"#token="+l.token("eve", "Eve", nil))}
			third.asks(t, 1, "Ann", "Bob", "are signed in in this browser.", "Eve")
			again.Close()
			third.Close()
		}
		second.Click(t, "#rename")
		second.WaitFor(t, `!document.querySelector("#welcome").hidden`, 5*time.Second)
		ann.isIn(t, "Ann")
		second.Close()
	}
	// A person whose tab is closed has not signed out.
	last := person{ann.OpenTab(t, l.url)}
	ann.Close()
	last.follow(t, "#token="+token)
	last.asks(t, 1, "Ann is signed in in this browser.", "Bob")
}

// A newer token of the same person is taken without a question, and an older one is not taken.
func TestBrowserALinkForTheSamePerson(t *testing.T) {
	t.Parallel()
	l := startLinks(t)
	at := func(seconds int64) map[string]any { return map[string]any{"iat": time.Now().Unix() + seconds} }
	ann := l.opens(t, l.token("ann", "Ann", at(-60)))
	ann.joins(t, "attic")
	ann.Type(t, "#draft", "half a sent")
	holds := func(token string) {
		t.Helper()
		ann.WaitFor(t, fmt.Sprintf(`sessionStorage.getItem('chat ["token"]') === %q`, `"`+token+`"`), 10*time.Second)
		ann.isIn(t, "Ann")
		ann.isNotAsked(t)
		ann.drafts(t, "half a sent")
		ann.WaitFor(t, `document.querySelector("#room-name").textContent === "attic" &&
		  document.querySelector("#notice").hidden`, 5*time.Second)
		ann.showsNoToken(t)
	}
	newer, newest, older := l.token("ann", "Ann", at(-30)), l.token("ann", "Ann", at(-10)), l.token("ann", "Ann",
		at(-50))
	ann.follow(t, "#token="+newer)
	holds(newer)
	ann.load(t, l.url, "#token="+newest)
	holds(newest)
	ann.follow(t, "#token="+older)
	ann.showsNoToken(t)
	ann.isNotAsked(t) // nor is anything done, in the time that it would take
	holds(newest)
}

// What is no good leaves the address, and changes nothing.
func TestBrowserALinkThatIsNoGood(t *testing.T) {
	t.Parallel()
	l := startLinks(t)
	token, other := l.token("ann", "Ann", map[string]any{"iat": time.Now().Unix() - 60}), l.token("bob", "Bob", nil)
	stranger := issuer.NewKey(t, "rsa", false)
	forged := func(sub string) string {
		return stranger.Sign(stranger.Header(nil),
			l.provider.Claims(map[string]any{"sub": sub, "name": "forged", "rooms": []string{"*"}}))
	}
	const unreadable, refused = "has no token that can be read", "did not accept its token"
	rows := map[string]string{
		"#token=": unreadable, "#token=hello": unreadable, "#token=forged.forged.forged": unreadable,
		"#token=%":                        unreadable,
		"#token=" + other + "&room=attic": unreadable, "#token=" + other + "%20": unreadable, "#Token=" +
			other: unreadable,
		"#id_token=" + other: unreadable, "#state=x&access_token=" + other: unreadable, "#lobby&token=" +
			other: unreadable,
		"#token%3D" + other: unreadable, "#" + other: unreadable, "#/token=" + other: unreadable,
		"#lobby," + strings.ReplaceAll(other, ".", "%2E"): unreadable,
		"#token=" + forged("ann"):                         refused, "#token=" + forged("bob"): refused,
		"#token=" + l.token("ann", "Ann", map[string]any{"exp": issuer.After(-time.Minute)}): refused,
		"#token=" + l.token("bob", "Bob", map[string]any{"aud": "another", "name": "Bob"}):   refused,
	}
	ann := l.opens(t, token)
	first := person{l.Open(t, l.url)}
	for hash, says := range rows {
		ann.follow(t, hash)
		ann.WaitFor(t, fmt.Sprintf(`(%s).includes(%q)`, notice, says), 10*time.Second)
		ann.showsNoToken(t)
		ann.Click(t, "#notice-close")
		if says == unreadable {
			first.follow(t, hash)
			first.isTold(t, says)
			first.showsNoToken(t)
			first.Eval(t, `document.querySelector("#enter-problem").textContent = ""`, nil)
			first.leftNothing(t)
		}
	}
	ann.isNotAsked(t)
	ann.isIn(t, "Ann")
	var held string
	if ann.Eval(t, `sessionStorage.getItem('chat ["token"]')`, &held); held != `"`+token+`"` {
		t.Errorf("the token is another one")
	}
	for _, hash := range []string{"#token=hello", "?token=" + other, "?a=b&id_token=" + other + "#attic"} {
		ann.load(t, l.url, hash)
		ann.isIn(t, "Ann")
		ann.WaitFor(t, fmt.Sprintf(`(%s).includes(%q)`, notice, unreadable), 10*time.Second)
		ann.WaitFor(t, `location.search === "" && location.hash !== ""`, 5*time.Second)
	}
	first.load(t, l.url, "#token="+forged("ann"))
	first.isTold(t, "The chat did not accept your token, or cannot check it now.")
	first.leftNothing(t)

	// These are rooms.
	for hash, room := range map[string]string{
		"#attic": "attic", "#token%3Dforty": "token=forty", "#tokens": "tokens", "#a%20token": "a token",
	} {
		ann.follow(t, hash)
		ann.WaitFor(t, fmt.Sprintf(`document.querySelector("#room-name").textContent === %q`, room), 5*time.Second)
	}
}

// An open chat has no use for a token, and does not keep it.
func TestBrowserAnOpenChatKeepsNoToken(t *testing.T) {
	t.Parallel()
	b := startBrowsers(t, nil)
	ann := person{b.Open(t, "http://"+b.server.Addr+"/")}
	ann.join(t, "ann", "lobby")
	ann.follow(t, "#token=forged.forged.forged")
	ann.showsNoToken(t)
	ann.WaitFor(t, `location.hash === "#lobby" &&
	  document.querySelector("#room-name").textContent === "lobby"`, 5*time.Second)
	ann.load(t, "http://"+b.server.Addr+"/", "#token=forged.forged.forged")
	ann.WaitFor(t, online+` && document.querySelector("#my-name").textContent === "ann"`, 10*time.Second)
	ann.showsNoToken(t)
	ann.WaitFor(t, `(async () => !(`+storedHere+`).includes("forged"))()`, 5*time.Second)
}
