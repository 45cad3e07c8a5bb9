"""Several processes of both services on one database, each of which may be killed, stopped and started."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from sqlalchemy import create_engine, select
from sqlalchemy.pool import NullPool

from consensus.internal.v1 import persistence_service_pb2_grpc
from consensus.v1 import review_service_pb2_grpc
from offline_model.control_client import ControlClient, SyncControlClient
from persistence_service.database import normalise_url
from persistence_service.runs.form import names
from persistence_service.runs.form.tables import RUNS
from tests.support.pair import PERSISTENCE, REVIEW, Client
from tests.support.ports import HeldPorts
from tests.support.postgres import showing_all
from tests.support.processes import Process, clean_environment, start_process, wait_started

# Neither may stand in any log. The first is the key that the services are given.
KEY_CANARY = "sk-offline-canary-5e7a1c0de55ec2e7"
IDEA_CANARY = "canary-idea-9b1f44"
USER_CANARY = "canary-user-6c2e07"
PASSWORD_CANARY = "canary-password-77d3a8"
CANARIES = (KEY_CANARY, IDEA_CANARY, USER_CANARY, PASSWORD_CANARY)

LEASE_SECONDS = 2.0
CLAIM_SECONDS = 0.5

_LOOK_SECONDS = 0.05
# A server that was down a moment ago is tried again soon, whatever other channels know of it.
_QUICK = [
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 300),
]

Settings = dict[str, str]


@dataclass(slots=True)
class Stack:
    """The model, `persistences` and `reviews`; each review service talks to one persistence service."""

    folder: Path
    database_url: str
    review_count: int = 2
    persistence_count: int = 1
    review_settings: Settings = field(default_factory=dict)
    persistence_settings: Settings = field(default_factory=dict)
    model: Process | None = None
    persistences: list[Process] = field(default_factory=list)
    reviews: list[Process] = field(default_factory=list)
    model_url: str = ""
    served_url: str = ""
    """Where the services find the database, when that is not `database_url`, such as through a proxy."""
    checkouts: dict[str, Path | None] = field(default_factory=dict)
    """By name, where the code of processes stands that run another release's."""
    ports: HeldPorts = field(default_factory=HeldPorts)

    def start(self) -> None:
        """Start all of them and wait until they serve."""
        self.model = start_process("offline_model", self.folder, clean_environment())
        for _ in range(self.persistence_count):
            self.persistences.append(self._spawn_persistence(len(self.persistences)))
        self.model_url = f"http://127.0.0.1:{wait_started(self.model)}"
        for process in self.persistences:
            wait_started(process)
        for index in range(self.review_count):
            self.reviews.append(self.spawn_review(f"review{index}"))
        for process in self.reviews:
            wait_started(process)
        self.wait_serving()

    def wait_serving(self) -> None:
        """Wait until every process serves."""
        for process in self.persistences:
            wait_serving(process.address, PERSISTENCE)
        for process in self.reviews:
            wait_serving(process.address, REVIEW)

    def restart(self, *processes: Process) -> None:
        """Start killed processes anew, at their addresses, in this order."""
        for process in processes:
            if process in self.persistences:
                index = self.persistences.index(process)
                again = self._spawn_persistence(index, process.address, process.internal_address)
                again.address, again.internal_address = process.address, process.internal_address
                self.persistences[index] = again
            else:
                again = self.spawn_review(process.name, listen=process.address)
                again.address = process.address
                self.reviews[self.reviews.index(process)] = again
            wait_started(again)

    def run_from(self, checkout: Path | None, *names: str) -> None:
        """From their next start on these processes, or all, run the release that stands there; or this."""
        every = [f"persistence{index}" for index in range(self.persistence_count)]
        every += [f"review{index}" for index in range(self.review_count)]
        self.checkouts |= dict.fromkeys(names or every, checkout)

    def adopt(self, review: Process) -> None:
        """Wait until a review service that was spawned serves."""
        wait_started(review)
        wait_serving(review.address, REVIEW)

    def dismiss(self, review: Process) -> None:
        """End a review service that was spawned for one case, at once."""
        review.kill()

    def heal(self) -> None:
        """Start what does not run, wake what is stopped, and wait until all serve."""
        for process in (*self.persistences, *self.reviews):
            if process.popen.poll() is not None:
                self.restart(process)
            else:
                process.send(signal.SIGCONT)
        self.wait_serving()

    def spawn_review(self, name: str, *, listen: str = "", persistence: str = "", **settings: str) -> Process:
        """A review service; `review0` talks to the first persistence service, and so on in turns."""
        digits = "".join(filter(str.isdigit, name)) or "0"
        nearest = self.persistences[int(digits) % len(self.persistences)].internal_address
        environment = clean_environment(
            **{
                "OPENAI_API_KEY": KEY_CANARY,
                "OPENAI_BASE_URL": f"{self.model_url}/v1",
                "PERSISTENCE_ADDRESS": persistence or nearest,
                "REVIEW_LISTEN": listen or self.ports.listen(),
                "CLAIM_INTERVAL_SECONDS": str(CLAIM_SECONDS),
                "RETRY_INITIAL_BACKOFF_SECONDS": "0.1",
                "DRAIN_GRACE_SECONDS": "1.5",
                "LOG_FORMAT": "json",
            }
            | self.review_settings
            | settings
        )
        return start_process(
            "review_service", self.folder, environment, name=name, checkout=self.checkouts.get(name)
        )

    def _spawn_persistence(self, index: int, listen: str = "", internal_listen: str = "") -> Process:
        environment = clean_environment(
            **{
                "DATABASE_URL": self.served_url or self.database_url,
                "PERSISTENCE_LISTEN": listen or self.ports.listen(),
                "PERSISTENCE_INTERNAL_LISTEN": internal_listen or self.ports.listen(),
                "LEASE_SECONDS": str(LEASE_SECONDS),
                "WATCH_POLL_SECONDS": "0.1",
                "LOG_FORMAT": "json",
            }
            | self.persistence_settings
        )
        name = f"persistence{index}"
        return start_process(
            "persistence_service", self.folder, environment, name=name, checkout=self.checkouts.get(name)
        )

    def stop(self) -> None:
        """Stop what runs, callers first."""
        for process in (*self.reviews, *self.persistences, *([self.model] if self.model else [])):
            process.stop()
        self.ports.close()

    @property
    def control(self) -> SyncControlClient:
        """The model's script and counters."""
        return SyncControlClient(self.model_url)

    @asynccontextmanager
    async def client(self, review_address: str) -> AsyncIterator[Client]:
        """A caller of one review service, and of the first persistence service at both of its addresses."""
        async with AsyncExitStack() as stack:
            to_review = await stack.enter_async_context(grpc.aio.insecure_channel(review_address, _QUICK))
            record = self.persistences[0]
            to_persistence, internally = [
                await stack.enter_async_context(grpc.aio.insecure_channel(address, _QUICK))
                for address in (record.address, record.internal_address)
            ]
            yield Client(
                review_service_pb2_grpc.ReviewServiceStub(to_review),
                persistence_service_pb2_grpc.PersistenceServiceStub(internally),
                await stack.enter_async_context(ControlClient(self.model_url)),
                to_persistence,
            )

    def column(self, run_id: str, name: str) -> Any:
        """One column of a run's row; None where there is no such run."""
        engine = create_engine(normalise_url(showing_all(self.database_url)), poolclass=NullPool)
        with engine.connect() as connection:
            found = connection.execute(select(RUNS.c[name]).where(RUNS.c.run_id == run_id))
            return found.scalar_one_or_none()

    def owners(self) -> set[int]:
        """The process ids of the review services that work on a run now."""
        engine = create_engine(normalise_url(showing_all(self.database_url)), poolclass=NullPool)
        with engine.connect() as connection:
            held = select(RUNS.c.lease_owner).where(
                RUNS.c.state == names.RUNNING, RUNS.c.lease_expire_time.is_not(None)
            )
            return {int(owner.split(":")[-2]) for owner in connection.execute(held).scalars()}

    def logs(self) -> dict[str, str]:
        """What the services wrote, by name."""
        return {
            path.stem: path.read_text(encoding="utf-8", errors="replace")
            for path in self.folder.glob("*.log")
            if path.stem != "offline_model"
        }


def wait_serving(address: str, service: str, timeout_seconds: float = 40.0) -> None:
    """Wait until a service says that it serves.

    Raises:
        TimeoutError: it did not in time.
    """
    ends = time.monotonic() + timeout_seconds
    with grpc.insecure_channel(address, _QUICK) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        while time.monotonic() < ends:
            if _is_serving(stub, service):
                return
            time.sleep(_LOOK_SECONDS)
    raise TimeoutError(f"{service} at {address} does not serve")


def _is_serving(stub: Any, service: str) -> bool:
    try:
        request = health_pb2.HealthCheckRequest(service=service)
        answer = stub.Check(request, timeout=1, wait_for_ready=True)
    except grpc.RpcError:
        return False
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


@contextmanager
def running_stack(stack: Stack) -> Iterator[Stack]:
    """The stack, started; stopped whatever happens."""
    try:
        stack.start()
        yield stack
    finally:
        stack.stop()


async def pause(process: Process) -> None:
    """Stop a process as a debugger or an overloaded host does, and wait until it stands still."""
    process.send(signal.SIGSTOP)
    await asyncio.sleep(0.05)
