"""What a run's calls to the model came to: pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from consensus.v1 import attempt_pb2
from consensus_report import text

_GAVE_UP_WAITING = frozenset({408, 504, 524})
_FIRST_ERROR = 400


@dataclass(frozen=True, slots=True)
class Cost:
    """Calls, tokens and money, summed over all attempts, failed and unknown ones included.

    `micros` are millionths of each currency, `uncertain_micros` what is at most to be added for calls in
    flight or of which nobody knows whether they were billed; `unpriced_count` calls had no price.
    """

    call_count: int
    unusable_count: int
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    written_tokens: int = 0
    reasoning_tokens: int = 0
    micros: tuple[tuple[str, int], ...] = ()
    uncertain_micros: tuple[tuple[str, int], ...] = ()
    unpriced_count: int = 0

    @property
    def is_known(self) -> bool:
        """Whether any call had a price."""
        return bool(self.micros or self.uncertain_micros)

    def sentence(self) -> str:
        calls = text.count(self.call_count, "call")
        unusable = f", {self.unusable_count} of them without a usable answer" if self.unusable_count else ""
        written = f", {self.written_tokens:,} written to it" if self.written_tokens else ""
        reasoning = f" ({self.reasoning_tokens:,} of them reasoning)" if self.reasoning_tokens else ""
        return (
            f"{calls} to the model{unusable}; {self.input_tokens:,} tokens in"
            f" ({self.cached_tokens:,} from the cache{written}), {self.output_tokens:,} out{reasoning}."
            f"{self._price()}"
        )

    def _price(self) -> str:
        """What it cost; unknown is not nothing."""
        if not self.is_known:
            return " Cost: unknown." if self.unpriced_count else ""
        sums = _money(self.micros) or "nothing that is certain"
        more = f", at most {_money(self.uncertain_micros)} more" if self.uncertain_micros else ""
        missing = self.unpriced_count
        return f" Cost: {sums}{more}{f', without {missing} calls of no known price' if missing else ''}."


def _money(sums: Iterable[tuple[str, int]]) -> str:
    return " and ".join(
        text.money(attempt_pb2.Cost(currency=currency, micros=micros)) for currency, micros in sums
    )


def cost_of(attempts: Iterable[attempt_pb2.Attempt]) -> Cost:
    found = list(attempts)
    ended_badly = (attempt_pb2.ATTEMPT_STATE_FAILED, attempt_pb2.ATTEMPT_STATE_UNKNOWN)
    return Cost(
        call_count=len(found),
        unusable_count=sum(each.state in ended_badly for each in found),
        input_tokens=sum(each.usage.input_tokens for each in found),
        cached_tokens=sum(each.usage.cached_tokens for each in found),
        output_tokens=sum(each.usage.output_tokens for each in found),
        written_tokens=sum(each.usage.cache_write_tokens for each in found),
        reasoning_tokens=sum(each.usage.reasoning_tokens for each in found),
        micros=_micros(each.cost for each in found if each.HasField("cost")),
        uncertain_micros=_micros(each.most_cost for each in found if _may_be_billed(each)),
        unpriced_count=sum(
            not each.HasField("cost") and not each.HasField("most_cost") and _was_made(each) for each in found
        ),
    )


def _was_made(attempt: attempt_pb2.Attempt) -> bool:
    return attempt.state != attempt_pb2.ATTEMPT_STATE_FAILED or attempt.HasField("latency")


def _may_be_billed(attempt: attempt_pb2.Attempt) -> bool:
    """Whether nobody knows what it cost: an answer that refuses it is not billed."""
    if attempt.HasField("cost") or not attempt.HasField("most_cost") or not _was_made(attempt):
        return False
    is_error = attempt.http_status >= _FIRST_ERROR and attempt.http_status not in _GAVE_UP_WAITING
    return not is_error or attempt.HasField("usage")


def _micros(amounts: Iterable[attempt_pb2.Cost]) -> tuple[tuple[str, int], ...]:
    sums: dict[str, int] = {}
    for each in amounts:
        sums[each.currency] = sums.get(each.currency, 0) + each.micros
    return tuple(sorted(sums.items()))
