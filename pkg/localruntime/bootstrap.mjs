// The runtime client for Node.js.
