"""The rules by which several processes share a port."""

import os
import socket
from pathlib import Path

import pytest

from consensus_rpc.process.place import ENVIRONMENT, Place, nth_address
from consensus_rpc.process.settings import ServerSettings
from consensus_rpc.process.shared_port import PortTakenError, reserved
from consensus_rpc.process.workers import LONGEST_DELAY_SECONDS, exit_code, next_delay
from consensus_rpc.server.options import ServerOptions


def place(index: int) -> Place:
    return Place(index=index, listens=("127.0.0.1:5000", "127.0.0.1:5001"), lifeline=8, started=9)


def test_a_worker_finds_in_its_environment_what_it_was_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENVIRONMENT, place(2).environment()[ENVIRONMENT])
    assert Place.current() == place(2)


def test_a_process_that_nobody_supervises_has_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ENVIRONMENT, raising=False)
    assert Place.current() is None


@pytest.mark.parametrize(
    ("listen", "index", "wanted"),
    [
        ("127.0.0.1:9000", 0, "127.0.0.1:9000"),
        ("127.0.0.1:9000", 3, "127.0.0.1:9003"),
        ("[::1]:9000", 1, "[::1]:9001"),
        ("127.0.0.1:0", 3, "127.0.0.1:0"),
    ],
)
def test_each_worker_has_a_metrics_port_of_its_own(listen: str, index: int, wanted: str) -> None:
    assert nth_address(listen, index) == wanted


def test_more_workers_than_ports_are_refused() -> None:
    with pytest.raises(ValueError, match="leaves no room for 2 more ports"):
        nth_address("127.0.0.1:65534", 2)


def test_each_worker_writes_to_a_file_of_its_own() -> None:
    path = Path("kept/checkpoints.jsonl")
    assert [str(place(index).own_file(path)) for index in range(3)] == [
        "kept/checkpoints.jsonl", "kept/checkpoints-1.jsonl", "kept/checkpoints-2.jsonl",
    ]  # fmt: skip


def test_a_worker_shares_its_port_and_leaves_the_port_file_to_its_supervisor() -> None:
    settings = ServerSettings.load(metrics_listen="127.0.0.1:9000")
    options = ServerOptions.from_settings(
        settings, listen="127.0.0.1:0", port_file=Path("port"), place=place(1)
    )
    assert (options.listen, options.port_file, options.metrics_listen) == (
        "127.0.0.1:5000", None, "127.0.0.1:9001",
    )  # fmt: skip
    assert ("grpc.so_reuseport", 1) in options.channel_arguments()


def test_a_process_on_its_own_shares_its_port_with_nobody() -> None:
    options = ServerOptions.from_settings(ServerSettings.load(), listen="127.0.0.1:0")
    assert ("grpc.so_reuseport", 0) in options.channel_arguments()


def test_waits_before_replacing_grow_to_a_bound_and_begin_anew_once_a_worker_has_lived_a_while() -> None:
    delays = [0.0]
    for _ in range(12):
        delays.append(next_delay(delays[-1], lived_seconds=0.5))
    assert delays[1:4] == [0.1, 0.2, 0.4]
    assert delays[-1] == LONGEST_DELAY_SECONDS
    assert next_delay(delays[-1], lived_seconds=60) == 0.1


@pytest.mark.parametrize(("returncode", "code"), [(0, 0), (2, 2), (-9, 137), (-15, 143)])
def test_a_process_that_a_signal_ended_has_the_code_that_shells_give_it(returncode: int, code: int) -> None:
    assert exit_code(returncode) == code


def bind(address: str) -> socket.socket:
    """A socket as a worker's: it shares the port, and listens."""
    host, _, port = address.rpartition(":")
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    bound.bind((host, int(port)))
    bound.listen()
    return bound


def test_a_free_port_is_found_and_all_workers_can_bind_it() -> None:
    with reserved("127.0.0.1:0") as address:
        assert not address.endswith(":0")
        with bind(address), bind(address):
            pass


@pytest.mark.parametrize("shares", [False, True], ids=["alone", "as another supervisor's workers"])
def test_a_port_on_which_somebody_listens_is_refused(shares: bool) -> None:
    with socket.socket() as taken:
        if shares:
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(PortTakenError, match=address), reserved(address):
            pass


def test_a_name_is_reserved_at_all_of_its_addresses() -> None:
    with reserved("localhost:0") as address, bind(address.replace("localhost", "127.0.0.1")):
        assert address.startswith("localhost:")


def test_a_supervisor_that_is_gone_does_not_disturb_a_worker_that_has_started() -> None:
    receiver, sender = os.pipe()
    os.close(receiver)
    Place(index=0, listens=("127.0.0.1:5000",), lifeline=0, started=sender).announce()
