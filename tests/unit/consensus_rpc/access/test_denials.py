"""Calls that were refused, on their way into the audit trail: whose they are, how many, what stops them."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

import pytest
from structlog.testing import capture_logs

from consensus_contract.errors import ConsensusError
from consensus_rpc.access import denials as module
from consensus_rpc.access.authenticator import EndedKey, RefusedKey
from consensus_rpc.access.denials import PER_CREDENTIAL, PER_TENANT, Denial, Denials, PartlyEntered
from consensus_rpc.errors import InvalidField, Overloaded, PermissionDenied, Unauthenticated
from consensus_rpc.server.identity import CredentialKind, Identity

METHOD = "consensus.v1.ReviewService/GetRun"
REFUSED = PermissionDenied(method=METHOD)


def known(name: str = "billing", tenant: str = "acme") -> Identity:
    return Identity(tenant=tenant, caller=name, kind=CredentialKind.CERTIFICATE, credential_id=name)


class Sink:
    """Keeps what it is told, but for its first call where it is given a failure; `calls` counts all."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.entered: list[Denial] = []
        self.calls = asyncio.Semaphore(0)
        self._failure = failure

    async def __call__(self, denials: Sequence[Denial]) -> None:
        self.calls.release()
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure
        self.entered.extend(denials)


@asynccontextmanager
async def entering(denials: Denials) -> AsyncIterator[None]:
    task = asyncio.create_task(denials.run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@pytest.mark.parametrize(
    ("identity", "error", "whose"),
    [
        (known(), REFUSED, ("acme", "billing", "billing")),
        (None, RefusedKey("0123456789abcdef", "acme"), ("acme", "", "0123456789abcdef")),
        (None, EndedKey("0123456789abcdef", "acme"), ("acme", "", "0123456789abcdef")),
        (None, RefusedKey("0123456789abcdef", ""), ("default", "", "unknown")),
        (None, Unauthenticated(), ("default", "", "unknown")),
    ],
    ids=["caller", "wrong-secret", "ended-key", "no-such-key", "nobody"],
)
async def test_a_denial_is_its_tenants_where_that_is_known(
    identity: Identity | None, error: ConsensusError, whose: tuple[str, str, str]
) -> None:
    sink = Sink()
    denials = Denials(sink)
    denials(METHOD, identity, error)
    await denials.flush()
    (entry,) = sink.entered
    assert (entry.tenant, entry.caller, entry.credential_id) == whose
    assert (entry.method, entry.reason) == (METHOD, error.reason_name)


async def test_a_flood_leaves_few_entries_and_the_next_says_how_many_were_left_out() -> None:
    now, sink = [0.0], Sink()
    denials = Denials(sink, clock=lambda: now[0])
    for _ in range(PER_CREDENTIAL + 5):
        denials(METHOD, known("one"), REFUSED)
    for number in range(2 * PER_TENANT):
        denials(METHOD, known(f"other-{number}"), REFUSED)
    denials(METHOD, known(tenant="calm"), REFUSED)
    now[0] = 61.0
    denials(METHOD, known("one"), REFUSED)
    await denials.flush()
    flooded = [each for each in sink.entered if each.tenant == "acme"]
    assert len(flooded) == PER_TENANT + 1
    assert sum(each.suppressed for each in flooded) == 5 + PER_CREDENTIAL + PER_TENANT
    assert [each.tenant for each in sink.entered if each not in flooded] == ["calm"]


@pytest.mark.parametrize("failure", [Overloaded(subject="writes", limit=1), ValueError("no one knows why")])
async def test_what_cannot_be_entered_now_is_entered_later(
    failure: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_RETRY_SECONDS", 0.0)
    sink = Sink(failure)
    denials = Denials(sink)
    async with entering(denials), asyncio.timeout(10):
        denials(METHOD, known(), REFUSED)
        await sink.calls.acquire()
        await sink.calls.acquire()
    assert [each.caller for each in sink.entered] == ["billing"]


async def test_of_what_was_entered_in_part_the_rest_alone_is_entered_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_RETRY_SECONDS", 0.0)
    asked: list[list[str]] = []
    twice = asyncio.Event()

    async def sink(denials: Sequence[Denial]) -> None:
        asked.append([each.caller for each in denials])
        if len(asked) == 1:
            raise PartlyEntered(denials[1:], "PERSISTENCE_UNAVAILABLE")
        twice.set()

    denials = Denials(sink)
    denials(METHOD, known("first"), REFUSED)
    denials(METHOD, known("second", "globex"), REFUSED)
    async with entering(denials), asyncio.timeout(60):
        await twice.wait()
    assert asked == [["first", "second"], ["second"]]


async def test_what_never_can_be_entered_does_not_stand_in_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_RETRY_SECONDS", 0.0)
    sink = Sink(InvalidField(field="denials[0].caller", description="is too long"))
    denials = Denials(sink)
    async with entering(denials), asyncio.timeout(10):
        denials(METHOD, known("first"), REFUSED)
        await sink.calls.acquire()
        denials(METHOD, known("second"), REFUSED)
        await sink.calls.acquire()
    assert [each.caller for each in sink.entered] == ["second"]


async def test_a_name_longer_than_an_entry_takes_is_cut() -> None:
    sink = Sink()
    denials = Denials(sink)
    denials(METHOD, known("spiffe://consensus/" + "x" * 400), REFUSED)
    await denials.flush()
    (entry,) = sink.entered
    assert (len(entry.caller), len(entry.credential_id)) == (255, 100)


async def test_what_is_on_its_way_when_the_process_ends_is_entered_all_the_same() -> None:
    entered: list[Denial] = []
    begun, never = asyncio.Event(), asyncio.Event()

    async def sink(batch: Sequence[Denial]) -> None:
        if not begun.is_set():
            begun.set()
            await never.wait()
        entered.extend(batch)

    denials = Denials(sink)
    async with entering(denials):
        denials(METHOD, known(), REFUSED)
        await begun.wait()
    await denials.flush()
    assert [each.tenant for each in entered] == ["acme"]


async def test_what_cannot_be_entered_at_the_end_is_counted_in_the_log() -> None:
    denials = Denials(Sink(Overloaded(subject="x", limit=1)))
    denials(METHOD, known(), REFUSED)
    with capture_logs() as logs:
        await denials.flush()
    assert [(each["event"], each["count"]) for each in logs] == [("denials_lost", 1)]
