"""A client in another language while it runs, and what it has said so far."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from tests.clients.languages import EXAMPLES, Language, environment

PATIENCE_SECONDS = 60.0
AGAIN = "again after event"


@dataclass(slots=True, eq=False)
class Running:
    """`printed` and `said` are the lines of stdout and stderr."""

    process: asyncio.subprocess.Process
    printed: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    _change: asyncio.Condition = field(default_factory=asyncio.Condition)
    _readers: list[asyncio.Task[None]] = field(default_factory=list)

    def sequences(self) -> list[int]:
        """The sequence that each line of stdout begins with."""
        return [int(line.split()[0]) for line in self.printed]

    def cuts(self) -> int:
        """How often it has begun anew."""
        return sum(line.startswith(AGAIN) for line in self.said)

    async def until(self, holds: Callable[[], bool]) -> None:
        """Waits until this holds.

        Raises:
            TimeoutError: it did not in time; the message has all that the client said.
        """
        try:
            async with asyncio.timeout(PATIENCE_SECONDS), self._change:
                await self._change.wait_for(holds)
        except TimeoutError:
            raise TimeoutError("\n".join(["waited in vain", *self.printed, *self.said])) from None

    async def end(self) -> int:
        """Waits until it has ended; returns its exit code."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            await asyncio.gather(*self._readers)
            return await self.process.wait()

    def listen(self) -> None:
        """Begins to read both streams."""
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        for stream, lines in ((self.process.stdout, self.printed), (self.process.stderr, self.said)):
            self._readers.append(asyncio.create_task(self._read(stream, lines)))

    async def _read(self, stream: asyncio.StreamReader, lines: list[str]) -> None:
        async for line in stream:
            async with self._change:
                lines.append(line.decode().rstrip("\n"))
                self._change.notify_all()


@contextlib.asynccontextmanager
async def running(language: Language, idea: str, server: str, **settings: str) -> AsyncIterator[Running]:
    """The client, started on an idea; ended with the block, if it has not by itself."""
    first, *rest = language.run
    folder = EXAMPLES / language.folder
    program = str(folder / first) if (folder / first).exists() else first
    process = await asyncio.create_subprocess_exec(
        program, *rest, idea, cwd=folder,
        env=environment(**{"CONSENSUS_SERVER": server} | language.settings | settings),
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    client = Running(process)
    client.listen()
    try:
        yield client
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        await client.end()


async def run(language: Language, idea: str, server: str, **settings: str) -> tuple[int, Running]:
    """The client from its start to its end: its exit code, and what it said."""
    async with running(language, idea, server, **settings) as client:
        return await client.end(), client
