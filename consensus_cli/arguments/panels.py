"""Panels as arguments: the name of a stored one, or a folder."""

from pathlib import Path

import typer

from consensus.v1 import panel_service_pb2
from consensus_panels import PanelFilesError, read_folder


def panel_folder(path: Path) -> panel_service_pb2.Panel:
    """The panel of a folder.

    Raises:
        typer.BadParameter: a file of it is not there or malformed.
    """
    try:
        return read_folder(path)
    except PanelFilesError as error:
        raise typer.BadParameter(f"{path}: {error}") from error


def panel_choice(given: str) -> str | panel_service_pb2.Panel:
    """What `--panel` names: a folder (what has a slash, or is there) is brought along; else a name."""
    return panel_folder(Path(given)) if is_folder(given) else given


def is_folder(given: str) -> bool:
    """Whether a folder is meant, and not the name of a stored panel."""
    return bool(given) and ("/" in given or Path(given).is_dir())
