package localgateway

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strconv"
)

// response is the answer of a Lambda proxy integration, for a WebSocket route or an HTTP route.
type response struct {
	StatusCode        statusCode
	Headers           map[string]*scalar
	MultiValueHeaders map[string][]scalar // of WebSocket routes
	Cookies           []string            // of HTTP routes
	Body              scalar
	IsBase64Encoded   bool
}

// apiKind says which fields a response may have.
type apiKind int

const (
	webSocketAPI apiKind = iota
	httpAPI
)

// parseResponse reads a proxy response. It matches names with their case, as AWS does.
//
// A WebSocket API takes a response with any other field as malformed (https://github.com/middyjs/middy/issues/1219), as
// a REST API does (https://github.com/aws/aws-sam-cli/pull/1154, measured on AWS). An HTTP API ignores other fields
// (samcli/local/apigw/local_apigw_service.py of aws-sam-cli says so). AWS's page for both WebSocket and REST APIs is
// https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html.
//
// A REST API takes a response without a statusCode as 200 (https://github.com/localstack/localstack/pull/10312), and an
// HTTP API takes it as the body. No source says what a WebSocket API does. Here it is malformed for all, because a
// function that forgets it is more likely wrong than right.
func parseResponse(payload []byte, kind apiKind) (response, error) {
	var r response
	fields := map[string]any{
		"statusCode":      &r.StatusCode,
		"headers":         &r.Headers,
		"body":            &r.Body,
		"isBase64Encoded": &r.IsBase64Encoded,
	}
	if kind == webSocketAPI {
		fields["multiValueHeaders"] = &r.MultiValueHeaders
	} else {
		fields["cookies"] = &r.Cookies
	}
	var got map[string]json.RawMessage
	if err := json.Unmarshal(payload, &got); err != nil {
		return r, fmt.Errorf("it is not a JSON object: %.200q", payload)
	}
	for name, value := range got {
		field, known := fields[name]
		if !known && kind == webSocketAPI {
			return r, fmt.Errorf("it has the unknown field %q: %.200q", name, payload)
		}
		if !known {
			continue
		}
		if err := json.Unmarshal(value, field); err != nil {
			return r, fmt.Errorf("its field %s is wrong: %w: %.200q", name, err, payload)
		}
	}
	if r.StatusCode < 200 || r.StatusCode > 599 {
		return r, fmt.Errorf("it has no statusCode from 200 to 599: %.200q", payload)
	}
	return r, nil
}

// scalar is the text of a JSON string, number or boolean. Null leaves it as it is.
//
// AWS takes booleans and numbers as header values (https://github.com/aws/aws-sam-cli/issues/221), and also as a body
// (https://github.com/aws/aws-sam-cli/issues/38, https://github.com/mousabaker/aws-lambda-typing/issues/85). An object
// as a body is malformed (https://github.com/vincentsarago/lambda-proxy/issues/59). All of this was seen on
// REST APIs, and no source says that a WebSocket API differs. A number's text is the one in the JSON: no source says
// whether AWS writes 1.50 as 1.5.
type scalar string

func (s *scalar) UnmarshalJSON(b []byte) error {
	switch {
	case b[0] == '"':
		return json.Unmarshal(b, (*string)(s))
	case b[0] == '{' || b[0] == '[':
		return fmt.Errorf("%.100s is not a string, a number or a boolean", b)
	case string(b) != "null":
		*s = scalar(b)
	}
	return nil
}

// statusCode is a number, or a string with a number: AWS takes {"statusCode":"201"}, as was measured on a REST API
// (https://github.com/localstack/localstack/pull/11199). Other texts, fractions and null are malformed here, which is a
// choice: no source was found.
type statusCode int

func (c *statusCode) UnmarshalJSON(b []byte) error {
	var text scalar
	if err := text.UnmarshalJSON(b); err != nil {
		return err
	}
	n, err := strconv.Atoi(string(text))
	*c = statusCode(n)
	return err
}

// header returns the headers of the HTTP answer. If a name is in both fields, MultiValueHeaders wins. A header that is
// null is not sent, and is not filled in either (https://github.com/aws/aws-sam-cli/issues/1218).
func (r response) header() http.Header {
	h := http.Header{}
	for name, value := range r.Headers {
		name = http.CanonicalHeaderKey(name)
		h[name] = nil
		if value != nil {
			h[name] = []string{string(*value)}
		}
	}
	for name, values := range r.MultiValueHeaders {
		name = http.CanonicalHeaderKey(name)
		h[name] = nil
		for _, value := range values {
			h[name] = append(h[name], string(value))
		}
	}
	return h
}

// bytes returns the body, decoded if it is in base64.
func (r response) bytes() ([]byte, error) {
	if !r.IsBase64Encoded {
		return []byte(r.Body), nil
	}
	body, err := base64.StdEncoding.DecodeString(string(r.Body))
	if err != nil {
		return nil, fmt.Errorf("the body is not base64, but isBase64Encoded is true: %w", err)
	}
	return body, nil
}

// write sends a handler's response to an HTTP client.
func (r response) write(w http.ResponseWriter) {
	body, err := r.bytes()
	if err != nil {
		writeJSON(w, http.StatusInternalServerError, map[string]string{"message": "Internal Server Error"})
		return
	}
	maps.Copy(w.Header(), r.header())
	for _, name := range [...]string{"Connection", "Content-Length", "Transfer-Encoding"} { // the server sets these
		w.Header().Del(name)
	}
	for _, cookie := range r.Cookies {
		w.Header().Add("Set-Cookie", cookie)
	}
	w.WriteHeader(int(r.StatusCode))
	_, _ = w.Write(body)
}
