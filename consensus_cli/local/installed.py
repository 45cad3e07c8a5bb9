"""Which processes are installed here beside the command: it comes without them, as `consensus-client`."""

from collections.abc import Iterable
from importlib.util import find_spec

NO_SERVERS = "the services are not installed here: pip install consensus-engine"
NO_DOOR = "no page: pip install 'consensus-engine[door]'"

_SERVERS = ("offline_model", "persistence_service", "review_service")
_DOOR = ("connectrpc", "consensus_door", "jinja2", "starlette", "uvicorn")


def has_servers() -> bool:
    """Whether both services and the offline model can be started."""
    return _are_found(_SERVERS)


def has_door() -> bool:
    """Whether the door can be started, with all that its extra brings."""
    return _are_found(_DOOR)


def _are_found(names: Iterable[str]) -> bool:
    return all(find_spec(name) is not None for name in names)
