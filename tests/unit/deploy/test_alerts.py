"""Each alert says how grave it is, what happened, and where it is written what to do."""

import re
from pathlib import Path

import pytest

from tests.support.promql import alerts, panels

ROOT = Path(__file__).resolve().parents[3]
ALERTS = {rule["alert"]: rule for rule in alerts()}


def paragraphs() -> dict[str, str]:
    """The text below each heading of docs/operations.md, by the anchor that leads there."""
    text = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    parts = re.split(r"^#{2,3} (.+)$", text, flags=re.MULTILINE)
    return {
        heading.lower().replace(" ", "-"): body.strip()
        for heading, body in zip(parts[1::2], parts[2::2], strict=True)
    }


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_leads_to_what_to_do(name: str) -> None:
    rule = ALERTS[name]
    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert re.fullmatch(r"\d+m", rule["for"])
    assert rule["annotations"]["summary"]
    page, _, anchor = rule["annotations"]["runbook"].partition("#")
    assert (page, anchor) == ("docs/operations.md", name.lower())
    assert len(paragraphs()[anchor]) > 200


def test_every_alert_has_a_name_of_its_own_and_every_paragraph_an_alert() -> None:
    assert len(ALERTS) == len(alerts())
    text = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^### (Consensus\w+)$", text, re.MULTILINE)) == set(ALERTS)


def test_every_panel_says_what_it_shows_and_none_twice() -> None:
    titles = [panel.title for panel in panels()]
    assert len(set(titles)) == len(titles) > 20


def test_panels_that_the_paragraphs_name_are_there() -> None:
    titles = {panel.title for panel in panels()}
    of_alerts = [paragraphs()[name.lower()] for name in ALERTS]
    named = {" ".join(each.split()) for text in of_alerts for each in re.findall(r"\*([^*]+)\*", text)}
    assert named - titles == set()
