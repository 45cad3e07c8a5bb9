"""The asynchronous clients: of this folder and its twin one is written by hand, the other by `make sync`."""
