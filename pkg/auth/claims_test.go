package auth_test

import (
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

func claim(name, value, want string) attack {
	return attack{"claim " + name + " is " + value, want, func(f *forgery) { f.claims[name] = value }}
}

func header(name, value, want string) attack {
	return attack{"header " + name + " is " + value, want, func(f *forgery) { f.header[name] = value }}
}

func claims(name, want string, values map[string]string) attack {
	return attack{name, want, func(f *forgery) {
		for name, value := range values {
			f.claims[name] = value
		}
	}}
}

func respelled(name, want string, respell func(string) string) attack {
	return attack{name, want, func(f *forgery) { f.respell = respell }}
}

// tryAll makes each attack on a token of its own.
func tryAll(t *testing.T, attacks []attack) {
	key := keys(t)["P-256"]
	for _, a := range attacks {
		f := newForgery("ES256", key)
		a.change(f)
		if got := f.try(t); (got == "") != (a.want == "") || !strings.HasPrefix(got, a.want) {
			t.Errorf("%s: %q, want %q", a.name, got, a.want)
		}
	}
}

func TestAttacksWithTimes(t *testing.T) {
	const outside, years, soon = "malformed: its ", "is not within the years", "9999999999"
	attacks := []attack{
		claim("exp", soon, ""), claim("exp", soon+".5", ""), claim("exp", "9.999999999e9", ""), claim("exp",
			"253402300799", ""),
		claim("exp", "253402300799.5", ""), claim("iat", "0", ""), claim("iat", "0.5", ""), claim("iat", "1E9", ""),
		claim("iat", "", ""),
		claim("nbf", "0", ""), claim("nbf", "0.0", ""), claim("nbf", "1e-400", ""), claim("nbf", after(-time.Hour)+".75", ""),
		claim("nbf", "", ""), claim("updated_at", `"2020-01-01"`, ""), claim("auth_time", "-1", ""),
		claim("exp", "", "expired: "), claim("exp", "0", "expired: "), claim("exp", "1e-400", "expired: "),
		claim("nbf", "253402300799", "not_yet: "),
		{"exp twice", "malformed: its claims: a name is there twice", func(f *forgery) { f.moreClaims = `,"exp":` + soon }},
		{"exp twice, once escaped", "malformed: its claims: a name is there twice",
			func(f *forgery) { f.moreClaims = `,"\u0065xp":` + soon }},
		{"exp in other letters", "malformed: it has a claim that is exp",
			func(f *forgery) { f.moreClaims = `,"eXp":` + soon }},
		{"sub twice", "malformed: its claims: a name is there twice", func(f *forgery) { f.moreClaims = `,"sub":"u2"` }},
		{"azp twice", "malformed: its claims: a name is there twice",
			func(f *forgery) { f.moreClaims = `,"azp":"chat","azp":"other"` }},
	}
	for _, name := range []string{"exp", "iat", "nbf"} {
		for _, value := range []string{`"` + soon + `"`, `"0"`, `""`, `"NaN"`, `"Infinity"`, `"-Infinity"`, `"1e400"`,
			"true", "null", "[0]", "{}"} {
			attacks = append(attacks, claim(name, value, outside+name+" is not a number"))
		}
		for _, value := range []string{"-1", "-0", "-0.0", "-0.5", "-1e400", "-9223372036854775808", "1e400", "1e30",
			"1e19", "9223372036854775807",
			"9223372036854775808", "18446744073709551616", "253402300800", "253402300799.99999999", "1" + strings.Repeat("0",
				400),
			after(time.Hour) + "000"} {
			attacks = append(attacks, claim(name, value, outside+name+" "+years))
		}
		for _, value := range []string{"NaN", "Infinity", "01", "+1", "1.", ".5", "0x1"} { // which are no JSON
			attacks = append(attacks, claim(name, value, "malformed: its claims: no JSON object"))
		}
	}
	tryAll(t, attacks)
}

func TestAttacksWithAnotherKindOfToken(t *testing.T) {
	const event, neither, party = "malformed: it is a logout token", "malformed: its claim ",
		"audience: its azp is another party"
	attacks := []attack{
		// What the providers of the README send.
		claims("Cognito's ID token", "", map[string]string{"token_use": `"id"`, "cognito:username": `"ann"`,
			"event_id": `"e"`, "auth_time": "1"}),
		claims("Keycloak's access token", "", map[string]string{"typ": `"Bearer"`, "azp": `"page"`,
			"aud": `["chat","account"]`, "scope": `"openid"`}),
		claims("Keycloak's ID token", "", map[string]string{"typ": `"ID"`, "azp": `"chat"`}),
		claims("Auth0's access token", "", map[string]string{"azp": `"page"`,
			"aud": `["chat","https://example.auth0.com/userinfo"]`, "scope": `"openid"`}),
		claims("an access token with scp", "", map[string]string{"azp": `"page"`, "scp": `"chat"`}),
		{"an access token by its header", "", func(f *forgery) { f.header["typ"], f.claims["azp"] = `"AT+JWT"`, `"page"` }},
		claim("aud", `["other","chat"]`, ""), claim("azp", `"chat"`, ""), claim("token_type", `"access"`, ""),
		claim("event", "{}", ""),
		claims("several audiences, and ours is the party", "", map[string]string{"aud": `["other","chat"]`, "azp": `"chat"`}),
		claim("typ", `"JWT"`, ""), header("typ", "", ""), header("typ", `"at+jwt"`, ""), header("typ",
			`"Application/AT+JWT"`, ""),

		claim("events", `{"http://schemas.openid.net/event/backchannel-logout":{}}`, event), claim("events", "{}", event),
		claim("events", "null", event),
		claims("a logout token that has an id's typ", event, map[string]string{"typ": `"ID"`, "events": "{}"}),
		claim("token_introspection", `{"active":true}`, "malformed: it is an answer about another token"),
		claims("an ID token of another party", party, map[string]string{"typ": `"ID"`, "azp": `"other"`,
			"scope": `"openid"`}),
		claims("Cognito's ID token of another party", party, map[string]string{"token_use": `"id"`, "azp": `"other"`,
			"scope": `"openid"`}),
		claims("an ID and access token of another party", party, map[string]string{"typ": `"Bearer"`, "token_use": `"id"`,
			"azp": `"other"`}),
		claims("several audiences, and the party is another", party, map[string]string{"aud": `["other","chat"]`,
			"azp": `"other"`}),
		claims("an access token whose party is a list", party, map[string]string{"typ": `"Bearer"`, "azp": `["chat"]`}),
		claim("azp", `"other"`, party), claim("azp", `"Chat"`, party), claim("azp", `"chat "`, party), claim("azp", `""`,
			party),
		claim("azp", "null", party), claim("azp", "7", party), claim("azp", `["chat"]`, party),
		claim("aud", `["other"]`, "audience: "), claim("aud", `"chat other"`, "audience: "),
		claim("sub", `"\ud800"`, "malformed: its claims: not UTF-8"), claim("sub", `"\udc00\ud800"`,
			"malformed: its claims: not UTF-8"),
		claim("sub", `"\\\ud83d"`, "malformed: its claims: not UTF-8"), claim("sub", "\"\xff\"",
			"malformed: its claims: not UTF-8"),
		claim("sub", `"\ud83d\ude00"`, ""), claim("sub", `"\\ud800"`, ""), claim("sub", "\"\U0001f600\"", ""),
	}
	for _, name := range []string{"typ", "token_use", "token_type"} {
		for _, value := range []string{"Refresh", "Offline", "Logout", "refresh_token", "refresh", " ID", "Serialized-ID",
			""} {
			attacks = append(attacks, claim(name, `"`+value+`"`, neither+name))
		}
		attacks = append(attacks, claim(name, "null", neither+name), claim(name, `["ID"]`, neither+name))
		attacks = append(attacks, claims("a refresh token among the scopes", neither+name,
			map[string]string{name: `"Refresh"`, "scope": `"openid"`}))
	}
	for _, value := range []string{`"logout+jwt"`, `"secevent+jwt"`, `"dpop+jwt"`, `"refresh+jwt"`,
		`"token-introspection+jwt"`, `"JWS"`, `""`, `" JWT"`,
		"null", "7", `["JWT"]`} {
		attacks = append(attacks, header("typ", value, "malformed: its type is not one of"))
	}
	tryAll(t, attacks)
}

func TestAttacksWithTheFormOfAToken(t *testing.T) {
	const character, extension, b64 = "malformed: it has a line break", "malformed: its header has crit",
		"malformed: its header has a b64"
	attacks := []attack{
		header("b64", "true", ""), header("cty", `"JWT"`, ""), header("Crit", `["exp"]`, ""),
		header("crit", `["exp"]`, extension), header("crit", `["b64"]`, extension), header("crit", "[]", extension),
		header("crit", "null", extension),
		header("crit", `"exp"`, extension),
		{"b64 that is critical", extension, func(f *forgery) { f.header["b64"], f.header["crit"] = "true", `["b64"]` }},
		{"claims that are not base64url", extension, func(f *forgery) {
			f.header["b64"], f.header["crit"] = "false",
				`["b64"]`
		}},
		header("b64", "false", b64), header("b64", `"true"`, b64), header("b64", "null", b64), header("b64", "0", b64),
	}
	blanks := []string{"\n", "\r", "\r\n", " ", "\t", "\v", "\f", "\u0085", "\u00a0", "\u2028", "\u200b", "\ufeff",
		"=", "+", "/", "\x00", "\x7f"}
	for _, blank := range blanks {
		for name, at := range map[string]func(string) int{
			"in the header":    func(string) int { return 5 },
			"in the claims":    func(token string) int { return strings.Index(token, ".") + 7 },
			"in the signature": func(token string) int { return len(token) - 3 },
			"before a dot":     func(token string) int { return strings.Index(token, ".") },
			"after a dot":      func(token string) int { return strings.LastIndex(token, ".") + 1 },
		} {
			attacks = append(attacks, respelled(quoted(blank)+" "+name, character, func(token string) string {
				return token[:at(token)] + blank + token[at(token):]
			}))
		}
		if blank == " " || blank == "\t" {
			continue // HTTP allows them around an element of a list
		}
		attacks = append(attacks, respelled(quoted(blank)+" at the beginning", character,
			func(token string) string { return blank + token }),
			respelled(quoted(blank)+" at the end", character, func(token string) string { return token + blank }))
	}
	for _, blank := range []string{"", " ", "\t", "  \t "} {
		attacks = append(attacks, attack{"blanks around the token " + quoted(blank), "", func(f *forgery) {
			f.offer = func(token string) string { return blank + "chat" + blank + "," + blank + token + blank }
		}})
	}
	attacks = append(attacks, respelled("four parts", "malformed: it has 4 parts",
		func(token string) string { return token + "." }))
	tryAll(t, attacks)
}

// A signature counts only if the key is of the kind that its algorithm needs, and is there to verify signatures.
func TestAttacksWithKeys(t *testing.T) {
	made := keys(t)
	fitting := map[string]string{"RS256": "RSA", "RS384": "RSA", "RS512": "RSA", "PS256": "RSA", "PS384": "RSA",
		"PS512": "RSA",
		"ES256": "P-256", "ES384": "P-384", "ES512": "P-521", "EdDSA": "Ed25519"}
	try := func(name, alg, key, want string, change func(jwk map[string]string)) {
		t.Helper()
		f := newForgery(alg, made[key])
		change(f.jwk)
		if got := f.try(t); (got == "") != (want == "") || !strings.HasPrefix(got, want) {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	for alg, fits := range fitting {
		for kind := range made {
			want := "signature: the provider's key is "
			switch {
			case strings.HasPrefix(alg, "ES") != strings.HasPrefix(kind, "P-"), alg == "PS512" && kind == "short RSA":
				continue // no signature can be made
			case kind == fits:
				want = ""
			case kind == "short RSA" && fits == "RSA":
				want = "signature: the provider's key has 1024 bits"
			}
			try(alg+" with "+kind, alg, kind, want, func(map[string]string) {})
			if kind == fits {
				own := "signature: the provider's key is for "
				try(alg+" with a key for it", alg, kind, "", func(jwk map[string]string) { jwk["alg"] = text(alg) })
				for other := range fitting {
					if other != alg {
						try(alg+" with a key for "+other, alg, kind, own, func(jwk map[string]string) { jwk["alg"] = text(other) })
					}
				}
				try(alg+" with a key for encryption", alg, kind, own, func(jwk map[string]string) { jwk["alg"] = `"ECDH-ES"` })
			}
		}
	}
	const use, operations, unknown = "signature: the provider's key has the use",
		"signature: the provider's key has the key_ops", "signature: none"
	for _, tc := range []struct{ name, value, want string }{
		{"use", `"sig"`, ""}, {"use", "null", ""}, {"use", `"enc"`, use}, {"use", `"Sig"`, use}, {"use", `""`, use},
		{"use", `"sig "`, use},
		{"key_ops", `["verify"]`, ""}, {"key_ops", `["sign","verify"]`, ""}, {"key_ops", "null", ""},
		{"key_ops", `["sign"]`, operations}, {"key_ops", `["encrypt","wrapKey"]`, operations}, {"key_ops", "[]", operations},
		{"key_ops", `["Verify"]`, operations}, {"key_ops", `[""]`, operations},
	} {
		try(tc.name+" "+tc.value, "ES256", "P-256", tc.want, func(jwk map[string]string) { jwk[tc.name] = tc.value })
	}
	try("a use and other key_ops", "ES256", "P-256", operations, func(jwk map[string]string) {
		jwk["use"],
			jwk["key_ops"] = `"sig"`, `["encrypt"]`
	})
	try("key_ops and another use", "ES256", "P-256", use, func(jwk map[string]string) {
		jwk["use"],
			jwk["key_ops"] = `"enc"`, `["verify"]`
	})
	// A key that cannot be read is left out; with another one beside it, that is no failure of the provider.
	for _, tc := range []struct{ name, value string }{{"use", "7"}, {"use", `["sig"]`}, {"key_ops", `"verify"`},
		{"key_ops", "[7]"}, {"use", `"enc","use":"sig"`}} {
		f := newForgery("ES256", made["P-256"])
		f.jwk[tc.name] = tc.value
		other := newForgery("ES384", made["P-384"])
		other.jwk["kid"] = `"other"`
		f.documents[remoteIssuer+"/keys"] = serving(`{"keys":[` + object(f.jwk, "") + "," + object(other.jwk, "") + `]}`)
		if got := f.try(t); !strings.HasPrefix(got, unknown) {
			t.Errorf("%s %s: %q, want %q", tc.name, tc.value, got, unknown)
		}
	}
}
