"""Which runs a command is about: the conditions that several commands share."""

from typing import Annotated

import typer

from consensus.v1 import run_pb2
from consensus_cli.arguments import inputs
from consensus_client import RunQuery

User = Annotated[str, typer.Option(metavar="ID", help="Runs started for this person.", show_default=False)]
CreatedFrom = Annotated[
    str | None,
    typer.Option(metavar="TIME", help="Created then or later: ISO 8601, or a day.", show_default=False),
]
CreatedTo = Annotated[
    str | None, typer.Option(metavar="TIME", help="Created then or earlier.", show_default=False)
]


def query_of(user: str, created_from: str | None, created_to: str | None) -> RunQuery:
    """The conditions, all of which must hold.

    Raises:
        typer.BadParameter: a time is none.
    """
    return RunQuery(
        user=user,
        created_from=inputs.instant(created_from, is_end=False),
        created_to=inputs.instant(created_to, is_end=True),
    )


def filter_of(user: str, created_from: str | None, created_to: str | None) -> run_pb2.RunFilter:
    """As the contract has them."""
    return query_of(user, created_from, created_to).message()
