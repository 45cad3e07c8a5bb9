"""What runs on this machine already, as `make up` starts it: in plain text, on the loopback."""

import json
import socket
from http.client import HTTPConnection, HTTPException

from consensus_cli.local.stack import REVIEW_SERVICE

_LOOK_SECONDS = 0.5
_MOST_BYTES = 1000


def is_serving(address: str) -> bool:
    """Whether a review service that can work is there."""
    host, port = _parts(address)
    try:
        socket.create_connection((host, port), _LOOK_SECONDS).close()
    except OSError:
        return False
    from consensus_rpc.process.healthcheck import check  # slow to load, and seldom needed

    return check(address, REVIEW_SERVICE) == "SERVING"


def is_door(address: str) -> bool:
    """Whether a door answers there, and says that both services serve."""
    connection = HTTPConnection(*_parts(address), timeout=_LOOK_SECONDS)
    try:
        connection.request("GET", "/v1/health")
        told = json.loads(connection.getresponse().read(_MOST_BYTES))
    except (OSError, HTTPException, ValueError):
        return False
    finally:
        connection.close()
    return isinstance(told, dict) and (told.get("review"), told.get("persistence")) == ("SERVING", "SERVING")


def _parts(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)
