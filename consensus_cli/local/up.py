"""Everything on this machine, in the foreground, until Ctrl-C."""

import shutil
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from consensus_cli.execution.session import CommandSession
from consensus_cli.local.installed import NO_DOOR, has_door
from consensus_cli.local.launch_settings import LaunchSettings
from consensus_cli.local.processes import ChildFailed, reserve_port
from consensus_cli.local.stack import Stack
from consensus_cli.local.starting import leave_on_signals, start_model_and_review, tell

_WATCH_SECONDS = 0.2
_DATABASE = "consensus.db"
_FAILED = 1


class UpRefused(Exception):  # noqa: N818 - says what happened
    """Nothing was started; the message says why, in one line."""


def run_up(data: Path, *, takes_free_ports: bool = False) -> int:
    """The exit code, after Ctrl-C or SIGTERM: 0; 1 where a process ended, or nothing could be started.

    SQLite's file stands in `data`, unless settings name a database. Ports that are taken are refused, or
    others taken instead.
    """
    settings = LaunchSettings.load_or_exit()
    leave_on_signals()
    directory = Path(tempfile.mkdtemp(prefix="consensus-"))
    try:
        _run(settings, directory, data, takes_free_ports)
    except (ChildFailed, UpRefused) as error:
        tell(f"error: {error}")
        return _FAILED
    except (KeyboardInterrupt, SystemExit):
        pass
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    return 0


def _run(settings: LaunchSettings, directory: Path, data: Path, takes_free_ports: bool) -> None:
    addresses = _addresses(settings, takes_free_ports)
    database = {} if settings.names_database else _sqlite_in(data)
    with Stack(directory, quiet=False, is_tied=True) as stack:
        try:
            _start(stack, settings, addresses, database)
            stack.wait_until_serving(lambda what: tell(f"waiting for {what}"))
            _announce(stack, database)
            while True:
                stack.check()
                time.sleep(_WATCH_SECONDS)
        except (KeyboardInterrupt, SystemExit):
            tell("\nstopping")


def _start(
    stack: Stack,
    settings: LaunchSettings,
    addresses: Mapping[str, str | None],
    database: Mapping[str, str],
) -> None:
    quiet = {} if "log_level" in settings.model_fields_set else {"LOG_LEVEL": "WARNING"}
    more = {**quiet, **database, **_own_metrics(settings.metrics_listen)}
    stack.start_persistence(addresses["PERSISTENCE_LISTEN"], addresses["PERSISTENCE_INTERNAL_LISTEN"], **more)
    start_model_and_review(stack, settings, addresses["REVIEW_LISTEN"], **quiet)
    if has_door():
        stack.start_door(addresses["DOOR_LISTEN"], **quiet)


def _addresses(settings: LaunchSettings, takes_free_ports: bool) -> dict[str, str | None]:
    """Where each is to listen, by its setting; None for any free port.

    Raises:
        UpRefused: a port is taken, and another is not to be.
    """
    wanted = {
        "PERSISTENCE_LISTEN": settings.persistence_listen,
        "PERSISTENCE_INTERNAL_LISTEN": settings.persistence_internal_listen,
        "REVIEW_LISTEN": settings.review_listen,
    }
    if has_door():
        wanted["DOOR_LISTEN"] = settings.door_listen
    taken = [name for name, address in wanted.items() if not _is_free(address)]
    if taken and not takes_free_ports:
        said = ", ".join(f"{wanted[name]} ({name})" for name in taken)
        raise UpRefused(f"already in use: {said}; --free-ports takes other ports, the settings name others")
    for name in taken:
        tell(f"{wanted[name]} is taken; taking a free port instead")
    return {name: None if name in taken else address for name, address in wanted.items()}


def _is_free(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        reserve_port(host.strip("[]"), int(port)).close()
    except OSError:
        return False
    return True


def _sqlite_in(data: Path) -> dict[str, str]:
    """The setting that names SQLite's file there; ideas are nobody else's to read, nor is their folder.

    Raises:
        UpRefused: the folder cannot be made, or has a name that addresses of databases cannot hold.
    """
    file = data.absolute() / _DATABASE
    if "?" in str(file):
        raise UpRefused(f"the address of a database holds no ?, so its file cannot be {file}")
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise UpRefused(f"cannot make the folder {file.parent}: {error.strerror or error}") from None
    return {"DATABASE_URL": f"sqlite:///{file}"}


def _own_metrics(shared: str | None) -> dict[str, str]:
    """The persistence service's own address of metrics where the settings name one: the port after it."""
    if shared is None:
        return {}
    host, _, port = shared.rpartition(":")
    own = f"{host}:{int(port) + 1 if int(port) else 0}"
    tell(f"metrics of the review service at {shared}, of the persistence service at {own}")
    return {"METRICS_LISTEN": own}


def _announce(stack: Stack, database: Mapping[str, str]) -> None:
    addresses = stack.addresses
    named = {
        "review service": addresses.review,
        "persistence service": addresses.persistence,
        "offline model": addresses.model_url,
        "page and HTTP": addresses.door and f"{addresses.door_url}/",
        "database": database.get("DATABASE_URL", "as DATABASE_URL or DB_HOST says"),
    }
    lines = [f"{what:<20} {where}" for what, where in named.items() if where]
    if not addresses.door:
        lines.append(NO_DOOR)
    page = ("--door", addresses.door_url) if addresses.door_url else ()
    review = CommandSession(addresses.review).command(*page, "review")
    more = [
        f'try:  {review} "An idea in a few sentences."',
        "Warnings alone are logged here, unless LOG_LEVEL is set. Ctrl-C stops everything.",
    ]
    sys.stdout.write("\n".join(["", *lines, "", *more, ""]) + "\n")
    sys.stdout.flush()
