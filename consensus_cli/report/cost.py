"""What a run's calls to the model came to: pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from consensus.v1 import attempt_pb2
from consensus_cli.view import text


@dataclass(frozen=True, slots=True)
class Cost:
    """Calls and tokens, summed over all attempts, failed and unknown ones included."""

    call_count: int
    unusable_count: int
    input_tokens: int
    cached_tokens: int
    output_tokens: int

    def sentence(self) -> str:
        calls = text.count(self.call_count, "call")
        unusable = f", {self.unusable_count} of them without a usable answer" if self.unusable_count else ""
        return (
            f"{calls} to the model{unusable}; {self.input_tokens} tokens in"
            f" ({self.cached_tokens} from the cache), {self.output_tokens} out."
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
    )
