"""What `consensus doctor --model` shows of the routes to models."""

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Final

from consensus.v1 import review_service_pb2
from consensus_cli.view.tables import table
from consensus_report import text

# Models whose provider has announced when they end, of those that this release names itself.
ANNOUNCED_ENDS: Final = {"gpt-5.1": date(2027, 4, 1)}

_HEADINGS = (
    "",
    "route",
    "model",
    "reachable",
    "protocol",
    "schema enforced",
    "temperature",
    "latency",
    "price",
)


def announced_ends(models: Sequence[str], today: date) -> Iterator[tuple[bool, str]]:
    """For each model whose end is announced: whether it is still to come, and a sentence about it."""
    for name in dict.fromkeys(models):
        end = ANNOUNCED_ENDS.get(name)
        if end is not None:
            has_time = today < end
            verb = "is announced to end" if has_time else "was announced to end"
            yield has_time, f"{name} {verb} on {end}; name another in OPENAI_MODEL before that"


def probe_lines(probes: Sequence[review_service_pb2.ModelRouteProbe]) -> Iterator[str]:
    """A table with a row for each route, and below it why the unusable ones are that."""
    yield from table(_HEADINGS, [_row(each) for each in probes])
    for each in probes:
        route = text.clean(each.route)
        if not each.usable:
            yield f"{route}: {text.clean(each.message)}"
        elif each.dropped_parameters:
            names = ", ".join(map(text.clean, each.dropped_parameters))
            yield f"{route}: does not take {names}"


def _row(probe: review_service_pb2.ModelRouteProbe) -> list[str]:
    enforced = probe.schema_enforced if probe.HasField("schema_enforced") else None
    taken = probe.temperature_taken if probe.HasField("temperature_taken") else None
    seconds = probe.latency.ToMicroseconds() / 1_000_000
    return [
        "ok" if probe.usable else "FAILED",
        text.clean(probe.route),
        text.clean(probe.answered_model or probe.requested_model),
        _answer(probe.reachable),
        text.clean(probe.protocol) if probe.reachable else "",
        _answer(enforced),
        {True: "taken", False: "not taken", None: ""}[taken],
        text.duration(seconds) if probe.HasField("latency") else "",
        text.money(probe.cost) if probe.HasField("cost") else "",
    ]


def _answer(value: bool | None) -> str:
    return {True: "yes", False: "no", None: ""}[value]
