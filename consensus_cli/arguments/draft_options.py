"""Arguments and options of the commands about drafts."""

from enum import StrEnum
from typing import Annotated

import typer

from consensus.v1 import draft_pb2


class PlatformChoice(StrEnum):
    """What a draft is written for."""

    X = "x"
    INSTAGRAM = "instagram"
    TIKTOK = "tiktok"
    YOUTUBE = "youtube"


class RoleChoice(StrEnum):
    """What a collaborator may do."""

    OWNER = "owner"
    EDITOR = "editor"
    VIEWER = "viewer"


class StateChoice(StrEnum):
    """Where a draft stands."""

    ACTIVE = "active"
    LOCKED = "locked"
    COMPLETED = "completed"


Draft = Annotated[str, typer.Argument(metavar="DRAFT", help="The draft's id.", show_default=False)]
User = Annotated[
    str,
    typer.Option(
        "--user",
        envvar="CONSENSUS_USER",
        metavar="ID",
        help="The person you act for.",
        show_default=False,
    ),
]
TextToWrite = Annotated[
    str,
    typer.Argument(
        metavar="TEXT|@FILE|-",
        help="1 to 500 characters, @ and a file's name, or - for standard input.",
        show_default=False,
    ),
]
AsRole = Annotated[RoleChoice, typer.Option(help="What they may do.")]


def role_number(role: RoleChoice) -> draft_pb2.CollaboratorRole.ValueType:
    """As the contract has it."""
    return draft_pb2.CollaboratorRole.Value(f"COLLABORATOR_ROLE_{role.upper()}")
