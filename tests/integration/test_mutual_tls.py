"""The pair over TLS, as processes: a whole review, leases by certificate, starts that are refused."""

import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import grpc
import pytest

from consensus.internal.v1 import persistence_service_pb2, persistence_service_pb2_grpc
from consensus_client import AuditClient, ClientOptions, SyncReviewClient
from consensus_contract.errors import ConsensusError, LeaseLost
from consensus_rpc.channel.channels import ChannelOptions, open_channel
from consensus_rpc.channel.status import contract_errors
from consensus_rpc.security.files import ChannelTls
from tests.support.pair import Pair, kinds, running_pair
from tests.support.processes import clean_environment, run_command
from tests.support.records import Service, Worker, new_id
from tests.support.tls import Pki, pair_settings

IDEA = "A rota lets two wards swap shifts on one page, and it is done when a swap takes under a minute."
SCOPE = persistence_service_pb2.CallScope(tenant="default", caller="anonymous", request_id="r-1")


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return Pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="module")
def secured(pki: Pki, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """A pair on SQLite with TLS everywhere, mutual between the two."""
    folder = tmp_path_factory.mktemp("secured")
    review, persistence = pair_settings(pki)
    tls = pki.channel_tls(pki.client("tests"))
    url = f"sqlite:///{folder / 'consensus.db'}"
    with running_pair(folder, url, review=review, persistence=persistence, tls=tls) as pair:
        yield pair


async def test_a_review_runs_over_tls_from_end_to_end(secured: Pair, pki: Pki) -> None:
    async with secured.client() as client:
        events = await client.stream(IDEA)
        assert kinds(events)[-1] == "run_completed"
        assert (await client.get(events[0].run_id)).HasField("decision")
    options = ClientOptions(channel=ChannelOptions(tls=pki.channel_tls()))
    async with AuditClient(secured.persistence_address, options) as audit:
        verified = [each async for each in audit.verify(f"runs/{events[0].run_id}")]
        assert verified
    with SyncReviewClient(secured.review_address, options) as synchronous:
        assert synchronous.get_run(events[0].run_id).run_id == events[0].run_id


@pytest.mark.parametrize("shows", [False, True], ids=["no certificate", "another authority"])
async def test_what_only_review_services_use_is_closed_to_others(
    secured: Pair, pki: Pki, tmp_path: Path, shows: bool
) -> None:
    certificate = Pki(tmp_path / "other").client("review") if shows else None
    async with open_channel(
        secured.internal_address, ChannelOptions(tls=pki.channel_tls(certificate))
    ) as channel:
        stub: Any = persistence_service_pb2_grpc.PersistenceServiceStub(channel)
        with pytest.raises(ConsensusError) as refusal, contract_errors():
            await stub.GetRun(persistence_service_pb2.GetRunRequest(scope=SCOPE, run_id="x"), timeout=5)
        assert refusal.value.status_code is grpc.StatusCode.UNAVAILABLE


@asynccontextmanager
async def worker(pair: Pair, tls: ChannelTls) -> AsyncIterator[Worker]:
    """A RecordRun stream of whoever has this certificate."""
    async with open_channel(pair.internal_address, ChannelOptions(tls=tls)) as channel:
        stub: Any = persistence_service_pb2_grpc.PersistenceServiceStub(channel)
        async with Worker(cast("Service", SimpleNamespace(stub=stub))) as found:
            yield found


async def test_a_lease_is_of_no_use_to_another_identity(secured: Pair, pki: Pki) -> None:
    holder, thief = (pki.channel_tls(pki.client(name)) for name in ("holder", "thief"))
    async with worker(secured, holder) as first:
        await first.create(new_id(), lease_owner="process-1")
    for tls, token in (
        (thief, "process-1"),
        (thief, "spiffe://consensus/holder process-1"),
        (holder, "process-2"),
    ):
        async with worker(secured, tls) as other:
            with pytest.raises(LeaseLost):
                await other.attach(first.run_id, first.token, token)
    async with worker(secured, holder) as again:
        await again.attach(first.run_id, first.token, "process-1")
        assert again.token == first.token


def test_doctor_says_that_what_it_reached_is_encrypted(secured: Pair, pki: Pki) -> None:
    found = doctor(secured, f"--tls-ca={pki.trusted}")
    assert found.returncode == 0, found.stdout + found.stderr
    lines = found.stdout.splitlines()
    for service in ("review service", "persistence service"):
        assert any(service in line and "serving, TLS 1.3" in line for line in lines)


def test_the_command_says_which_file_is_of_no_use_and_asks_nobody(secured: Pair, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing", encoding="utf-8")
    found = doctor(secured, f"--tls-ca={tmp_path / 'ca.pem'}")
    assert found.returncode == 2
    assert "the authority holds no certificate" in found.stderr


def doctor(pair: Pair, *options: str) -> subprocess.CompletedProcess[str]:
    environment = clean_environment(
        CONSENSUS_SERVER=pair.review_address, CONSENSUS_PERSISTENCE=pair.persistence_address
    )
    return run_command(*options, "doctor", environment=environment)


def command(service: str, **settings: str) -> subprocess.CompletedProcess[str]:
    return run_command(environment=clean_environment(**settings), package=service)


@pytest.mark.parametrize(
    ("service", "name"),
    [
        ("review_service", "REVIEW_LISTEN"),
        ("persistence_service", "PERSISTENCE_LISTEN"),
        ("persistence_service", "PERSISTENCE_INTERNAL_LISTEN"),
    ],
)
def test_plain_text_is_not_spoken_beyond_this_machine(service: str, name: str) -> None:
    refused = command(service, **{name: "0.0.0.0:0"})
    assert refused.returncode == 2
    assert f"{name}: given 0.0.0.0:0 without {name}_CERTIFICATE_FILE" in refused.stderr
    assert "ALLOW_INSECURE=true" in refused.stderr


def test_a_certificate_that_cannot_be_used_stops_the_start(pki: Pki) -> None:
    certificate = pki.server("loose")
    settings = {"REVIEW_LISTEN_CERTIFICATE_FILE": str(certificate), "REVIEW_LISTEN_KEY_FILE": "/nowhere"}
    refused = command("review_service", REVIEW_LISTEN="127.0.0.1:0", LOG_FORMAT="json", **settings)
    assert refused.returncode == 1
    assert "cannot read the key /nowhere (FileNotFoundError)" in refused.stderr
