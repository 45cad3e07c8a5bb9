"""A service as it is, in a process that says what lives in it: `python -m tests.support.counted <module> …`.

SIGUSR1 makes it collect garbage, count, and write what it found to the file that LIVING_FILE names.
"""

import asyncio
import gc
import json
import os
import runpy
import signal
import sys
import threading
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path

from consensus_rpc.server.server import Server
from tests.support.processes import Process, start_process

FILE = "LIVING_FILE"
_TYPES_TOLD = 400


@dataclass(frozen=True, slots=True)
class Living:
    """What lives in a process once its garbage is gone; `garbage` counts what only the collector ended."""

    number: int
    objects: int
    blocks: int
    garbage: int
    tasks: int
    calls: int
    threads: int
    types: dict[str, int] = field(default_factory=dict)

    def grown(self, base: "Living", most: int = 12) -> list[tuple[str, int]]:
        """The types of which there are more than before, the most first."""
        more = Counter(self.types)
        more.subtract(base.types)
        return [(name, count) for name, count in more.most_common(most) if count > 0]


def count(number: int) -> Living:
    """What lives in this process now."""
    gc.collect()
    gc.collect()  # what finalizers of the first brought to light
    found = gc.get_objects()
    return Living(
        number,
        objects=len(found),
        blocks=sys.getallocatedblocks(),
        garbage=sum(each["collected"] for each in gc.get_stats()),
        tasks=len(asyncio.all_tasks()),
        calls=sum(each.calls_in_flight for each in found if type(each) is Server),
        threads=threading.active_count(),
        types=dict(Counter(_name(type(each)) for each in found).most_common(_TYPES_TOLD)),
    )


def _name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


class CountedProcess:
    """A service in a process that can be asked what lives in it."""

    def __init__(self, module: str, folder: Path, environment: dict[str, str]) -> None:
        self._file = folder / f"{module}.living"
        self._number = 0
        self.process: Process = start_process(
            "tests.support.counted", folder, environment | {FILE: str(self._file)}, name=module,
            arguments=[module],
        )  # fmt: skip

    async def living(self) -> Living:
        """What lives in it now."""
        self._number += 1
        self.process.send(signal.SIGUSR1)
        async with asyncio.timeout(20):
            while True:
                if self._file.exists():
                    living = Living(**json.loads(self._file.read_text(encoding="utf-8")))
                    if living.number == self._number:
                        return living
                await asyncio.sleep(0.02)


def main() -> None:
    file = Path(os.environ.pop(FILE))
    asked = 0

    def tell(*_: object) -> None:
        nonlocal asked
        asked += 1
        part = file.with_suffix(".part")
        part.write_text(json.dumps(asdict(count(asked))), encoding="utf-8")
        part.replace(file)

    signal.signal(signal.SIGUSR1, tell)
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
