"""The panel that reviews where nobody names another: its files stand beside this one."""

import importlib.resources
from functools import lru_cache

from consensus.v1 import panel_service_pb2
from consensus_panels.content import normalised
from consensus_panels.files import read_folder

DEFAULT_PANEL_ID = "default"


def default_panel() -> panel_service_pb2.Panel:
    """The built-in panel, whole; a new message each time."""
    panel = panel_service_pb2.Panel()
    panel.CopyFrom(_default_panel())
    return panel


@lru_cache(maxsize=1)
def _default_panel() -> panel_service_pb2.Panel:
    folder = importlib.resources.files(__package__) / DEFAULT_PANEL_ID
    panel = normalised(read_folder(folder))
    panel.panel_id = DEFAULT_PANEL_ID
    return panel
