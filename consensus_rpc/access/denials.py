"""Calls that were refused, on their way into the audit trail: few of many, and in nobody's way."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from time import monotonic

from consensus_contract.errors import ConsensusError
from consensus_rpc.access.authenticator import EndedKey, RefusedKey
from consensus_rpc.access.bounded_cache import BoundedCache
from consensus_rpc.errors import InvalidField
from consensus_rpc.server.identity import Identity
from consensus_rpc.telemetry.log import get_logger
from consensus_rpc.telemetry.request_id import current_request_id

_log = get_logger()

PER_CREDENTIAL, PER_TENANT = 10, 60
"""Entries in a minute; what is beyond is counted by the next entry."""
_WINDOW_SECONDS = 60.0
_MOST_WAITING = 500
_MOST_COUNTED = 10_000
_BATCH = 100
_CALLER_CHARACTERS, _CREDENTIAL_CHARACTERS = 255, 100
"""What an entry takes: the URI in a certificate may be longer."""
_NOBODYS_TENANT = "default"
_RETRY_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Denial:
    """One call that was refused, and how many before it left no entry."""

    tenant: str
    caller: str
    method: str
    reason: str
    credential_id: str
    request_id: str
    suppressed: int = 0


DenialSink = Callable[[Sequence[Denial]], Awaitable[None]]
"""Enters denials; raises InvalidField where it never can, and another ConsensusError where it cannot now;
PartlyEntered where it can some."""


class PartlyEntered(Exception):  # noqa: N818 - it says what happened
    """The others are entered, and would be twice if they were handed in again; `left` cannot be for now."""

    def __init__(self, left: Sequence[Denial], reason: str) -> None:
        super().__init__(reason)
        self.left = left
        self.reason = reason


@dataclass(slots=True)
class _Window:
    count: int = 0
    suppressed: int = 0


class Denials:
    """Takes denials from calls, lets so many through, and enters them in the background.

    Where the tenant is not known, since nobody is, the denial belongs to `default`, the operator's own.
    """

    def __init__(self, sink: DenialSink, *, clock: Callable[[], float] = monotonic) -> None:
        self._sink = sink
        self._windows = BoundedCache[tuple[str, str], _Window](
            most=_MOST_COUNTED, seconds=_WINDOW_SECONDS, clock=clock
        )
        self._suppressed: dict[str, int] = {}
        self._waiting: deque[Denial] = deque()
        self._news = asyncio.Event()

    def __call__(self, method: str, identity: Identity | None, error: ConsensusError) -> None:
        """Takes note of a call that was refused."""
        tenant, caller, credential = _about(identity, error)
        if not self._is_within(tenant, credential):
            if tenant in self._suppressed or len(self._suppressed) < _MOST_COUNTED:
                self._suppressed[tenant] = self._suppressed.get(tenant, 0) + 1
            return
        denial = Denial(
            tenant,
            caller[:_CALLER_CHARACTERS],
            method,
            error.reason_name,
            credential[:_CREDENTIAL_CHARACTERS],
            current_request_id() or "",
            self._suppressed.pop(tenant, 0),
        )
        self._waiting.append(denial)
        self._news.set()

    async def run(self) -> None:
        """Enters what comes, until it is cancelled."""
        while True:
            await self._news.wait()
            self._news.clear()
            while self._waiting:
                await self._enter([self._waiting.popleft() for _ in range(min(_BATCH, len(self._waiting)))])

    async def flush(self) -> None:
        """Enters what is left; for the end."""
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(_BATCH, len(self._waiting)))]
            try:
                await self._sink(batch)
            except ConsensusError as error:
                left = len(batch) + len(self._waiting)
                _log.error("denials_lost", count=left, reason=error.reason_name)
                return
            except PartlyEntered as error:
                _log.error("denials_lost", count=len(error.left), reason=error.reason)

    async def _enter(self, batch: Sequence[Denial]) -> None:
        try:
            await self._sink(batch)
        except asyncio.CancelledError:  # for `flush`; one that was entered all the same stands twice
            self._waiting.extendleft(reversed(batch))
            raise
        except InvalidField as error:  # it would be said again for ever, with all that comes waiting behind
            _log.error("denials_lost", count=len(batch), reason=error.reason_name)
        except PartlyEntered as error:
            await self._try_later(error.left, error.reason)
        except Exception as error:  # noqa: BLE001 - whatever it is, what is refused tomorrow is to be entered
            reason = error.reason_name if isinstance(error, ConsensusError) else type(error).__name__
            await self._try_later(batch, reason)

    async def _try_later(self, batch: Sequence[Denial], reason: str) -> None:
        _log.warning("denials_not_entered", count=len(batch), reason=reason)
        self._waiting.extendleft(reversed(batch))
        await asyncio.sleep(_RETRY_SECONDS)
        self._news.set()

    def _is_within(self, tenant: str, credential: str) -> bool:
        """Whether neither the credential nor the tenant has had its share, nor is too much waiting."""
        own = self._window((tenant, credential))
        all_ = self._window((tenant, ""))
        if own.count >= PER_CREDENTIAL or all_.count >= PER_TENANT or len(self._waiting) >= _MOST_WAITING:
            return False
        own.count += 1
        all_.count += 1
        return True

    def _window(self, key: tuple[str, str]) -> _Window:
        window = self._windows.get(key)
        if window is None:
            window = _Window()
            self._windows.put(key, window)
        return window


def _about(identity: Identity | None, error: ConsensusError) -> tuple[str, str, str]:
    """Tenant, caller and credential."""
    if identity is not None:
        return identity.tenant, identity.caller, identity.credential_id or identity.caller
    if isinstance(error, RefusedKey | EndedKey):
        return error.tenant or _NOBODYS_TENANT, "", error.key_id if error.tenant else "unknown"
    return _NOBODYS_TENANT, "", "unknown"
