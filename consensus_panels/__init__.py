"""Panels as data: normalised, named by digest, linted, read from and written to folders; the built-in one.

Pure but for reading and writing the files of a panel.
"""

from consensus_panels.built_in import DEFAULT_PANEL_ID, default_panel
from consensus_panels.content import (
    PanelRefusedError,
    normalised,
    panel_of_content,
    prompt_digest,
    stored_content,
)
from consensus_panels.files import PanelFilesError, read_folder, write_folder
from consensus_panels.limits import MAX_INSTRUCTIONS_CHARACTERS, MAX_PANEL_BYTES, MAX_PERSONAS
from consensus_panels.lint import is_refused, lint

__all__ = [
    "DEFAULT_PANEL_ID",
    "MAX_INSTRUCTIONS_CHARACTERS",
    "MAX_PANEL_BYTES",
    "MAX_PERSONAS",
    "PanelFilesError",
    "PanelRefusedError",
    "default_panel",
    "is_refused",
    "lint",
    "normalised",
    "panel_of_content",
    "prompt_digest",
    "read_folder",
    "stored_content",
    "write_folder",
]
