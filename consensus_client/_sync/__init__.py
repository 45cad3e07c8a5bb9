# Made by `make sync` from consensus_client/_async/__init__.py; never edited.
"""The synchronous clients: of this folder and its twin one is written by hand, the other by `make sync`."""
