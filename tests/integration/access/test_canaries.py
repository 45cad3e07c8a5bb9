"""Secrets and content as words that stand nowhere else, every error path forced, and where they are found.

What a process was started with stands in its `/proc/<pid>/environ`, which is left out: docs/security.md.
"""

import asyncio
import urllib.request
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import grpc
import pytest

from consensus.v1 import (
    audit_service_pb2,
    metric_service_pb2,
    panel_pb2,
    panel_service_pb2,
    review_service_pb2,
)
from consensus_rpc.channel.channels import ChannelOptions, open_channel
from tests.support import canaries
from tests.support.access import bearer, make_key
from tests.support.canaries import CONTENT, GUESS, HOOK, HOOK_SECRET, PASSWORD, PROVIDER_KEY, Heard
from tests.support.fault_proxy import FaultProxy
from tests.support.hostile_provider import HostileProvider
from tests.support.issuer import Issuer
from tests.support.pair import PERSISTENCE, REVIEW, Pair, wait_serving
from tests.support.ports import HeldPorts
from tests.support.postgres import Server
from tests.support.processes import clean_environment, run_command
from tests.support.tls import Pki, pair_settings

REVIEWS, START = f"/{REVIEW}/StreamReview", f"/{REVIEW}/StartReview"
GET_RUN, LIST_RUNS, EXPORT_RUNS = (f"/{REVIEW}/{each}" for each in ("GetRun", "ListRuns", "ExportRuns"))
STORE_METRICS = "/consensus.v1.MetricService/StoreMetrics"
LIST_ENTRIES = "/consensus.v1.AuditService/ListAuditEntries"
MAY_BE_EMPTY = ("usage", "spend", "expansions")
NEITHER = ("journal", "audit_log", "stream_heads", "access_keys", "webhook_deliveries", *MAY_BE_EMPTY)
"""Tables in which content has no place."""

PROVIDED = {
    "400": (canaries.repeating("400 No", PROVIDER_KEY), "LLM_REQUEST_REJECTED"),
    "401": (canaries.repeating("401 No", PROVIDER_KEY), "LLM_AUTHENTICATION"),
    "500": (canaries.repeating("500 No", PROVIDER_KEY), "LLM_UNAVAILABLE"),
    "junk": (canaries.repeating("200 OK", PROVIDER_KEY), "LLM_"),
    "no HTTP": (canaries.no_http, "LLM_UNAVAILABLE"),
}


def review(mark: str, **fields: Any) -> bytes:
    """A review of an idea, by one persona of the request's own; either holds its canary."""
    persona = panel_pb2.Persona(
        persona_id="one",
        display_name="One",
        weight=1,
        instructions=f"Say what is missing for the wards, {canaries.PROMPT}.",
    )
    idea = f"{mark} {canaries.IDEA} lets two wards swap shifts on one page. A swap takes under a minute."
    options = review_service_pb2.ReviewOptions(inline_panel=panel_service_pb2.Panel(personas=[persona]))
    said: dict[str, Any] = {"idea": idea, "user": "ann", "options": options} | fields
    wanted = review_service_pb2.ReviewInput(**said)
    return review_service_pb2.StartReviewRequest(review=wanted).SerializeToString()


@dataclass(slots=True)
class Told:
    """A pair that is told the canaries, and all that is heard of it."""

    pair: Pair
    database_url: str
    """Past the proxy."""
    pki: Pki
    proxy: FaultProxy
    provider: HostileProvider
    metrics: Mapping[str, str]
    keys: Mapping[str, str]
    token: str
    heard: Heard
    review: grpc.aio.Channel
    persistence: grpc.aio.Channel

    async def ask(self, path: str, request: bytes, key: str = "admin", **options: Any) -> str:
        """A call with a key to whichever service has the method."""
        channel = self.review if REVIEW in path else self.persistence
        return await self.heard.say(channel, path, request, bearer(self.keys[key]), **options)

    def serving(self) -> None:
        wait_serving(self.pair.persistence_address, PERSISTENCE, self.pair.tls)
        wait_serving(self.pair.review_address, REVIEW, self.pair.tls)


