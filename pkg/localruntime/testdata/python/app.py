"""Handlers in Python."""

import decimal
import logging
import os
import sys
import time

count = 0
text = "not a function"


def echo(event, context):
    return event


def counts(event, context):
    global count
    count += 1
    return count


def nothing(event, context):
    pass


def context(event, context):
    return {
        **{name: value for name, value in vars(context).items() if isinstance(value, (str, type(None)))},
        "identity": vars(context.identity),
        "remaining": context.get_remaining_time_in_millis(),
        "trace": os.environ["_X_AMZN_TRACE_ID"],
        "executionEnv": os.environ["AWS_EXECUTION_ENV"],
        "directory": os.getcwd(),
        "client": os.path.exists(os.environ["LAMBDA_RUNTIME_DIR"]),
        "hour": time.localtime(0).tm_hour,
    }


def prints(event, context):
    print("out\nand more")
    print("err", file=sys.stderr)
    logging.getLogger().warning("logged")
    context.log("no line break")


def numbers(event, context):
    return [decimal.Decimal("12345678901234567890"), decimal.Decimal("1.50")]


def raw(event, context):
    return b"\x00not JSON"


async def coroutine(event, context):
    return 1


def raises(event, context):
    raise PermissionError("raised, with ü")


def unencodable(event, context):
    return {1, 2}


def exits(event, context):
    sys.exit(4)
