// A double of rapid-client.node, the part of aws-lambda-ric that is compiled. It is loaded in its place, so that the
// package runs as npm brings it, without a compiler. It makes the same requests as src/native/rapid-client.cc and the
// C++ client in deps/aws-lambda-cpp.tar.xz of the package.
const http = require("node:http");
const Module = require("node:module");

const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
const [hostname, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(":");
const api = "/2018-06-01/runtime/invocation/";

function call(method, path, headers, body) {
  const options = { agent, hostname, port, method, path: api + path };
  options.headers = { Accept: "*/*", "User-Agent": "AWS_Lambda_Cpp/0.2.14", ...headers };
  return new Promise((succeed, fail) => {
    http.request(options, (answer) => {
      let text = "";
      answer.setEncoding("utf8").on("data", (part) => { text += part; });
      answer.on("end", () => succeed({ status: answer.statusCode, headers: answer.headers, text }));
    }).on("error", fail).end(body);
  });
}

// The compiled client posts and waits. This one lets the next call wait instead.
let posted = Promise.resolve();

function post(path, body, cause) {
  const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(body) };
  if (cause) headers["lambda-runtime-function-xray-error-cause"] = cause;
  posted = posted.then(() => call("POST", path, headers, body)).then(({ status, text }) => {
    if (status !== 202) process.stdout.write(`status ${status} for ${path}: ${text}\n`);
  });
}

const passed = ["aws-request-id", "deadline-ms", "invoked-function-arn", "trace-id"]
  .map((name) => `lambda-runtime-${name}`);

const client = {
  async next() {
    await posted;
    const { status, headers, text } = await call("GET", "next");
    if (status !== 200) throw new Error(`Failed to get next invocation, error ${status}`);
    const kept = Object.fromEntries(passed.map((name) => [name, headers[name]]));
    return { bodyJson: text, headers: kept };
  },
  done: (id, body) => post(`${id}/response`, body, ""),
  error: (id, body, cause) => post(`${id}/error`, body, cause),
};

const load = Module._load;
Module._load = function (name, ...rest) {
  return name === "./rapid-client.node" ? client : load.call(this, name, ...rest);
};
