"""What a handler imports."""


def greet(name):
    return f"hello {name}"
