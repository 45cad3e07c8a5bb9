"""What a breakpoint saves where a provider caches only up to one, or its newest message, and charges for it.

Part of `make bench`. The model is a stand-in that keeps a prompt's prefix once the call that wrote it is
answered: up to the breakpoint where there is one, else the whole prompt, which no other call shares.
"""

import asyncio
import tempfile
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from consensus.v1 import attempt_pb2
from consensus_client import ReviewClient, ReviewOptions
from tests.support.pair import Pair
from tests.support.providers import Asked, Provider, Reply

IDEA = "Let readers of our library app reserve a book. A reader is told by mail once it is there."
_LATENCY_SECONDS = 0.2
_CHARACTERS_PER_TOKEN = 4
_ROUTE = """\
protocol = "responses"
model = "m"
price = {currency = "USD", input = 1.25, output = 10, cached_input = 0.125, cache_write = 1.5625}
"""


class CachingProvider(Provider):
    """Counts what of each prompt was cached, written to the cache, or neither."""

    def __init__(self) -> None:
        super().__init__()
        self._kept: set[str] = set()

    async def reply(self, asked: Asked) -> Reply:
        """As any provider, with its usage."""
        whole, marked = _parts(asked)
        prefix = marked or whole
        is_cached = prefix in self._kept
        await asyncio.sleep(_LATENCY_SECONDS)
        self._kept.add(prefix)
        tokens, shared = len(whole) // _CHARACTERS_PER_TOKEN, len(prefix) // _CHARACTERS_PER_TOKEN
        reply = await super().reply(asked)
        details = {"cached_tokens": shared * is_cached, "cache_write_tokens": shared * (not is_cached)}
        reply.body["usage"] |= {"input_tokens": tokens, "input_tokens_details": details}
        return reply


def _parts(asked: Asked) -> tuple[str, str]:
    """The prompt, and what of it comes before a breakpoint."""
    said, marked = str(asked.body.get("instructions") or ""), ""
    for message in asked.body["input"]:
        content = message["content"]
        said += content if isinstance(content, str) else "".join(part["text"] for part in content)
        if not isinstance(content, str) and any("prompt_cache_breakpoint" in part for part in content):
            marked = said
    return said, marked


@dataclass(frozen=True, slots=True)
class Way:
    """A way to ask: with a breakpoint or without, and how many calls at once."""

    name: str
    lines: str


_MARKED = 'cache_breakpoint = "openai"\n'
WAYS = (
    Way("five at once", ""),
    Way("five at once, breakpoint", _MARKED),
    Way("one after the other", "max_concurrency = 1\n"),
    Way("one after the other, breakpoint", f"{_MARKED}max_concurrency = 1\n"),
)


async def _attempts(folder: Path) -> list[list[attempt_pb2.Attempt]]:
    async with AsyncExitStack() as stack:
        urls = [(await stack.enter_async_context(CachingProvider().serving())).base_url for _ in WAYS]
        text = "\n".join(
            f'[routes.r{at}]\nbase_url = "{url}"\n{_ROUTE}{way.lines}'
            for at, (way, url) in enumerate(zip(WAYS, urls, strict=True))
        )
        routes = folder / "routes.toml"
        await asyncio.to_thread(routes.write_text, text, "utf-8")
        pair = Pair(folder, f"sqlite:///{folder / 'consensus.db'}", {"MODEL_ROUTES": str(routes)})
        stack.callback(pair.stop)
        await asyncio.to_thread(pair.start)
        async with ReviewClient(pair.review_address) as client:
            return [await _one(client, f"r{at}:") for at in range(len(WAYS))]


async def _one(client: ReviewClient, model: str) -> list[attempt_pb2.Attempt]:
    run = await client.start_review(IDEA, options=ReviewOptions(expand_model=model, review_model=model))
    async for _ in client.watch_run(run.run_id):
        pass
    return [each async for each in client.attempts(run.run_id)]


def measured() -> Table:
    """One review each way: the prompt tokens of its six calls, and what they cost."""
    with tempfile.TemporaryDirectory(prefix="consensus-bench-") as folder:
        found = asyncio.run(_attempts(Path(folder)))
    table = Table(
        "prompt tokens of one review", "neither", "written", "cached", "USD", "x", title="Prompt cache"
    )
    first = sum(each.cost.micros for each in found[0])
    for way, attempts in zip(WAYS, found, strict=True):
        cached = sum(each.usage.cached_tokens for each in attempts)
        written = sum(each.usage.cache_write_tokens for each in attempts)
        fresh = sum(each.usage.input_tokens for each in attempts) - cached - written
        micros = sum(each.cost.micros for each in attempts)
        cells = (f"{fresh:,}", f"{written:,}", f"{cached:,}", f"{micros / 1e6:.4f}", f"{micros / first:.2f}")
        table.add_row(way.name, *cells)
    return table


if __name__ == "__main__":
    Console(width=120).print(measured())
