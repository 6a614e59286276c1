package auth

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/go-jose/go-jose/v4"
)

// minRSABits is how long the modulus of an RSA key must be (https://www.rfc-editor.org/rfc/rfc7518#section-3.3).
const minRSABits = 2048

// keyKinds are the accepted algorithms, each with the kind of key that it needs
// (https://www.rfc-editor.org/rfc/rfc7518#section-3.1, https://www.rfc-editor.org/rfc/rfc8037#section-3.1). All are
// asymmetric, so that no secret is shared, and "none" is not one.
func keyKinds() map[jose.SignatureAlgorithm]string {
	return map[jose.SignatureAlgorithm]string{
		jose.RS256: "RSA", jose.RS384: "RSA", jose.RS512: "RSA", jose.PS256: "RSA", jose.PS384: "RSA",
		jose.PS512: "RSA",
		jose.ES256: "P-256", jose.ES384: "P-384", jose.ES512: "P-521", jose.EdDSA: "Ed25519",
	}
}

// algorithms are the signatures that are accepted.
func algorithms() []jose.SignatureAlgorithm { return slices.Sorted(maps.Keys(keyKinds())) }

// providerKey is one of the provider's keys.
type providerKey struct {
	jose.JSONWebKey
	notToVerify string // why it must not verify signatures; "" where it may
}

// parseKey reads a JWK. The error means that it is of no known kind.
func parseKey(raw json.RawMessage) (k providerKey, err error) {
	fields, err := object(raw)
	if err != nil {
		return k, err
	}
	if err := json.Unmarshal(raw, &k.JSONWebKey); err != nil {
		return k, err
	}
	k.notToVerify, err = notToVerify(fields)
	return k, err
}

// notToVerify says why a key must not verify signatures; "" if it may. A key that says nothing about its use may
// (https://www.rfc-editor.org/rfc/rfc7517#section-4.2 and section 4.3).
func notToVerify(fields map[string]json.RawMessage) (string, error) {
	var use *string
	var operations *[]string
	for name, into := range map[string]any{"use": &use, "key_ops": &operations} {
		if raw, ok := fields[name]; ok && json.Unmarshal(raw, into) != nil {
			return "", fmt.Errorf("its %s cannot be read", name)
		}
	}
	switch {
	case use != nil && *use != "sig":
		return fmt.Sprintf("has the use %q, not sig", *use), nil
	case operations != nil && !slices.Contains(*operations, "verify"):
		return fmt.Sprintf("has the key_ops %q, without verify", *operations), nil
	}
	return "", nil
}

// unfit says why the key cannot have made a signature with an algorithm; "" if it can. Without this check, a
// provider's key for one purpose could be used for another.
func (k providerKey) unfit(algorithm string) string {
	kind, bits := "of another kind", minRSABits
	switch key := k.Key.(type) {
	case *rsa.PublicKey:
		kind, bits = "RSA", key.N.BitLen()
	case *ecdsa.PublicKey:
		kind = key.Curve.Params().Name
	case ed25519.PublicKey:
		kind = "Ed25519"
	}
	switch needed := keyKinds()[jose.SignatureAlgorithm(algorithm)]; {
	case k.notToVerify != "":
		return k.notToVerify
	case k.Algorithm != "" && k.Algorithm != algorithm:
		return fmt.Sprintf("is for %q, and the token's alg is %s", k.Algorithm, algorithm)
	case kind != needed:
		return fmt.Sprintf("is %s, and the token's alg is %s, which needs %s", kind, algorithm, needed)
	case bits < minRSABits:
		return fmt.Sprintf("has %d bits, fewer than %d", bits, minRSABits)
	}
	return ""
}

// verifyWith returns the payload of a token that one of the keys has signed. The error says why none of them has.
func verifyWith(keys []providerKey, jws *jose.JSONWebSignature, algorithm string) ([]byte, error) {
	problem := errors.New("none of the provider's keys has signed it")
	for _, key := range keys {
		if unfit := key.unfit(algorithm); unfit != "" {
			if len(keys) == 1 {
				problem = fmt.Errorf("the provider's key %s", unfit)
			}
			continue
		}
		if payload, err := jws.Verify(key.Key); err == nil {
			return payload, nil
		}
	}
	return nil, problem
}
