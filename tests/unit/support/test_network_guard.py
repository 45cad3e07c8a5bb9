import socket

import pytest


def test_a_look_up_of_another_host_is_refused() -> None:
    with pytest.raises(RuntimeError, match=r"socket\.getaddrinfo review\.invalid"):
        socket.getaddrinfo("review.invalid", 80)


@pytest.mark.parametrize("address", ["192.0.2.1", "10.0.0.1"])
def test_a_connection_to_another_machine_is_refused(address: str) -> None:
    with socket.socket() as probe, pytest.raises(RuntimeError, match="reached for the network"):
        probe.connect((address, 80))


def test_loopback_is_open() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as client,
    ):
        assert client.getpeername() == server.getsockname()
