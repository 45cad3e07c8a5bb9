"""Client of the review service, asynchronous and synchronous, and the `consensus` command."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from consensus_client.client import ReviewClient
    from consensus_client.following import ReconnectPolicy
    from consensus_client.options import ClientOptions
    from consensus_client.requests import ReviewOptions, RunQuery
    from consensus_client.sync import SyncReviewClient

__all__ = [
    "ClientOptions",
    "ReconnectPolicy",
    "ReviewClient",
    "ReviewOptions",
    "RunQuery",
    "SyncReviewClient",
]

_HOME = {
    "ClientOptions": "options",
    "ReconnectPolicy": "following",
    "ReviewClient": "client",
    "ReviewOptions": "requests",
    "RunQuery": "requests",
    "SyncReviewClient": "sync",
}


def __getattr__(name: str) -> object:
    """Imports a name when it is first asked for, so that a command does not wait for what it does not use."""
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)
