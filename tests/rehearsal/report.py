"""The report of a rehearsal, in Markdown: what was measured, and what is only worked out from it."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tests.benchmarks.measuring import percentile
from tests.faults.checker.check import Figures
from tests.rehearsal.traffic import Finished
from tests.rehearsal.weighing import Weight

A_DAY = 1_000_000
_HOURS = 2
_SHARES = (0.5, 0.95, 0.99, 1.0)
_COMPLETED = "run_completed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What one day came to. Sizes in MiB, spans in seconds."""

    minutes: float
    per_second: float
    finished: Sequence[Finished]
    refused: Mapping[str, int]
    happenings: Sequence[str]
    weights: Mapping[str, Weight]
    database: float
    log: float
    checked: Figures
    broken: Sequence[str]

    @property
    def goodput(self) -> float:
        """The share of all callers who got a decision."""
        return sum(each.kind == _COMPLETED for each in self.finished) / max(1, len(self.finished))

    def text(self) -> str:
        """All of it."""
        return "\n".join((*self._head(), "", *self._hours(), "", *self._memory(), "", *self._beyond()))

    def _head(self) -> Iterator[str]:
        ends = Counter(each.kind for each in self.finished)
        yield (
            f"{len(self.finished)} reviews in {self.minutes:g} minutes, {self.per_second:.1f} a second "
            f"on average: {self.per_second * 86_400:,.0f} a day."
        )
        yield ""
        yield f"- goodput: {self.goodput:.2%} of all callers got a decision ({_counted(ends)})"
        yield f"- calls that were refused or failed, and made again: {_counted(self.refused) or 'none'}"
        yield (
            f"- the checker: {self.checked.violations} violations in {self.checked.runs} runs, "
            f"{self.checked.events} events and {self.checked.model_calls} calls to the model; "
            f"{self.checked.take_overs} take-overs, {self.checked.double_paid_attempts} attempts paid twice"
        )
        for each in self.happenings:
            yield f"- {each}"

    def _hours(self) -> Iterator[str]:
        yield "| hours | reviews | p50, s | p95, s | p99, s | longest, s |"
        yield "| --- | ---: | ---: | ---: | ---: | ---: |"
        for begins in range(0, 24, _HOURS):
            seconds = [each.seconds for each in self.finished if begins <= each.hour < begins + _HOURS]
            if seconds:
                shown = " | ".join(f"{percentile(seconds, share):.2f}" for share in _SHARES)
                yield f"| {begins} to {begins + _HOURS} | {len(seconds)} | {shown} |"

    def _memory(self) -> Iterator[str]:
        yield "| process | memory at first, MiB | at most | at last | CPU, s |"
        yield "| --- | ---: | ---: | ---: | ---: |"
        for name, weight in sorted(self.weights.items()):
            yield (
                f"| {name} | {weight.first:.0f} | {weight.most:.0f} | {weight.last:.0f} "
                f"| {weight.cpu_seconds:.0f} |"
            )

    def _beyond(self) -> Iterator[str]:
        reviews = max(1, self.checked.runs)
        disk, log = self.database / reviews, self.log / reviews
        cpu = sum(weight.cpu_seconds for weight in self.weights.values()) / reviews
        yield (
            f"Measured: {disk * 1024:.1f} KiB of database, {log * 1024:.1f} KiB of its log and "
            f"{cpu * 1000:.0f} ms of CPU in all processes of both services a review."
        )
        yield (
            f"Worked out and not measured, for {A_DAY:,} reviews a day: {disk * A_DAY / 1024:.0f} GiB of "
            f"database, {log * A_DAY / 1024:.0f} GiB of log, and {cpu * A_DAY / 86_400:.1f} cores for both "
            "services on average."
        )


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
