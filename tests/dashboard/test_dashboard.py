"""A real Prometheus that scrapes what `make up` started: every panel has data after ten reviews."""

import pytest

from tests.dashboard.conftest import Prometheus, until
from tests.support.promql import alerts, panels

PANELS = {panel.title: panel for panel in panels()}


@pytest.mark.parametrize("title", PANELS)
def test_a_panel_has_data(prometheus: Prometheus, title: str) -> None:
    asked = [each.text.replace("$__rate_interval", "1m") for each in PANELS[title].expressions]
    found: list[int] = []

    def has_data() -> bool:
        found[:] = [len(prometheus.series(expression)) for expression in asked]
        return any(found)

    until(has_data, f"{title}: no series")
    print(f"{title}: {' + '.join(map(str, found))} series")


def test_every_rule_is_evaluated_without_an_error(prometheus: Prometheus) -> None:
    def rules() -> list[tuple[str, str, str]]:
        groups = prometheus.get("rules")["groups"]
        return [(each["name"], each["health"], each["state"]) for group in groups for each in group["rules"]]

    until(lambda: {health for _, health, _ in rules()} == {"ok"}, "rules are not evaluated")
    assert {name for name, _, _ in rules()} == {rule["alert"] for rule in alerts()}
    assert [name for name, _, state in rules() if state == "firing"] == []
