// Package auth is the chat's door. The Lambda authorizer of $connect lets in clients that an OpenID Connect provider
// vouches for. The grant then tells the handlers who the client is and what it may do.
//
// The token travels as a subprotocol of the handshake, after the word chat: a browser can set no header, and a URL is
// logged in many places.
package auth

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"wschat/pkg/telemetry"
)

// Subprotocol is offered by clients before their token, and granted by $connect.
const Subprotocol = "chat"

// IdentitySource is what a handshake must have for the authorizer to be asked at all.
const IdentitySource = "route.request.header.Sec-WebSocket-Protocol"

// DefaultNameClaim is the claim with the display name, if none is configured
// (https://openid.net/specs/openid-connect-core-1_0.html#StandardClaims).
const DefaultNameClaim = "name"

// DefaultIDClaim is the claim with the user's id, if none is configured. The provider gives an id to one user only,
// and never to another (https://openid.net/specs/openid-connect-core-1_0.html#IDToken).
const DefaultIDClaim = "sub"

// Config is what an Authorizer needs.
type Config struct {
	Issuer     string // the provider, as tokens and its discovery document name it. Required
	Audience   string // what tokens must be meant for. Required
	JWKSURL    string // of the provider's keys; "" where discovery finds it
	IDClaim    string // the claim that says who somebody is; "" for DefaultIDClaim
	NameClaim  string // the claim with the display name; "" for DefaultNameClaim
	RoomsClaim string // the claim with the rooms that a token allows; "" where every token allows every room

	// RolesClaim is the claim with a user's roles, a string or a list. Users with the role moderator moderate all
	// rooms. Optional.
	RolesClaim string

	Now func() time.Time // nil means time.Now
	// for the provider; nil means one that follows no redirect, and reaches this machine only for an issuer here
	Client *http.Client
	Logger *slog.Logger // gets one line for each handshake, without a token and without a name. Required
}

// Authorizer is a Lambda authorizer of type REQUEST, for $connect
// (https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-lambda-auth.html). It is a
// lambda.Handler, safe for concurrent use.
type Authorizer struct {
	config   Config
	verifier *verifier
}

// New returns an Authorizer. It asks the provider nothing before the first token comes.
func New(c Config) (*Authorizer, error) {
	if c.Issuer == "" || c.Audience == "" {
		return nil, errors.New("auth: an issuer and an audience are needed")
	}
	if c.NameClaim == "" {
		c.NameClaim = DefaultNameClaim
	}
	c.IDClaim = cmp.Or(c.IDClaim, DefaultIDClaim)
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Client == nil {
		c.Client = newClient(c.Issuer)
	}
	return &Authorizer{config: c, verifier: newVerifier(c)}, nil
}

// request is what is read of the authorizer's event.
type request struct {
	MethodARN string              `json:"methodArn"`
	Headers   map[string][]string `json:"multiValueHeaders"`
	Context   struct {
		RequestID    string `json:"requestId"`
		ConnectionID string `json:"connectionId"`
	} `json:"requestContext"`
}

// result is an authorizer's answer
// (https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-lambda-authorizer-output.html).
type result struct {
	PrincipalID string            `json:"principalId"`
	Policy      policy            `json:"policyDocument"`
	Context     map[string]string `json:"context,omitempty"`
}

type policy struct {
	Version   string      `json:"Version"`
	Statement []statement `json:"Statement"`
}

type statement struct {
	Action   string `json:"Action"`
	Effect   string `json:"Effect"`
	Resource string `json:"Resource"`
}

// maxResultBytes is how large an answer may be: API Gateway takes 8 KB.
const maxResultBytes = 7_500

// Invoke answers one event. A client with a good token is let in with a grant. Every other client is refused, which
// it sees as 403. An error, which it sees as 500, means that the provider does not answer: nobody is let in.
func (a *Authorizer) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	began := time.Now()
	var r request
	if err := json.Unmarshal(payload, &r); err != nil || r.MethodARN == "" {
		return nil, errors.New("the event has no methodArn, so it is no authorizer's")
	}
	answer, err := a.admit(ctx, r)
	attrs := []slog.Attr{
		slog.String("request_id", r.Context.RequestID),
		slog.String("connection_id", r.Context.ConnectionID),
		slog.Float64("ms", float64(time.Since(began).Microseconds())/1000),
	}
	refused, isRefusal := errors.AsType[*Refusal](err)
	metrics := telemetry.FromContext(ctx)
	log := func(level slog.Level, what string, more ...slog.Attr) {
		metrics.Log(ctx, a.config.Logger, level, what, slices.Concat(attrs, more)...)
	}
	switch {
	case err == nil:
		log(slog.LevelInfo, "authorized")
		return answer, nil
	case isRefusal:
		metrics.AddBy(telemetry.AuthRefusals, string(refused.Reason), 1)
		log(slog.LevelInfo, "not authorized", slog.String("reason", string(refused.Reason)),
			slog.String("error", refused.Detail))
		return json.Marshal(result{PrincipalID: "nobody", Policy: decide("Deny", r.MethodARN)})
	default:
		metrics.AddBy(telemetry.AuthRefusals, string(ReasonProvider), 1)
		metrics.Add(telemetry.Errors, 1)
		log(slog.LevelError, "not authorized", slog.String("reason", string(ReasonProvider)),
			slog.String("error", err.Error()))
		return nil, fmt.Errorf("the provider's keys are not to be had: %w", err)
	}
}

