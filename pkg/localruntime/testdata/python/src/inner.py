"""A handler in a folder, which finds modules from the function's folder on."""

from src.greet import greet


def handler(event, context):
    return greet("you")
