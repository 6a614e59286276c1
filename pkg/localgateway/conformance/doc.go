// Package conformance runs a suite of behaviours of API Gateway's WebSocket APIs against any URL: AWS itself, or an
// emulator. Each file in testdata/behaviours is one behaviour, with what is given, what a client does, and what must be
// seen then. README.md beside it describes the files, and what must be deployed at the URL.
//
//	go run ./pkg/localgateway/cmd/conformance -url open=ws://127.0.0.1:3001/dev
//
// It knows of the server only what its answers say, and it measures no times.
package conformance
