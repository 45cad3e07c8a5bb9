"""A port that several processes are to bind: kept for them, and from everybody else."""

import errno
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager

from consensus_rpc.process.settings_types import split_host_port


class PortTakenError(Exception):
    """Somebody else listens there."""


@contextmanager
def reserved(listen: str) -> Iterator[str]:
    """Keeps a port for workers that bind it too, and yields its address; port 0 takes a free one.

    Raises:
        PortTakenError: it is in use, be it by workers of another supervisor, or cannot be bound at all.
    """
    host, port = split_host_port(listen)
    with ExitStack() as held:
        bound = 0
        for family, _, _, _, address in _addresses(host, port):
            try:
                _probe(family, (address[0], bound or port, *address[2:]))
                kept = held.enter_context(socket.socket(family))
                kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
                kept.bind((address[0], bound or port, *address[2:]))
                bound = kept.getsockname()[1]
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    raise PortTakenError(listen) from error
        if not bound:
            raise PortTakenError(listen)
        yield f"{listen.rpartition(':')[0]}:{bound}"


def _addresses(host: str, port: int) -> list[tuple[int, int, int, str, tuple[object, ...]]]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except socket.gaierror as error:
        raise PortTakenError(f"{host}:{port}") from error
    return list(dict.fromkeys(found))


def _probe(family: int, address: tuple[object, ...]) -> None:
    """Binds the address as one who does not share it: SO_REUSEPORT alone would join whoever does."""
    with closing(socket.socket(family)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(address)
