package auth_test

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// attack is a change of a good token, and the beginning of what the log says of it; "" where it is still good.
type attack struct {
	name   string
	want   string
	change func(f *forgery)
}

// change makes an attack of one of the functions below.
func change(name, want string, change func(f *forgery)) []attack {
	return []attack{{name, want, change}}
}

// claim gives a claim each of these values, one after the other.
func claim(name, want string, values ...string) (attacks []attack) {
	for _, value := range values {
		attacks = append(attacks, change("claim "+name+" is "+value, want,
			func(f *forgery) { f.claims[name] = value })...)
	}
	return attacks
}

// header gives a name in the header each of these values, one after the other.
func header(name, want string, values ...string) (attacks []attack) {
	for _, value := range values {
		attacks = append(attacks, change("header "+name+" is "+value, want,
			func(f *forgery) { f.header[name] = value })...)
	}
	return attacks
}

// claims replaces several claims at once, which are a JSON object.
func claims(name, want, values string) []attack {
	return change(name, want, func(f *forgery) {
		var more map[string]json.RawMessage
		if err := json.Unmarshal([]byte(values), &more); err != nil {
			panic(err)
		}
		for name, value := range more {
			f.claims[name] = string(value)
		}
	})
}

// tryAll makes each attack on a token of its own.
func tryAll(t *testing.T, groups ...[]attack) {
	t.Helper()
	key := newKey(t, "P-256")
	for _, a := range slices.Concat(groups...) {
		f := newForgery("ES256", key)
		a.change(f)
		if got := f.try(t); (got == "") != (a.want == "") || !strings.HasPrefix(got, a.want) {
			t.Errorf("%s: %q, want %q", a.name, got, a.want)
		}
	}
}

func TestAttacksWithTimes(t *testing.T) {
	const soon = "9999999999"
	tryAll(t,
		claim("exp", "", soon, soon+".5", "9.999999999e9", "253402300799", "253402300799.5"),
		claim("exp", "expired: ", "", "0", "1e-400"),
		claim("iat", "", "", "0", "0.5", "1E9"),
		claim("nbf", "", "", "0", "0.0", "1e-400", after(-time.Hour)+".75"),
		claim("nbf", "not_yet: ", "253402300799"),
		claim("updated_at", "", `"2020-01-01"`), // no claim of those that say when a token is good
		claim("auth_time", "", "-1"),
	)
	for _, name := range []string{"exp", "iat", "nbf"} {
		tryAll(t,
			claim(name, "malformed: its "+name+" is not a number",
				`"`+soon+`"`, `"0"`, `""`, `"NaN"`, `"Infinity"`, `"-Infinity"`, `"1e400"`, "true", "null", "[0]",
				"{}"),
			claim(name, "malformed: its "+name+" is not within the years",
				"-1", "-0", "-0.0", "-0.5", "-1e400", "-9223372036854775808", "1e400", "1e30", "1e19",
				"9223372036854775807",
				"9223372036854775808", "18446744073709551616", "253402300800", "253402300799.99999999",
				"1"+strings.Repeat("0", 400), after(time.Hour)+"000"),
			claim(name, "malformed: its claims: no JSON object", // as which JSON has no number
				"NaN", "Infinity", "01", "+1", "1.", ".5", "0x1"),
		)
	}
}

func TestAttacksWithAClaimTwice(t *testing.T) {
	const twice, otherLetters = "malformed: its claims: a name is there twice", "malformed: it has a claim that is "
	for more, want := range map[string]string{
		`,"exp":9999999999`:               twice,
		`,"\u0065xp":9999999999`:          twice,
		`,"sub":"u1"`:                     twice,
		`,"aud":["chat"]`:                 twice,
		`,"azp":"chat","azp":"other"`:     twice,
		`,"typ":"ID","typ":"Refresh"`:     twice,
		`,"Exp":9999999999`:               otherLetters + "exp",
		`,"i\u017fs":"https://a.example"`: otherLetters + "iss",
		`,"AZP":"other"`:                  "", // which nobody reads
		`,"x":{"a":1},"y":{"a":2}`:        "",
	} {
		tryAll(t, change(more, want, func(f *forgery) { f.moreClaims = more }))
	}
}

