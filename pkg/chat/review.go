package chat

import (
	"context"
	"fmt"
	"time"
)

// Review is what a Reviewer looks at: what somebody wants to write.
type Review struct {
	Room      string
	By        Person
	Content   string
	MessageID string // of a message that is sent; "" for none
	Index     int64  // of a message that is edited; 0 for a new one
}

// Verdict is what a Reviewer says of it.
type Verdict struct {
	Allow   bool
	Content string // what is to be stored in its place; "" for what was written
	Reason  string // why it is not allowed, for the person that wrote it; "" for no reason
}

// Reviewer looks at messages and edits before they are stored.
type Reviewer interface {
	Review(ctx context.Context, r Review) (Verdict, error)
}

// reviewTime is how long a review may take.
const reviewTime = 500 * time.Millisecond

// review returns the content that is to be stored. It is asked once for each content that a client sends.
func (s Service) review(ctx context.Context, r Review) (content string, err error) {
	if s.Reviewer == nil {
		return r.Content, nil
	}
	ctx, cancel := context.WithTimeout(ctx, reviewTime)
	defer cancel()
	verdict, err := s.Reviewer.Review(ctx, r)
	switch {
	case err != nil:
		return "", unreviewed(err)
	case !verdict.Allow:
		sentence := "the message was not accepted"
		if reason := verdict.reason(); reason != "" {
			sentence += ": " + reason
		}
		return "", &Error{Code: CodeRejected, Message: sentence}
	case verdict.Content != "":
		return verdict.Content, nil
	}
	return r.Content, nil
}

// reason is a verdict's reason if it is fit to be shown.
func (v Verdict) reason() string {
	if checkLine("reason", v.Reason, MaxReasonBytes) != nil {
		return ""
	}
	return v.Reason
}

// reviewEdit returns the content that an edit gives a message. What cannot be edited by the actor, and what has the
// content already, is not reviewed.
func (s Service) reviewEdit(ctx context.Context, a Act, content string) (string, error) {
	if s.Reviewer == nil {
		return content, nil
	}
	found, err := s.Log.Read(ctx, a.Room, Span{After: a.Index - 1, Before: a.Index + 1, Limit: 1})
	switch {
	case err != nil:
		return "", unavailable("The change was not stored. Ask for it again.", err)
	case len(found) == 0 || found[0].DeletedAt != 0 || found[0].Content == content:
		return content, nil // which says why, or stores nothing
	}
	if err := a.mayWrite(found[0]); err != nil {
		return "", err
	}
	reviewed, err := s.review(ctx, Review{Room: a.Room, By: a.By, Content: content, Index: a.Index})
	if err == nil && checkContent(reviewed) != nil {
		err = unusable(checkContent(reviewed))
	}
	return reviewed, err
}

func unreviewed(err error) error {
	return &Error{Code: CodeUnavailable, Err: fmt.Errorf("review: %w", err),
		Message: "The message could not be reviewed, and is not stored. Send it again."}
}

// unusable is the refusal of a message for which the review has a content that cannot be stored. Another review would
// say the same.
func unusable(err error) error {
	return &Error{Code: CodeRejected, Err: fmt.Errorf("the content of the review: %w", err),
		Message: "the message was not accepted"}
}
