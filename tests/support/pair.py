"""The pair as it runs in production, in processes of its own, with the offline model behind it."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from consensus.internal.v1 import persistence_service_pb2_grpc
from consensus.v1 import review_service_pb2, review_service_pb2_grpc, run_event_pb2
from consensus_rpc.channel.channels import ChannelOptions, open_channel
from consensus_rpc.security.files import ChannelTls
from consensus_rpc.security.material import read_material
from consensus_rpc.security.tls import channel_credentials
from offline_model.control_client import ControlClient, SyncControlClient
from tests.support.ports import HeldPorts
from tests.support.processes import Process, clean_environment, start_process, wait_started

API_KEY = "sk-offline-0123456789abcdef"  # nobody's
PERSISTENCE = "consensus.internal.v1.PersistenceService"
REVIEW = "consensus.v1.ReviewService"
_SERVING_SECONDS = 90.0


@dataclass(slots=True)
class Pair:
    """Both services and the model, running; `review_settings` and the like are environment variables."""

    folder: Path
    database_url: str
    review_settings: dict[str, str] = field(default_factory=dict)
    persistence_settings: dict[str, str] = field(default_factory=dict)
    model: Process | None = None
    persistence: Process | None = None
    review: Process | None = None
    others: list[Process] = field(default_factory=list)
    persistence_address: str = ""
    tls: ChannelTls | None = None
    """How the test reaches all addresses, when the settings say so."""
    internal_address: str = ""
    """Where review services reach persistence."""
    review_address: str = ""
    model_url: str = ""
    ports: HeldPorts = field(default_factory=HeldPorts)

    def start(self) -> None:
        """Start all three and wait until they serve."""
        self.model = start_process("offline_model", self.folder, clean_environment())
        self.persistence = self.spawn_persistence(self.ports.listen(), self.ports.listen())
        self.model_url = f"http://127.0.0.1:{wait_started(self.model)}"
        self.persistence_address = wait_started(self.persistence)
        self.internal_address = self.persistence.internal_address
        self.review = self.spawn_review()
        self.review_address = wait_started(self.review)
        wait_serving(self.persistence_address, PERSISTENCE, self.tls)
        wait_serving(self.review_address, REVIEW, self.tls)

    def restart_persistence(self) -> None:
        """Start persistence anew at the same addresses, once it has been stopped or killed."""
        self.persistence = self.spawn_persistence(self.persistence_address, self.internal_address)
        wait_started(self.persistence)
        wait_serving(self.persistence_address, PERSISTENCE, self.tls)
        wait_serving(self.review_address, REVIEW, self.tls)

    def start_another_review(self, **settings: str) -> Process:
        """Start one more replica of the review service."""
        replica = self.spawn_review(f"review_service_{len(self.others) + 2}", **settings)
        self.others.append(replica)
        wait_serving(wait_started(replica), REVIEW)
        return replica

    def spawn_review(self, name: str = "review_service", **settings: str) -> Process:
        environment = clean_environment(
            **{
                "OPENAI_API_KEY": API_KEY,
                "OPENAI_BASE_URL": f"{self.model_url}/v1",
                "PERSISTENCE_ADDRESS": self.internal_address,
                "REVIEW_LISTEN": self.ports.listen(),
                "CLAIM_INTERVAL_SECONDS": "0.5",
                "RETRY_INITIAL_BACKOFF_SECONDS": "0.1",
                "LOG_FORMAT": "json",
            }
            | self.review_settings
            | settings
        )
        return start_process("review_service", self.folder, environment, name=name)

    def spawn_persistence(self, listen: str, internal_listen: str) -> Process:
        environment = clean_environment(
            **{
                "DATABASE_URL": self.database_url,
                "PERSISTENCE_LISTEN": listen,
                "PERSISTENCE_INTERNAL_LISTEN": internal_listen,
                "LOG_FORMAT": "json",
            }
            | self.persistence_settings
        )
        return start_process("persistence_service", self.folder, environment)

    def stop(self) -> None:
        """Stop whatever runs, callers first."""
        for process in (*self.others, self.review, self.persistence, self.model):
            if process is not None:
                process.stop()
        self.ports.close()

    def control(self) -> SyncControlClient:
        """The model's fault script and counters, without asyncio."""
        return SyncControlClient(self.model_url)

    @asynccontextmanager
    async def client(self, address: str = "") -> AsyncIterator["Client"]:
        """A caller of the review service, who reaches what only review services may, too."""
        options = ChannelOptions(tls=self.tls)
        async with (
            open_channel(address or self.review_address, options) as review,
            open_channel(self.persistence_address, options) as persistence,
            open_channel(self.internal_address, options) as internal,
            ControlClient(self.model_url) as model,
        ):
            yield Client(
                review_service_pb2_grpc.ReviewServiceStub(review),
                persistence_service_pb2_grpc.PersistenceServiceStub(internal),
                model,
                persistence,
            )

    def log_lines(self, process: Process | None) -> list[dict[str, Any]]:
        """What a service has logged."""
        assert process is not None
        return [json.loads(line) for line in process.logged().splitlines() if line.startswith("{")]


