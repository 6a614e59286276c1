package main

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"wschat/infra/local/demoissuer"
	"wschat/pkg/auth"
	"wschat/pkg/config"
)

const (
	// demoPath is where the demonstration provider is served, and demoAudience what its tokens are meant for.
	demoPath     = "/demo-issuer"
	demoAudience = "chat"

	// demoTokenLife is how long its tokens are good.
	demoTokenLife = 12 * time.Hour
)

// signIn says who vouches for people; its zero value lets everybody in.
type signIn struct {
	issuer, audience, jwksURL, idClaim, nameClaim, roomsClaim string

	now func() time.Time // of the authorizer in this process; nil for this machine's clock
}

func (s signIn) check(demo bool) error {
	switch {
	case demo && s.issuer+s.audience+s.jwksURL != "":
		return errors.New("-demo-users brings its own provider: leave -auth-issuer, -auth-audience and -auth-jwks-url out")
	case (s.issuer == "") != (s.audience == ""):
		return errors.New("-auth-issuer and -auth-audience need each other: give both, or neither")
	case s.issuer == "" && !demo && s.jwksURL+s.idClaim+s.nameClaim+s.roomsClaim != "":
		return errors.New("-auth-jwks-url, -auth-id-claim, -auth-name-claim and -auth-rooms-claim say how tokens are read: give -auth-issuer too")
	}
	if err := config.CheckProviderURL(s.issuer); s.issuer != "" && err != nil {
		return fmt.Errorf("-auth-issuer %q %w", s.issuer, err)
	}
	if err := config.CheckKeysURL(s.jwksURL, s.issuer); s.jwksURL != "" && err != nil {
		return fmt.Errorf("-auth-jwks-url %q %w", s.jwksURL, err)
	}
	return nil
}

// on tells whether people must sign in.
func (s signIn) on() bool { return s.issuer != "" }

// environment is the same for a built binary.
func (s signIn) environment() (env []string) {
	for name, value := range map[string]string{
		config.AuthIssuer: s.issuer, config.AuthAudience: s.audience, config.AuthJWKSURL: s.jwksURL,
		config.AuthIDClaim: s.idClaim, config.AuthNameClaim: s.nameClaim, config.AuthRoomsClaim: s.roomsClaim,
	} {
		if value != "" {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// authorizer is the authorizer that Lambda would run, in this process.
func (s signIn) authorizer(logger *slog.Logger) (*auth.Authorizer, error) {
	return auth.New(auth.Config{Issuer: s.issuer, Audience: s.audience, JWKSURL: s.jwksURL, IDClaim: s.idClaim,
		NameClaim: s.nameClaim, RoomsClaim: s.roomsClaim, Now: s.now, Logger: logger})
}

// newDemo makes the demonstration provider for a server that clients on this machine reach at addr, HOST:PORT, and how to
// trust it.
func (s signIn) newDemo(addr string) (*demoissuer.Issuer, signIn, error) {
	s.issuer, s.audience = "http://"+addr+demoPath, demoAudience
	issuer, err := demoissuer.New(s.issuer, s.audience)
	return issuer, s, err
}
