"""The `consensus` command."""

import sys


def main() -> None:
    """Runs the command that the arguments name; exits with its code."""
    from consensus_cli.app import app

    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a terminal without UTF-8 must not stop a review
    app(prog_name="consensus")
