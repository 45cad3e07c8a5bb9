"""What 1,000 runs leave behind in the two services: no objects, tasks, calls or threads."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from consensus.v1 import review_service_pb2
from consensus_rpc.channel.channels import open_channel
from tests.benchmarks.job import IDEA
from tests.benchmarks.model import Connection
from tests.support.counted import CountedProcess, Living
from tests.support.pair import API_KEY, PERSISTENCE, REVIEW, events_of, kinds, wait_serving
from tests.support.processes import clean_environment, wait_started

RUNS = 1000
WARM_UP = 200
IN_FLIGHT = 50
LOOKS, LOOK_SECONDS = 20, 0.3

# Less than one object a run. What there is more of without a leak (statements made for a batch of a new size,
# rows of the last batch that the writer still holds) is a few hundred, and no more after 10,000 runs.
MOST_OBJECTS = RUNS - 1
# Strings and the like are no objects to the collector, but pieces of memory; an object has one or more.
MOST_BLOCKS = RUNS * 2
MOST_THREADS = 20  # a pool of readers grows to its bound when they come at once
# Objects that each run leaves to the collector, which on a server comes seldom; of gRPC's own 6 per call.
MOST_GARBAGE = 60


class Model:
    """A model that answers at once, and can end its connections: a pool of them is not what runs leave."""

    def __init__(self) -> None:
        self._open: set[asyncio.BaseTransport] = set()
        self.url = ""

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Model"]:
        server = await asyncio.get_running_loop().create_server(lambda: _Line(self._open), "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        try:
            yield self
        finally:
            server.close()
            self.hang_up()
            await server.wait_closed()

    def hang_up(self) -> None:
        for transport in self._open:
            transport.close()
        self._open.clear()


class _Line(Connection):
    def __init__(self, known: set[asyncio.BaseTransport]) -> None:
        super().__init__()
        self._known = known

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._known.add(transport)


class Services:
    """Both services in processes that can be asked what lives in them, and callers of them."""

    def __init__(
        self, model: Model, persistence: CountedProcess, review: CountedProcess, address: str
    ) -> None:
        self._model = model
        self.processes = {"persistence_service": persistence, "review_service": review}
        self._address = address

    async def living(self) -> dict[str, Living]:
        return {name: await each.living() for name, each in self.processes.items()}

    async def send(self, count: int) -> None:
        """So many runs, of which every tenth is replayed afterwards, and every tenth hung up on."""
        numbers = iter(range(count))
        async with open_channel(self._address) as channel:
            stream: Any = channel.unary_stream("/consensus.v1.ReviewService/StreamReview")
            await asyncio.gather(*(_work(stream, numbers) for _ in range(IN_FLIGHT)))
        self._model.hang_up()


async def _work(stream: Any, numbers: Iterator[int]) -> None:
    for number in numbers:
        request = review_service_pb2.StreamReviewRequest(
            review=review_service_pb2.ReviewInput(idea=IDEA), idempotency_key=str(uuid.uuid4()),
            on_disconnect=review_service_pb2.ON_DISCONNECT_CONTINUE,
        ).SerializeToString()  # fmt: skip
        call = stream(request)
        if number % 10 == 0:
            await call.read()
            call.cancel()
            continue
        await _to_its_end(call)
        if number % 10 == 1:
            await _to_its_end(stream(request))


async def _to_its_end(call: Any) -> None:
    messages = [review_service_pb2.StreamReviewResponse.FromString(each) async for each in call]
    assert kinds(events_of(messages))[-1] == "run_completed"


@contextmanager
def running_services(folder: Path, database_url: str, model: Model) -> Iterator[Services]:
    with ExitStack() as stack:
        persistence = CountedProcess(
            "persistence_service", folder,
            clean_environment(DATABASE_URL=database_url, PERSISTENCE_LISTEN="127.0.0.1:0"),
        )  # fmt: skip
        stack.callback(persistence.process.stop)
        wait_serving(wait_started(persistence.process), PERSISTENCE)
        review = CountedProcess(
            "review_service", folder,
            clean_environment(
                OPENAI_API_KEY=API_KEY, OPENAI_BASE_URL=model.url, REVIEW_LISTEN="127.0.0.1:0",
                PERSISTENCE_ADDRESS=persistence.process.internal_address, CLAIM_INTERVAL_SECONDS="300",
            ),
        )  # fmt: skip
        stack.callback(review.process.stop)
        address = wait_started(review.process)
        wait_serving(address, REVIEW)
        yield Services(model, persistence, review, address)


def kept(base: Living, now: Living) -> list[str]:
    """What there is more of than may be, in words."""
    bounds = {
        "tasks": (base.tasks, now.tasks, 0),
        "calls": (base.calls, now.calls, 0),
        "threads": (base.threads, now.threads, MOST_THREADS),
        "objects": (base.objects, now.objects, MOST_OBJECTS),
        "blocks of memory": (base.blocks, now.blocks, MOST_BLOCKS),
    }
    return [
        f"{name}: {before} before, {after} after {RUNS} runs; more of {now.grown(base)}"
        for name, (before, after, most) in bounds.items()
        if after - before > most
    ]


async def settled(pair: Services, base: dict[str, Living] | None = None) -> dict[str, Living]:
    """What lives once the last stream has unwound.

    Of a base: when no call is under way and the number of tasks stays. Beside a base: when nothing is kept,
    or after a while, with what is.
    """
    before = await pair.living()
    for _ in range(LOOKS):
        await asyncio.sleep(LOOK_SECONDS)
        now = await pair.living()
        quiet = all(each.calls == 0 and each.tasks == before[name].tasks for name, each in now.items())
        if quiet and not (base and any(kept(base[name], each) for name, each in now.items())):
            return now
        before = now
    return before


@pytest.fixture(params=["sqlite", "postgresql"])
async def services(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Services]:
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'consensus.db'}"
    else:
        url = request.getfixturevalue("postgres_url")
    async with Model().running() as model:
        with running_services(tmp_path, url, model) as running:
            yield running


async def test_a_thousand_runs_leave_nothing_in_memory(services: Services) -> None:
    await services.send(WARM_UP)
    base = await settled(services)

    await services.send(RUNS)

    now = await settled(services, base)
    assert {name: kept(base[name], each) for name, each in now.items()} == {name: [] for name in now}
    garbage = {name: (each.garbage - base[name].garbage) / RUNS for name, each in now.items()}
    assert all(count <= MOST_GARBAGE for count in garbage.values()), garbage