@dataclass(frozen=True, slots=True)
class Client:
    """Stubs of both services (`Any`: tests also send what types forbid), and the model's control."""

    review: Any
    persistence: Any
    model: ControlClient
    persistence_channel: grpc.aio.Channel

    async def stream(self, idea: str, **fields: Any) -> list[run_event_pb2.RunEvent]:
        """A whole review, its events."""
        call = self.review.StreamReview(review_request(idea, **fields))
        return [event async for message in call for event in message.events]

    async def watch(self, run_id: str, after_sequence: int = 0) -> list[run_event_pb2.RunEvent]:
        """A run's events from the journal, to its end."""
        call = self.review.WatchRun(
            review_service_pb2.WatchRunRequest(run_id=run_id, after_sequence=after_sequence)
        )
        return [event async for message in call for event in message.events]

    async def get(self, run_id: str) -> Any:
        """A run, whole."""
        return (await self.review.GetRun(review_service_pb2.GetRunRequest(run_id=run_id))).run


def review_request(
    idea: str, *, key: str = "", on_disconnect: int = 0, **fields: Any
) -> review_service_pb2.StreamReviewRequest:
    """A request to review an idea; `fields` are those of ReviewInput."""
    return review_service_pb2.StreamReviewRequest(
        review=review_service_pb2.ReviewInput(idea=idea, **fields),
        idempotency_key=key,
        on_disconnect=on_disconnect,  # type: ignore[arg-type]  # a number, as on the wire
    )


def events_of(messages: Iterable[Any]) -> list[run_event_pb2.RunEvent]:
    """The events that messages of a stream carry, in order."""
    return [event for message in messages for event in message.events]


def kinds(events: list[run_event_pb2.RunEvent]) -> list[str]:
    """What the events are about, in order."""
    return [str(event.WhichOneof("payload")) for event in events]


def wait_serving(address: str, service: str, tls: ChannelTls | None = None) -> None:
    """Wait until a service answers its health checks with SERVING."""
    credentials = channel_credentials(read_material(tls.files)) if tls else None
    with (
        grpc.secure_channel(address, credentials) if credentials else grpc.insecure_channel(address)
    ) as channel:
        grpc.channel_ready_future(channel).result(timeout=_SERVING_SECONDS)
        stub: Any = health_pb2_grpc.HealthStub(channel)  # its types know no Watch
        watch = stub.Watch(health_pb2.HealthCheckRequest(service=service), timeout=_SERVING_SECONDS)
        for answer in watch:
            if answer.status == health_pb2.HealthCheckResponse.SERVING:
                watch.cancel()
                return


@contextmanager
def running_pair(
    folder: Path,
    database_url: str,
    *,
    review: dict[str, str] | None = None,
    persistence: dict[str, str] | None = None,
    tls: ChannelTls | None = None,
) -> Iterator[Pair]:
    """A pair on a database, stopped whatever happens; an empty setting counts as unset."""
    pair = Pair(folder, database_url, review or {}, persistence or {}, tls=tls)
    try:
        pair.start()
        yield pair
    finally:
        pair.stop()


async def drained(stream: AsyncIterator[Any]) -> list[Any]:
    """All messages that are left of a stream."""
    return [message async for message in stream]


async def until(condition: Any, timeout_seconds: float = 15.0) -> None:
    """Wait until an asynchronous condition holds; it is asked again and again, since nothing announces it."""
    async with asyncio.timeout(timeout_seconds):
        while not await condition():  # noqa: ASYNC110 - what it waits for is in another process
            await asyncio.sleep(0.02)
