// Package review asks a program of the owner's, a Lambda function or one at a URL, whether what people write may be
// stored.
package review

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"wschat/pkg/chat"
	"wschat/pkg/telemetry"
)

// Reviewer is a chat.Reviewer.
type Reviewer struct {
	url string
	// sign signs a request for Lambda; nil if no function is invoked
	sign      func(ctx context.Context, r *http.Request, body []byte) error
	otherwise bool
	client    *http.Client
}

var _ chat.Reviewer = (*Reviewer)(nil)

// Config says where reviews are made.
type Config struct {
	// URL gets a POST with the review as JSON, and answers with the verdict. Function is the ARN of a Lambda function
	// that does the same, invoked with the credentials. One of the two is required.
	URL         string
	Function    string
	Credentials aws.CredentialsProvider

	// AllowOtherwise stores what could not be reviewed. Without it, that is refused.
	AllowOtherwise bool
}

// New returns a Reviewer.
func New(c Config) (*Reviewer, error) {
	r := &Reviewer{url: c.URL, otherwise: c.AllowOtherwise, client: &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	if c.Function == "" {
		return r, nil
	}
	region, endpoint, err := endpointOf(c.Function)
	if err != nil {
		return nil, err
	}
	r.url = endpoint
	signer := v4.NewSigner()
	r.sign = func(ctx context.Context, request *http.Request, body []byte) error {
		credentials, err := c.Credentials.Retrieve(ctx)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(body)
		return signer.SignHTTP(ctx, credentials, request, hex.EncodeToString(sum[:]), "lambda", region, time.Now())
	}
	return r, nil
}

// endpointOf returns the Region of a function, and the URL at which Lambda invokes it
// (https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html).
func endpointOf(arn string) (region, endpoint string, err error) {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) != 6 || parts[0] != "arn" || parts[2] != "lambda" || parts[3] == "" {
		return "", "", fmt.Errorf("%q is no ARN of a Lambda function", arn)
	}
	suffix := "amazonaws.com"
	if parts[1] == "aws-cn" {
		suffix = "amazonaws.com.cn"
	}
	return parts[3], fmt.Sprintf("https://lambda.%s.%s/2015-03-31/functions/%s/invocations", parts[3], suffix,
		url.PathEscape(arn)), nil
}

// request is a chat.Review on the wire.
type request struct {
	Action    chat.Action `json:"action"` // sendMessage or editMessage
	Room      string      `json:"room_name"`
	User      string      `json:"user_name"`
	UserID    string      `json:"user_id,omitempty"`
	Content   string      `json:"content"`
	MessageID string      `json:"message_id,omitempty"`
	Index     int64       `json:"index,omitempty"`
}

// verdict is a chat.Verdict on the wire.
type verdict struct {
	Allow   *bool  `json:"allow"`
	Content string `json:"content"`
	Reason  string `json:"reason"`
}

// maxAnswerBytes is how long an answer may be: a content, with each of its bytes escaped, and a reason.
const maxAnswerBytes = 8 * chat.MaxContentBytes

// Review asks for a verdict once, for as long as ctx allows.
func (r *Reviewer) Review(ctx context.Context, about chat.Review) (chat.Verdict, error) {
	found, err := r.ask(ctx, about)
	if err != nil && r.otherwise {
		telemetry.FromContext(ctx).Add(telemetry.Unreviewed, 1)
		return chat.Verdict{Allow: true}, nil
	}
	return found, err
}

func (r *Reviewer) ask(ctx context.Context, about chat.Review) (chat.Verdict, error) {
	wire := request{Action: chat.ActionSendMessage, Room: about.Room, User: about.By.Name, UserID: about.By.ID,
		Content: about.Content, MessageID: about.MessageID, Index: about.Index}
	if about.Index > 0 {
		wire.Action = chat.ActionEditMessage
	}
	body, err := json.Marshal(wire)
	if err != nil {
		return chat.Verdict{}, err
	}
	post, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url, bytes.NewReader(body))
	if err != nil {
		return chat.Verdict{}, err
	}
	post.Header.Set("Content-Type", "application/json")
	if r.sign != nil {
		if err := r.sign(ctx, post, body); err != nil {
			return chat.Verdict{}, err
		}
	}
	response, err := r.client.Do(post)
	if err != nil {
		return chat.Verdict{}, err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxAnswerBytes+1))
	switch failed := response.Header.Get("X-Amz-Function-Error"); {
	case err != nil:
		return chat.Verdict{}, err
	case response.StatusCode != http.StatusOK:
		return chat.Verdict{}, fmt.Errorf("the review answered with status %d", response.StatusCode)
	case r.sign != nil && failed != "":
		return chat.Verdict{}, fmt.Errorf("the review's function failed: %s", failed)
	case len(answer) > maxAnswerBytes:
		return chat.Verdict{}, fmt.Errorf("the review's answer has more than %d bytes", maxAnswerBytes)
	}
	return decode(answer)
}

func decode(answer []byte) (chat.Verdict, error) {
	var v verdict
	if err := json.Unmarshal(answer, &v); err != nil {
		return chat.Verdict{}, fmt.Errorf("the review's answer is not as it must be: %w", err)
	}
	if v.Allow == nil {
		return chat.Verdict{}, errors.New("the review's answer has no allow")
	}
	return chat.Verdict{Allow: *v.Allow, Content: v.Content, Reason: v.Reason}, nil
}
