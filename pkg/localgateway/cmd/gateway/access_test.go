package main

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/coder/websocket"
)

// With AWS_IAM in place of an authorizer, a client signs its handshake as the SDK signs, with the functions' own key.
func TestIAM(t *testing.T) {
	r := launch(t, "-authorizer", "AWS_IAM", "-route", "$default="+self(t))
	for id, status := range map[string]int{"": 403, "other": 403, "local": 101} {
		request, err := http.NewRequest(http.MethodGet, strings.Replace(r.url, "ws", "http", 1), nil)
		if err != nil {
			t.Fatal(err)
		}
		if id != "" {
			empty := sha256.Sum256(nil)
			if err := v4.NewSigner().SignHTTP(t.Context(), aws.Credentials{AccessKeyID: id, SecretAccessKey: "local"},
				request, hex.EncodeToString(empty[:]), "execute-api", "us-east-1", time.Now()); err != nil {
				t.Fatal(err)
			}
		}
		conn, answer, err := websocket.Dial(t.Context(), r.url, &websocket.DialOptions{HTTPHeader: request.Header})
		if answer == nil || answer.StatusCode != status {
			t.Errorf("key %q: %v, %v", id, answer, err)
		}
		if conn != nil {
			_ = conn.CloseNow()
		}
	}
}

// The throttle of the template's stage holds for each route by itself.
func TestThrottles(t *testing.T) {
	text, err := os.ReadFile(own("defaults"))
	if err != nil {
		t.Fatal(err)
	}
	low := string(text)
	for limit, value := range map[string]string{"ThrottlingBurstLimit": "1", "ThrottlingRateLimit": "0.0001"} {
		written := regexp.MustCompile(`"` + limit + `": \d+`)
		if !written.MatchString(low) {
			t.Fatalf("the template has no %s", limit)
		}
		low = written.ReplaceAllString(low, `"`+limit+`": `+value)
	}
	path := filepath.Join(t.TempDir(), "template.json")
	if err := os.WriteFile(path, []byte(low), 0o600); err != nil {
		t.Fatal(err)
	}
	c := dial(t, launch(t, "-template", path, "-function", "Function="+self(t)).url, nil)
	if err := c.conn.Write(t.Context(), websocket.MessageText, []byte(`{"action":"ping"}`)); err != nil {
		t.Fatal(err) // no answer: the route has no response
	}
	if got := c.say(`{"action":"ping"}`); !strings.Contains(got, "Too Many Requests") {
		t.Errorf("the second ping gets %s", got)
	}
	// Another route has a count of its own.
	if err := c.conn.Write(t.Context(), websocket.MessageText, []byte(`{"action":"getRooms"}`)); err != nil {
		t.Fatal(err)
	}
	if got := c.say(`{"action":"getRooms"}`); !strings.Contains(got, "Too Many Requests") {
		t.Errorf("the second getRooms gets %s", got)
	}
}
