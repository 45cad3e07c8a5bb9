"""Panels between their rows and the wire. Pure."""

from collections.abc import Mapping
from typing import Any

from consensus.v1 import panel_service_pb2
from consensus_panels import panel_of_content
from persistence_service.schema.scalars import to_timestamp


def panel_message(row: Mapping[Any, Any]) -> panel_service_pb2.Panel:
    """A revision of a panel, whole."""
    panel = panel_of_content(row["content"])
    panel.panel_id, panel.revision = row["panel_id"], row["revision"]
    panel.create_time.CopyFrom(to_timestamp(row["create_time"]))
    if row["delete_time"] is not None:
        panel.delete_time.CopyFrom(to_timestamp(row["delete_time"]))
    return panel


def listed(panel: panel_service_pb2.Panel) -> panel_service_pb2.Panel:
    """The panel, in place, as lists show it: without instructions."""
    for persona in panel.personas:
        persona.ClearField("instructions")
    return panel