// decide is a policy for this one method: a pattern such as STAGE/*/* would not cover $connect.
func decide(effect, methodARN string) policy {
	return policy{Version: "2012-10-17", Statement: []statement{{Action: "execute-api:Invoke", Effect: effect,
		Resource: methodARN}}}
}

// admit finds the token in a handshake, and answers with the grant that it is worth.
func (a *Authorizer) admit(ctx context.Context, r request) ([]byte, error) {
	token, err := tokenOf(r.Headers)
	if err != nil {
		return nil, err
	}
	claims, err := a.verifier.verify(ctx, token)
	if err != nil {
		return nil, err
	}
	grant, err := a.grant(claims)
	if err != nil {
		return nil, err
	}
	answer, err := json.Marshal(result{PrincipalID: claims.subject, Policy: decide("Allow", r.MethodARN),
		Context: grant.context()})
	if err == nil && len(answer) > maxResultBytes {
		return nil, refuse(ReasonClaims, "its subject, id, name and rooms make %d bytes, more than %d; patterns "+
			"such as team-* are shorter", len(answer), maxResultBytes)
	}
	return answer, err
}

// Offered returns the subprotocols that a handshake offers, given every value of each of its headers, without the
// blanks and tabs that HTTP allows around each (https://www.rfc-editor.org/rfc/rfc9110#section-5.6.1).
func Offered(headers map[string][]string) (protocols []string) {
	for name, values := range headers {
		if strings.EqualFold(name, "Sec-WebSocket-Protocol") {
			for _, value := range values {
				for _, protocol := range strings.Split(value, ",") {
					protocols = append(protocols, strings.Trim(protocol, " \t"))
				}
			}
		}
	}
	return protocols
}

// tokenOf takes the token out of the subprotocols that a client offers: exactly chat and the token.
func tokenOf(headers map[string][]string) (string, error) {
	offered := Offered(headers)
	switch {
	case len(offered) == 0 || len(offered) == 1 && offered[0] == Subprotocol:
		return "", refuse(ReasonNoToken, "no subprotocol has a token")
	case len(offered) != 2 || offered[0] != Subprotocol:
		return "", refuse(ReasonMalformed, "%d subprotocols are offered; they must be chat and a token", len(offered))
	case len(offered[1]) > maxTokenBytes:
		return "", refuse(ReasonMalformed, "the token has %d bytes, more than %d", len(offered[1]), maxTokenBytes)
	}
	return offered[1], nil
}

// hasRole reports whether a claim is a role, or a list of strings with it. Another claim gives nobody a role.
func hasRole(claim json.RawMessage, role string) bool {
	var list []string
	return text(claim) == role || json.Unmarshal(claim, &list) == nil && slices.Contains(list, role)
}

// grant reads the configured claims.
func (a *Authorizer) grant(c claims) (Grant, error) {
	g := Grant{IDClaim: a.config.IDClaim, Expires: c.expires}
	if err := json.Unmarshal(c.all[a.config.IDClaim], &g.ID); err != nil {
		return g, refuse(ReasonClaims, "the claim %s is not a string", a.config.IDClaim)
	}
	if err := checkID(g.ID); err != nil {
		return g, refuse(ReasonClaims, "the claim %s is no user's id: %v", a.config.IDClaim, err)
	}
	if err := json.Unmarshal(c.all[a.config.NameClaim], &g.User); err != nil {
		return g, refuse(ReasonClaims, "the claim %s is not a string", a.config.NameClaim)
	}
	switch raw, ok := c.all[a.config.RoomsClaim]; {
	case a.config.RoomsClaim == "":
		g.Rooms = []string{"*"}
	case ok: // a token without the claim allows no room
		if err := json.Unmarshal(raw, &g.Rooms); err != nil || string(raw) == "null" {
			return g, refuse(ReasonClaims, "the claim %s is not a list of strings", a.config.RoomsClaim)
		}
	}
	if a.config.RolesClaim != "" {
		g.Moderates = hasRole(c.all[a.config.RolesClaim], roleModerator)
	}
	g, err := g.canonical()
	if err != nil {
		return g, refuse(ReasonClaims, "the claim %s is no name that a user can have: %v", a.config.NameClaim, err)
	}
	return g, nil
}
