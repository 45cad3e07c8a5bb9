"""Several processes of one service on one port: spread, replaced, drained, and never left behind."""

import asyncio
import json
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import psutil
import pytest

from consensus.internal.v1 import diagnostics_service_pb2, diagnostics_service_pb2_grpc
from consensus.v1 import review_service_pb2, review_service_pb2_grpc
from consensus_rpc.channel.channels import ChannelOptions, open_channel
from tests.support.pair import API_KEY, PERSISTENCE, REVIEW, drained, review_request, wait_serving
from tests.support.processes import Process, clean_environment, run_command, start_process, wait_started

WAIT_SECONDS = 30.0
CONNECTIONS = 24


@contextmanager
def running(service: str, folder: Path, workers: int = 2, **settings: str) -> Iterator[Process]:
    """A service with its workers, listening; nothing of it is left when the block ends."""
    listen = {f"{service.partition('_')[0].upper()}_LISTEN": "127.0.0.1:0"}
    environment = clean_environment(**listen, LOG_FORMAT="json", **settings)
    started = start_process(service, folder, environment, arguments=["serve", f"--workers={workers}"])
    try:
        wait_started(started)
        yield started
    finally:
        family = children(started)
        started.stop()
        for each in family:
            if each.is_running():
                each.kill()


def children(process: Process) -> list[psutil.Process]:
    return psutil.Process(process.pid).children() if process.popen.poll() is None else []


