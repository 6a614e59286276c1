package auth

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"
)

// checkCharacters refuses what no compact JWS has (https://www.rfc-editor.org/rfc/rfc7515#section-3.1). Base64 decoders
// skip line breaks, and a token is to have one spelling only.
func checkCharacters(token string) error {
	const inTokens = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."
	if strings.ContainsFunc(token, func(r rune) bool { return !strings.ContainsRune(inTokens, r) }) {
		return refuse(ReasonMalformed, "it has a line break, a blank or another character that no token has")
	}
	return nil
}

// checkExtensions refuses a header that changes how the token is to be read. No extension is understood here, so none
// may be critical (https://www.rfc-editor.org/rfc/rfc7515#section-4.1.11), and the payload of a JWT is always
// base64url (https://www.rfc-editor.org/rfc/rfc7797#section-7).
func checkExtensions(header map[string]json.RawMessage) error {
	if _, ok := header["crit"]; ok {
		return refuse(ReasonMalformed, "its header has crit, and no extension is understood")
	}
	if b64, ok := header["b64"]; ok && string(b64) != "true" {
		return refuse(ReasonMalformed, "its header has a b64 that is not true")
	}
	return nil
}

// checkTimes refuses times that are not NumericDates (https://www.rfc-editor.org/rfc/rfc7519#section-2), and times
// that nobody can mean: readers interpret them differently.
func checkTimes(all map[string]json.RawMessage) error {
	end := time.Date(10_000, time.January, 1, 0, 0, 0, 0, time.UTC).Unix()
	for _, name := range []string{"exp", "iat", "nbf"} {
		raw, ok := all[name]
		if !ok {
			continue
		}
		if !strings.ContainsRune("-0123456789", rune(raw[0])) {
			return refuse(ReasonMalformed, "its %s is not a number", name)
		}
		seconds, err := strconv.ParseFloat(string(raw), 64) // an error where it is too large
		if err != nil || math.Signbit(seconds) || seconds >= float64(end) {
			return refuse(ReasonMalformed, "its %s is not within the years 1970 to 9999; it must be in seconds", name)
		}
	}
	return nil
}

// kind is the purpose of a token.
type kind int

const (
	unsaidKind kind = iota
	idToken
	accessToken
)

// acceptedKinds are what tokens call themselves, in lower case, in claims that name a kind: Keycloak's typ, Cognito's
// token_use, and token_type elsewhere. Keycloak's Refresh, Offline and Logout are not among them.
func acceptedKinds() map[string]kind {
	return map[string]kind{
		"jwt": unsaidKind,
		"id":  idToken, "id_token": idToken,
		"bearer": accessToken, "dpop": accessToken, "access": accessToken, "access_token": accessToken,
		"at+jwt": accessToken,
	}
}

// otherPurposes are claims that only tokens for another purpose have.
func otherPurposes() map[string]string {
	return map[string]string{
		// https://openid.net/specs/openid-connect-backchannel-1_0.html#LogoutToken
		// and https://www.rfc-editor.org/rfc/rfc8417#section-2.2
		"events": "a logout token or another security event",
		// https://www.rfc-editor.org/rfc/rfc9701#section-5
		"token_introspection": "an answer about another token",
	}
}

// checkPurpose refuses a token whose purpose is not to vouch for its subject here. Headers and claims must be those
// of a token whose signature was verified.
func checkPurpose(header, all map[string]json.RawMessage, audience string) error {
	for name, purpose := range otherPurposes() {
		if _, ok := all[name]; ok {
			return refuse(ReasonMalformed, "it is %s: it has the claim %s", purpose, name)
		}
	}
	said := unsaidKind
	for _, name := range []string{"typ", "token_use", "token_type"} {
		raw, ok := all[name]
		if !ok {
			continue
		}
		kind, accepted := acceptedKinds()[strings.ToLower(text(raw))]
		if !accepted {
			return refuse(ReasonMalformed, "its claim %s says that it is neither an ID token nor an access token", name)
		}
		if said == unsaidKind || kind == idToken {
			said = kind
		}
	}
	if said == unsaidKind && looksLikeAccess(header, all) {
		said = accessToken
	}
	return checkParty(said, all, audience)
}

// checkParty refuses an ID token that was issued to another party
// (https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation). The azp of an access token is the client
// that asked for it, with Auth0 and Keycloak never the API that it is for. A token that does not say what it is
// counts as an ID token.
func checkParty(said kind, all map[string]json.RawMessage, audience string) error {
	raw, ok := all["azp"]
	if !ok || text(raw) == audience {
		return nil
	}
	if said == accessToken && text(raw) != "" {
		return nil
	}
	return refuse(ReasonAudience, "its azp is another party than the audience")
}

// looksLikeAccess reports whether a token that names no kind is an access token, by its header's type
// (https://www.rfc-editor.org/rfc/rfc9068#section-2.1) or its scopes, which ID tokens do not have.
func looksLikeAccess(header, all map[string]json.RawMessage) bool {
	_, scope := all["scope"]
	_, scp := all["scp"]
	return scope || scp || slices.Contains([]string{"at+jwt", "application/at+jwt"},
		strings.ToLower(text(header["typ"])))
}

// text is a JSON string, "" for other JSON.
func text(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}

// hasHalfPair reports whether valid JSON escapes a surrogate that no other one completes
// (https://www.rfc-editor.org/rfc/rfc8259#section-8.2).
func hasHalfPair(raw []byte) bool {
	for i := 0; i < len(raw); i++ {
		if raw[i] != '\\' {
			continue
		}
		first := escaped(raw[i:])
		if !utf16.IsSurrogate(first) {
			i++ // the backslash may have escaped another one
			continue
		}
		i += 6
		if utf16.DecodeRune(first, escaped(raw[min(i, len(raw)):])) == utf8.RuneError {
			return true
		}
		i += 5
	}
	return false
}

// escaped is the UTF-16 code unit of an escape such as \u00e9 at the beginning of a text, 0 if there is none.
func escaped(raw []byte) rune {
	if len(raw) < 6 || raw[0] != '\\' || raw[1] != 'u' {
		return 0
	}
	unit, err := strconv.ParseUint(string(raw[2:6]), 16, 16)
	if err != nil {
		return 0
	}
	return rune(unit)
}
