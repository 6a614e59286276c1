// Package price is what AWS asks for what the chat uses: dollars in us-east-1, on 2026-11-24, without free tiers.
package price

// The prices (https://aws.amazon.com/api-gateway/pricing/, https://aws.amazon.com/lambda/pricing/,
// https://aws.amazon.com/dynamodb/pricing/on-demand/, https://aws.amazon.com/cloudwatch/pricing/,
// https://aws.amazon.com/ec2/pricing/on-demand/#Data_Transfer).
const (
	Message          = 1.00e-6    // to or from a WebSocket client, for each 32 KB
	ConnectionMinute = 0.25e-6    // of a WebSocket client
	HTTPRequest      = 1.00e-6    // of an HTTP API, for each 512 KB
	Request          = 0.20e-6    // of a function
	GBSecond         = 1.33334e-5 // of a function on arm64
	WriteUnit        = 0.625e-6   // of a table, on demand
	ReadUnit         = 0.125e-6
	LogGB            = 0.50 // written to CloudWatch Logs
	GBOut            = 0.09 // from AWS to the internet
)
