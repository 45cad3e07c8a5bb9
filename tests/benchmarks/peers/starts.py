"""The jobs of a peer, made of its way to run one review under a key."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable

from tests.benchmarks.loads import Jobs


def of_keys(run: Callable[[str], Awaitable[None]]) -> Jobs:
    """`review`: one under a key of its own; `twice`: one key sent twice at once, and both waited for."""

    async def review() -> None:
        await run(str(uuid.uuid4()))

    async def twice() -> None:
        key = str(uuid.uuid4())
        await asyncio.gather(run(key), run(key))

    return {"review": review, "twice": twice}
