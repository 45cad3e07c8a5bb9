"""What the dashboard and the alerts ask for is what a pair and a door show, by metric, label and value."""

import asyncio
import socket
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import grpc
import pytest
from prometheus_client.parser import text_string_to_metric_families

from consensus.v1 import review_service_pb2
from offline_model.script import Rule
from tests.support import postgres
from tests.support.door import Door, start_door
from tests.support.pair import Client, Pair, running_pair, until
from tests.support.processes import Process
from tests.support.promql import Expression, alerts, expressions, parse, templated_labels
from tests.support.providers import Provider
from tests.support.tls import Pki, pair_settings
from tests.support.webhooks import SECRET, WebhookReceiver, status

REVIEWS = 10
WEBHOOKS = "consensus_webhook_attempts_total"
TARGET_LABELS = {"job", "instance"}
"""What Prometheus adds to whatever it scrapes."""

Shown = dict[str, dict[str, set[str]]]
"""The values of each label, by the name of a series."""


def routes(folder: Path, near: str, far: str) -> dict[str, str]:
    """A route that is down, with a fallback that has a price."""
    file = folder / "routes.toml"
    file.write_text(
        f'[routes.near]\nbase_url = "{near}"\nmodel = "tiny"\nfallback = ["far"]\n'
        f'[routes.far]\nbase_url = "{far}"\nmodel = "large"\n'
        'price = { currency = "EUR", input = 2, output = 8 }\n',
        encoding="utf-8",
    )
    return {"MODEL_ROUTES": str(file)}


