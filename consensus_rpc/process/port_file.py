"""The file in which a process says where it listens."""

import os
from collections.abc import Iterable
from pathlib import Path


def write_port_file(path: Path, addresses: Iterable[str]) -> None:
    """Writes each `host:port` and a line's end so that nobody ever reads half of it."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.write_text("".join(f"{each}\n" for each in addresses), encoding="utf-8")
    part.replace(path)
