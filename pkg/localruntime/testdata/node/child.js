// A process that a handler forks.
process.send("from a child");
