"""The bundled runtime client for Python: it calls a handler with the events of the runtime API, as Lambda's own does.

Its errors have the names of https://github.com/aws/aws-lambda-python-runtime-interface-client. It needs nothing but
Python 3.9.
"""

import decimal
import http.client
import importlib
import json
import logging
import os
import sys
import time
import traceback
import types

API = "/2018-06-01/runtime/"


class Fault(Exception):
    """A failure that is not an exception of the handler."""

    def __init__(self, kind, message, trace=()):
        super().__init__(message)
        self.kind = kind
        self.trace = list(trace)


class RuntimeAPI:
    """The runtime API, over one connection. It has no timeout, because the next event may be long in coming."""

    def __init__(self, address):
        self.connection = http.client.HTTPConnection(address)

    def next(self):
        return self.call("GET", "invocation/next")

    def respond(self, request_id, body, content_type):
        self.call("POST", f"invocation/{request_id}/response", body, {"Content-Type": content_type})

    def fail(self, path, error):
        headers = {"Content-Type": "application/json", "Lambda-Runtime-Function-Error-Type": error["errorType"]}
        self.call("POST", path, json.dumps(error).encode(), headers)

    def call(self, method, path, body=None, headers=None):
        self.connection.request(method, API + path, body, headers or {})
        answer = self.connection.getresponse()
        content = answer.read()
        if method == "GET" and answer.status != 200:
            sys.exit(f"The runtime API has no event: status {answer.status}, {content.decode(errors='replace')}")
        return answer.headers, content


class Context:
    """What a handler gets beside the event: https://docs.aws.amazon.com/lambda/latest/dg/python-context.html"""

    def __init__(self, headers):
        self.aws_request_id = headers["Lambda-Runtime-Aws-Request-Id"]
        self.invoked_function_arn = headers["Lambda-Runtime-Invoked-Function-Arn"]
        self.function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
        self.function_version = os.environ["AWS_LAMBDA_FUNCTION_VERSION"]
        self.memory_limit_in_mb = os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
        self.log_group_name = os.environ["AWS_LAMBDA_LOG_GROUP_NAME"]
        self.log_stream_name = os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]
        self.client_context = None
        self.identity = types.SimpleNamespace(cognito_identity_id=None, cognito_identity_pool_id=None)
        self._deadline = int(headers["Lambda-Runtime-Deadline-Ms"])

    def get_remaining_time_in_millis(self):
        return max(self._deadline - int(time.time() * 1000), 0)

    def log(self, message):
        sys.stdout.write(str(message))


def load(spec):
    """Returns the function that a handler's name stands for, as app.handler or src/app.handler."""
    module_name, dot, name = spec.rpartition(".")
    if not dot:
        raise Fault("Runtime.MalformedHandlerName", f"Bad handler '{spec}': it is not module.function")
    try:
        module = importlib.import_module(module_name.replace("/", "."))
    except ImportError as error:
        raise Fault("Runtime.ImportModuleError", f"Unable to import module '{module_name}': {error}") from error
    except SyntaxError as error:
        trace = [f'  File "{error.filename}" Line {error.lineno}\n    {error.text}']
        raise Fault("Runtime.UserCodeSyntaxError", f"Syntax error in module '{module_name}': {error}", trace) from error
    try:
        return getattr(module, name)
    except AttributeError:
        message = f"Handler '{name}' missing on module '{module_name}'"
        raise Fault("Runtime.HandlerNotFound", message) from None


def parse(event):
    try:
        return json.loads(event)
    except ValueError as error:
        raise Fault("Runtime.UnmarshalError", f"Unable to unmarshal input: {error}") from error


def encode(response):
    """Returns the body of a response and its type. DynamoDB's numbers are Decimals."""
    if isinstance(response, bytes):
        return response, "application/unknown"
    try:
        return json.dumps(response, default=number).encode(), "application/json"
    except (TypeError, ValueError, RecursionError) as error:
        raise Fault("Runtime.MarshalError", f"Unable to marshal response: {error}") from error


def number(value):
    if isinstance(value, decimal.Decimal):
        return int(value) if value.is_finite() and value == value.to_integral_value() else float(value)
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def describe(error, request_id=""):
    """Returns the error object that is posted for an exception, without the frames of this file."""
    if isinstance(error, Fault):
        kind, trace = error.kind, error.trace
    else:
        kind = type(error).__name__
        frames = traceback.extract_tb(error.__traceback__)
        while frames and frames[0].filename == __file__:
            del frames[0]
        trace = traceback.format_list(frames)
    return {"errorMessage": str(error), "errorType": kind, "requestId": request_id, "stackTrace": trace}


def report(error):
    """Prints an error object."""
    sys.stdout.write(f"[ERROR] {error['errorType']}: {error['errorMessage']}\n" + "".join(error["stackTrace"]) + "\n")


def set_up():
    """Makes the process as the handler expects it to be."""
    # The module that is the handler is found in the function's folder, and not beside this file.
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [os.environ["LAMBDA_TASK_ROOT"]] + [p for p in sys.path if os.path.abspath(p) != here]
    os.environ.setdefault("AWS_EXECUTION_ENV", f"AWS_Lambda_python{sys.version_info.major}.{sys.version_info.minor}")
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)
    # On Lambda the root logger has a handler: a function only sets its level.
    handler = logging.StreamHandler(sys.stdout)
    formatter = logging.Formatter("[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(message)s", "%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    logging.getLogger().addHandler(handler)


def handle(api, handler):
    """Takes one event and posts what the handler makes of it."""
    headers, event = api.next()
    context = Context(headers)
    os.environ["_X_AMZN_TRACE_ID"] = headers.get("Lambda-Runtime-Trace-Id", "")
    try:
        body, content_type = encode(handler(parse(event), context))
    except Exception as exception:
        error = describe(exception, context.aws_request_id)
        report(error)
        sys.stdout.flush()
        api.fail(f"invocation/{context.aws_request_id}/error", error)
        return
    sys.stdout.flush()
    sys.stderr.flush()
    api.respond(context.aws_request_id, body, content_type)


def main():
    set_up()
    api = RuntimeAPI(os.environ["AWS_LAMBDA_RUNTIME_API"])
    try:
        handler = load(os.environ["_HANDLER"])
    except Exception as exception:
        error = describe(exception)
        report(error)
        api.fail("init/error", error)
        sys.exit(1)
    while True:
        handle(api, handler)


main()
