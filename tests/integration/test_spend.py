"""What the pair spends is what the provider bills, and never more than a cap, whoever is killed meanwhile."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
from sqlalchemy import create_engine, select
from sqlalchemy.pool import NullPool

from consensus.v1 import review_service_pb2, run_pb2, usage_service_pb2, usage_service_pb2_grpc
from offline_model.script import Rule
from persistence_service.database import normalise_url
from persistence_service.runs.form.usage_tables import SPEND
from tests.support import postgres
from tests.support.pair import Client, Pair, review_request
from tests.support.postgres import showing_all
from tests.support.processes import Process

# Whole millionths a token, so that sums are exact.
INPUT, CACHED, OUTPUT = 2, 1, 8
ROUTES = """
[routes.default]
base_url = "{url}/v1"
key_variable = "OPENAI_API_KEY"
price = {{ currency = "USD", input = {input}, cached_input = {cached}, output = {output} }}
"""
CAP = 10_000_000
OPEN = (run_pb2.RUN_STATE_QUEUED, run_pb2.RUN_STATE_RUNNING)


@dataclass(slots=True)
class PricedPair(Pair):
    """A pair whose only route has prices."""

    def spawn_review(self, name: str = "review_service", **settings: str) -> Process:
        path = self.folder / "routes.toml"
        path.write_text(ROUTES.format(url=self.model_url, input=INPUT, cached=CACHED, output=OUTPUT))
        own = {"OPENAI_BASE_URL": "", "MODEL_ROUTES": str(path)}
        return Pair.spawn_review(self, name, **(own | settings))


@pytest.fixture
def pair(
    tmp_path: Path, postgres_server: postgres.Server, request: pytest.FixtureRequest
) -> Iterator[PricedPair]:
    """Two review services and a persistence service on PostgreSQL, with a cap on the tenant's day."""
    caps = tmp_path / "caps.toml"
    caps.write_text(f'currency = "USD"\n[default]\ntenant_day = "{request.param}"\n')
    settings = {"SPEND_CAPS": str(caps), "LEASE_SECONDS": "2", "WATCH_POLL_SECONDS": "0.2"}
    with postgres_server.database() as url:
        running = PricedPair(tmp_path, url, {"MAX_RETRIES_PER_PERSONA": "2"}, settings)
        try:
            running.start()
            yield running
        finally:
            running.stop()


class Watch:
    """A second session that reads the counters all the while: each look is at some commit."""

    def __init__(self, url: str) -> None:
        self._engine = create_engine(normalise_url(showing_all(url)), poolclass=NullPool)
        self.most = 0
        self.looks = 0

    def look(self) -> None:
        with self._engine.connect() as connection:
            for micros in connection.execute(select(SPEND.c.micros)).scalars():
                self.most, self.looks = max(self.most, micros), self.looks + 1

    async def for_ever(self) -> None:
        while True:
            await asyncio.to_thread(self.look)
            await asyncio.sleep(0.02)


async def sums(client: Client, **wanted: Any) -> list[usage_service_pb2.Usage]:
    stub: Any = usage_service_pb2_grpc.UsageServiceStub(client.persistence_channel)
    request = usage_service_pb2.GetUsageRequest(filter=usage_service_pb2.UsageFilter(**wanted))
    return list((await stub.GetUsage(request)).usage)


async def invoice(client: Client, **filters: Any) -> int:
    """What the provider bills, in millionths."""
    total = (await client.model.counters(**filters))["total"]
    plain = total["input_tokens"] - total["cached_tokens"]
    billed: int = plain * INPUT + total["cached_tokens"] * CACHED + total["output_tokens"] * OUTPUT
    return billed


async def all_runs(client: Client) -> list[run_pb2.Run]:
    request, found = review_service_pb2.ListRunsRequest(page_size=100), []
    while True:
        page = await client.review.ListRuns(request)
        found += page.runs
        request.page_token = page.next_page_token
        if not page.next_page_token:
            return found


async def settled(client: Client) -> list[run_pb2.Run]:
    """All runs, once each has ended."""
    while True:
        with suppress(grpc.aio.AioRpcError):
            runs = await all_runs(client)
            if not any(run.state in OPEN for run in runs):
                return runs
        await asyncio.sleep(0.2)


