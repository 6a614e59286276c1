// Package localruntime runs a built Lambda function on this machine as Lambda does: a program with a bootstrap of its
// own, or a handler in JavaScript or Python. Each process takes one invocation at a time from a runtime API. A new
// process starts if all are busy, and a process that exits is replaced:
//
//	config, err := localruntime.Node("src", "app.handler")
//	pool, err := localruntime.New(config)
//	defer pool.Close()
//	response, err := pool.Invoke(ctx, []byte(`{"key": "value"}`))
//
// A Pool is a handler for package localgateway, and a lambda.Handler. The function has the environment, the working
// directory and the errors that it has on Lambda.
//
// The rules are those of https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html. If AWS's pages leave something
// open, the choice is written at the place where it is made. The README.md of this package says what it does not do.
// It knows nothing of what the function does.
package localruntime
