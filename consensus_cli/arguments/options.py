"""Options that several commands share."""

from typing import Annotated

import typer

from consensus_client.options import DEFAULT_PERSISTENCE, DEFAULT_SERVER

__all__ = ["DEFAULT_PERSISTENCE", "DEFAULT_SERVER"]

IDEA_METAVAR = "IDEA|@FILE|-"

Server = Annotated[
    str,
    typer.Option(
        "--server",
        is_eager=True,  # short names of runs are looked up there
        envvar="CONSENSUS_SERVER",
        metavar="HOST:PORT",
        help="The review service; dns:///host:port takes all its addresses in turn.",
    ),
]
Persistence = Annotated[
    str,
    typer.Option(
        "--persistence",
        envvar="CONSENSUS_PERSISTENCE",
        metavar="HOST:PORT",
        help="The persistence service; of several the one that has the tenant.",
    ),
]
Panel = Annotated[
    str,
    typer.Option(
        metavar="NAME[@REVISION]|FOLDER",
        help="Who reviews: a stored panel, or one that a folder holds.",
        show_default=False,
    ),
]
Policy = Annotated[
    str,
    typer.Option(
        metavar="NAME[@REVISION]",
        help="The policy that decides: a stored one; the panel's, or the built-in one else.",
        show_default=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print protobuf JSON instead of text.")]
JsonEvents = Annotated[bool, typer.Option("--json", help="Print each event as a line of protobuf JSON.")]
Gate = Annotated[
    bool,
    typer.Option(
        "--gate",
        help="Exit 10 for revise, 11 for reject, 12 when too little of the panel answered or read it.",
    ),
]
Key = Annotated[
    str | None,
    typer.Option(
        "--idempotency-key",
        metavar="KEY",
        help="Your name for this request: sending it again has no second effect.",
        show_default=False,
    ),
]
Timeout = Annotated[
    float | None,
    typer.Option(
        min=0.1, metavar="SECONDS", help="Stop waiting after this time; the run goes on.", show_default=False
    ),
]
Deleted = Annotated[bool, typer.Option("--deleted", help="What was deleted, too.")]
Idea = Annotated[
    str,
    typer.Argument(
        metavar=IDEA_METAVAR,
        help="The idea as text, @ and the name of a file that holds it, or - for standard input.",
        show_default=False,
    ),
]
SubjectText = Annotated[
    str | None,
    typer.Argument(
        metavar="IDEA|FILE|-",
        help="The idea as text, the name of a file (with or without @), or - for standard input.",
        show_default=False,
    ),
]
Context = Annotated[
    str | None,
    typer.Option(
        metavar="TEXT|@FILE",
        help="What else the model should know: prose, or a JSON object.",
        show_default=False,
    ),
]
ExpandModel = Annotated[
    str, typer.Option(metavar="NAME", help="The model that expands the idea.", show_default=False)
]
NoTemperature = Annotated[
    bool, typer.Option("--no-temperature", help="Send no temperature: some models take none.")
]
ExpandTemperature = Annotated[
    float | None,
    typer.Option(
        min=0, max=2, metavar="0..2", help="Temperature of expanding, in hundredths.", show_default=False
    ),
]
