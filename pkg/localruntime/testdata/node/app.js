// Handlers in a CommonJS module.
const fs = require("node:fs");

let count = 0;

exports.echo = async (event) => event;
exports.counts = async () => ++count;
exports.nothing = async () => {};
exports.nested = { deep: { handler: async () => "deep" } };
exports.text = "not a function";
exports.context = async (event, context) => ({
  ...context,
  remaining: context.getRemainingTimeInMillis(),
  trace: process.env._X_AMZN_TRACE_ID,
  executionEnv: process.env.AWS_EXECUTION_ENV,
  directory: process.cwd(),
  client: fs.existsSync(process.env.LAMBDA_RUNTIME_DIR),
  hour: new Date(0).getHours(),
});
exports.prints = async () => {
  console.log("out\nand more");
  console.error("err");
  process.stdout.write("no line break");
};

exports.sync = (event) => `not heard on Node.js before 24: ${event}`;
exports.callback = (event, context, callback) => setTimeout(() => callback(null, `called with ${event}`), 5);
exports.callbackError = (event, context, callback) => callback(new TypeError("called back"));
exports.callbackTwice = (event, context, callback) => { callback(null, 1); callback(null, 2); };
exports.never = (event, context, callback) => {};
exports.unsettled = () => new Promise(() => {});
exports.done = (event, context) => context.done(null, "done");
exports.succeed = (event, context) => context.succeed("succeeded");
exports.failed = (event, context) => context.fail(new Error("failed"));
let ticks = 0;
exports.waits = (event, context, callback) => {
  setTimeout(() => { ticks++; }, 20);
  callback(null, { get ticks() { return ticks; } });
};
exports.doesNotWait = (event, context, callback) => {
  context.callbackWaitsForEmptyEventLoop = false;
  setTimeout(() => {}, 60_000);
  callback(null, "at once");
};

class Unauthorized extends Error {
  name = "Unauthorized";
}
exports.throws = () => { throw new Unauthorized("thrown"); };
exports.rejects = async () => { throw new RangeError("rejected, with ü"); };
exports.rejectsText = async () => { throw "just text"; };
exports.circular = async () => { const a = {}; a.a = a; return a; };
exports.uncaught = () => new Promise(() => setTimeout(() => { throw new Error("nothing caught it"); }));
exports.unhandled = () => new Promise(() => { Promise.reject(new Error("nothing handled it")); });
exports.late = async () => {
  setTimeout(() => { throw new Error("after the answer"); }, 5);
  return process.pid;
};
exports.exits = async () => process.exit(4);
exports.fork = () => new Promise((succeed) => {
  const child = require("node:child_process").fork(`${__dirname}/child.js`);
  child.on("message", succeed);
});
