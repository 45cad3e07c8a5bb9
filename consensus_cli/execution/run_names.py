"""Runs by short names: `last`, and the beginning of an id."""

import os
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from consensus_cli.execution.session import CommandSession
from consensus_client import ReviewClient, RunQuery
from consensus_client.options import DEFAULT_SERVER

LAST = "last"
_BEGINNING = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{0,4}){0,3}(?:-[0-9a-f]{0,12})?")
_ID_CHARACTERS = 36
_TIME_DIGITS = 12  # milliseconds since 1970
_SKEW = timedelta(minutes=1)  # between the clock that makes ids and the database's
_SHOWN = 5


async def run_named(client: ReviewClient, given: str) -> str:
    """The id that was meant: of the newest run for `last`, of the one run that it begins; else as given.

    An id begins with when it was made, so few runs have to be looked at, whatever their number.

    Raises:
        typer.BadParameter: no run is meant, or several are.
        ConsensusError: the service could not be asked.
    """
    if given == LAST:
        newest = (await client.list_runs(page_size=1)).runs
        if not newest:
            raise typer.BadParameter("there is no run yet")
        return newest[0].run_id
    if not _is_beginning(given):
        return given
    found = [run async for run in client.runs(_made_within(given), page_size=100, show_deleted=True)]
    meant = sorted({run.run_id for run in found if run.run_id.startswith(given)})
    if len(meant) != 1:
        raise typer.BadParameter(_not_one(given, meant))
    return meant[0]


def _is_beginning(given: str) -> bool:
    return len(given) < _ID_CHARACTERS and _BEGINNING.fullmatch(given) is not None


def _made_within(beginning: str) -> RunQuery:
    """Runs created when ids began so, or almost then."""
    digits = beginning.replace("-", "")[:_TIME_DIGITS]
    first, last = (int(digits.ljust(_TIME_DIGITS, end), 16) for end in "0f")
    return RunQuery(created_from=_moment(first) - _SKEW, created_to=_moment(last) + _SKEW)


def _moment(milliseconds: int) -> datetime:
    try:
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)
    except OverflowError:
        raise typer.BadParameter("no run's id begins so") from None


def _not_one(given: str, meant: Sequence[str]) -> str:
    if not meant:
        return f"no run's id begins with {given!r}"
    some = ", ".join(meant[:_SHOWN])
    more = ", …" if len(meant) > _SHOWN else ""
    return f"{len(meant)} runs' ids begin with {given!r}: {some}{more}"


def resolve(context: typer.Context, given: str | None) -> str | None:
    """As a command's argument is read: asks the review service only where the name is a short one.

    Raises:
        typer.BadParameter: no run is meant, or several are, or no service could be asked.
    """
    if given is None or context.resilient_parsing or not (given == LAST or _is_beginning(given)):
        return given
    server = context.params.get("server") or os.environ.get("CONSENSUS_SERVER") or DEFAULT_SERVER
    found: list[str] = []

    async def look(client: ReviewClient) -> None:
        found.append(await run_named(client, given))

    CommandSession(server).ask(look)
    return found[0]


RUN_HELP = "The run's id, 8 characters or more of its beginning, or last."
RunId = Annotated[str, typer.Argument(metavar="RUN", callback=resolve, help=RUN_HELP, show_default=False)]
OptionalRunId = Annotated[
    str | None, typer.Argument(metavar="[RUN]", callback=resolve, help=RUN_HELP, show_default=False)
]