@pytest.mark.parametrize("pair", ["1000"], indirect=True)
async def test_a_runs_total_is_the_invoice_of_calls_that_failed_and_were_repaired_too(
    pair: PricedPair, idea: str
) -> None:
    async with pair.client() as client:
        await client.model.script(
            Rule(persona="critic", malformed="not_json", times=1),
            Rule(persona="optimist", status=503, times=1),
            Rule(persona="architect", status=429, times=1),
        )
        events = await client.stream(idea)
        run_id = events[0].run_id
        (found,) = await sums(client, run_id=run_id)
        assert (found.currency, found.uncertain_micros) == ("USD", 0)
        assert found.call_count == 9
        assert found.cost_micros == await invoice(client, run_id=run_id) > 0
        attempts = (
            await client.review.ListAttempts(
                review_service_pb2.ListAttemptsRequest(run_id=run_id, page_size=100)
            )
        ).attempts
        assert all(each.most_cost.micros >= each.cost.micros for each in attempts)
        assert len({each.price_version for each in attempts}) == 1


@pytest.mark.parametrize("pair", ["0"], indirect=True)
async def test_with_a_cap_of_nothing_nobody_is_called_and_all_is_told(pair: PricedPair, idea: str) -> None:
    async with pair.client() as client:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await client.stream(idea)
        assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        trailers = str(refused.value.trailing_metadata())
        assert "SPEND_CAP_REACHED" in trailers
        assert "tenant_day" in trailers
        with pytest.raises(grpc.aio.AioRpcError) as expansion:
            await client.review.ExpandIdea(review_service_pb2.ExpandIdeaRequest(idea=idea))
        assert expansion.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "SPEND_CAP_REACHED" in str(expansion.value.trailing_metadata())
        assert (await client.model.counters())["total"]["started"] == 0
        assert await all_runs(client) == []


@pytest.mark.timeout(240)
@pytest.mark.parametrize("pair", ["10"], indirect=True)
async def test_two_hundred_reviews_at_once_never_pass_the_cap_though_processes_are_killed(
    pair: PricedPair, idea: str
) -> None:
    other = await asyncio.to_thread(pair.start_another_review)
    watch = Watch(pair.database_url)
    async with pair.client() as client, pair.client(other.address) as second:
        await client.model.script(
            *(Rule(persona="critic", malformed="not_json", attempt=1) for _ in range(1)),
            Rule(persona="optimist", status=503, times=20),
            Rule(persona="security_guardian", delay_seconds=0.5),
        )
        watching = asyncio.create_task(watch.for_ever())

        async def review(number: int) -> str:
            caller = (client, second)[number % 2]
            try:
                call = caller.review.StreamReview(review_request(f"{idea} Number {number}."))
                async for _ in call:
                    pass
            except grpc.aio.AioRpcError as error:
                return "SPEND_CAP_REACHED" if "SPEND_CAP_REACHED" in str(error.trailing_metadata()) else "cut"
            return "decided"

        reviews = [asyncio.create_task(review(number)) for number in range(200)]
        await client.model.wait({"answered": 20}, timeout_seconds=60)
        other.kill()
        await client.model.wait({"answered": 50}, timeout_seconds=60)
        assert pair.persistence is not None
        pair.persistence.kill()
        await asyncio.to_thread(pair.restart_persistence)
        ends = await asyncio.gather(*reviews)
        runs = await settled(client)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        await asyncio.to_thread(watch.look)

        assert watch.looks > 10
        assert 0 < watch.most <= CAP
        assert ends.count("SPEND_CAP_REACHED") > 0
        (spent,) = await sums(client)
        billed = await invoice(client)
        assert spent.cost_micros <= billed <= spent.cost_micros + spent.uncertain_micros <= CAP
        for run in runs:
            billed = await invoice(client, run_id=run.run_id)
            for found in await sums(client, run_id=run.run_id):
                assert found.cost_micros <= billed <= found.cost_micros + found.uncertain_micros, run.run_id
