// Package client keeps a Go program in rooms of the chat, whatever happens to the network.
//
// It gives the guarantees of the JavaScript client, pkg/webclient/files/client.js:
//
//   - Each message of a room is delivered once, in the order of its index, without a gap. What was missed during an
//     interruption is fetched.
//   - What becomes of messages is delivered too: edits, deletions and reactions. An older state of a message never
//     comes after a newer one.
//   - What is sent is stored once, in the order in which it was sent. It is sent again after an interruption.
//   - A dead connection is noticed and replaced. A network that drops closes no socket, so the client sends a ping
//     after 25 seconds of silence, and connects again without an answer within 6 seconds.
//   - A second connection takes over before API Gateway closes the first one after two hours, and before a token ends.
//
// New makes a Client, Client.Join a Room, and Room.Events says what happens in it. All methods may be called by several
// goroutines at once. README.md has more, and the Example is a bot.
//
// The package has its own types for the frames of pkg/protocol, and imports nothing of AWS.
package client
