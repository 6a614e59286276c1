package auth

import "fmt"

// Reason is why somebody is not let in: a stable word for logs and metrics.
type Reason string

// The reasons.
const (
	ReasonNoToken   Reason = "no_token"  // nothing was offered
	ReasonMalformed Reason = "malformed" // it is no token of the accepted form, or one for another purpose
	ReasonSignature Reason = "signature" // no key of the provider has signed it
	ReasonIssuer    Reason = "issuer"    // another provider vouches for it
	ReasonAudience  Reason = "audience"  // it is meant for somebody else
	ReasonExpired   Reason = "expired"   // its time is over
	ReasonNotYet    Reason = "not_yet"   // its time has not come
	ReasonClaims    Reason = "claims"    // the name or the rooms are missing or wrong
	ReasonProvider  Reason = "provider"  // the provider's keys are not to be had, so nobody can tell
)

// Refusal says why a token is not accepted. It has nothing of the token in it.
type Refusal struct {
	Reason Reason
	Detail string
}

// Error is for logs.
func (r *Refusal) Error() string { return string(r.Reason) + ": " + r.Detail }

func refuse(reason Reason, format string, args ...any) error {
	return &Refusal{reason, fmt.Sprintf(format, args...)}
}