def until(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def ask(address: str) -> review_service_pb2.GetServiceInfoResponse:
    """A call to the review service over a connection of its own."""
    with grpc.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
        stub = review_service_pb2_grpc.ReviewServiceStub(channel)
        return stub.GetServiceInfo(
            review_service_pb2.GetServiceInfoRequest(), timeout=WAIT_SECONDS, wait_for_ready=True
        )


def logged(process: Process) -> list[dict[str, Any]]:
    return [json.loads(line) for line in process.logged().splitlines() if line.startswith("{")]


def has_ended(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """Two workers of the review service, for tests that do them no harm."""
    with running(
        "review_service", tmp_path_factory.mktemp("workers"), METRICS_LISTEN="127.0.0.1:0"
    ) as service:
        yield service


def test_connections_are_spread_over_all_workers(undisturbed: Process) -> None:
    for _ in range(CONNECTIONS):
        ask(undisturbed.address)
    answered = {line["worker"] for line in logged(undisturbed) if "GetServiceInfo" in str(line)}
    assert answered == {0, 1}
    assert len(children(undisturbed)) == 2


def test_workers_of_persistence_share_one_postgresql(postgres_url: str, tmp_path: Path) -> None:
    with running("persistence_service", tmp_path, DATABASE_URL=postgres_url) as service:
        for _ in range(CONNECTIONS):
            wait_serving(service.address, PERSISTENCE)
            with grpc.insecure_channel(
                service.address, options=[("grpc.use_local_subchannel_pool", 1)]
            ) as channel:
                diagnostics_service_pb2_grpc.DiagnosticsServiceStub(channel).GetDatabaseStatus(
                    diagnostics_service_pb2.GetDatabaseStatusRequest(), timeout=WAIT_SECONDS
                )
        answered = {line["worker"] for line in logged(service) if "GetDatabaseStatus" in str(line)}
        assert answered == {0, 1}
        assert service.stop() == 0, service.logged()


def test_workers_of_persistence_share_both_ports(postgres_url: str, tmp_path: Path) -> None:
    with running("persistence_service", tmp_path, DATABASE_URL=postgres_url) as service:
        assert service.internal_address not in {"", service.address}
        listening = [line["address"] for line in logged(service) if line["event"] == "listening"]
        assert sorted(listening) == sorted([service.address, service.internal_address] * 2)
        wait_serving(service.internal_address, PERSISTENCE)


def test_a_killed_worker_is_replaced_while_the_port_goes_on_answering(tmp_path: Path) -> None:
    with running("review_service", tmp_path) as service:
        before = children(service)
        before[0].kill()
        until(lambda: has_ended(before[0]))
        ask(service.address)  # by the other one: it takes a second until a new one listens
        until(lambda: sum(line["event"] == "listening" for line in logged(service)) == 3)
        pids = {each.pid for each in children(service)}
        assert before[0].pid not in pids
        assert before[1].pid in pids
        for _ in range(CONNECTIONS):
            ask(service.address)
        assert service.stop() == 0, service.logged()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_drains_all_workers_and_ends_with_zero(tmp_path: Path, number: signal.Signals) -> None:
    with running("review_service", tmp_path) as service:
        family = children(service)
        service.send(number)
        assert service.popen.wait(WAIT_SECONDS) == 0, service.logged()
        assert all(map(has_ended, family))
        assert [line["event"] for line in logged(service)].count("drained") == 2


def test_a_signal_that_reaches_workers_too_still_drains(tmp_path: Path) -> None:
    """As an init system sends it: to every process of the service."""
    with running("review_service", tmp_path) as service:
        for each in children(service):
            each.send_signal(signal.SIGTERM)
        service.send(signal.SIGTERM)
        assert service.popen.wait(WAIT_SECONDS) == 0, service.logged()
        assert "stopped_at_once" not in {line["event"] for line in logged(service)}


def test_a_second_signal_ends_all_workers_at_once(tmp_path: Path) -> None:
    with running("review_service", tmp_path) as service:
        family = children(service)
        for each in family:
            each.suspend()  # else they might have drained before
        service.send(signal.SIGTERM)
        until(lambda: "stopping" in {line["event"] for line in logged(service)})
        service.send(signal.SIGTERM)
        assert service.popen.wait(WAIT_SECONDS) == 128 + signal.SIGTERM
        assert all(map(has_ended, family))


def test_a_killed_supervisor_leaves_no_process_behind(tmp_path: Path) -> None:
    with running("review_service", tmp_path) as service:
        family = children(service)
        service.kill()
        until(lambda: all(map(has_ended, family)))
        assert [line["event"] for line in logged(service)].count("drained") == 2


@pytest.mark.parametrize("workers", ["1", "2"])
def test_the_port_is_kept_from_another_service(undisturbed: Process, workers: str) -> None:
    done = command("review_service", "--listen", undisturbed.address, "--workers", workers)
    assert done.returncode == 1
    assert f"cannot listen on {undisturbed.address}: is it in use?" in done.stderr


def test_each_worker_shows_its_metrics_on_a_port_of_its_own(undisturbed: Process) -> None:
    pages = {line["metrics_address"] for line in logged(undisturbed) if "metrics_address" in line}
    assert len(pages) == 2


def command(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    package, *rest = arguments
    return run_command(
        *rest, environment=clean_environment(LOG_FORMAT="json", **environment), package=package
    )


def test_more_than_one_process_on_a_sqlite_file_is_refused_at_start(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/shop.db"
    done = command("persistence_service", "serve", "--workers", "2", DATABASE_URL=url)
    assert done.returncode == 2
    assert "PERSISTENCE_WORKERS: given 2, but a SQLite database takes one process" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_bad_setting_is_said_once_and_starts_no_worker() -> None:
    done = command("review_service", REVIEW_WORKERS="3", MAX_RUNS_IN_FLIGHT="0")
    assert done.returncode == 2
    assert done.stderr.count("MAX_RUNS_IN_FLIGHT: given '0'") == 1
    assert "worker_begins" not in done.stderr


def test_what_keeps_a_worker_from_starting_is_said_once_and_ends_the_service(postgres_url: str) -> None:
    done = command(
        "persistence_service", "serve", "--workers", "3", "--listen", "127.0.0.1:0",
        DATABASE_URL=postgres_url, DB_AUTO_MIGRATE="false",
    )  # fmt: skip
    assert done.returncode == 1
    refusals = [line for line in done.stderr.splitlines() if '"start_refused"' in line]
    assert len(refusals) == 1
    assert "Run: python -m persistence_service migrate" in refusals[0]


def test_one_worker_is_the_service_itself(tmp_path: Path) -> None:
    with running("review_service", tmp_path, workers=1) as service:
        assert children(service) == []
        ask(service.address)


async def test_reviews_through_workers_of_both_services_reach_all_of_them(
    postgres_url: str, tmp_path: Path
) -> None:
    model = start_process("offline_model", tmp_path, clean_environment())
    try:
        base_url = f"http://127.0.0.1:{wait_started(model)}/v1"
        with (
            running("persistence_service", tmp_path, DATABASE_URL=postgres_url) as persistence,
            running(
                "review_service", tmp_path, PERSISTENCE_ADDRESS=persistence.internal_address,
                PERSISTENCE_CONNECTIONS="8", OPENAI_API_KEY=API_KEY, OPENAI_BASE_URL=base_url,
            ) as review,
        ):  # fmt: skip
            wait_serving(review.address, REVIEW)
            async with open_channel(review.address, ChannelOptions(connections=CONNECTIONS)) as channel:
                stub: Any = review_service_pb2_grpc.ReviewServiceStub(channel)
                request = review_request("A rota lets two wards swap shifts on one page.")
                calls = [stub.StreamReview(request, wait_for_ready=True) for _ in range(CONNECTIONS)]
                for messages in await asyncio.gather(*map(drained, calls)):
                    assert messages[-1].events[-1].HasField("run_completed")
            for service, method in ((review, "StreamReview"), (persistence, "RecordRun")):
                finished = [line for line in logged(service) if line["event"] == "rpc_finished"]
                assert {line["worker"] for line in finished if method in line["method"]} == {0, 1}
    finally:
        model.stop()
