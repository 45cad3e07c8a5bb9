"""`consensus audit`: list, verify, export and checkpoint the audit trail."""

import json
from collections.abc import Callable, Iterable
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from google.protobuf.timestamp_pb2 import Timestamp

from consensus.v1 import audit_service_pb2
from consensus_cli.arguments import inputs, options
from consensus_cli.execution import exits
from consensus_cli.execution.printing import complain, say, say_json
from consensus_cli.execution.session import PERSISTENCE, CommandSession
from consensus_cli.view.tables import table
from consensus_cli.view.verdict import verdict_message
from consensus_client import AuditClient
from consensus_contract.characters import escaped_json
from consensus_journal import (
    Checkpoint,
    Verdict,
    canonical_json,
    checkpoint_from_plain,
    plain_checkpoint,
    verify_export,
)
from consensus_report import text
from consensus_report.verdict import is_whole, verdict_caveats, verdict_lines

app = typer.Typer(rich_markup_mode=None, no_args_is_help=True)

_PROGRESS_EVERY_STREAMS = 10_000
_PUBLIC_KEY_BYTES = 32


class SeverityChoice(StrEnum):
    """How much an entry matters."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"


Stream = Annotated[
    str, typer.Option(metavar="NAME", help="This stream only, such as runs/ID.", show_default=False)
]
Output = Annotated[
    Path | None,
    typer.Option("-o", "--output", metavar="FILE", help="Write to this file.", show_default=False),
]


@app.command("list")
def list_entries(
    stream: Stream = "",
    type_: Annotated[
        str, typer.Option("--type", metavar="TYPE", help="Of this kind, such as run.failed.")
    ] = "",
    min_severity: Annotated[
        SeverityChoice | None, typer.Option(help="Of at least this severity.", show_default=False)
    ] = None,
    caller: Annotated[str, typer.Option(metavar="NAME", help="By this caller.", show_default=False)] = "",
    user: Annotated[str, typer.Option(metavar="ID", help="For this person.", show_default=False)] = "",
    time_from: Annotated[
        str | None,
        typer.Option("--from", metavar="TIME", help="Then or later: ISO 8601, or a day.", show_default=False),
    ] = None,
    time_to: Annotated[
        str | None, typer.Option("--to", metavar="TIME", help="Then or earlier.", show_default=False)
    ] = None,
    page_size: Annotated[int, typer.Option(min=1, max=100, metavar="1..100", help="Entries per page.")] = 30,
    page_token: Annotated[
        str, typer.Option(metavar="TOKEN", help="Where the page before ended.", show_default=False)
    ] = "",
    json_lines: Annotated[
        bool, typer.Option("--json", help="Print each entry as a line of protobuf JSON.")
    ] = False,
    persistence: options.Persistence = options.DEFAULT_PERSISTENCE,
) -> None:
    """List entries, newest first; all conditions must hold."""
    wanted = audit_service_pb2.AuditFilter(
        stream=stream,
        event_type=type_,
        min_severity=audit_service_pb2.AuditSeverity.Value(
            f"AUDIT_SEVERITY_{(min_severity or 'unspecified').upper()}"
        ),
        caller=caller,
        user=user,
        entry_time_from=_stamp(inputs.instant(time_from, is_end=False)),
        entry_time_to=_stamp(inputs.instant(time_to, is_end=True)),
    )

    async def read(client: AuditClient) -> None:
        page = await client.list_entries(wanted, page_size=page_size, page_token=page_token)
        if json_lines:
            for entry in page.entries:
                say_json(entry)
        else:
            say(*_entry_lines(page.entries) if page.entries else ["no entries"])
        if page.next_page_token:
            complain(f"more: the same command with --page-token {page.next_page_token}")

    CommandSession(persistence, PERSISTENCE).run_with(AuditClient, read)


@app.command()
def verify(
    export: Annotated[
        Path | None,
        typer.Argument(
            metavar="[EXPORT]",
            help="A file of `audit export`; without it the server is asked.",
            show_default=False,
        ),
    ] = None,
    stream: Stream = "",
    checkpoints: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Checkpoints kept elsewhere; with EXPORT.", show_default=False),
    ] = None,
    public_key: Annotated[
        str, typer.Option(metavar="HEX", help="The key that signed the checkpoints.", show_default=False)
    ] = "",
    persistence: options.Persistence = options.DEFAULT_PERSISTENCE,
) -> None:
    """Prove that the trail is whole; exit 1 and name the first bad entry if not.

    With EXPORT no server is needed; only a server compares what is stored with what the entries say of it.
    Only checkpoints show that a tail was cut off or a chain computed anew, and only those that were kept
    where nobody could change them, by a key that is known from elsewhere, prove it.
    """
    if export is not None:
        inputs.refuse_together([("EXPORT", True), ("--stream", bool(stream))])
        verdict = _verify_offline(export, checkpoints, public_key)
        raise typer.Exit(_report(verdict_message(verdict), None))
    if checkpoints is not None:
        raise typer.BadParameter("--checkpoints goes with EXPORT")
    key = _key(public_key)

    async def ask(client: AuditClient) -> int:
        told = 0
        async for message in client.verify(stream):
            if (
                message.HasField("progress")
                and message.progress.stream_count >= told + _PROGRESS_EVERY_STREAMS
            ):
                told = message.progress.stream_count
                complain(f"{told} streams so far")
        return _report(message.verdict, key)

    CommandSession(persistence, PERSISTENCE).run_with(AuditClient, ask)


@app.command("export")
def export_(
    output: Output = None,
    stream: Stream = "",
    persistence: options.Persistence = options.DEFAULT_PERSISTENCE,
) -> None:
    """Write the trail as JSON lines, for `audit verify` without a server."""

    async def write(client: AuditClient) -> None:
        put, close = _sink(output)
        count = 0
        try:
            async for line in client.export(stream):
                put(escaped_json(canonical_json(line).decode()))
                count += 1
        finally:
            close()
        complain(text.count(count, "line"))

    CommandSession(persistence, PERSISTENCE).run_with(AuditClient, write)


@app.command()
def checkpoint(
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="Append it to this file.", show_default=False),
    ] = None,
    persistence: options.Persistence = options.DEFAULT_PERSISTENCE,
) -> None:
    """Have a checkpoint signed now, and print it, to be kept elsewhere."""

    async def take(client: AuditClient) -> None:
        taken = canonical_json({"checkpoint": plain_checkpoint(await client.checkpoint())})
        line = escaped_json(taken.decode())
        if output is None:
            say(line)
            return
        with output.open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")

    CommandSession(persistence, PERSISTENCE).run_with(AuditClient, take)


def register(parent: typer.Typer) -> None:
    parent.add_typer(app, name="audit", help="List, prove and export the audit trail.")


def _stamp(instant: datetime | None) -> Timestamp | None:
    if instant is None:
        return None
    stamp = Timestamp()
    stamp.FromDatetime(instant)
    return stamp


def _entry_lines(entries: Iterable[audit_service_pb2.AuditEntry]) -> list[str]:
    rows = [
        [
            text.instant(entry.entry_time).removesuffix(" UTC"),
            text.clean(entry.stream),
            str(entry.sequence),
            text.word(audit_service_pb2.AuditSeverity, entry.severity, "AUDIT_SEVERITY_"),
            text.clean(entry.event_type),
            text.clean(entry.user or entry.caller),
        ]
        for entry in entries
    ]
    return table(("time (UTC)", "stream", "no.", "severity", "what", "who"), rows, right=frozenset({2}))


def _verify_offline(export: Path, checkpoints: Path | None, public_key: str) -> Verdict:
    try:
        taken = _checkpoints_in(checkpoints) if checkpoints else ()
        return verify_export(lambda: _lines(export), taken, public_key=_key(public_key))
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def _key(given: str) -> bytes | None:
    """The key as bytes; refused before anything is asked or read."""
    try:
        key = bytes.fromhex(given)
    except ValueError as error:
        raise typer.BadParameter(f"--public-key is no hexadecimal number: {error}") from error
    if key and len(key) != _PUBLIC_KEY_BYTES:
        raise typer.BadParameter(
            f"--public-key has {len(key)} bytes, and an Ed25519 key has {_PUBLIC_KEY_BYTES}"
        )
    return key or None


def _checkpoints_in(path: Path) -> list[Checkpoint]:
    return [checkpoint_from_plain(json.loads(line)["checkpoint"]) for line in _lines(path)]


def _lines(path: Path) -> Iterable[str]:
    try:
        with path.open(encoding="utf-8") as file:
            yield from file
    except OSError as error:
        raise typer.BadParameter(f"cannot read {str(path)!r}: {error.strerror or error}") from error


def _report(verdict: audit_service_pb2.AuditVerdict, wanted_key: bytes | None) -> int:
    """Prints the verdict, and answers with the exit code; `wanted_key` is the one that must have signed."""
    for caveat in verdict_caveats(verdict, wanted_key):
        complain(caveat)
    say(*verdict_lines(verdict, wanted_key))
    return exits.OK if is_whole(verdict, wanted_key) else exits.FAILED


def _sink(output: Path | None) -> tuple[Callable[[str], object], Callable[[], None]]:
    if output is None:
        return say, lambda: None
    file = output.open("w", encoding="utf-8")
    return (lambda line: file.write(f"{line}\n")), file.close
