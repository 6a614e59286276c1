// Package localgateway is Amazon API Gateway for WebSocket APIs in this process, for any Lambda handler: what
// net/http/httptest is to HTTP. A Gateway is an http.Handler that takes real WebSocket clients, invokes the handler
// with the events that API Gateway would send, and serves the @connections that the handler posts to:
//
//	gw, err := localgateway.New(localgateway.Config{
//		Handler: handler, Routes: []string{"$connect", "$disconnect", "sendMessage"},
//	})
//	srv := httptest.NewServer(gw)
//	// ws://…/dev for clients; http://…/dev is the callback URL for the handler's Management API client
//
// It answers as API Gateway does, also when it refuses. A test then covers in milliseconds what takes hours on AWS:
//
//   - Config.Clock with a ManualClock: the close of a connection that was idle for 10 minutes or lived for 2 hours, and
//     the integration timeout.
//   - Config.Quotas, Config.Throttle and Config.RouteThrottles: the 429 of an account, a stage or a route that is used
//     too fast.
//   - Gateway.SetFaults and Gateway.Drop: sockets that vanish, posts that fail, handlers that die, a $disconnect that
//     never comes; repeatable by a seed.
//   - Config.Authorizer: a Lambda authorizer on $connect, with its policy evaluated.
//   - Config.Handlers, Config.RouteResponses, Config.StageVariables: a function for each route, its answer in a frame,
//     and the variables of the stage in its events.
//   - Config.Credentials and Config.IAM: the check of the signature on calls of @connections and on handshakes.
//
// The rules it follows are those of
// https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api.html. If AWS's pages and
// events captured from it leave something open, the choice is written at the place where it is made. The README.md of
// this package says what it does not do. It knows nothing of what the handler does.
package localgateway
