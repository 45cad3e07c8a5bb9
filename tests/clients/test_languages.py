"""The clients of examples/ in five languages, from the contract alone, against the pair and through cuts."""

import re
import uuid
from pathlib import Path

import grpc
import pytest

from consensus.v1 import review_service_pb2, review_service_pb2_grpc
from consensus_contract.errors import LlmTimeout
from consensus_rpc.errors import Overloaded, ShuttingDown
from offline_model.script import Rule
from tests.clients.languages import EXAMPLES, LANGUAGES, Language
from tests.clients.running import run, running
from tests.clients.scripted_service import RUN_ID, ScriptedService
from tests.support.access import bearer
from tests.support.fault_proxy import FaultProxy
from tests.support.leaving_out import leave_out
from tests.support.pair import Pair
from tests.support.tls import Pki

MOST_LINES = 119
# One worker for each language, which builds it at its first test; a build may take long.
EACH = [pytest.param(each, id=each.name, marks=pytest.mark.xdist_group(each.name)) for each in LANGUAGES]
pytestmark = [
    pytest.mark.parametrize("language", EACH, indirect=True, scope="session"),
    pytest.mark.timeout(1800),
]


@pytest.fixture(scope="session")
def language(request: pytest.FixtureRequest) -> Language:
    """A client, built; skipped with the reason where its tools are not here."""
    chosen: Language = request.param
    if reason := chosen.left_out():
        leave_out(f"{chosen.name}: {reason}")
    if failure := chosen.make():
        pytest.fail(failure)
    return chosen


async def test_each_event_comes_once_through_two_cuts(language: Language, pair: Pair, key: str) -> None:
    mark = uuid.uuid4().hex
    model = pair.control()
    model.script(Rule(contains=mark, step="expand", hold=f"{mark} expand"))
    model.script(Rule(contains=mark, step="review_critic", hold=f"{mark} critic"))
    async with (
        FaultProxy.start(pair.review_address) as proxy,
        running(language, f"We send reminders, {mark}.", proxy.address, CONSENSUS_KEY=key) as client,
    ):
        await client.until(lambda: bool(client.printed))
        proxy.reset()
        await client.until(lambda: client.cuts() >= 1)
        before = len(client.printed)
        model.release(f"{mark} expand")
        await client.until(lambda: len(client.printed) > before)
        cuts = client.cuts()
        proxy.black_hole()  # the connection stays, and nothing comes: the heartbeats are missed
        await client.until(lambda: client.cuts() > cuts)
        model.release(f"{mark} critic")
        proxy.heal()
        assert await client.end() == 0, client.said
    assert client.sequences() == list(range(1, await stored(pair, key) + 1))
    assert len([line for line in client.printed if re.search(r"(APPROVE|REVISE|REJECT) 0\.\d+$", line)]) == 1


async def stored(pair: Pair, key: str) -> int:
    """How many events the newest run has."""
    async with grpc.aio.insecure_channel(pair.review_address) as channel:
        stub = review_service_pb2_grpc.ReviewServiceStub(channel)
        request = review_service_pb2.ListRunsRequest(page_size=1)
        (newest,) = (await stub.ListRuns(request, metadata=bearer(key))).runs
    return int(newest.last_sequence)


async def test_it_reads_which_fields_are_at_fault(language: Language, pair: Pair, key: str) -> None:
    status, client = await run(language, "...", pair.review_address, CONSENSUS_KEY=key)
    said = "\n".join(client.said)
    assert (status, client.printed, client.cuts()) == (1, [], 0), said
    assert "INVALID_FIELD" in said
    assert "request_id" in said
    assert re.search(r"^ *review\.idea: .", said, re.MULTILINE)


async def test_without_its_key_it_is_refused_at_once(language: Language, pair: Pair) -> None:
    status, client = await run(language, "An idea.", pair.review_address)
    said = "\n".join(client.said)
    assert (status, client.printed, client.cuts()) == (1, [], 0), said
    assert "UNAUTHENTICATED" in said


async def test_it_goes_on_whatever_code_a_cut_has_and_waits_as_it_is_told(language: Language) -> None:
    codes = ("UNAVAILABLE", "UNKNOWN", "ABORTED", "CANCELLED", "INTERNAL")
    service = ScriptedService(  # type: ignore[abstract]  # in the stubs alone
        starts=[Overloaded(subject="calls in flight", limit=1, retry_after_seconds=1.25)],
        watches=[*(grpc.StatusCode[code] for code in codes), ShuttingDown(retry_after_seconds=0.75)],
    )
    async with service.serve() as address:
        status, client = await run(language, "An idea.", address)
    assert status == 0, client.said
    assert client.sequences() == list(range(1, 8))
    assert service.after_sequences == list(range(7))
    assert len(service.keys) == 2
    assert len(set(service.keys)) == 1
    waits = [line for line in client.said if re.search(r"in (1\.25 ?s|1250 ms|0\.75 s|750 ?ms)$", line)]
    assert len(waits) == 2, client.said


async def test_the_failure_of_the_run_itself_is_the_end(language: Language) -> None:
    failure = LlmTimeout(run_id=RUN_ID, failed_step="expand", resumable=True)
    service = ScriptedService(watches=[failure])  # type: ignore[abstract]
    async with service.serve() as address:
        status, client = await run(language, "An idea.", address)
    said = "\n".join(client.said)
    assert (status, client.sequences(), client.cuts()) == (1, [1], 0), said
    assert "LLM_TIMEOUT" in said
    assert "run_state" in said


async def test_it_speaks_tls_and_believes_the_authority_that_it_is_told(
    language: Language, tmp_path: Path
) -> None:
    pki = Pki(tmp_path)
    service = ScriptedService()  # type: ignore[abstract]
    async with service.serve(server_credentials(pki)) as address:
        status, client = await run(language, "An idea.", address, CONSENSUS_TLS_CA=str(pki.trusted))
    assert (status, client.sequences(), client.cuts()) == (0, [1], 0), client.said


def server_credentials(pki: Pki) -> grpc.ServerCredentials:
    """A certificate for this machine, in use."""
    certificate = pki.server()
    pair = (certificate.with_suffix(".key").read_bytes(), certificate.read_bytes())
    return grpc.ssl_server_credentials([pair])


def test_it_fits_on_two_pages(language: Language) -> None:
    lines = sum(
        (EXAMPLES / language.folder / source).read_text("utf-8").count("\n") for source in language.sources
    )
    assert lines <= MOST_LINES
