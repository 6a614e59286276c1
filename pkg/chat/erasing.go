package chat

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"slices"
	"time"
)

// While everything that the stores hold of a person is erased, nobody acts as that person and nobody puts the person
// into rules, in any room. Otherwise something new could come to where the eraser has been already. This goes on for
// erasureLife, because clients connect again by themselves for as long as they have a token.

const (
	// everyone is the name of rules that hold in all rooms: the bans of those that are erased. No room has it.
	everyone = "#everyone"

	// erasureLife is how long somebody is kept out after the last step of an erasure: longer than tokens usually live.
	erasureLife = 24 * time.Hour

	// mostErasing is how many people can be kept out at once. All of them are about 40 KB, which each process reads
	// every two seconds while it is busy.
	mostErasing = 1000
)

// erasingKey is a user's key in the rules of everyone. It does not say who it is: it outlives the erasure.
func erasingKey(userID string) string {
	sum := sha256.Sum256([]byte(everyone + userID))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// keepOut has everything that is done as a user, or to the user, be refused. It reports whether it was refused before.
func (s Service) keepOut(ctx context.Context, userID string) (already bool, err error) {
	id, until := erasingKey(userID), s.Now().Add(erasureLife)
	_, err = s.Rules.ChangeRules(ctx, everyone, func(r Rules) (Rules, error) {
		already = r.People[id].BannedUntil > s.Now().Unix()
		if until.Sub(time.Unix(r.People[id].BannedUntil, 0)) < time.Hour { // one of many steps
			return r, nil
		}
		r = r.withoutPast(s.Now()).with(id, Standing{BannedUntil: until.Unix()})
		if len(r.People) > mostErasing {
			return r, tooLarge("too many people were erased in the last 24 hours; try again later")
		}
		return r, nil
	})
	return already, err
}

// checkErasing refuses people that are being erased, as far as that was known at the time that it returns.
func (s Service) checkErasing(ctx context.Context, userIDs ...string) (asOf time.Time, err error) {
	read, err := s.Rules.recent(ctx, everyone, rulesLife)
	if err != nil {
		return time.Time{}, err
	}
	if slices.ContainsFunc(userIDs, func(id string) bool {
		return id != "" && read.rules.People[erasingKey(id)].BannedUntil > s.Now().Unix()
	}) {
		return time.Time{}, &Error{Code: CodeForbidden, Message: "the data of this person is being erased",
			Err: errErasing}
	}
	return read.asOf, nil
}

var errErasing = errors.New("the person is in the rules of everyone")

// isErasing reports whether an error is the refusal of somebody that is being erased.
func isErasing(err error) bool { return errors.Is(err, errErasing) }

// withoutErasing stores what names people, soon after it was seen that none of them is being erased. In an open chat
// it always does.
func (s Service) withoutErasing(ctx context.Context, userIDs []string, store func(context.Context) error) error {
	if s.Rules == nil {
		return store(ctx)
	}
	asOf, err := s.checkErasing(ctx, userIDs...)
	if err != nil {
		return err
	}
	within, cancel := context.WithDeadline(ctx, asOf.Add(RightsGrace))
	defer cancel()
	return store(within)
}