@pytest.fixture(scope="module")
def dead_address() -> Iterator[str]:
    """An address that is taken, and where nobody listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{held.getsockname()[1]}/v1"


def metrics_of(pair: Pair, process: Process | None) -> str:
    (address,) = {line["metrics_address"] for line in pair.log_lines(process) if line["event"] == "listening"}
    return metrics_at(address)


def metrics_at(address: str) -> str:
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=30) as answer:
        return str(answer.read().decode())


async def has_counted(pair: Pair) -> bool:
    """Whether open runs were counted, which happens now and then, and a webhook was given up."""
    told = await asyncio.to_thread(metrics_of, pair, pair.persistence)
    return "consensus_open_runs{" in told and f'{WEBHOOKS}{{outcome="given_up"}} 1.0' in told


async def provoke(client: Client) -> None:
    """Ten reviews, one of them on a fallback; a refusal, and a run that fails."""
    await client.model.script(Rule(contains="BrokenIdea", refusal="I would rather not."))
    ideas = [f"Idea {number}: nurses hand over a shift on one page." for number in range(REVIEWS - 1)]
    await asyncio.gather(*(client.stream(idea) for idea in ideas))
    options = review_service_pb2.ReviewOptions(review_model="near:tiny", max_retries_per_persona=1)
    await client.stream(ideas[0], options=options)
    with pytest.raises(grpc.aio.AioRpcError):
        await client.get("no-such-run")
    with pytest.raises(grpc.aio.AioRpcError):
        await client.stream("A BrokenIdea that no model expands.")


@contextmanager
def open_door(pair: Pair, pki: Pki, folder: Path) -> Iterator[tuple[Door, str]]:
    """A door before the pair, and where its metrics are."""
    ways = ("DOOR_REVIEW_ADDRESS", "DOOR_PERSISTENCE_ADDRESS")
    authorities = {f"{way}_AUTHORITY_FILE": str(pki.trusted) for way in ways}
    address = pair.ports.listen()
    door = start_door(pair, folder, DOOR_METRICS_LISTEN=address, **authorities)
    try:
        yield door, address
    finally:
        door.process.stop()


async def look(door: Door) -> None:
    """The list of runs, and one that there is not."""
    async with aiohttp.ClientSession(base_url=door.url) as http:
        for path, expected in {"/v1/runs": 200, "/v1/runs/no-such-run": 404}.items():
            async with http.get(path) as answer:
                assert answer.status == expected


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory, dead_address: str) -> tuple[str, ...]:
    """What both services, over TLS, and a door show when all this has happened."""
    with postgres.Cluster() as cluster:
        url = cluster.create_database()
        return asyncio.run(watched(tmp_path_factory.mktemp("watched"), dead_address, url))


async def watched(folder: Path, dead_address: str, url: str) -> tuple[str, ...]:
    """In the place of a standby is the primary, which is not read from as one."""
    pki = Pki(folder / "pki")
    review, persistence = pair_settings(pki)
    more = {"METRICS_LISTEN": "127.0.0.1:0", "METRICS_TENANTS": "1"}
    tls, receiver = pki.channel_tls(pki.client("tests")), WebhookReceiver([status(500), status(410)])
    async with Provider().serving() as provider, receiver.serving():
        review |= more | routes(folder, dead_address, provider.base_url)
        persistence |= more | {"DATABASE_READ_URL": url}
        persistence |= {"WEBHOOK_URL": receiver.url, "WEBHOOK_SECRET": SECRET}
        with (
            running_pair(folder, url, review=review, persistence=persistence, tls=tls) as pair,
            open_door(pair, pki, folder) as (door, of_door),
        ):
            async with pair.client() as client:
                await provoke(client)
            await look(door)
            await until(lambda: has_counted(pair), 60)
            return metrics_of(pair, pair.review), metrics_of(pair, pair.persistence), metrics_at(of_door)


def shown(*pages: str) -> Shown:
    found: Shown = defaultdict(lambda: defaultdict(set))
    for page in pages:
        for family in text_string_to_metric_families(page):
            for sample in family.samples:
                found[sample.name]["__name__"].add(sample.name)
                for label, value in sample.labels.items():
                    found[sample.name][label].add(value)
    return found


def unknown(asked: Expression, found: Shown) -> Iterator[str]:
    """What an expression asks for and nobody shows."""
    labels = set(TARGET_LABELS)
    for selector in asked.selectors:
        if selector.metric == "up":  # Prometheus's own
            continue
        if selector.metric not in found:
            yield selector.metric
            continue
        of_metric = found[selector.metric]
        labels |= of_metric.keys()
        unlabelled = selector.labels - of_metric.keys() - TARGET_LABELS
        yield from (f"{selector.metric}{{{each}}}" for each in unlabelled)
        yield from (
            f'{selector.metric}{{{label}="{value}"}}'
            for label, value in selector.values
            if value not in of_metric.get(label, ())
        )
    yield from (f"{asked.where} sums by {each}" for each in asked.grouped - labels)


def test_the_dashboard_and_the_alerts_ask_for_what_is_there(pages: tuple[str, ...]) -> None:
    found = shown(*pages)
    assert [each for asked in expressions() for each in unknown(asked, found)] == []


def test_an_alert_names_only_labels_that_it_has(pages: tuple[str, ...]) -> None:
    found = shown(*pages)
    for rule in alerts():
        asked = parse(rule["alert"], rule["expr"])
        of_metrics = {label for each in asked.selectors for label in found.get(each.metric, {})}
        has = asked.grouped if "by (" in asked.text else of_metrics | TARGET_LABELS
        assert set(templated_labels(rule)) <= has, rule["alert"]


@pytest.mark.parametrize(
    ("metric", "labels"),
    [
        ("consensus_runs_entered_state_total", {"state": "COMPLETED", "tenant": "default"}),
        ("consensus_attempts_total", {"route": "near", "outcome": "LLM_UNAVAILABLE"}),
        ("consensus_model_cost_total", {"route": "far", "model": "large", "currency": "EUR"}),
        ("consensus_rpc_errors_total", {"reason": "RUN_NOT_FOUND", "tenant": "default"}),
        ("consensus_leases_total", {"event": "granted"}),
        ("consensus_database_reads_total", {"where": "primary"}),
        (WEBHOOKS, {"outcome": "failed"}),
        ("grpc_client_handled_total", {"grpc_method": "GetRun", "grpc_code": "NOT_FOUND"}),
    ],
    ids=["runs", "attempts", "cost", "errors", "leases", "reads", "webhooks", "calls of the door"],
)
def test_what_happened_was_counted(pages: tuple[str, ...], metric: str, labels: dict[str, str]) -> None:
    families = [family for page in pages for family in text_string_to_metric_families(page)]
    samples = [each for family in families for each in family.samples if each.name == metric]
    assert sum(each.value for each in samples if labels.items() <= each.labels.items()) > 0
