// Package dynamolocal runs DynamoDB Local, and dynalite, for tests. Both come out of Node packages in
// test/package.json; DynamoDB Local is AWS's own, and needs Java.
package dynamolocal

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"wschat/pkg/awsclient"
	"wschat/pkg/dynamo"
	"wschat/test/installed"
)

// Start runs DynamoDB Local in memory until the test ends, and returns its URL.
func Start(t testing.TB) string {
	t.Helper()
	if testing.Short() {
		t.Skip("DynamoDB Local takes seconds to start")
	}
	java := installed.Program(t, "java")
	jar := installed.File(t, "node_modules/amplify-dynamodb-simulator/emulator/DynamoDBLocal.jar")
	port := freePort(t)
	return run(t, port, exec.Command(java, "-Xmx1g", "-Djava.library.path="+filepath.Join(filepath.Dir(jar),
		"DynamoDBLocal_lib"),
		"-jar", jar, "-inMemory", "-disableTelemetry", "-port", port))
}

// StartDynalite runs dynalite, a second engine of another make, until the test ends, and returns its URL. It knows no
// transactions.
func StartDynalite(t testing.TB) string {
	t.Helper()
	if testing.Short() {
		t.Skip("dynalite takes seconds to start")
	}
	port := freePort(t)
	return run(t, port, exec.Command(installed.Node(t, "dynalite"), "--port", port, "--createTableMs", "0"))
}

func freePort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// run starts a server and waits until it takes requests.
func run(t testing.TB, port string, cmd *exec.Cmd) string {
	t.Helper()
	cmd.Dir = t.TempDir() // DynamoDB Local leaves a file where it runs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	url := "http://127.0.0.1:" + port
	client := Client(url)
	var err error
	for range 200 {
		if _, err = client.ListTables(context.Background(), &dynamodb.ListTablesInput{}); err == nil {
			return url
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatalf("%s does not start: %v", cmd, err)
	panic("unreachable")
}

// Env is what a process needs in its environment to use the server.
func Env(url string) awsclient.Env {
	return awsclient.Env{Region: "local", DynamoDBEndpoint: url,
		Credentials: awsclient.Static(aws.Credentials{AccessKeyID: "local", SecretAccessKey: "local"})}
}

// Client is a client as the Lambda function makes it.
func Client(url string) *dynamodb.Client { return dynamo.NewClient(Env(url)) }

// Tables creates a pair of tables with names of their own, and returns them. They are what the stack's template says,
// so that a key which is wrong there fails the tests of the code.
func Tables(t testing.TB, client *dynamodb.Client) (connections, messages string) {
	t.Helper()
	return create(t, client, "Connections", true), create(t, client, "Messages", true)
}

// TablesWithoutTTL does the same for dynalite, if no row expires.
func TablesWithoutTTL(t testing.TB, client *dynamodb.Client) (connections, messages string) {
	t.Helper()
	return create(t, client, "Connections", false), create(t, client, "Messages", false)
}

// create creates a table as the template defines the one whose logical id begins so. CloudFormation names a table's
// properties as DynamoDB's own CreateTable does.
func create(t testing.TB, client *dynamodb.Client, id string, ttl bool) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(filepath.Dir(installed.Dir()), "infra", "testdata", "defaults.json"))
	if err != nil {
		t.Fatal(err)
	}
	var template struct {
		Resources map[string]struct {
			Type       string
			Properties map[string]json.RawMessage
		}
	}
	if err := json.Unmarshal(b, &template); err != nil {
		t.Fatal(err)
	}
	for name, r := range template.Resources {
		if r.Type != "AWS::DynamoDB::Table" || !strings.HasPrefix(name, id) {
			continue
		}
		in := dynamodb.CreateTableInput{TableName: aws.String("t" + rand.Text())}
		var expiry types.TimeToLiveSpecification
		for property, into := range map[string]any{
			"AttributeDefinitions":    &in.AttributeDefinitions,
			"KeySchema":               &in.KeySchema,
			"GlobalSecondaryIndexes":  &in.GlobalSecondaryIndexes,
			"BillingMode":             &in.BillingMode,
			"TimeToLiveSpecification": &expiry,
		} {
			if raw, ok := r.Properties[property]; ok {
				if err := json.Unmarshal(raw, into); err != nil {
					t.Fatalf("%s of the table %s: %v", property, name, err)
				}
			}
		}
		_, err := client.CreateTable(t.Context(), &in)
		// Nobody else has the name: on a busy machine the first attempt made the table, and the client tried again.
		if _, exists := errors.AsType[*types.ResourceInUseException](err); err != nil && !exists {
			t.Fatal(err)
		}
		if err := dynamodb.NewTableExistsWaiter(client).Wait(t.Context(),
			&dynamodb.DescribeTableInput{TableName: in.TableName}, time.Minute); err != nil {
			t.Fatal(err)
		}
		if ttl {
			_, err := client.UpdateTimeToLive(t.Context(), &dynamodb.UpdateTimeToLiveInput{TableName: in.TableName,
				TimeToLiveSpecification: &expiry})
			if err != nil {
				t.Fatal(err)
			}
		}
		return *in.TableName
	}
	t.Fatalf("the template has no table %s", id)
	panic("unreachable")
}
