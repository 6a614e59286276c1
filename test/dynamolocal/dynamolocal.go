// Package dynamolocal runs DynamoDB Local, and dynalite, for tests. Both come out of Node packages in
// test/package.json; DynamoDB Local is AWS's own, and needs Java.
package dynamolocal

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
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
	var s Server
	t.Cleanup(s.Stop)
	return s.URL(t)
}

// Server is one DynamoDB Local for several tests, each with tables of its own: a start takes seconds of a processor.
// The zero value is ready; Stop it when the tests have ended.
type Server struct {
	mu   sync.Mutex
	url  string
	stop func()
}

// URL starts the server if it does not run, and returns its URL.
func (s *Server) URL(t testing.TB) string {
	t.Helper()
	if testing.Short() {
		t.Skip("DynamoDB Local takes seconds to start")
	}
	java := installed.Program(t, "java")
	jar := installed.File(t, "node_modules/amplify-dynamodb-simulator/emulator/DynamoDBLocal.jar")
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stop == nil {
		port := freePort(t)
		// The second compiler would use a processor for seconds, which so short a life does not give back.
		s.url, s.stop = run(t, port, exec.Command(java, "-XX:TieredStopAtLevel=1", "-Xmx1g",
			"-Djava.library.path="+filepath.Join(filepath.Dir(jar), "DynamoDBLocal_lib"),
			"-jar", jar, "-inMemory", "-disableTelemetry", "-port", port))
	}
	return s.url
}

// Apart is URL for tests whose tables have fixed names: at each URL that it returns there are other tables. DynamoDB
// Local has a database for each access key, so a proxy gives the requests to each URL a key of their own
// (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/DynamoDBLocal.UsageNotes.html).
func (s *Server) Apart(t testing.TB) string {
	t.Helper()
	target, err := url.Parse(s.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	key := "Credential=" + rand.Text() + "/"
	credential := regexp.MustCompile(`Credential=[^/]*/`)
	proxy := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Header.Set("Authorization", credential.ReplaceAllLiteralString(r.In.Header.Get("Authorization"), key))
	}})
	t.Cleanup(proxy.Close)
	return proxy.URL
}

// Stop ends the server, if it runs.
func (s *Server) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stop != nil {
		s.stop()
		s.stop = nil
	}
}

// StartDynalite runs dynalite, a second engine of another make, until the test ends, and returns its URL. It knows no
// transactions.
func StartDynalite(t testing.TB) string {
	t.Helper()
	if testing.Short() {
		t.Skip("dynalite takes seconds to start")
	}
	port := freePort(t)
	dynalite, stop := run(t, port, exec.Command(installed.Node(t, "dynalite"), "--port", port, "--createTableMs", "0"))
	t.Cleanup(stop)
	return dynalite
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

// run starts a server in a folder of its own, and waits until it takes requests.
func run(t testing.TB, port string, cmd *exec.Cmd) (url string, stop func()) {
	t.Helper()
	dir, err := os.MkdirTemp("", "dynamodb") // DynamoDB Local leaves a file where it runs
	if err != nil {
		t.Fatal(err)
	}
	cmd.Dir = dir
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stop = func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = os.RemoveAll(dir)
	}
	client := Client("http://127.0.0.1:" + port)
	for range 200 {
		if _, err = client.ListTables(context.Background(), &dynamodb.ListTablesInput{}); err == nil {
			return "http://127.0.0.1:" + port, stop
		}
		time.Sleep(100 * time.Millisecond)
	}
	stop()
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
