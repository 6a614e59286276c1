// The bundled runtime client for Node.js: it calls a handler with the events of the runtime API, as Lambda's own does.
// Its errors have the names of https://github.com/aws/aws-lambda-nodejs-runtime-interface-client. It needs nothing but
// Node.js 20.

import { statSync } from "node:fs";
import { Agent, request } from "node:http";
import { createRequire } from "node:module";
import { basename, dirname, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const { env } = process;
const major = Number(process.versions.node.split(".")[0]);

// Node.js 24 has no callbacks on Lambda (https://docs.aws.amazon.com/lambda/latest/dg/nodejs-handler.html).
const callbacks = major < 24;

/** An error with a name of Lambda's. */
function fault(name, message, cause) {
  const error = new Error(message, { cause });
  error.name = name;
  if (cause?.stack) error.stack = cause.stack;
  return error;
}

// A socket that waits for the next event keeps the process alive. One that is idle does not. So the process has nothing
// left to do, and "beforeExit" comes, when a handler has nothing left to do.
const agent = new Agent({ keepAlive: true, maxSockets: 1 });
const [hostname, port] = env.AWS_LAMBDA_RUNTIME_API.split(":");

/** Calls the runtime API. Without a body it is a GET. */
function call(path, body, headers = {}) {
  const method = body === undefined ? "GET" : "POST";
  if (body !== undefined) headers = { "Content-Length": Buffer.byteLength(body), ...headers };
  return new Promise((succeed, fail) => {
    const options = { agent, hostname, port, method, path: `/2018-06-01/runtime/${path}`, headers };
    request(options, (answer) => {
      const parts = [];
      answer.on("data", (part) => parts.push(part));
      const { statusCode: status, headers } = answer;
      answer.on("end", () => succeed({ status, headers, body: Buffer.concat(parts) }));
      answer.on("error", fail);
    }).on("error", fail).end(body);
  });
}

async function next() {
  const { status, headers, body } = await call("invocation/next");
  if (status !== 200) throw new Error(`The runtime API has no event: status ${status}, ${body}`);
  return { headers, body };
}

function postError(path, error) {
  const described = describe(error);
  console.error(error);
  return call(path, JSON.stringify(described), {
    "Content-Type": "application/json",
    "Lambda-Runtime-Function-Error-Type": encodeURIComponent(described.errorType),
  });
}

/** Returns the error object that is posted for what a handler threw. */
function describe(error) {
  if (error instanceof Error) {
    return { errorType: `${error.name}`, errorMessage: `${error.message}`, trace: `${error.stack ?? ""}`.split("\n") };
  }
  return { errorType: typeof error, errorMessage: String(error), trace: [] };
}

/** Returns the function that a handler's name stands for, as app.handler or src/app.handler. */
async function load(root, spec) {
  if (spec.includes("..")) throw fault("Runtime.MalformedHandlerName", `'${spec}' is not a valid handler name`);
  const [, file, name] = basename(spec).match(/^([^.]*)\.(.+)$/) ?? [];
  if (!file) throw fault("Runtime.MalformedHandlerName", `Bad handler '${spec}': it is not file.function`);
  const loaded = await loadModule(root, dirname(spec), file);
  const handler = find(loaded, name) ?? find(loaded.default, name);
  if (!handler) throw fault("Runtime.HandlerNotFound", `${spec} is undefined or not exported`);
  if (typeof handler !== "function") throw fault("Runtime.HandlerNotFound", `${spec} is not a function`);
  if (!callbacks && handler.length >= 3) {
    throw fault("Runtime.CallbackHandlerDeprecated", `${spec} takes a callback, which Node.js 24 has not on Lambda`);
  }
  return handler;
}

async function loadModule(root, folder, file) {
  const path = resolve(root, folder, file);
  try {
    for (const extension of ["", ".js", ".mjs", ".cjs"]) {
      if (statSync(path + extension, { throwIfNoEntry: false })?.isFile()) {
        return await import(pathToFileURL(path + extension));
      }
    }
    const found = createRequire(resolve(root, "index.js")).resolve(file, { paths: [root, resolve(root, folder)] });
    return await import(pathToFileURL(found));
  } catch (error) {
    if (error instanceof SyntaxError) {
      throw fault("Runtime.UserCodeSyntaxError", `SyntaxError: ${error.message}`, error);
    }
    if (error.code === "MODULE_NOT_FOUND" || error.code === "ERR_MODULE_NOT_FOUND") {
      throw fault("Runtime.ImportModuleError", `Error: ${error.message}`, error);
    }
    throw error;
  }
}

function find(loaded, name) {
  return name.split(".").reduce((value, key) => value?.[key], loaded);
}

/** What a handler gets beside the event: https://docs.aws.amazon.com/lambda/latest/dg/nodejs-context.html */
function contextOf(headers) {
  const deadline = Number(headers["lambda-runtime-deadline-ms"]);
  return {
    awsRequestId: headers["lambda-runtime-aws-request-id"],
    invokedFunctionArn: headers["lambda-runtime-invoked-function-arn"],
    functionName: env.AWS_LAMBDA_FUNCTION_NAME,
    functionVersion: env.AWS_LAMBDA_FUNCTION_VERSION,
    memoryLimitInMB: env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: env.AWS_LAMBDA_LOG_STREAM_NAME,
    clientContext: undefined,
    identity: undefined,
    getRemainingTimeInMillis: () => deadline - Date.now(),
  };
}

// What happens when a process has nothing left to do.
let idle = () => {};
process.on("beforeExit", () => idle());

/**
 * Calls a handler that may call back. As on Lambda, what it returns counts only if it is a promise. A handler that has
 * neither returned one nor called back when nothing is left to do has answered null.
 */
function handleWithCallbacks(handler, event, context) {
  return new Promise((succeed, fail) => {
    let called = false;
    idle = () => succeed(null);
    const once = (report) => (error, result) => {
      if (called) return;
      called = true;
      if (error !== undefined && error !== null) fail(error);
      else report(result);
    };
    context.callbackWaitsForEmptyEventLoop = true;
    context.done = once(succeed);
    context.succeed = (result) => context.done(null, result);
    context.fail = (error) => context.done(error ?? "handled");
    const returned = handler(event, context, once((result) => {
      if (context.callbackWaitsForEmptyEventLoop) idle = () => succeed(result);
      else succeed(result);
    }));
    if (typeof returned?.then === "function") returned.then(succeed, fail);
  });
}

/** Encodes a response. */
function encode(response) {
  try {
    return JSON.stringify(response) ?? "null";
  } catch (error) {
    throw fault("Runtime.JSONStringifyError", "Unable to stringify response body", error);
  }
}

// Where an error is posted that nothing caught: that of the event in hand, or of the start. Between events it is "".
let errorPath = "init/error";

/** Takes one event and posts what the handler makes of it. */
async function handle(handler) {
  const { headers, body } = await next();
  const context = contextOf(headers);
  const path = `invocation/${context.awsRequestId}`;
  errorPath = `${path}/error`;
  env._X_AMZN_TRACE_ID = headers["lambda-runtime-trace-id"] ?? "";
  try {
    const event = JSON.parse(body);
    const result = callbacks ? handleWithCallbacks(handler, event, context) : handler(event, context);
    const response = encode(await result);
    errorPath = "";
    await call(`${path}/response`, response, { "Content-Type": "application/json" });
  } catch (error) {
    errorPath = "";
    await postError(`${path}/error`, error);
  }
  idle = () => {};
}

/** Posts an error that nothing caught, and ends the process. */
async function die(error, status) {
  if (errorPath) await postError(errorPath, error).catch(() => {});
  else console.error(error);
  process.exit(status);
}

process.on("uncaughtException", (error) => die(error, 129));
process.on("unhandledRejection", (reason) => {
  const message = reason instanceof Error ? `${reason.name}: ${reason.message}` : String(reason);
  return die(fault("Runtime.UnhandledPromiseRejection", message, reason), 128);
});

async function main() {
  env.AWS_EXECUTION_ENV ??= `AWS_Lambda_nodejs${major}.x`;
  let handler;
  try {
    handler = await load(env.LAMBDA_TASK_ROOT, env._HANDLER);
  } catch (error) {
    await postError("init/error", error);
    process.exit(1);
  }
  for (;;) await handle(handler);
}

main();
