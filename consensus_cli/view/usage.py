"""Sums of usage as a table."""

from collections.abc import Sequence

from consensus.v1 import attempt_pb2, usage_service_pb2
from consensus_cli.view.tables import table
from consensus_report import text

_COLUMNS = ("calls", "tokens in", "cached", "out", "reasoning", "cost", "at most")


def usage_lines(found: Sequence[usage_service_pb2.Usage], groups: Sequence[str]) -> list[str]:
    """A line a group; what is in flight, or may have been billed, is counted in `at most`."""
    keys = [word for word in ("day", "caller", "user", "run", "step") if word in groups]
    rows = [[text.clean(_key(each, word)) for word in keys] + _sums(each) for each in found]
    right = frozenset(range(len(keys), len(keys) + len(_COLUMNS)))
    return table((*keys, *_COLUMNS), rows, right=right)


def _key(usage: usage_service_pb2.Usage, word: str) -> str:
    found: str = getattr(usage, "run_id" if word == "run" else word)
    return found


def _sums(usage: usage_service_pb2.Usage) -> list[str]:
    counts = (usage.call_count, usage.input_tokens, usage.cached_tokens, usage.output_tokens)
    return [*map(text.number, (*counts, usage.reasoning_tokens)), *_amounts(usage)]


def _amounts(usage: usage_service_pb2.Usage) -> tuple[str, str]:
    """What it cost, and at most: nobody knows it without a price."""
    if not usage.currency:
        return ("unknown", "unknown") if usage.uncertain_call_count else ("0", "0")
    cost = attempt_pb2.Cost(currency=usage.currency, micros=usage.cost_micros)
    most = min(usage.cost_micros + usage.uncertain_micros, 2**63 - 1)
    return text.money(cost), text.money(attempt_pb2.Cost(currency=usage.currency, micros=most))
