"""Puts the rooms of the client into its sdist and its wheel."""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Rooms(BuildHookInterface[Any]):
    """Adds each folder of `rooms`, from the top of the repository, or from beside this file in an sdist."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Names what goes where; an editable install reads the folders where they stand."""
        if version == "editable":
            return
        here = Path(self.root)
        for room in self.config["rooms"]:
            beside = here / room
            source = beside if beside.is_dir() else here.parents[1] / room
            target = room if self.target_name == "sdist" else room.removeprefix("gen/")
            build_data["force_include"][str(source)] = target
