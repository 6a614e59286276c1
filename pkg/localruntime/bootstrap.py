# The runtime client for Python.