@asynccontextmanager
async def told(folder: Path, server: Server) -> AsyncIterator[Told]:
    """Over TLS and with keys, at DEBUG, its traces collected, its database behind a proxy and a password."""
    async with AsyncExitStack() as stack:
        url = stack.enter_context(server.database())
        parts = urlsplit(url)
        proxy = await stack.enter_async_context(FaultProxy.start(f"{parts.hostname}:{parts.port}"))
        served = parts._replace(netloc=f"{parts.username}:{PASSWORD}@{proxy.address}").geturl()
        keys = {
            role: await asyncio.to_thread(make_key, url, "--subject", role, "--role", role)
            for role in ("admin", "operator", "viewer", "service")
        }
        pki, issuer, heard = Pki(folder / "pki"), Issuer(folder), Heard()
        provider = await stack.enter_async_context(HostileProvider().serving())
        ports = stack.enter_context(HeldPorts())
        metrics = {name: ports.listen() for name in ("review", "persistence")}
        shared = issuer.settings() | {
            "AUTHENTICATION": "both",
            "LOG_LEVEL": "DEBUG",
            "DRAIN_GRACE_SECONDS": "0.5",
            "OTEL_EXPORTER_OTLP_ENDPOINT": await stack.enter_async_context(canaries.collector(heard)),
            "OTEL_BSP_SCHEDULE_DELAY": "200",
        }
        of_review, of_persistence = pair_settings(pki)
        pair = Pair(
            folder,
            served,
            of_review | shared | {
                "METRICS_LISTEN": metrics["review"],
                "OPENAI_API_KEY": PROVIDER_KEY,
                "OPENAI_BASE_URL": f"http://{provider.address}/v1",
                "PERSISTENCE_KEY": keys["service"],
                "MAX_RETRIES_PER_PERSONA": "1",
            },
            of_persistence | shared | {
                "METRICS_LISTEN": metrics["persistence"],
                "WEBHOOK_URL": f"http://127.0.0.1:9/{HOOK}",  # nobody is there
                "WEBHOOK_SECRET": f"whsec_{HOOK_SECRET}",
            },
            tls=pki.channel_tls(pki.client("tests")),
        )  # fmt: skip
        # In a thread, as all that needs the proxy or the collector, which this loop serves.
        stack.push_async_callback(asyncio.to_thread, pair.stop)
        await asyncio.to_thread(pair.start)
        provider.hand_on_to(pair.model_url)
        options = ChannelOptions(tls=pki.channel_tls())
        to_review, to_persistence = [
            await stack.enter_async_context(open_channel(address, options))
            for address in (pair.review_address, pair.persistence_address)
        ]
        token = issuer.token(roles=["viewer"])
        yield Told(pair, url, pki, proxy, provider, metrics, keys, token, heard, to_review, to_persistence)


async def strangers(there: Told) -> None:
    """Credentials of every bad kind, at both services; connections that TLS ends."""
    of_admin = there.keys["admin"]
    given = [
        f"Bearer {of_admin[:20]}{GUESS}",
        f"Bearer ck_0123456789abcdef_{GUESS}",
        f"Bearer ck_{GUESS}",
        f"Bearer {of_admin}x",
        f"Basic {GUESS}",
        f"Bearer {there.token[:-6]}AAAAAA",
        f"Bearer {GUESS}.{GUESS}.{GUESS}",
    ]
    for channel, path in ((there.review, LIST_RUNS), (there.persistence, LIST_ENTRIES)):
        for each in given:
            assert await there.heard.say(channel, path, b"", (("authorization", each),)) == "UNAUTHENTICATED"
        twice = (("authorization", f"Bearer {of_admin}"),) * 2
        assert await there.heard.say(channel, path, b"", twice) == "UNAUTHENTICATED"
    valid = (("authorization", f"Bearer {there.token}"),)
    assert await there.heard.say(there.review, LIST_RUNS, b"", valid) == "OK"
    foreign = Pki(there.pki.folder / "foreign").channel_tls()
    for address in (there.pair.review_address, there.pair.persistence_address, there.pair.internal_address):
        for options in (ChannelOptions(), ChannelOptions(tls=foreign)):
            async with open_channel(address, options) as channel:
                ended = await there.heard.say(channel, LIST_RUNS, b"", bearer(of_admin), timeout=5)
                assert ended in ("UNAVAILABLE", "DEADLINE_EXCEEDED")


async def refused(there: Told) -> None:
    """Requests of every kind that is refused, with canaries in them."""
    idea = canaries.IDEA
    metric = metric_service_pb2.MetricInput(type=f"{idea}\n")
    many = metric_service_pb2.StoreMetricsRequest(metrics=[metric]).SerializeToString()
    listing = review_service_pb2.ListRunsRequest(page_token=idea).SerializeToString()
    assert await there.ask(START, review("short"), "viewer") == "PERMISSION_DENIED"
    for path, request in (
        (START, b"\xff" + idea.encode()),
        (START, review("long", idea=f"{idea} " * 2_000)),
        (START, review("nul", idea=f"{idea}\0. A. B.")),
        (START, review("user", user=f"{idea}\n")),
        (START, review("panel", options={"panel": f"{idea} {canaries.PROMPT}"})),
        (LIST_RUNS, listing),
        (STORE_METRICS, many),
    ):
        assert await there.ask(path, request) == "INVALID_ARGUMENT"
    assert await there.ask(START, review("late"), timeout=0.05) == "DEADLINE_EXCEEDED"
    assert await there.ask(START, review("large", idea=idea * 500_000)) == "RESOURCE_EXHAUSTED"


