"""A run's proposal or document in the user's editor."""

import click
import typer
from google.protobuf import json_format

from consensus.v1 import document_pb2, proposal_pb2, run_pb2
from consensus_cli.execution.session import CommandSession
from consensus_client import ReviewClient

Edited = tuple[proposal_pb2.Proposal | None, document_pb2.Document | None]


def edited_in_editor(session: CommandSession, run_id: str) -> Edited:
    """What the user made of the run's document, else of its proposal, which is edited as JSON.

    Raises:
        typer.BadParameter: nothing was changed, or what was made is no proposal.
        typer.Exit: the run could not be read.
    """
    found: list[run_pb2.Run] = []

    async def read(client: ReviewClient) -> None:
        found.append(await client.get_run(run_id))

    session.ask(read)
    (run,) = found
    if run.specification.HasField("document"):
        given = run.specification.document
        is_markdown = given.format == document_pb2.DOCUMENT_FORMAT_MARKDOWN
        words = _edited(given.text, ".md" if is_markdown else ".txt")
        return None, document_pb2.Document(text=words, format=given.format, name=given.name)
    if not run.HasField("proposal"):
        raise typer.BadParameter("the run has no proposal yet")
    words = _edited(json_format.MessageToJson(run.proposal, ensure_ascii=False) + "\n", ".json")
    try:
        return json_format.Parse(words, proposal_pb2.Proposal()), None
    except (json_format.ParseError, RecursionError) as error:
        raise typer.BadParameter(f"what was saved is no proposal in JSON: {error}") from error


def _edited(words: str, extension: str) -> str:
    """The words as they were saved; editors want a line break at the end, which is not the text's."""
    has_end = words.endswith("\n")
    try:
        found = click.edit(words, extension=extension)
    except click.ClickException as error:
        raise typer.BadParameter(error.format_message()) from error
    saved = words if found is None else found if has_end else found.removesuffix("\n")
    if saved == words:
        raise typer.BadParameter("nothing was changed, so nothing is revised")
    return saved
