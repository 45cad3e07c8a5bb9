"""What a batch sets aside against caps before calls, and what calls were charged with after them. Pure.

A counter holds, for its day or run, what attempts were charged with, and of those whose charge nobody knows
the most that they can cost. So an attempt that is lost with its process changes nothing: it stays counted at
its most until somebody says how it ended. No counter passes its cap by what is set aside here.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeAlias

from consensus.v1 import errors_pb2
from consensus_contract.errors import SpendCapReached
from persistence_service.journal.entries import Columns
from persistence_service.runs.form import names
from persistence_service.runs.form.caps import PRICE_UNKNOWN, Caps, ScopeKey, reset_of
from persistence_service.runs.form.keys import RunKey
from persistence_service.runs.write.outcomes import Refusal

AttemptKey: TypeAlias = tuple[str, str, str, int]
REFUSED: Final = names.reason_text(errors_pb2.ERROR_REASON_SPEND_CAP_REACHED)
_MAX_COUNT: Final = 2**63 - 1
_MILLION: Final = 1_000_000


@dataclass(slots=True)
class Counter:
    """A locked row of `spend`."""

    micros: int
    is_changed: bool = False


@dataclass(frozen=True, slots=True)
class Known:
    """An attempt as far as it was recorded before: when it began, and what it counts for."""

    start_time: datetime
    micros: int
    refusal: Refusal | None = None


class SpendBook:
    """The counters that a batch has locked; those of other scopes have no cap, or nothing began there."""

    def __init__(
        self, caps: Caps | None, counters: Mapping[ScopeKey, Counter], known: Mapping[AttemptKey, Known]
    ) -> None:
        """Without `caps` everything is allowed, and nothing counted."""
        self._caps = caps
        self._counters = counters
        self._known = dict(known)

    def take(
        self, key: RunKey, caller: str, columns: Columns, now: datetime
    ) -> tuple[Columns, Refusal | None]:
        """The attempt as it is to be written: as it came, or as one that must not begin, and why."""
        if self._caps is None:
            return columns, None
        identity = (*key, columns["step"], columns["attempt_number"])
        if columns["state"] != names.STARTED:
            self._end(self._caps, identity, caller, columns, now)
            return columns, None
        if (known := self._known.get(identity)) is not None:
            return columns, known.refusal
        most = _most(self._caps, columns)
        refusal = self._refusal(self._caps, identity, caller, most, now)
        if refusal is not None:
            self._known[identity] = Known(now, 0, refusal)
            return _refused_columns(columns, refusal), refusal
        self._add(self._caps, identity, caller, most or 0, now)
        self._known[identity] = Known(now, most or 0)
        return columns, None

    def check_new(self, key: RunKey, caller: str, attempts: Iterable[Columns], now: datetime) -> None:
        """Nothing, unless a run that is to begin could make no call.

        Raises:
            SpendCapReached: none of its first calls may be made; or, where it waits for a process, a cap
                that holds for it is used up.
        """
        if self._caps is None:
            return
        refusals = [
            self._refusal(self._caps, (*key, each["step"], each["attempt_number"]), caller, most, now)
            for each in attempts
            for most in (_most(self._caps, each),)
        ]
        if not refusals:
            one = (*key, "", 0)
            refusals = [self._refusal(self._caps, one, caller, 1, now)]
        first = refusals[0]
        if first is not None and all(refusals):
            raise refused_error(first, now)

    def changed(self) -> list[Columns]:
        """The rows that are others now."""
        version = "" if self._caps is None else self._caps.version
        return [
            {f"of_{name}": value for name, value in key._asdict().items()}
            | {"new_micros": counter.micros, "new_caps_version": version}
            for key, counter in sorted(self._counters.items())
            if counter.is_changed
        ]

    def _end(self, caps: Caps, identity: AttemptKey, caller: str, columns: Columns, now: datetime) -> None:
        known = self._known.get(identity, Known(now, 0))
        most = _most(caps, columns) if columns["most_micros"] is not None else known.micros
        charged = columns["charged_micros"] if columns["currency"] in (None, caps.currency) else 0
        micros = charged if charged is not None else most or 0
        self._add(caps, identity, caller, micros - known.micros, known.start_time)
        self._known[identity] = Known(known.start_time, micros, known.refusal)

    def _add(self, caps: Caps, identity: AttemptKey, caller: str, micros: int, instant: datetime) -> None:
        for scope, _ in caps.scopes(identity[0], caller, identity[1], instant):
            if micros and (counter := self._counters.get(scope)) is not None:
                counter.micros = min(max(0, counter.micros + micros), _MAX_COUNT)
                counter.is_changed = True

    def _refusal(
        self, caps: Caps, identity: AttemptKey, caller: str, most: int | None, now: datetime
    ) -> Refusal | None:
        tenant, run_id, step, number = identity
        for scope, cap in caps.scopes(tenant, caller, run_id, now):
            if most is None:
                if caps.allows_unpriced:
                    return None
                message = (
                    f"No call was made: spending is capped in {caps.currency}, and the call, or a route that"
                    " it could fall back on, has no known price in it."
                )
                return Refusal(step, number, PRICE_UNKNOWN, message, None)
            left = cap - self._counters[scope].micros
            if most > left:
                message = _message(scope.kind, cap, left, most, caps.currency, reset_of(scope.kind, now))
                return Refusal(step, number, scope.kind, message, reset_of(scope.kind, now))
        return None


def refused_error(refusal: Refusal, now: datetime) -> SpendCapReached:
    """The answer to a call of which nothing was written."""
    reset = refusal.reset_time
    return SpendCapReached.refusal(
        refusal.message,
        cap=refusal.cap,
        metadata={} if reset is None else {"reset_time": f"{reset:%Y-%m-%dT%H:%M:%SZ}"},
        retry_after_seconds=None if reset is None else max(1.0, (reset - now).total_seconds()),
    )


def _most(caps: Caps, columns: Columns) -> int | None:
    """What is to be set aside; None: nobody knows, or it is of another currency."""
    micros: int | None = columns["most_micros"]
    return micros if columns["currency"] == caps.currency else None


def _refused_columns(columns: Columns, refusal: Refusal) -> Columns:
    """The attempt as one that was not made, and counts in no budget."""
    evidence = {**(columns["evidence"] or {}), "cause": refusal.cap, "uncounted": True}
    money = dict.fromkeys(("currency", "most_micros", "charged_micros", "price_version"))
    said = {"state": names.FAILED, "reason": REFUSED, "message": refusal.message, "evidence": evidence}
    return columns | money | said


def _message(kind: str, cap: int, left: int, most: int, currency: str, reset: datetime | None) -> str:
    whose = {"run": "the run", "caller_day": "the caller's day", "tenant_day": "the tenant's day"}[kind]
    until = "" if reset is None else f" It begins anew at {reset:%Y-%m-%dT%H:%M:%SZ}."
    return (
        f"No call was made: it can cost up to {_units(most)} {currency}, and of the cap of {_units(cap)} for"
        f" {whose} {_units(max(0, left))} is left.{until}"
    )


def _units(micros: int) -> str:
    return f"{micros // _MILLION}.{micros % _MILLION:06d}"


NO_CAPS: Final = SpendBook(None, {}, {})
