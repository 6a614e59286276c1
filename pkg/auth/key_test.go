package auth_test

import (
	"crypto"
	"strings"
	"testing"
)

// keyAttack publishes a key of a kind with some changes, and shows a token that it has signed with an algorithm.
type keyAttack struct {
	alg, kind string
	key       crypto.Signer
	jwk       map[string]string // what is replaced in the published key
	want      string            // as attack has it
}

func (a keyAttack) try(t *testing.T) {
	t.Helper()
	f := newForgery(a.alg, a.key)
	for name, value := range a.jwk {
		f.jwk[name] = value
	}
	if got := f.try(t); (got == "") != (a.want == "") || !strings.HasPrefix(got, a.want) {
		t.Errorf("%s with %s, published with %v: %q, want %q", a.alg, a.kind, a.jwk, got, a.want)
	}
}

// fittingKeys are the algorithms, and the key that each needs.
func fittingKeys() map[string]string {
	return map[string]string{
		"RS256": "RSA 2048", "RS384": "RSA 2048", "RS512": "RSA 2048", "PS256": "RSA 2048", "PS384": "RSA 2048",
		"PS512": "RSA 2048", "ES256": "P-256", "ES384": "P-384", "ES512": "P-521", "EdDSA": "Ed25519",
	}
}

// A signature counts only if the key is of the kind that its algorithm needs.
func TestAttacksWithKeysOfAnotherKind(t *testing.T) {
	for _, kind := range []string{"RSA 2048", "RSA 1024", "P-256", "P-384", "P-521", "Ed25519"} {
		key := newKey(t, kind)
		for alg, fitting := range fittingKeys() {
			want := "signature: the provider's key is "
			switch {
			case strings.HasPrefix(alg, "ES") != strings.HasPrefix(kind, "P-"), alg == "PS512" && kind == "RSA 1024":
				continue // such a key makes no such signature
			case kind == fitting:
				want = ""
			case kind == "RSA 1024" && fitting == "RSA 2048":
				want = "signature: the provider's key has 1024 bits, fewer than 2048"
			}
			keyAttack{alg, kind, key, nil, want}.try(t)
		}
	}
}

// A key that names an algorithm serves no other, even if it could.
func TestAttacksWithKeysForAnotherAlgorithm(t *testing.T) {
	keys := map[string]crypto.Signer{}
	for alg, kind := range fittingKeys() {
		if keys[kind] == nil {
			keys[kind] = newKey(t, kind)
		}
		others := []string{"ECDH-ES", "RSA-OAEP", "HS256", "none", strings.ToLower(alg), alg + " "}
		for other := range fittingKeys() {
			others = append(others, other)
		}
		for _, named := range others {
			want := "signature: the provider's key is for "
			if named == alg {
				want = ""
			}
			keyAttack{alg, kind, keys[kind], map[string]string{"alg": text(named)}, want}.try(t)
		}
	}
}

// A key for another use than to verify signatures verifies none.
func TestAttacksWithKeysForAnotherUse(t *testing.T) {
	const use, operations = "signature: the provider's key has the use", "signature: the provider's key has the key_ops"
	key := newKey(t, "P-256")
	for _, a := range []struct {
		want   string
		name   string
		values []string
	}{
		{"", "use", []string{"", "null", `"sig"`}},
		{use, "use", []string{`"enc"`, `"Sig"`, `"sig "`, `""`, `"verify"`}},
		{"", "key_ops", []string{"", "null", `["verify"]`, `["sign","verify"]`}},
		{operations, "key_ops", []string{"[]", `["sign"]`, `["encrypt","wrapKey"]`, `["deriveKey"]`, `["Verify"]`,
			`[""]`}},
	} {
		for _, value := range a.values {
			keyAttack{"ES256", "P-256", key, map[string]string{a.name: value}, a.want}.try(t)
		}
	}
	for _, a := range []struct{ use, operations, want string }{
		{`"sig"`, `["verify"]`, ""}, {`"sig"`, `["encrypt"]`, operations}, {`"enc"`, `["verify"]`, use}, {`"enc"`,
			`["encrypt"]`, use},
	} {
		keyAttack{"ES256", "P-256", key, map[string]string{"use": a.use, "key_ops": a.operations}, a.want}.try(t)
	}
}

// A key whose use cannot be read is left out. With another one beside it, that is no failure of the provider.
func TestKeysThatCannotBeReadAreLeftOut(t *testing.T) {
	key, other := newKey(t, "P-256"), newForgery("ES384", newKey(t, "P-384"))
	other.jwk["kid"] = `"other"`
	for name, values := range map[string][]string{
		"use":     {"7", `["sig"]`, `"enc","use":"sig"`, `"sig","use":"enc"`, `"sig","\u0075se":"sig"`},
		"key_ops": {`"verify"`, "[7]", "{}", `["encrypt"],"key_ops":["verify"]`},
		"kty":     {"", `"oct"`, `"RSA"`, `"OKP"`, "7"},
		"crv":     {"", `"P-384"`, `"Ed25519"`, `"p-256"`},
	} {
		for _, value := range values {
			f := newForgery("ES256", key)
			f.jwk[name] = value
			f.documents[remoteIssuer+"/keys"] = serving(`{"keys":[` + object(f.jwk, "") + "," + object(other.jwk, "") +
				`]}`)
			if got, want := f.try(t), "signature: none of the provider's keys"; !strings.HasPrefix(got, want) {
				t.Errorf("%s is %s: %q, want %q", name, value, got, want)
			}
		}
	}
}
