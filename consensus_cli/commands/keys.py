"""`consensus keys`: the keys that content is encrypted with in the database."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import typer

from consensus.internal.v1 import diagnostics_service_pb2, diagnostics_service_pb2_grpc
from consensus_cli.arguments import options
from consensus_cli.execution.calling import calling, reach
from consensus_cli.execution.printing import say, say_json
from consensus_cli.execution.session import PERSISTENCE, CommandSession
from consensus_cli.view.tables import table
from consensus_report import text
from consensus_rpc.channel.status import contract_errors

app = typer.Typer(rich_markup_mode=None, no_args_is_help=True)

_CALL_SECONDS = 10.0


@app.command("list")
def list_keys(
    json: options.Json = False, persistence: options.Persistence = options.DEFAULT_PERSISTENCE
) -> None:
    """List the content keys, the newest last, and which key of CONTENT_KEYS_FILE each is wrapped with."""

    session = CommandSession(persistence, PERSISTENCE)

    async def read(stub: Any) -> None:
        request = diagnostics_service_pb2.ListContentKeysRequest()
        with contract_errors():
            answer = await stub.ListContentKeys(request, **calling(session.server, _CALL_SECONDS))
        if json:
            say_json(answer)
            return
        say(*_lines(answer.content_keys) if answer.content_keys else ["no content keys"])
        say("new content is encrypted" if answer.encrypting else "new content is stored as it is")

    session.run_with(_diagnostics, read)


@app.command()
def rotate(
    json: options.Json = False, persistence: options.Persistence = options.DEFAULT_PERSISTENCE
) -> None:
    """Begin a new content key, and wrap all with the first key of CONTENT_KEYS_FILE, which is read again.

    Content that is there stays as it is. Give every replica the new key as its file's last line first, then
    as its first; once `list` names an old key no more it may leave the file.
    """

    session = CommandSession(persistence, PERSISTENCE)

    async def begin(stub: Any) -> None:
        request = diagnostics_service_pb2.RotateContentKeysRequest()
        with contract_errors():
            answer = await stub.RotateContentKeys(request, **calling(session.server, _CALL_SECONDS))
        if json:
            say_json(answer)
        else:
            say(*_lines(answer.content_keys))

    session.run_with(_diagnostics, begin)


@asynccontextmanager
async def _diagnostics(target: str) -> AsyncIterator[Any]:
    async with reach(target) as channel:
        yield diagnostics_service_pb2_grpc.DiagnosticsServiceStub(channel)


def _lines(keys: Sequence[diagnostics_service_pb2.ContentKey]) -> list[str]:
    rows = [
        (
            text.clean(each.key_id),
            text.instant(each.create_time),
            text.clean(each.wrapping_key_id),
            text.instant(each.wrap_time),
        )
        for each in keys
    ]
    return table(("key", "made", "wrapped with", "at"), rows)


def register(parent: typer.Typer) -> None:
    """Adds the command."""
    parent.add_typer(app, name="keys", help="Keys that content is encrypted with in the database.")
