"""One of several processes that share a port: its place among them, and how it and its supervisor meet.

The supervisor is `consensus_rpc.process.workers`. Two pipes join them: a byte in the one says that the
worker has started; the other ends when the supervisor wants it to drain, or is gone, however that died.
"""

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from consensus_rpc.process.settings_types import split_host_port

ENVIRONMENT = "CONSENSUS_WORKER"
"""The variable through which a supervisor tells a worker its place."""

_MOST_PORT = 65_535


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What one worker is told: its number from 0, the shared addresses, and its ends of the two pipes."""

    index: int
    listens: tuple[str, ...]
    lifeline: int
    started: int

    @classmethod
    def current(cls) -> Self | None:
        """The place of this process; None when nobody supervises it."""
        told = os.environ.get(ENVIRONMENT)
        if not told:
            return None
        fields = json.loads(told)
        return cls(**fields | {"listens": tuple(fields["listens"])})

    def environment(self) -> dict[str, str]:
        """What the worker has to find in its environment."""
        return {ENVIRONMENT: json.dumps(asdict(self))}

    def announce(self) -> None:
        """Tells the supervisor that this worker has started; once."""
        with suppress(BrokenPipeError):  # it is gone, which the other pipe says too
            os.write(self.started, b"\n")
        os.close(self.started)

    def own_file(self, path: Path) -> Path:
        """A file that only this worker writes: `log.jsonl`, of the second worker `log-1.jsonl`."""
        return path.with_name(f"{path.stem}-{self.index}{path.suffix}") if self.index else path


def nth_address(listen: str, index: int) -> str:
    """The address `index` ports further; port 0 stays, since it takes a free one anyway.

    Raises:
        ValueError: when there is no such port.
    """
    port = split_host_port(listen)[1]
    if port == 0 or index == 0:
        return listen
    if port + index > _MOST_PORT:
        raise ValueError(f"{listen} leaves no room for {index} more ports")
    return f"{listen.rpartition(':')[0]}:{port + index}"