// The first rows are what the providers that the README names send.
func TestAttacksWithAnotherKindOfToken(t *testing.T) {
	const party = "audience: its azp is another party"
	tryAll(t,
		claims("Cognito's ID token", "", `{"token_use":"id","cognito:username":"ann","event_id":"e","auth_time":1}`),
		claims("Keycloak's access token", "",
			`{"typ":"Bearer","azp":"page","aud":["chat","account"],"scope":"a"}`),
		claims("Keycloak's ID token", "", `{"typ":"ID","azp":"chat"}`),
		claims("Auth0's access token", "", `{"azp":"page","aud":["chat","https://a.example/userinfo"],"scope":"a"}`),
		claims("Auth0's ID token", "", `{"nonce":"n","sid":"s"}`),

		claim("aud", "", `"chat"`, `["chat"]`, `["other","chat"]`),
		claim("aud", "audience: ", `["other"]`, `[]`, `"chat other"`, `"Chat"`),
		claim("azp", "", "", `"chat"`),
		claim("azp", party, `"other"`, `"Chat"`, `"chat "`, `""`, "null", "7", `["chat"]`, `{"chat":true}`),
		claims("several audiences, of which ours is the party", "", `{"aud":["other","chat"],"azp":"chat"}`),
		claims("several audiences, of which another is the party", party, `{"aud":["other","chat"],"azp":"other"}`),
		claims("an access token by its scp", "", `{"azp":"page","scp":["chat"]}`),
		change("an access token by its header", "", func(f *forgery) {
			f.header["typ"], f.claims["azp"] = `"AT+JWT"`, `"page"`
		}),
		claims("an access token whose azp is a list", party, `{"typ":"Bearer","azp":["page"]}`),
		claims("an ID token with a scope", party, `{"typ":"ID","azp":"other","scope":"a"}`),
		claims("an ID token of Cognito with a scope", party, `{"token_use":"id","azp":"other","scope":"a"}`),
		claims("both an access and an ID token", party, `{"typ":"Bearer","token_use":"id","azp":"other"}`),

		claim("event", "", "{}"),
		claim("events", "malformed: it is a logout token or another security event",
			`{"http://schemas.openid.net/event/backchannel-logout":{}}`, "{}", "null", `""`),
		claims("an ID token with events", "malformed: it is a logout token", `{"typ":"ID","events":{}}`),
		claim("token_introspection", "malformed: it is an answer about another token", `{"active":true}`),

		header("typ", "", "", `"jwt"`, `"at+jwt"`, `"Application/AT+JWT"`),
		header("typ", "malformed: its type is not one of", `"logout+jwt"`, `"secevent+jwt"`, `"dpop+jwt"`,
			`"refresh+jwt"`,
			`"token-introspection+jwt"`, `"JWS"`, `""`, `" JWT"`, "null", "7", `["JWT"]`),
	)
	for _, name := range []string{"typ", "token_use", "token_type"} {
		neither := "malformed: its claim " + name + " says that it is neither an ID token nor an access token"
		tryAll(t,
			claim(name, "", `"ID"`, `"Bearer"`, `"DPoP"`, `"access"`, `"JWT"`),
			claim(name, neither, `"Refresh"`, `"Offline"`, `"Logout"`, `"refresh_token"`, `"REFRESH"`, `" ID"`,
				`"Serialized-ID"`, `""`, "null", "7", `["ID"]`),
			claims("a refresh token with a scope", neither, `{"`+name+`":"Refresh","scope":"a"}`),
		)
	}
}

// What the decoder of JSON would take for one and the same letter is refused: two people would become one.
func TestAttacksWithLettersThatAreNone(t *testing.T) {
	tryAll(t,
		claim("sub", "", `"\ud83d\ude00"`, `"\ud83d\ude00\ud83d\ude00"`, `"\\ud800"`, `"\\\\udc00"`,
			"\"\U0001f600\""),
		claim("sub", "malformed: its claims: not UTF-8, or half a pair", `"\ud800"`, `"\udc00"`, `"\udc00\ud800"`,
			`"\ud83d\ud83d\ude00"`, `"\ud83dx\ude00"`, `"\\\ud83d"`, `"\n\ud83d"`,
			"\"\xff\"", "\"\xed\xa0\x80\"", "\"\xc0\xaf\""),
	)
}

func TestAttacksWithTheHeader(t *testing.T) {
	tryAll(t,
		header("b64", "", "true"),
		header("b64", "malformed: its header has a b64 that is not true",
			"false", `"true"`, `"false"`, "null", "0", "1", "[]"),
		header("crit", "malformed: its header has crit", `["exp"]`, `["b64"]`, "[]", "null", `"exp"`),
		change("b64 that is critical", "malformed: its header has crit", func(f *forgery) {
			f.header["b64"], f.header["crit"] = "true", `["b64"]`
		}),
		change("claims that are signed as they are", "malformed: its header has crit", func(f *forgery) {
			f.header["b64"], f.header["crit"] = "false", `["b64"]`
		}),
		header("Crit", "", `["exp"]`), // which nobody reads
		header("cty", "", `"JWT"`),
	)
}

// A token has one spelling. HTTP allows blanks and tabs around each subprotocol, and nothing else.
func TestAttacksWithBlanks(t *testing.T) {
	const character = "malformed: it has a line break, a blank or another character that no token has"
	for _, blank := range []string{"\n", "\r", "\r\n", " ", "\t", "\v", "\f", "\x00", "\x7f", "\u0085", "\u00a0",
		"\u2028",
		"\u200b", "\ufeff", "=", "+", "/"} {
		places := map[string]func(string) int{
			"in the header":    func(string) int { return 5 },
			"in the claims":    func(token string) int { return strings.Index(token, ".") + 7 },
			"in the signature": func(token string) int { return len(token) - 3 },
			"before a dot":     func(token string) int { return strings.Index(token, ".") },
			"after a dot":      func(token string) int { return strings.LastIndex(token, ".") + 1 },
		}
		if blank != " " && blank != "\t" {
			places["at the beginning"] = func(string) int { return 0 }
			places["at the end"] = func(token string) int { return len(token) }
		}
		for name, at := range places {
			tryAll(t, change(strconv.QuoteToASCII(blank)+" "+name, character, func(f *forgery) {
				f.respell = func(token string) string { return token[:at(token)] + blank + token[at(token):] }
			}))
		}
	}
	for _, blank := range []string{"", " ", "\t", "  \t "} {
		tryAll(t, change("around the token "+strconv.Quote(blank), "", func(f *forgery) {
			f.offer = func(token string) string { return blank + "chat" + blank + "," + blank + token + blank }
		}))
	}
	tryAll(t, change("four parts", "malformed: it has 4 parts", func(f *forgery) {
		f.respell = func(token string) string { return token + "." }
	}))
}
