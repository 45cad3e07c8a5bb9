"""`python -m consensus_cli.local.demo`: both services and one review, or everything in the foreground."""

import argparse
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from types import FrameType
from typing import NoReturn

from consensus_cli.local.processes import ChildFailed, reserve_port
from consensus_cli.local.running import is_door, is_serving
from consensus_cli.local.stack import Stack

_WATCH_SECONDS = 0.2
_NO_KEY = "no OPENAI_API_KEY: the offline model answers, by rules"
_DOOR_NEEDS = ("connectrpc", "jinja2", "starlette", "uvicorn")
_NO_DOOR = "no page: pip install 'consensus-engine[door]'"
_USAGE_EXIT = 2
_FAILED_EXIT = 1


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: that of the review, or 0 after Ctrl-C with `--up`."""
    options = _parser().parse_args(arguments)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)
    directory = Path(tempfile.mkdtemp(prefix="consensus-"))
    try:
        code = _up(directory) if options.up else _review(directory, options.idea)
    except ChildFailed as error:
        sys.stderr.write(f"error: {error}\n")
        return _FAILED_EXIT
    except KeyboardInterrupt:
        code = 130
    if code == _FAILED_EXIT and not options.up:
        sys.stderr.write(f"logs of the services: {directory}\n")
        return code
    shutil.rmtree(directory, ignore_errors=True)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m consensus_cli.local.demo",
        description="Start both services on this machine, with SQLite unless DATABASE_URL says otherwise "
        "and, without an OPENAI_API_KEY, with the offline model; review one idea; stop everything.",
    )
    parser.add_argument(
        "--idea",
        default=os.environ.get("IDEA", ""),
        help="the idea, @ and the name of a file, or - for standard input (default: $IDEA)",
    )
    parser.add_argument("--up", action="store_true", help="review nothing; stay until Ctrl-C")
    return parser


def _review(directory: Path, idea: str) -> int:
    if not idea.strip():
        sys.stderr.write('error: say what to review: make review IDEA="…" (or IDEA=@file)\n')
        return _USAGE_EXIT
    from consensus_cli.local.launch_settings import LaunchSettings

    settings = LaunchSettings.load_or_exit()
    if is_serving(settings.review_listen):
        sys.stderr.write(f"using the review service that runs at {settings.review_listen}\n")
        if is_door(settings.door_listen):
            os.environ.setdefault("CONSENSUS_DOOR", f"http://{settings.door_listen}")
        return _reviewed(settings.review_listen, idea)
    with Stack(directory, quiet=True, is_tied=True) as stack:
        stack.start_persistence(METRICS_LISTEN="")
        _start_rest(stack, None, METRICS_LISTEN="")
        stack.wait_until_serving()
        for line in stack.settings_typos():
            _told(line)
        code = _reviewed(stack.addresses.review, idea)
        if code == 0:
            sys.stderr.write("The run is kept: after `make up` these commands show it.\n")
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


def _start_rest(stack: Stack, wanted: str | None, **more: str) -> bool:
    """Starts what persistence does without: the model if there is no key, and the review service."""
    from consensus_cli.local.launch_settings import LaunchSettings

    offline = LaunchSettings.load_or_exit().openai_api_key is None
    if offline:
        stack.start_model()
        sys.stderr.write(f"{_NO_KEY}\n")
    stack.start_review(wanted, **more)
    return offline


def _up(directory: Path) -> int:
    from consensus_cli.local.launch_settings import LaunchSettings

    settings = LaunchSettings.load_or_exit()
    with Stack(directory, quiet=False, is_tied=True) as stack:
        try:
            quiet = {} if "log_level" in settings.model_fields_set else {"LOG_LEVEL": "WARNING"}
            internal = _free(settings.persistence_internal_listen)
            more = quiet | _own_metrics(settings.metrics_listen)
            stack.start_persistence(_free(settings.persistence_listen), internal, **more)
            _start_rest(stack, _free(settings.review_listen), **quiet)
            if all(map(find_spec, _DOOR_NEEDS)):
                stack.start_door(_free(settings.door_listen), **quiet)
            stack.wait_until_serving(lambda what: _told(f"waiting for {what}"))
            _announce(stack)
            while True:
                stack.check()
                time.sleep(_WATCH_SECONDS)
        except (KeyboardInterrupt, SystemExit):
            sys.stderr.write("\nstopping\n")
    return 0


def _told(words: str) -> None:
    sys.stderr.write(f"{words}\n")


def _own_metrics(shared: str | None) -> dict[str, str]:
    """The persistence service's own address of metrics where the settings name one: the port after it."""
    if shared is None:
        return {}
    host, _, port = shared.rpartition(":")
    own = f"{host}:{int(port) + 1 if int(port) else 0}"
    _told(f"metrics of the review service at {shared}, of the persistence service at {own}")
    return {"METRICS_LISTEN": own}


def _free(wanted: str) -> str | None:
    """The wanted address if its port is free on this machine, else None, for any free one."""
    host, _, port = wanted.rpartition(":")
    try:
        reserve_port(host.strip("[]"), int(port)).close()
    except OSError:
        sys.stderr.write(f"{wanted} is taken; taking a free port instead\n")
        return None
    return wanted


def _announce(stack: Stack) -> None:
    from consensus_cli.execution.session import program  # only needed here

    addresses = stack.addresses
    model = f"offline model        {addresses.model_url}" if addresses.model_url else ""
    door = f"page and HTTP        {addresses.door_url}/" if addresses.door else _NO_DOOR
    shown = f"--door {addresses.door_url} " if addresses.door else ""
    sys.stdout.write(
        "\n".join(
            line
            for line in (
                "",
                f"review service       {addresses.review}",
                f"persistence service  {addresses.persistence}",
                model,
                door,
                "",
                f'try:  {program()} {shown}review --server {addresses.review} "An idea in a few sentences."',
                "Warnings alone are logged here, unless LOG_LEVEL is set. Ctrl-C stops everything.",
                "",
            )
            if line or not model
        )
        + "\n"
    )
    sys.stdout.flush()


def _leave(number: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
