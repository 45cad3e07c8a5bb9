"""What happened to each call, counted by run, step, persona and attempt, in bounded memory."""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from offline_model.ask import Ask

_KEYS_KEPT = 100_000
_MOST_RECORDED = 10_000

FILTERS = ("run_id", "step", "persona", "attempt")
Key = tuple[str, str, str, int]


@dataclass(slots=True)
class CallTally:
    """Calls of one kind. Those in flight are `started` less `answered`, `aborted` and `cut_off`.

    answered: an HTTP answer was sent, errors included; succeeded: a whole, unspoilt one; aborted: the client
    closed its connection first; cut_off: the script closed it; held: waits on a name of the script now.
    The tokens are those that a provider would bill: of every answer that was made, taken or not.
    """

    started: int = 0
    answered: int = 0
    succeeded: int = 0
    aborted: int = 0
    cut_off: int = 0
    held: int = 0
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0

    @property
    def in_flight(self) -> int:
        """Return the calls that wait for their answer."""
        return self.started - self.answered - self.aborted - self.cut_off

    def to_json(self) -> dict[str, int]:
        return {**asdict(self), "in_flight": self.in_flight}


@dataclass(slots=True)
class _Waiter:
    filters: Mapping[str, str | int]
    least: Mapping[str, int]
    done: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Counters:
    """Tallies by key and in total, the peak of calls in flight, and on demand the latest requests."""

    def __init__(self, keys_kept: int = _KEYS_KEPT) -> None:
        self._keys_kept = keys_kept
        self._waiters: list[_Waiter] = []
        self._flying = 0
        self._recorded: deque[dict[str, Any]] | None = None
        self._clear()

    def reset(self) -> None:
        """Forget all counts and requests; calls still in flight count in the peak alone."""
        self._recorded = None
        self._clear()

    def _clear(self) -> None:
        self._tallies: OrderedDict[Key, CallTally] = OrderedDict()
        self._total = CallTally()
        self._peak = self._flying
        self._forgotten = 0
        self._refused = 0

    def start(self, ask: Ask) -> "CountedCall":
        key = (ask.run_id, ask.step, ask.persona, ask.attempt)
        tally = self._tallies.get(key)
        if tally is None:
            tally = self._tallies[key] = CallTally()
            if len(self._tallies) > self._keys_kept:
                self._tallies.popitem(last=False)
                self._forgotten += 1
        self._flying += 1
        self._peak = max(self._peak, self._flying)
        call = CountedCall(self, tally, self._total)
        call.count("started")
        return call

    def refuse(self) -> None:
        """Count a request that was turned away as malformed or unauthenticated."""
        self._refused += 1

    def landed(self) -> None:
        """Note that a call is no longer in flight."""
        self._flying -= 1

    @property
    def in_flight(self) -> int:
        """Return the calls that wait for their answer, those from before a reset included."""
        return self._flying

    def keep_requests(self, most: int) -> None:
        """Record the latest requests from now on, at most this many; 0 turns it off."""
        self._recorded = deque(maxlen=min(most, _MOST_RECORDED)) if most > 0 else None

    def record(self, ask: Ask, headers: Mapping[str, str]) -> None:
        """Record a request if that is turned on; never its credential."""
        if self._recorded is None:
            return
        shown = {name.lower(): value for name, value in headers.items() if name.lower() != "authorization"}
        key = dict(zip(FILTERS, (ask.run_id, ask.step, ask.persona, ask.attempt), strict=True))
        self._recorded.append({**key, "headers": shown, "body": ask.body})

    def requests(self) -> list[dict[str, Any]]:
        return list(self._recorded or ())

    def snapshot(self, filters: Mapping[str, str | int]) -> dict[str, Any]:
        """Return the totals of the calls that the filters meet, and those calls by key."""
        met = [(key, tally) for key, tally in self._tallies.items() if _meets(key, filters)]
        return {
            "total": (self._sum(filters) if filters else self._total).to_json(),
            "in_flight": self._flying,
            "peak_in_flight": self._peak,
            "refused": self._refused,
            "forgotten_keys": self._forgotten,
            "calls": [{**dict(zip(FILTERS, key, strict=True)), **tally.to_json()} for key, tally in met],
        }

    async def wait(self, filters: Mapping[str, str | int], least: Mapping[str, int]) -> None:
        """Wait until each named count, over the calls that the filters meet, has at least its value."""
        waiter = _Waiter(filters, least)
        self._waiters.append(waiter)
        try:
            self.changed()
            await waiter.done
        finally:
            self._waiters.remove(waiter)

    def changed(self) -> None:
        """Wake those who wait for counts that are reached now."""
        for waiter in self._waiters:
            if not waiter.done.done():
                counts = self._sum(waiter.filters).to_json()
                if all(counts[name] >= value for name, value in waiter.least.items()):
                    waiter.done.set_result(None)

    def _sum(self, filters: Mapping[str, str | int]) -> CallTally:
        total = CallTally()
        for key, tally in self._tallies.items():
            if _meets(key, filters):
                for name, count in asdict(tally).items():
                    setattr(total, name, getattr(total, name) + count)
        return total


class CountedCall:
    """One call under way; it lands exactly once."""

    __slots__ = ("_counters", "_landed", "_tally", "_total")

    def __init__(self, counters: Counters, tally: CallTally, total: CallTally) -> None:
        self._counters = counters
        self._tally = tally
        self._total = total
        self._landed = False

    def count(self, name: str, by: int = 1) -> None:
        for tally in (self._tally, self._total):
            setattr(tally, name, getattr(tally, name) + by)
        self._counters.changed()

    def bill(self, input_tokens: int, cached_tokens: int, output_tokens: int) -> None:
        """Count what the call is billed for."""
        self.count("input_tokens", input_tokens)
        self.count("cached_tokens", cached_tokens)
        self.count("output_tokens", output_tokens)

    def land(self, *names: str) -> None:
        """End the call under these counts; a second landing changes nothing."""
        if self._landed:
            return
        self._landed = True
        self._counters.landed()
        for name in names:
            self.count(name)


def _meets(key: Key, filters: Mapping[str, str | int]) -> bool:
    return all(key[FILTERS.index(name)] == value for name, value in filters.items())
