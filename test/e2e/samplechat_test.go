package e2e

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/coder/websocket"

	"wschat/pkg/localgateway"
	"wschat/pkg/localruntime"
	"wschat/test/dynamolocal"
	"wschat/test/installed"
	"wschat/test/logbuffer"
)

// sampleChat is a chat as AWS's sample is one (https://github.com/aws-samples/simple-websockets-chat-app): three
// functions in JavaScript with the AWS SDK, and a table of connections.
type sampleChat struct {
	gateway *localgateway.Gateway
	server  *httptest.Server
	db      *dynamodb.Client
}

const sampleTable = "simplechat_connections"

// startSampleChat runs the functions as they would be deployed. They make the callback URL from the domain name of the
// event, with https. So the gateway is behind TLS, its events keep the port, and the functions trust its certificate.
func startSampleChat(t *testing.T) *sampleChat {
	t.Helper()
	endpoint := dynamolocal.Start(t)
	s := &sampleChat{db: dynamolocal.Client(endpoint)}
	_, err := s.db.CreateTable(t.Context(), &dynamodb.CreateTableInput{
		TableName:   aws.String(sampleTable),
		BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{
			{AttributeName: aws.String("connectionId"), AttributeType: types.ScalarAttributeTypeS}},
		KeySchema: []types.KeySchemaElement{
			{AttributeName: aws.String("connectionId"), KeyType: types.KeyTypeHash}},
	})
	if err != nil {
		t.Fatal(err)
	}
	certificate := filepath.Join(t.TempDir(), "gateway.pem")
	environment := []string{
		"TABLE_NAME=" + sampleTable,
		"AWS_REGION=" + dynamolocal.Env(endpoint).Region,
		"AWS_ENDPOINT_URL_DYNAMODB=" + endpoint,
		"NODE_EXTRA_CA_CERTS=" + certificate,
	}
	config := localgateway.Config{KeepPort: true, Handlers: map[string]localgateway.Handler{}}
	for route, file := range map[string]string{
		"$connect": "onconnect", "$disconnect": "ondisconnect", "sendmessage": "sendmessage",
	} {
		config.Routes = append(config.Routes, route)
		config.Handlers[route] = sampleFunction(t, file, environment)
	}
	if s.gateway, err = localgateway.New(config); err != nil {
		t.Fatal(err)
	}
	s.server = httptest.NewTLSServer(s.gateway)
	t.Cleanup(s.server.Close)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		_ = s.gateway.Shutdown(ctx)
	})
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.server.Certificate().Raw})
	if err := os.WriteFile(certificate, block, 0o600); err != nil {
		t.Fatal(err)
	}
	return s
}

// sampleFunction is one of the functions in testdata/samplechat.
func sampleFunction(t *testing.T, file string, environment []string) *localruntime.Pool {
	t.Helper()
	installed.Program(t, "node")
	installed.File(t, "node_modules/@aws-sdk/client-dynamodb")
	installed.File(t, "node_modules/@aws-sdk/client-apigatewaymanagementapi")
	c, err := localruntime.Node(filepath.Join("testdata", "samplechat"), file+".handler")
	if err != nil {
		t.Fatal(err)
	}
	var output logbuffer.Buffer
	c.Name, c.Env, c.Output, c.MaxProcesses = file, environment, &output, 2
	p, err := localruntime.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Close()
		if t.Failed() {
			t.Logf("%s printed: %s", file, output.String())
		}
	})
	return p
}

// connect connects a client.
func (s *sampleChat) connect(t *testing.T) *websocket.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, _, err := websocket.Dial(ctx, s.server.URL+"/dev", &websocket.DialOptions{HTTPClient: s.server.Client()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.CloseNow() })
	return c
}

// rows are the ids of the connections in the table.
func (s *sampleChat) rows(t *testing.T) (ids []string) {
	t.Helper()
	out, err := s.db.Scan(t.Context(), &dynamodb.ScanInput{TableName: aws.String(sampleTable)})
	if err != nil {
		t.Fatal(err)
	}
	for _, item := range out.Items {
		ids = append(ids, item["connectionId"].(*types.AttributeValueMemberS).Value)
	}
	return ids
}

// forgets waits until a connection is not in the table, and expects that so many are.
func (s *sampleChat) forgets(t *testing.T, id string, left int) {
	t.Helper()
	rows := s.rows(t)
	for deadline := time.Now().Add(patience); slices.Contains(rows, id); rows = s.rows(t) {
		if time.Now().After(deadline) {
			t.Fatalf("%s is still in the table", id)
		}
		time.Sleep(10 * time.Millisecond)
	}
	if len(rows) != left {
		t.Errorf("the table has %q, and not %d", rows, left)
	}
}

func act(t *testing.T, c *websocket.Conn, action, data string) {
	t.Helper()
	frame, err := json.Marshal(map[string]string{"action": action, "data": data})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Write(t.Context(), websocket.MessageText, frame); err != nil {
		t.Fatal(err)
	}
}

// hear returns a client's next frame.
func hear(t *testing.T, c *websocket.Conn) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_, frame, err := c.Read(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return string(frame)
}

// identify asks for a route that is not there. The answer says which connection asked.
func identify(t *testing.T, c *websocket.Conn) string {
	t.Helper()
	act(t, c, "nosuchroute", "")
	var answer struct{ Message, ConnectionID, RequestID string }
	if frame := hear(t, c); json.Unmarshal([]byte(frame), &answer) != nil || answer.Message != "Forbidden" ||
		answer.ConnectionID == "" || answer.RequestID == "" {
		t.Fatalf("an unknown route is answered with %s", frame)
	}
	return answer.ConnectionID
}

func TestTheSampleChat(t *testing.T) {
	s := startSampleChat(t)
	var clients []*websocket.Conn
	var ids []string
	for range 5 {
		c := s.connect(t)
		clients = append(clients, c)
		ids = append(ids, identify(t, c))
	}
	if rows := s.rows(t); !slices.Equal(slices.Sorted(slices.Values(rows)), slices.Sorted(slices.Values(ids))) {
		t.Errorf("the table has %q; connected are %q", rows, ids)
	}
	all := func(clients []*websocket.Conn, data string) {
		t.Helper()
		for i, c := range clients {
			if got := hear(t, c); got != data {
				t.Errorf("client %d hears %q; want %q", i, got, data)
			}
		}
	}
	act(t, clients[0], "sendmessage", "hello")
	all(clients, "hello")

	// One vanishes, and its $disconnect is lost. The next message removes its row, and reaches the others.
	lost := localgateway.Fault{Effect: localgateway.LoseDisconnect, ConnectionID: ids[4]}
	if err := s.gateway.SetFaults(1, lost); err != nil {
		t.Fatal(err)
	}
	if !s.gateway.Drop(ids[4]) {
		t.Fatal("there is no such connection")
	}
	if rows := s.rows(t); !slices.Contains(rows, ids[4]) {
		t.Fatalf("the row of a connection whose $disconnect is lost is gone: %q", rows)
	}
	act(t, clients[1], "sendmessage", "is everybody here?")
	all(clients[:4], "is everybody here?")
	s.forgets(t, ids[4], 4)

	// One says goodbye.
	if err := clients[3].Close(websocket.StatusNormalClosure, ""); err != nil {
		t.Error(err)
	}
	s.forgets(t, ids[3], 3)
	act(t, clients[2], "sendmessage", "bye")
	all(clients[:3], "bye")
	s.gateway.WaitForInvocations()
	if rows := s.rows(t); len(rows) != 3 {
		t.Errorf("the table has %q, and three are connected", rows)
	}
}
