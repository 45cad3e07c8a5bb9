"""What expressions of PromQL ask for: read by a parser, from the dashboard and the alert rules."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import promql_parser
import yaml

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
DASHBOARD = DEPLOY / "grafana" / "consensus.json"
ALERTS = DEPLOY / "prometheus" / "alerts.yaml"

_RATE_INTERVAL = "$__rate_interval"  # Grafana's; no part of PromQL


@dataclass(frozen=True, slots=True)
class Selector:
    """The series that an expression asks for: the metric, and what its labels must be."""

    metric: str
    labels: frozenset[str]
    values: frozenset[tuple[str, str]]
    """Of labels that must be equal to one."""


@dataclass(frozen=True, slots=True)
class Expression:
    """One expression, whence it is, and what it asks for; `grouped`: the labels that it sums by."""

    where: str
    text: str
    selectors: tuple[Selector, ...]
    grouped: frozenset[str]


@dataclass(frozen=True, slots=True)
class Panel:
    """A panel of the dashboard, with its expressions."""

    title: str
    expressions: tuple[Expression, ...]


def panels() -> list[Panel]:
    """The panels of the dashboard that show something."""
    described = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    return [
        Panel(each["title"], tuple(parse(each["title"], target["expr"]) for target in each["targets"]))
        for each in described
        if each["type"] != "row"
    ]


def alerts() -> list[dict[str, Any]]:
    """The alert rules, as they are written."""
    groups = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def expressions() -> list[Expression]:
    """All that the dashboard and the alerts ask for."""
    of_alerts = [parse(rule["alert"], rule["expr"]) for rule in alerts()]
    return [*(each for panel in panels() for each in panel.expressions), *of_alerts]


def parse(where: str, text: str) -> Expression:
    """An expression read.

    Raises:
        ValueError: it is no PromQL.
    """
    selectors: list[Selector] = []
    grouped: set[str] = set()

    def note(node: Any) -> None:
        if isinstance(node, promql_parser.VectorSelector):
            selectors.append(_selector(node))
        elif isinstance(node, promql_parser.AggregateExpr) and node.modifier is not None:
            grouped.update(node.modifier.labels)

    promql_parser.walk(promql_parser.parse(text.replace(_RATE_INTERVAL, "5m")), note)
    return Expression(where, text, tuple(selectors), frozenset(grouped))


def templated_labels(rule: dict[str, Any]) -> Iterator[str]:
    """The labels that an alert's words name."""
    yield from re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"])


def _selector(node: promql_parser.VectorSelector) -> Selector:
    matchers = node.matchers.matchers
    equal = promql_parser.MatchOp.Equal
    return Selector(
        str(node.name),
        frozenset(each.name for each in matchers),
        frozenset((each.name, each.value) for each in matchers if each.op == equal),
    )
