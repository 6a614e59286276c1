package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"wschat/pkg/backoff"
)

// chat is a chat's function.
type chat struct {
	client   *lambda.Client
	function string
}

// find finds the function of the stage, or of the chat on this machine.
func (a *admin) find(ctx context.Context) (*chat, error) {
	if a.stage == "" {
		return &chat{function: "chat", client: lambda.New(lambda.Options{
			BaseEndpoint: &a.local, Region: "local", RetryMaxAttempts: 1,
			Credentials: credentials.NewStaticCredentialsProvider("local", "local", ""),
		})}, nil
	}
	c, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the AWS configuration: %w", err)
	}
	name, err := functionOf(ctx, cloudformation.NewFromConfig(c), "Chat-"+a.stage)
	if err != nil {
		return nil, fmt.Errorf("look for stage %s in Region %s: %w", a.stage, c.Region, err)
	}
	return &chat{client: lambda.NewFromConfig(c), function: name}, nil
}

// stacks is the part of *cloudformation.Client that functionOf uses.
type stacks interface {
	DescribeStacks(context.Context, *cloudformation.DescribeStacksInput, ...func(*cloudformation.Options)) (
		*cloudformation.DescribeStacksOutput, error)
}

// functionOf returns the name of a stack's function, which is one of its outputs.
func functionOf(ctx context.Context, api stacks, stack string) (string, error) {
	out, err := api.DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: &stack})
	if err != nil {
		return "", fmt.Errorf("the stack %s cannot be read; is it deployed, and is the Region right? %w", stack, err)
	}
	for _, output := range allOutputs(out) {
		if aws.ToString(output.OutputKey) == "FunctionName" {
			return aws.ToString(output.OutputValue), nil
		}
	}
	return "", fmt.Errorf("the stack %s has no output FunctionName: deploy this version of the chat", stack)
}

func allOutputs(out *cloudformation.DescribeStacksOutput) (all []types.Output) {
	for _, s := range out.Stacks {
		all = append(all, s.Outputs...)
	}
	return all
}

// action is what the chat is asked for: see pkg/protocol.
type action map[string]any

// patience is how often an action is tried that may succeed when it is repeated.
const patience = 6

// do has the chat do something, and returns the frames of the answer. The error is the chat's refusal, if it refuses.
func (c *chat) do(ctx context.Context, what action) (frames []json.RawMessage, err error) {
	payload, err := json.Marshal(what)
	if err != nil {
		return nil, err
	}
	pauses := backoff.Policy{First: 200 * time.Millisecond, Most: 5 * time.Second}
	for attempt := 1; ; attempt++ {
		frames, again, err := c.invoke(ctx, payload)
		if err == nil || !again || attempt == patience {
			return frames, err
		}
		if err := backoff.Sleep(ctx, pauses.Pause(attempt)); err != nil {
			return nil, err
		}
	}
}

// invoke invokes the function once. again says that a repeat may do better.
func (c *chat) invoke(ctx context.Context, payload []byte) (frames []json.RawMessage, again bool, err error) {
	out, err := c.client.Invoke(ctx, &lambda.InvokeInput{FunctionName: &c.function, Payload: payload})
	if err != nil {
		return nil, false, fmt.Errorf("invoke the chat's function: %w", err)
	}
	var answer struct {
		Frames       []json.RawMessage `json:"frames"`
		ErrorMessage string            `json:"errorMessage"`
	}
	if err := json.Unmarshal(out.Payload, &answer); err != nil {
		return nil, false, fmt.Errorf("the function's answer is no JSON: %w", err)
	}
	if out.FunctionError != nil {
		return nil, true, errors.New(answer.ErrorMessage)
	}
	for _, frame := range answer.Frames {
		var refused struct {
			Error *struct{ Code, Message string } `json:"error"`
		}
		if json.Unmarshal(frame, &refused) == nil && refused.Error != nil {
			return answer.Frames, false, fmt.Errorf("%s (%s)", refused.Error.Message, refused.Error.Code)
		}
	}
	return answer.Frames, false, nil
}

// ask has the chat do something and decodes each frame of the answer into a T. With -json it prints the frames.
func ask[T any](ctx context.Context, a *admin, what action) (decoded []T, err error) {
	frames, err := a.chat.do(ctx, what)
	if err != nil {
		return nil, err
	}
	for _, frame := range frames {
		if a.json {
			fmt.Fprintf(a.stdout, "%s\n", harmless(frame))
		}
		var one T
		if err := json.Unmarshal(frame, &one); err != nil {
			return nil, err
		}
		decoded = append(decoded, one)
	}
	return decoded, nil
}
