"""The commands, in the order in which help lists them."""

import os
from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated

import typer

from consensus_cli.arguments import inputs
from consensus_cli.commands import (
    audit,
    benching,
    changing,
    collected,
    deleting,
    doctor,
    drafts,
    human_reviews,
    humans,
    keys,
    outcomes,
    panels,
    policies,
    reading,
    reporting,
    reviewing,
    revising,
    tokens,
    up,
    usage,
)
from consensus_cli.execution.session import TYPED

app = typer.Typer(
    rich_markup_mode=None,
    add_completion=True,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
)


def _print_version(is_asked: bool) -> None:
    if is_asked:
        typer.echo(f"consensus {version('consensus-client')}")
        with suppress(PackageNotFoundError):
            typer.echo(f"consensus-engine {version('consensus-engine')}")
        raise typer.Exit


def _secure(context: typer.Context, tls: dict[str, str | None]) -> None:
    """Keeps what was given where the clients look for it, and refuses files of no use before any call."""
    os.environ.update({f"CONSENSUS_TLS_{what}": value for what, value in tls.items() if value})
    if context.resilient_parsing or not os.environ.get("CONSENSUS_TLS_CA"):
        return
    from consensus_client.options import environment_tls
    from consensus_rpc.security.material import BadMaterial, read_material
    from consensus_rpc.security.tls import only_tls_13

    found = environment_tls()
    assert found is not None
    try:
        read_material(found.files)
    except BadMaterial as error:
        raise typer.BadParameter(str(error), context) from None
    only_tls_13()


def _identify(context: typer.Context, key_file: str | None) -> None:
    """Keeps where the key stands for the clients, and refuses one of no use before any call."""
    if key_file:
        os.environ["CONSENSUS_KEY_FILE"] = key_file
    if context.resilient_parsing or not (key_file or os.environ.get("CONSENSUS_KEY")):
        return
    from consensus_client.credentials import CredentialError, environment_bearer

    try:
        environment_bearer()
    except CredentialError as error:
        raise typer.BadParameter(str(error), context) from None


def _typed(context: typer.Context, *names: str) -> Iterator[str]:
    """Of these options those that were typed: what the environment says the next command finds there too."""
    for name in names:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            yield from (f"--{name.replace('_', '-')}", str(context.params[name]))


@app.callback()
def consensus(
    context: typer.Context,
    tls_ca: Annotated[
        str | None,
        typer.Option(
            envvar="CONSENSUS_TLS_CA",
            metavar="FILE",
            help="Speak TLS, and believe servers whose certificates this authority (PEM) signed.",
            show_default=False,
        ),
    ] = None,
    tls_cert: Annotated[
        str | None,
        typer.Option(
            envvar="CONSENSUS_TLS_CERT", metavar="FILE", help="A certificate to show.", show_default=False
        ),
    ] = None,
    tls_key: Annotated[
        str | None,
        typer.Option(envvar="CONSENSUS_TLS_KEY", metavar="FILE", help="Its key.", show_default=False),
    ] = None,
    tls_name: Annotated[
        str | None,
        typer.Option(
            envvar="CONSENSUS_TLS_NAME",
            metavar="HOST",
            help="The name that servers must prove, where it is not the host that is called.",
            show_default=False,
        ),
    ] = None,
    key_file: Annotated[
        str | None,
        typer.Option(
            envvar="CONSENSUS_KEY_FILE",
            metavar="FILE",
            help="Holds the key that says who calls; CONSENSUS_KEY may hold it too.",
            show_default=False,
        ),
    ] = None,
    door: Annotated[
        str | None,
        typer.Option(
            envvar="CONSENSUS_DOOR",
            metavar="URL",
            help="Where the page of runs is, such as http://127.0.0.1:8080: links to it are printed.",
            show_default=False,
        ),
    ] = None,
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
    service, which draft (except submit), panel, usage, audit and doctor ask; where there
    are several, the one that has the tenant.
    """
    TYPED.set(tuple(_typed(context, "tls_ca", "tls_cert", "tls_key", "tls_name", "key_file")))
    if door:
        os.environ["CONSENSUS_DOOR"] = inputs.page_address(door)
    _identify(context, key_file)
    _secure(context, {"CA": tls_ca, "CERT": tls_cert, "KEY": tls_key, "NAME": tls_name})


for module in (
    up,
    reviewing,
    revising,
    reading,
    reporting,
    changing,
    deleting,
    drafts,
    outcomes,
    humans,
    human_reviews,
    panels,
    policies,
    benching,
    usage,
    collected,
    audit,
    keys,
    tokens,
    doctor,
):
    module.register(app)
