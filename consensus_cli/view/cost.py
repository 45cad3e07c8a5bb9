"""What a run's calls to the model came to: pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from consensus.v1 import attempt_pb2
from consensus_cli.view import text


@dataclass(frozen=True, slots=True)
class Cost:
    """Calls, tokens and money, summed over all attempts, failed and unknown ones included.

    `micros` are millionths of each currency; `priced_count` calls had a price.
    """

    call_count: int
    unusable_count: int
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    written_tokens: int = 0
    reasoning_tokens: int = 0
    micros: tuple[tuple[str, int], ...] = ()
    priced_count: int = 0

    def sentence(self) -> str:
        calls = text.count(self.call_count, "call")
        unusable = f", {self.unusable_count} of them without a usable answer" if self.unusable_count else ""
        written = f", {self.written_tokens} written to it" if self.written_tokens else ""
        reasoning = f" ({self.reasoning_tokens} of them reasoning)" if self.reasoning_tokens else ""
        return (
            f"{calls} to the model{unusable}; {self.input_tokens} tokens in"
            f" ({self.cached_tokens} from the cache{written}), {self.output_tokens} out{reasoning}."
            f"{self._price()}"
        )

    def _price(self) -> str:
        """What it cost, where any call had a price."""
        if not self.micros:
            return ""
        sums = " and ".join(f"{micros / 1_000_000:.6f} {currency}" for currency, micros in self.micros)
        missing = self.call_count - self.priced_count
        return f" Cost: {sums}{f', without {missing} calls of no known price' if missing else ''}."


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
        micros=_micros(found),
        priced_count=sum(each.HasField("cost") for each in found),
    )


def _micros(attempts: Iterable[attempt_pb2.Attempt]) -> tuple[tuple[str, int], ...]:
    sums: dict[str, int] = {}
    for each in attempts:
        if each.HasField("cost"):
            sums[each.cost.currency] = sums.get(each.cost.currency, 0) + each.cost.micros
    return tuple(sorted(sums.items()))
