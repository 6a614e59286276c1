package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"strings"
	"testing"

	"wschat/pkg/localgateway/template"
)

// fakeDynamoDB answers what createTables asks. Of the tables, the one called Messages… exists already.
type fakeDynamoDB struct {
	asked    []string                  // operation and table, in order
	requests map[string]map[string]any // by operation and table
}

func (f *fakeDynamoDB) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	body, _ := io.ReadAll(r.Body)
	var request map[string]any
	_ = json.Unmarshal(body, &request)
	key := operation + " " + request["TableName"].(string)[:8]
	f.asked, f.requests[key] = append(f.asked, key), request
	if !strings.Contains(r.Header.Get("Authorization"), "Credential=local/") ||
		!strings.Contains(r.Header.Get("Authorization"), "/us-east-1/dynamodb/") {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	switch key {
	case "CreateTable Messages":
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"__type":"com.amazonaws.dynamodb.v20120810#ResourceInUseException"}`)
	case "DescribeTable Connecti":
		_, _ = io.WriteString(w, `{"Table":{"TableStatus":"ACTIVE"}}`)
	default:
		_, _ = io.WriteString(w, `{}`)
	}
}

// The template's tables are created as it says, with the functions' key and Region. One that exists stays as it is.
func TestTables(t *testing.T) {
	text, err := os.ReadFile(own("defaults"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := template.Read(text, template.Options{})
	if err != nil {
		t.Fatal(err)
	}
	f := &fakeDynamoDB{requests: map[string]map[string]any{}}
	server := httptest.NewServer(f)
	defer server.Close()
	if err := createTables(t.Context(), options{dynamodb: server.URL}, &plan{region: "us-east-1",
		tables: s.Tables}); err != nil {
		t.Fatal(err)
	}
	want := []string{"CreateTable Connecti", "DescribeTable Connecti", "UpdateTimeToLive Connecti",
		"CreateTable Messages"}
	if !reflect.DeepEqual(f.asked, want) {
		t.Errorf("it asks %q", f.asked)
	}
	created := f.requests["CreateTable Connecti"]
	if created["BillingMode"] != "PAY_PER_REQUEST" || len(created["KeySchema"].([]any)) != 2 ||
		len(created["AttributeDefinitions"].([]any)) != 2 ||
		created["GlobalSecondaryIndexes"].([]any)[0].(map[string]any)["IndexName"] != "by_connection" {
		t.Errorf("it creates %v", created)
	}
	ttl := f.requests["UpdateTimeToLive Connecti"]["TimeToLiveSpecification"]
	if !reflect.DeepEqual(ttl, map[string]any{"AttributeName": "expires_at", "Enabled": true}) {
		t.Errorf("the time to live is %v", ttl)
	}
}