async def provided(there: Told) -> None:
    """Reviews whose provider repeats key and prompt, or does not answer: any call's, or a persona's."""
    marks: list[str] = []
    for number, (answer, _) in enumerate(PROVIDED.values()):
        for step, only in (("idea", ()), ("persona", (canaries.PROMPT,))):
            marks.append(f"mark-{step}-{number}.")
            there.provider.answer(answer, marks[-1], *only)
    before = len(there.heard.errors)
    await asyncio.gather(*(there.ask(REVIEWS, review(mark)) for mark in marks))
    said = b"".join(there.heard.errors[before:]).decode("utf-8", "replace")
    for _, reason in PROVIDED.values():
        assert reason in said
    assert len(there.heard.errors) - before == len(marks)


async def broken(there: Told) -> None:
    """A database that refuses rows, that is not there, and that does not answer."""
    alter = "ALTER TABLE run_specifications"
    canaries.change(there.database_url, f"{alter} ADD CONSTRAINT refused CHECK (run_id = '') NOT VALID")
    assert await there.ask(REVIEWS, review("no-row")) == "INTERNAL"
    canaries.change(there.database_url, f"{alter} DROP CONSTRAINT refused")
    for fault in (there.proxy.refuse, there.proxy.black_hole):
        fault()
        ends = Counter([await there.ask(path, request, timeout=8) for path, request in (
            (START, review("away")), (LIST_RUNS, b""), (LIST_ENTRIES, b""))])  # fmt: skip
        assert not ends["OK"]
        there.proxy.heal()
        await asyncio.to_thread(there.serving)


def page(address: str) -> str:
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as answer:
        return str(answer.read().decode())


async def exported(there: Told, folder: Path) -> str:
    """The audit trail as the command writes it."""
    key = folder / "operator.key"
    key.write_text(there.keys["operator"])
    environment = clean_environment(
        CONSENSUS_SERVER=there.pair.review_address, CONSENSUS_PERSISTENCE=there.pair.persistence_address
    )
    words = (f"--tls-ca={there.pki.trusted}", f"--key-file={key}", "audit", "export", "-o")
    done = await asyncio.to_thread(
        run_command, *words, str(folder / "trail.jsonl"), environment=environment, folder=folder
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr + (folder / "trail.jsonl").read_text()


@pytest.mark.timeout(300)  # everything of three processes, on whatever machine
async def test_no_canary_stands_where_it_has_no_business(
    tmp_path: Path, postgres_server: Server, subtests: pytest.Subtests
) -> None:
    async with told(tmp_path, postgres_server) as there:
        assert await there.ask(REVIEWS, review("good")) == "OK"
        for forced in (strangers, refused, provided, broken):
            with subtests.test(forced.__name__):
                await forced(there)
        entries = audit_service_pb2.ListAuditEntriesRequest(page_size=100).SerializeToString()
        assert await there.ask(EXPORT_RUNS, b"") == "OK"
        answered, there.heard.answers = there.heard.answers, []
        assert await there.ask(LIST_ENTRIES, entries, "operator") == "OK"
        trail: dict[str, bytes | str] = {
            "entries": b"".join(there.heard.answers),
            "export": await exported(there, tmp_path),
        }
        stored = canaries.rows(there.database_url)
        pages = {f"metrics of {name}": page(address) for name, address in there.metrics.items()}
        await asyncio.to_thread(there.pair.stop)

    heard = there.heard
    said: dict[str, bytes | str] = {
        **pages,
        **trail,
        "errors": b"\n".join(heard.errors),
        "traces": b"".join(heard.traces),
        **{each.name: each.logged() for each in (there.pair.review, there.pair.persistence) if each},
        **{name: stored[name] for name in NEITHER},
    }  # fmt: skip
    assert all(text for place, text in said.items() if place not in MAY_BE_EMPTY)
    assert canaries.found({"answers": b"".join(answered)}, CONTENT)  # they were all told
    secrets = {name: key.split("_", 2)[2] for name, key in there.keys.items()}
    secrets |= {"hook": HOOK, "hook's secret": HOOK_SECRET}
    secrets |= {"guess": GUESS, "password": PASSWORD, "provider key": PROVIDER_KEY, "token": there.token}
    assert canaries.found(said, {**CONTENT, **secrets}) == []
    assert canaries.found(stored | {"answers": b"".join(answered)}, secrets) == []
