"""`python -m consensus_cli.demo`: both services and one review, for `make review`."""

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from consensus_cli.local.installed import NO_SERVERS, has_servers
from consensus_cli.local.processes import ChildFailed
from consensus_cli.local.running import is_door, is_serving
from consensus_cli.local.stack import Stack

_USAGE_EXIT = 2
_FAILED_EXIT = 1


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: that of the review."""
    idea = _parser().parse_args(arguments).idea
    if not idea.strip():
        sys.stderr.write('error: say what to review: make review IDEA="…" (or IDEA=@file)\n')
        return _USAGE_EXIT
    if not has_servers():
        sys.stderr.write(f"error: {NO_SERVERS}\n")
        return _USAGE_EXIT
    directory = Path(tempfile.mkdtemp(prefix="consensus-"))
    try:
        code = _review(directory, idea)
    except ChildFailed as error:
        sys.stderr.write(f"error: {error}\n")
        return _FAILED_EXIT
    except KeyboardInterrupt:
        code = 130
    if code == _FAILED_EXIT:
        sys.stderr.write(f"logs of the services: {directory}\n")
        return code
    shutil.rmtree(directory, ignore_errors=True)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m consensus_cli.demo",
        description="Start both services on this machine, with SQLite unless DATABASE_URL says otherwise "
        "and, without an OPENAI_API_KEY, with the offline model; review one idea; stop everything.",
    )
    parser.add_argument(
        "--idea",
        default=os.environ.get("IDEA", ""),
        help="the idea, @ and the name of a file, or - for standard input (default: $IDEA)",
    )
    return parser


def _review(directory: Path, idea: str) -> int:
    from consensus_cli.local.launch_settings import LaunchSettings
    from consensus_cli.local.starting import leave_on_signals, start_model_and_review, tell

    leave_on_signals()
    settings = LaunchSettings.load_or_exit()
    running = settings.review_listen
    if is_serving(running):
        tell(f"using the review service that runs at {running}")
        if is_door(settings.door_listen):
            os.environ.setdefault("CONSENSUS_DOOR", f"http://{settings.door_listen}")
        return _reviewed(running, idea)
    with Stack(directory, quiet=True, is_tied=True) as stack:
        stack.start_persistence(METRICS_LISTEN="")
        start_model_and_review(stack, settings, METRICS_LISTEN="")
        stack.wait_until_serving()
        for line in stack.settings_typos():
            tell(line)
        code = _reviewed(stack.addresses.review, idea)
        if code == 0:
            tell("The run is kept: after `make up` these commands show it.")
        return code


def _reviewed(address: str, idea: str) -> int:
    """The exit code of a review there."""
    from consensus_cli.app import app

    os.environ["CONSENSUS_SERVER"] = address
    os.environ.pop("CONSENSUS_TLS_CA", None)  # it is on the loopback, in plain text
    try:
        app(["review", "--", idea], prog_name="consensus")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else _FAILED_EXIT
    return 0


if __name__ == "__main__":
    sys.exit(main())
