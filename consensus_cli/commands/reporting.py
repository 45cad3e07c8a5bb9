"""`consensus report`: a run as a document."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from google.protobuf import json_format

from consensus.v1 import attempt_pb2, review_service_pb2, run_pb2
from consensus_cli.arguments import options
from consensus_cli.execution import run_names
from consensus_cli.execution.printing import complain, say
from consensus_cli.execution.session import CommandSession
from consensus_cli.report.html import html_report
from consensus_cli.report.markdown import markdown_report
from consensus_client import ReviewClient
from consensus_contract.errors import RunNotFound


class Format(StrEnum):
    """What a report is written in."""

    MARKDOWN = "md"
    HTML = "html"
    JSON = "json"


_BY_SUFFIX = {".html": Format.HTML, ".htm": Format.HTML, ".json": Format.JSON}


def report(
    run_id: run_names.RunId,
    format_: Annotated[
        Format | None,
        typer.Option(
            "--format",
            help="html is one file that needs nothing else; without it the name of FILE says, or md.",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Write it there instead of printing it.",
            show_default=False,
        ),
    ] = None,
    server: options.Server = options.DEFAULT_SERVER,
) -> None:
    """Write a run up as a document.

    Decision, scores, reviews, proposal, steps, and what the calls to the model took.
    """

    async def write(client: ReviewClient) -> int | None:
        run = await client.get_run(run_id)
        attempts = [attempt async for attempt in client.attempts(run_id, page_size=100)]
        document = _document(_chosen(format_, output), run, attempts, await _change(client, run))
        if output is None:
            say(document.rstrip("\n"))
            return None
        try:
            output.write_text(document, encoding="utf-8")
        except OSError as error:
            complain(f"error: cannot write {str(output)!r}: {error.strerror or error}")
            return 1
        complain(f"written to {output}")
        return None

    CommandSession(server).run(write)


def _chosen(given: Format | None, output: Path | None) -> Format:
    """The format that was asked for, or that the file's name ends in."""
    if given is not None or output is None:
        return given or Format.MARKDOWN
    return _BY_SUFFIX.get(output.suffix.lower(), Format.MARKDOWN)


def register(app: typer.Typer) -> None:
    app.command()(report)


async def _change(client: ReviewClient, run: run_pb2.Run) -> review_service_pb2.DiffRunsResponse | None:
    """What a revision changed; None for a first run, and where its parent is gone."""
    if not run.parent_run_id:
        return None
    try:
        return await client.diff_runs(run.parent_run_id, run.run_id)
    except RunNotFound:
        complain(f"the run that it revises is gone: {run.parent_run_id}")
        return None


def _document(
    format_: Format,
    run: run_pb2.Run,
    attempts: list[attempt_pb2.Attempt],
    change: review_service_pb2.DiffRunsResponse | None,
) -> str:
    match format_:
        case Format.HTML:
            return html_report(run, attempts, change)
        case Format.JSON:
            return json_format.MessageToJson(run, always_print_fields_with_no_presence=True) + "\n"
    return markdown_report(run, attempts, change)
