package auth

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/coreos/go-oidc/v3/oidc"
)

const (
	// maxTokenBytes is how long a token may be: API Gateway takes 10,240 bytes of headers altogether
	// (https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html).
	maxTokenBytes = 8 << 10

	// skew is how far the clocks of the provider and of this machine may differ.
	skew = 30 * time.Second
)

// tokenTypes are the values of a token's "typ" that are accepted, in lower case; it may also have none. Others are
// tokens for another purpose, such as a logout.
func tokenTypes() []string { return []string{"jwt", "at+jwt", "application/at+jwt"} }

// claims are what a token says.
type claims struct {
	subject string
	expires time.Time // with the skew that is allowed
	all     map[string]json.RawMessage
}

// verifier checks tokens of one provider for one audience.
type verifier struct {
	issuer string
	config oidc.Config
	keys   *keySet
	now    func() time.Time
}

func newVerifier(c Config) *verifier {
	names := make([]string, 0, len(algorithms()))
	for _, a := range algorithms() {
		names = append(names, string(a))
	}
	return &verifier{
		issuer: c.Issuer,
		config: oidc.Config{
			ClientID:             c.Audience,
			SupportedSigningAlgs: names,
			Now:                  func() time.Time { return c.Now().Add(-skew) },
		},
		keys: &keySet{issuer: c.Issuer, url: c.JWKSURL, client: c.Client, now: c.Now},
		now:  c.Now,
	}
}

// check is the keys for one token. It keeps the Refusal of the keys, of which the library passes on only the text.
type check struct {
	keys *keySet
	err  error
}

func (c *check) VerifySignature(ctx context.Context, token string) (payload []byte, err error) {
	payload, c.err = c.keys.VerifySignature(ctx, token)
	return payload, c.err
}

// verify returns the claims of a token. The error is a *Refusal if the token is not to be believed, and another
// error if that cannot be told.
func (v *verifier) verify(ctx context.Context, token string) (claims, error) {
	rawHeader, payload, err := split(token)
	if err != nil {
		return claims{}, err
	}
	header, err := checkHeader(rawHeader)
	if err != nil {
		return claims{}, err
	}
	all, err := object(payload)
	if err != nil {
		return claims{}, refuse(ReasonMalformed, "its claims: %v", err)
	}
	for name := range all { // the library reads names in any case
		for _, own := range []string{"iss", "sub", "aud", "exp", "nbf", "iat"} {
			if name != own && strings.EqualFold(name, own) {
				return claims{}, refuse(ReasonMalformed, "it has a claim that is %s in other letters", own)
			}
		}
	}
	if err := checkTimes(all); err != nil {
		return claims{}, err
	}
	signature := &check{keys: v.keys}
	verified, err := oidc.NewVerifier(v.issuer, signature, &v.config).Verify(ctx, token)
	switch {
	case signature.err != nil:
		return claims{}, signature.err
	case err != nil:
		return claims{}, refusal(err)
	}
	if err := checkPurpose(header, all, v.config.ClientID); err != nil {
		return claims{}, err
	}
	// The library allows a token to come five minutes before its time.
	if notBefore, ok := all["nbf"]; ok {
		var seconds float64
		if json.Unmarshal(notBefore, &seconds) != nil || time.Unix(int64(seconds), 0).After(v.now().Add(skew)) {
			return claims{}, refuse(ReasonNotYet, "its time has not come")
		}
	}
	if verified.Subject == "" {
		return claims{}, refuse(ReasonClaims, "it has no subject")
	}
	return claims{subject: verified.Subject, expires: verified.Expiry.Add(skew), all: all}, nil
}

// refusal words what the library says, of which only expiry has a type.
func refusal(err error) error {
	if _, ok := errors.AsType[*oidc.TokenExpiredError](err); ok {
		return refuse(ReasonExpired, "its time is over")
	}
	for text, reason := range map[string]Reason{
		"issued by a different provider": ReasonIssuer,
		"expected audience":              ReasonAudience,
		"before the nbf":                 ReasonNotYet,
		"signature algorithm":            ReasonSignature,
	} {
		if strings.Contains(err.Error(), text) {
			return refuse(reason, "it was refused for its %s", reason)
		}
	}
	return refuse(ReasonMalformed, "it is no token of the accepted form")
}

// split takes a compact JWS apart (RFC 7515, section 3.1).
func split(token string) (header, payload []byte, err error) {
	if err := checkCharacters(token); err != nil {
		return nil, nil, err
	}
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil, nil, refuse(ReasonMalformed, "it has %d parts, not 3", len(parts))
	}
	// Strict: the last letter of each part may have bits that mean nothing, and a token is to have one spelling only.
	var decoded [3][]byte
	for i, part := range parts {
		if decoded[i], err = base64.RawURLEncoding.Strict().DecodeString(part); err != nil {
			return nil, nil, refuse(ReasonMalformed, "it is not base64url")
		}
	}
	return decoded[0], decoded[1], nil
}

// checkHeader decodes a header, and looks at the parts of it that the library does not. Keys, and places to find
// keys, that a header may bring along (jwk, jku, x5c, x5u) are never looked at.
func checkHeader(raw []byte) (map[string]json.RawMessage, error) {
	header, err := object(raw)
	if err != nil {
		return nil, refuse(ReasonMalformed, "its header: %v", err)
	}
	if typ, ok := header["typ"]; ok && !slices.Contains(tokenTypes(), strings.ToLower(text(typ))) {
		return nil, refuse(ReasonMalformed, "its type is not one of %v", tokenTypes())
	}
	return header, checkExtensions(header)
}

// object decodes a JSON object, and refuses a name that is there twice: of two values, two readers may believe
// different ones. It also refuses letters that are none, all of which the decoder makes U+FFFD: two subjects would
// become one.
func object(raw []byte) (map[string]json.RawMessage, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		return nil, errors.New("no JSON object")
	}
	if !utf8.Valid(raw) || hasHalfPair(raw) {
		return nil, errors.New("not UTF-8, or half a pair of surrogates")
	}
	fields := map[string]json.RawMessage{}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, errors.New("no JSON object")
		}
		key, _ := name.(string) // of an object it is always one
		if _, twice := fields[key]; twice {
			return nil, errors.New("a name is there twice")
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, errors.New("no JSON object")
		}
		fields[key] = value
	}
	if _, err := d.Token(); err != nil || d.More() {
		return nil, errors.New("no JSON object")
	}
	return fields, nil
}
