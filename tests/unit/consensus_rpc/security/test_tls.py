"""Servers and channels over TLS, on real sockets: who comes in, who does not, and what they are called."""

import asyncio
import contextlib
import ssl
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from consensus_contract.errors import ConsensusError
from consensus_rpc.channel.channels import ChannelOptions, open_channel
from consensus_rpc.channel.status import contract_errors
from consensus_rpc.errors import Unauthenticated
from consensus_rpc.security import watched
from consensus_rpc.security.authority import Authority
from consensus_rpc.security.files import ChannelTls, ServerTls
from consensus_rpc.security.peer import PeerIdentity, peer_identity
from consensus_rpc.security.tls import only_tls_13
from consensus_rpc.server.server import CannotListenError
from consensus_rpc.telemetry.certificates import CertificateTelemetry
from tests.support.tls import EXPIRED, Pki, files
from tests.unit.consensus_rpc.conftest import SERVICE, Probe, Request, Response, Running, serving

only_tls_13()  # as `run` does; before any credentials of this process

PATIENCE = 15.0


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    return Pki(tmp_path / "pki")


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are looked at whenever somebody asks."""
    monkeypatch.setattr(watched, "_LOOK_SECONDS", 0.0)


async def ask(running: Running, tls: ChannelTls | None, target: str = "", **options: Any) -> Any:
    """One call over a channel of its own."""
    async with open_channel(target or running.server.address, ChannelOptions(tls=tls)) as channel:
        return await ask_over(channel, **options)


async def ask_over(channel: grpc.aio.Channel, timeout: float = PATIENCE) -> Any:
    method: Any = channel.unary_unary(
        f"/{SERVICE}/UnaryUnary",
        request_serializer=Request.SerializeToString,
        response_deserializer=Response.FromString,
    )
    with contract_errors():
        return await method(Request(run_id="r1"), timeout=timeout)


async def is_turned_away(running: Running, tls: ChannelTls | None, target: str = "") -> None:
    """No call gets through: gRPC says UNAVAILABLE of each failed handshake, and not why."""
    with pytest.raises(ConsensusError) as refusal:
        await ask(running, tls, target, timeout=5)
    assert refusal.value.status_code is grpc.StatusCode.UNAVAILABLE
    assert running.probe.requests == []


class Whoami(Probe):
    """Remembers who called."""

    def __init__(self) -> None:
        self.callers: list[PeerIdentity | None] = []
        self.versions: set[str] = set()
        super().__init__(self.look)

    async def look(self, request: Any, context: Any) -> None:
        found = context.auth_context()
        self.callers.append(peer_identity(found))
        self.versions.add(next(iter(found["ssl_tls_version"])).decode())


@contextlib.asynccontextmanager
async def mutual(pki: Pki, probe: Probe | None = None) -> AsyncIterator[Running]:
    """A server that requires certificates of this authority."""
    async with serving(probe or Probe(), tls=pki.server_tls(pki.server(), clients=True)) as running:
        yield running


async def test_a_peer_is_called_by_its_alternative_name(pki: Pki) -> None:
    probe = Whoami()
    async with mutual(pki, probe) as running:
        await ask(running, pki.channel_tls(pki.client("review")))
        named = pki.client("host", dns=("review.internal",), common_name="spiffe://consensus/admin")
        await ask(running, pki.channel_tls(named))
    assert probe.callers == [
        PeerIdentity("spiffe://consensus/review", ("spiffe://consensus/review",)),
        PeerIdentity("review.internal", ("review.internal",)),
    ]
    assert probe.versions == {"TLSv1.3"}


async def test_without_a_certificate_nobody_comes_in(pki: Pki) -> None:
    async with mutual(pki) as running:
        await is_turned_away(running, pki.channel_tls())


async def test_an_expired_certificate_is_turned_away(pki: Pki) -> None:
    old = pki.write("old", pki.authority.issue(uris=("spiffe://consensus/review",), lifetime=EXPIRED))
    async with mutual(pki) as running:
        assert await shakes_hands(running, pki, old) is False
        assert await shakes_hands(running, pki, pki.client("review")) is True


async def test_a_certificate_of_another_authority_is_turned_away(pki: Pki, tmp_path: Path) -> None:
    stranger = Pki(tmp_path / "stranger").client("review")
    async with mutual(pki) as running:
        await is_turned_away(running, ChannelTls(files=files(stranger, pki.trusted)))


async def test_a_name_that_stands_only_in_the_common_name_is_nobodys(pki: Pki) -> None:
    nameless = pki.client("nameless", common_name="spiffe://consensus/review")
    async with mutual(pki) as running:
        with pytest.raises(Unauthenticated):
            await ask(running, pki.channel_tls(nameless))
        async with open_channel(
            running.server.address, ChannelOptions(tls=pki.channel_tls(nameless))
        ) as channel:
            stub: Any = health_pb2_grpc.HealthStub(channel)
            await stub.Check(health_pb2.HealthCheckRequest(), timeout=PATIENCE)
        assert running.probe.requests == []


async def test_plain_text_on_a_port_of_tls_is_turned_away(pki: Pki) -> None:
    async with mutual(pki) as running:
        await is_turned_away(running, None)


@pytest.mark.parametrize(
    ("names", "server_name", "comes_through"),
    [
        ({"dns": ("localhost",)}, "", True),
        ({"dns": ("persistence.internal",)}, "persistence.internal", True),
        ({"dns": ("review.internal",)}, "persistence.internal", False),
        ({"dns": ("persistence.internal",)}, "", False),
        ({"dns": ("persistence.internal",), "common_name": "localhost"}, "", False),
        ({"uris": ("spiffe://consensus/persistence",), "common_name": "localhost"}, "", False),
    ],
    ids=["host", "setting", "another service", "another host", "common name", "common name beside a URI"],
)
async def test_a_server_is_believed_by_its_names_alone(
    pki: Pki, names: dict[str, Any], server_name: str, comes_through: bool
) -> None:
    certificate = pki.server("other", **{"addresses": (), "dns": ()} | names)
    async with serving(Probe(), tls=pki.server_tls(certificate)) as running:
        target = running.server.address.replace("127.0.0.1", "localhost")
        if comes_through:
            await ask(running, pki.channel_tls(server_name=server_name), target)
        else:
            with pytest.raises(ConsensusError):
                await ask(running, pki.channel_tls(server_name=server_name), target, timeout=5)
            assert running.probe.requests == []


async def test_a_server_of_another_authority_is_not_believed(pki: Pki, tmp_path: Path) -> None:
    async with serving(Probe(), tls=pki.server_tls(pki.server())) as running:
        await is_turned_away(running, Pki(tmp_path / "stranger").channel_tls())


@pytest.mark.parametrize(("newest", "is_spoken"), [("TLSv1_2", False), ("TLSv1_3", True)])
async def test_nothing_older_than_1_3_is_spoken(pki: Pki, newest: str, is_spoken: bool) -> None:
    async with mutual(pki) as running:
        found = await shakes_hands(running, pki, pki.client("review"), ssl.TLSVersion[newest])
        assert found is is_spoken


async def shakes_hands(
    running: Running, pki: Pki, certificate: Path, newest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3
) -> bool:
    """Whether Python's own TLS gets as far as to be sent HTTP/2's settings.

    In 1.3 a client has done its part before the server has looked at its certificate.
    """
    context = ssl.create_default_context(cafile=str(pki.trusted))
    context.maximum_version = newest
    context.set_alpn_protocols(["h2"])
    context.load_cert_chain(certificate, certificate.with_suffix(".key"))
    host, _, port = running.server.address.rpartition(":")
    try:
        reader, writer = await asyncio.open_connection(host, int(port), ssl=context)
        writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0")
        said = await asyncio.wait_for(reader.read(9), PATIENCE)
        writer.close()
    except (ssl.SSLError, OSError):
        return False
    return said != b""


async def test_a_listener_with_files_of_no_use_does_not_start(pki: Pki) -> None:
    one, other = pki.server("one"), pki.server("other")
    mixed = ServerTls(files=files(one, None))
    one.with_suffix(".key").write_bytes(other.with_suffix(".key").read_bytes())
    with pytest.raises(CannotListenError, match="the key is not the certificate's"):
        async with serving(Probe(), tls=mixed):
            pass


@pytest.mark.usefixtures("at_once")
async def test_new_files_are_taken_for_new_connections_and_no_call_is_lost(pki: Pki) -> None:
    certificate, own = pki.server(), pki.client("review")
    tls = pki.channel_tls(own)
    begun, release = asyncio.Event(), asyncio.Event()
    shown: list[bytes] = []

    async def wait(request: Any, context: Any) -> None:
        shown.append(next(iter(context.auth_context()["x509_pem_cert"])))
        if request.run_id == "held":
            begun.set()
            await release.wait()

    async with (
        serving(Probe(wait), tls=pki.server_tls(certificate, clients=True)) as running,
        open_channel(running.server.address, ChannelOptions(tls=tls)) as channel,
    ):
        method: Any = channel.unary_unary(
            f"/{SERVICE}/UnaryUnary",
            request_serializer=Request.SerializeToString,
            response_deserializer=Response.FromString,
        )
        held = asyncio.ensure_future(method(Request(run_id="held"), timeout=PATIENCE))
        await begun.wait()
        rotated = Authority.make()  # all at once: authority, server, client
        both = pki.trusted.read_bytes() + rotated.certificate
        pki.trusted.write_bytes(both)
        for _ in range(5):
            pki.authority = rotated
            pki.server()
            pki.client("review")
            calls = [method(Request(run_id="r"), timeout=PATIENCE) for _ in range(20)]
            answers = await asyncio.gather(*calls)
            assert len(answers) == 20
            assert shown[-1].split() == own.read_bytes().split()
        pki.trusted.write_bytes(rotated.certificate)
        await method(Request(run_id="r"), timeout=PATIENCE)
        release.set()
        await held


@pytest.mark.usefixtures("at_once")
async def test_a_client_whose_authority_is_no_longer_believed_stays_out(pki: Pki) -> None:
    async with mutual(pki) as running:
        former = pki.channel_tls(pki.client("review"))
        await ask(running, former)
        running.probe.requests.clear()
        pki.authority = Authority.make()
        pki.trusted.write_bytes(pki.authority.certificate)
        pki.server()
        stranger = files(former.files.certificate, pki.trusted)
        await is_turned_away(running, ChannelTls(files=stranger))


@pytest.mark.usefixtures("at_once")
async def test_broken_files_are_not_taken(pki: Pki) -> None:
    certificate = pki.server()
    async with serving(Probe(), tls=pki.server_tls(certificate)) as running:
        with capture_logs() as logs:
            for broken in (b"", b"not a certificate", pki.trusted.read_bytes()):
                certificate.write_bytes(broken)
                for _ in range(3):
                    await ask(running, pki.channel_tls())
    told = [each["reason"] for each in logs if each["event"] == "certificate_not_taken"]
    assert told == ["the certificate holds no certificate"] * 2 + ["the key is not the certificate's"]


@pytest.mark.usefixtures("at_once")
def test_a_library_says_it_in_the_log_of_whoever_uses_it(pki: Pki, caplog: pytest.LogCaptureFixture) -> None:
    certificate = pki.server()
    found = watched.WatchedFiles("a channel", files(certificate, None), watched.CertificateLogger())
    certificate.write_bytes(b"")
    found.current()
    (record,) = caplog.records
    assert record.getMessage() == "certificate_not_taken: a channel, the certificate holds no certificate"


def test_when_a_certificate_expires_is_shown(pki: Pki) -> None:
    watched.WatchedFiles("a test", files(pki.server(), None), CertificateTelemetry(), clock=time.monotonic)
    name = "consensus_certificate_expiry_timestamp_seconds"
    expiry = REGISTRY.get_sample_value(name, {"use": "a test"})
    assert expiry is not None
    assert 364 < (expiry - time.time()) / 86_400 < 365
