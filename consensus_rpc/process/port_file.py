"""The file in which a process says where it listens."""

import os
from pathlib import Path


def write_port_file(path: Path, address: str) -> None:
    """Writes `host:port` and a line's end so that nobody ever reads half of it."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.write_text(f"{address}\n", encoding="utf-8")
    part.replace(path)
