"""A pair that asks for keys, and callers of every kind."""

from dataclasses import dataclass
from pathlib import Path

import grpc

from consensus_rpc.access.policy import built_in_policy
from consensus_rpc.server.identity import ANYBODY
from persistence_service.access import making
from persistence_service.database import Database, normalise_url
from persistence_service.database.options import DatabaseOptions
from tests.support.pair import Pair
from tests.support.processes import clean_environment, run_command

KEYS_ON = {"AUTHENTICATION": "keys", "CREDENTIALS_OVER_LOOPBACK": "true"}


def make_key(url: str, *arguments: str) -> str:
    """A key made at the database, before the service has it."""
    environment = clean_environment(DATABASE_URL=url)
    done = run_command("key", "create", *arguments, environment=environment, package="persistence_service")
    done.check_returncode()
    return done.stdout.strip()


def make_keys(url: str, *roles: str) -> list[str]:
    """A key of each role, made at the database by this process, which migrates it."""
    database = Database(DatabaseOptions(url=normalise_url(url)))
    database.open(wait_for_file=0)
    try:
        return [
            making.make_key(
                database,
                built_in_policy(),
                tenant="default",
                subject=role,
                roles=[role],
                users=ANYBODY,
                ttl=None,
                note="",
            )
            for role in roles
        ]
    finally:
        database.close()


def keyed_pair(
    folder: Path, url: str, *, review: dict[str, str] | None = None, persistence: dict[str, str] | None = None
) -> Pair:
    """A pair that takes keys over the loopback, not started; the review service has one of its own."""
    own = make_key(url, "--subject", "review", "--role", "service")
    return Pair(
        folder,
        url,
        review_settings=KEYS_ON | {"PERSISTENCE_KEY": own} | (review or {}),
        persistence_settings=KEYS_ON | {"WATCH_POLL_SECONDS": "0.1"} | (persistence or {}),
    )


def bearer(key: str) -> tuple[tuple[str, str], ...]:
    """What a call carries; nothing without a key."""
    return (("authorization", f"Bearer {key}"),) if key else ()


@dataclass(frozen=True, slots=True)
class Refusal:
    """How a call ended, with its details without the request's id."""

    code: grpc.StatusCode
    message: str
    reason: str
