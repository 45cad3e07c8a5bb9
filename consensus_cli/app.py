"""The commands, in the order in which help lists them."""

from importlib.metadata import version
from typing import Annotated

import typer

from consensus_cli.commands import (
    audit,
    benching,
    changing,
    deleting,
    doctor,
    drafts,
    humans,
    outcomes,
    panels,
    policies,
    reading,
    reporting,
    reviewing,
    revising,
    usage,
)

app = typer.Typer(
    rich_markup_mode=None,
    add_completion=False,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
)


def _print_version(is_asked: bool) -> None:
    if is_asked:
        typer.echo(f"consensus {version('consensus-engine')}")
        raise typer.Exit


@app.callback()
def consensus(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    """Have a panel of personas review an idea or a document, and decide.

    \b
    Exit codes:
      0    a decision was reached, or the command did what it says
      1    the run failed, or the service could not be reached
      2    wrong usage, or an input that the service refuses
      10   with --gate: the decision is revise
      11   with --gate: the decision is reject
      130  interrupted by Ctrl-C

    CONSENSUS_SERVER names the review service, CONSENSUS_PERSISTENCE the persistence
    service, which draft (except submit), panel, usage, audit and doctor ask.
    """


for module in (
    reviewing,
    revising,
    reading,
    reporting,
    changing,
    deleting,
    drafts,
    outcomes,
    humans,
    panels,
    policies,
    benching,
    usage,
    audit,
    doctor,
):
    module.register(app)
