# Handlers in shell.

handler() {
    echo "an event came" >&2
    echo "{\"event\":$1}"
}

fails() {
    return 1
}
