package management_test

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigatewaymanagementapi"

	"wschat/pkg/awsclient"
	"wschat/pkg/management"
)

// BenchmarkPost is what a post costs, beside the same with the SDK's client as it is by default, and with plain
// net/http and no signature. The server at the other end is in the figures of all three, so it does as little as it
// can.
func BenchmarkPost(b *testing.B) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer listener.Close()
	go takePosts(listener)
	endpoint := "http://" + listener.Addr().String() + "/dev"
	// As in Lambda, whose credentials have a session token.
	credentials := awsclient.Static(aws.Credentials{AccessKeyID: "id", SecretAccessKey: "key",
		SessionToken: strings.Repeat("t", 800)})
	id, frame := "BFaT_fALIAMCKug=", strings.Repeat("x", 200)
	b.Run("chat", func(b *testing.B) {
		p := management.NewPoster(management.Options{Endpoint: endpoint, Region: "eu-north-1", Workers: 1,
			Credentials: credentials})
		b.ReportAllocs()
		for b.Loop() {
			if err := p.Post(b.Context(), id, []byte(frame)); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("sdk", func(b *testing.B) {
		client := apigatewaymanagementapi.New(apigatewaymanagementapi.Options{BaseEndpoint: &endpoint,
			Region: "eu-north-1", Credentials: credentials})
		b.ReportAllocs()
		for b.Loop() {
			if _, err := client.PostToConnection(b.Context(),
				&apigatewaymanagementapi.PostToConnectionInput{ConnectionId: &id, Data: []byte(frame)}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("bare", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			answer, err := http.Post(endpoint+"/@connections/"+id, "application/octet-stream", strings.NewReader(frame))
			if err != nil {
				b.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, answer.Body)
			_ = answer.Body.Close()
		}
	})
}

// takePosts answers every request with 200.
func takePosts(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			requests := bufio.NewReader(conn)
			for {
				length := 0
				for {
					line, err := requests.ReadSlice('\n')
					if err != nil {
						return
					}
					if value, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
						length, _ = strconv.Atoi(string(bytes.TrimSpace(value)))
					}
					if len(line) == 2 {
						break
					}
				}
				_, _ = requests.Discard(length)
				_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
			}
		}()
	}
}
