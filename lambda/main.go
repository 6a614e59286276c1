// Command bootstrap is the chat's Lambda function: every route of its WebSocket API and of its HTTP API.
//
//	go build -tags lambda.norpc -trimpath -ldflags "-s -w" -o bootstrap ./lambda
package main

import (
	"fmt"
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"wschat/pkg/app"
)

func main() {
	handler, err := app.FromEnv(os.Getenv, os.Stderr)
	if err != nil {
		fmt.Fprintln(os.Stderr, "bootstrap:", err)
		os.Exit(1)
	}
	lambda.Start(handler)
}
