package dynamo_test

import (
	"os"
	"testing"

	"wschat/test/dynamolocal"
)

// server is the DynamoDB Local of all tests.
var server dynamolocal.Server

func TestMain(m *testing.M) {
	code := m.Run()
	server.Stop()
	os.Exit(code)
}
